//! Between the registry and the rest of the harness: configuration in, states out.

use std::{collections::BTreeMap, sync::Arc};

use rollcage_api::plugin::PluginEntry;
use rollcage_apiserver::{Change, ChangeType};
use rollcage_core::{Fault, FaultKind, Phase, PluginId};
use rollcage_registry::{ConfigFile, ConfigMap, ConfigMaps, PluginStatus, Registry, Snapshot};
use serde_json::{Map, Value};

use crate::{dev::report::PluginReport, error::CommandError};

/// Takes a change of one of the two ConfigMaps; false when it is another one.
pub fn take_config(maps: &mut ConfigMaps, change: &Change) -> bool {
    let map = match change.name.as_str() {
        name if name == ConfigFile::Argo.name() => &mut maps.argo,
        name if name == ConfigFile::Rollcage.name() => &mut maps.rollcage,
        _ => return false,
    };
    *map = if change.change == ChangeType::Deleted {
        ConfigMap::Absent
    } else {
        ConfigMap::Present(data(&change.object))
    };
    true
}

fn data(object: &Value) -> BTreeMap<String, String> {
    let texts = |data: &Map<String, Value>| {
        data.iter()
            .filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())))
            .collect()
    };
    object
        .get("data")
        .and_then(Value::as_object)
        .map(texts)
        .unwrap_or_default()
}

/// Lets the registry serve exactly this entry, and waits until it does.
pub async fn load_one(registry: &Registry, id: &PluginId, entry: &PluginEntry) -> Result<(), CommandError> {
    // JSON is YAML.
    let list = serde_json::to_string(&[entry])
        .map_err(|error| CommandError::usage(format!("the entry cannot be written: {error}"), "this is a defect"))?;
    let data = BTreeMap::from([(id.kind.config_key().to_owned(), list)]);
    registry.configure(&ConfigMaps {
        argo: ConfigMap::Absent,
        rollcage: ConfigMap::Present(data),
    });
    registry.settled().await;
    let snapshot = registry.snapshot();
    // A wrong entry may have a name that is none: then its state stands alone.
    let status = snapshot.plugins.get(id).or_else(|| snapshot.plugins.values().next());
    match status {
        Some(status) if status.state.is_serving() => Ok(()),
        Some(status) => Err(CommandError::from(Box::new(why_not(status)))),
        None => Err(CommandError::usage("the entry names no plugin", "an entry has a name")),
    }
}

fn why_not(status: &PluginStatus) -> Fault {
    status.failure.as_deref().cloned().unwrap_or_else(|| {
        Fault::new(
            &status.id,
            Phase::Resolve,
            FaultKind::Disabled,
            "the entry says disabled",
            "remove disabled: true",
        )
    })
}

/// All states for people and machines.
pub fn reports(snapshot: &Snapshot) -> Vec<PluginReport> {
    snapshot.plugins.values().map(|status| report(status)).collect()
}

fn report(status: &PluginStatus) -> PluginReport {
    let failure: Option<&Arc<Fault>> = status.failure.as_ref();
    PluginReport {
        name: status.id.name.clone(),
        kind: status.id.kind.to_string(),
        state: format!("{:?}", status.state),
        digest: status.serving_digest.as_ref().map(|digest| format!("sha256:{digest}")),
        phase: failure.map(|fault| fault.phase.to_string()),
        cause: failure.map(|fault| fault.cause.clone()),
        hint: failure.map(|fault| fault.hint.clone()),
    }
}
