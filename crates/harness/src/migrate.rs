//! `rollcage migrate`: what a file or a cluster configures, what the locations in it have, and what would fail.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::Client;
use rollcage_api::plugin::PluginEntry;
use rollcage_controller::{
    cluster::Cluster,
    connect,
    migrate::{Probe, Report, Situation, allowed, configuration, examine, locations, read},
};
use rollcage_core::{
    Fault, FaultKind, Phase, PluginId,
    host::{NoCluster, Secrets},
};
use rollcage_registry::{ConfigFile, ConfigMap};
use rollcage_store::{Identity, NativeFormat, Store, StoreConfig, identify};
use serde_json::Value;

use crate::{
    error::CommandError,
    files::read_text,
    inspect::missing,
    workbench::{Program, Workbench},
};

/// Largest file: a whole cluster, written by kubectl.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Locations that are asked at the same time.
const AT_ONCE: usize = 4;

/// Longest time for one location.
const LOCATION: Duration = Duration::from_mins(2);

/// What is to be looked at.
#[derive(Clone, Debug, Default)]
pub struct MigrateOptions {
    /// The cluster that the kubeconfig names.
    pub cluster: bool,
    /// Manifests. Their ConfigMaps come before those of the cluster.
    pub file: Option<PathBuf>,
    /// Namespace of the stock controller's configuration.
    pub namespace: String,
    /// The instance id that Rollcage is going to have.
    pub instance_id: String,
    /// Also tell what the controller has to be allowed.
    pub rights: bool,
    /// Namespace and name of the controller's service account.
    pub account: (String, String),
    /// Do not ask the locations of plugins.
    pub offline: bool,
}

/// Looks, and tells what would fail.
pub async fn migrate(workbench: &Workbench, options: &MigrateOptions) -> Result<Report, CommandError> {
    let mut situation = Situation {
        bundled: workbench.bundled().to_vec(),
        instance_id: options.instance_id.clone(),
        account: options.rights.then(|| options.account.clone()),
        now: Timestamp::now(),
        ..Situation::default()
    };
    let client = if options.cluster {
        let client = connect::client().await.map_err(unreachable)?;
        read(&client, &options.namespace, &mut situation)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        Some(client)
    } else {
        None
    };
    if let Some(file) = &options.file {
        read_file(file, &mut situation)?;
    }
    if !options.offline {
        situation.probes = ask(workbench, &situation, client.clone(), &options.namespace).await?;
    }
    let mut report = examine(&situation);
    if let Some(client) = client {
        allowed(&client, &mut report).await;
    }
    Ok(report)
}

fn unreachable(message: String) -> CommandError {
    CommandError::Unreachable {
        message,
        hint: "name a kubeconfig by the variable KUBECONFIG, or look at a file: -f".to_owned(),
    }
}

/// ConfigMaps and other objects of a file: documents, and lists as kubectl writes them.
fn read_file(path: &Path, situation: &mut Situation) -> Result<(), CommandError> {
    let file = path.display().to_string();
    let wrong = |cause: String| {
        CommandError::usage(
            cause,
            "name a file with the ConfigMap argo-rollouts-config: kubectl get configmap argo-rollouts-config -n argo-rollouts -o yaml",
        )
    };
    let text = read_text(path, MAX_FILE_BYTES).map_err(|cause| wrong(format!("{file}: {cause}")))?;
    let mut objects = Vec::new();
    for document in rollcage_api::yaml::documents(&file, &text) {
        let read = document.and_then(|document| document.read::<Value>());
        flatten(read.map_err(|error| wrong(error.to_string()))?, &mut objects);
    }
    let before = (situation.objects.len(), situation.maps.clone());
    for object in objects {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match ConfigFile::ALL
            .into_iter()
            .find(|one| kind == "ConfigMap" && one.name() == name)
        {
            Some(ConfigFile::Rollcage) => situation.maps.rollcage = data(&object),
            Some(_) => situation.maps.argo = data(&object),
            None if kind.is_empty() => return Err(wrong(format!("{file}: there is a document without a kind"))),
            None => situation.objects.push(object),
        }
    }
    if before == (situation.objects.len(), situation.maps.clone()) {
        return Err(wrong(format!("{file}: there is nothing in it")));
    }
    Ok(())
}

fn flatten(object: Value, objects: &mut Vec<Value>) {
    match object {
        Value::Null => {}
        Value::Object(mut fields)
            if fields
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.ends_with("List")) =>
        {
            if let Some(Value::Array(items)) = fields.remove("items") {
                for item in items {
                    flatten(item, objects);
                }
            }
        }
        object => objects.push(object),
    }
}

fn data(object: &Value) -> ConfigMap {
    let fields = object.get("data").and_then(Value::as_object);
    let texts = fields.into_iter().flatten();
    let texts = texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    ConfigMap::Present(texts.collect())
}

/// What the locations have. Nothing is taken from the cache: whether they answer is the question.
async fn ask(
    workbench: &Workbench,
    situation: &Situation,
    client: Option<Client>,
    namespace: &str,
) -> Result<BTreeMap<PluginId, Probe>, CommandError> {
    let folder = tempfile::tempdir().map_err(|error| no_folder(&error))?;
    let config = StoreConfig {
        foreign: true,
        attempts: 2,
        total_timeout: LOCATION,
        ..StoreConfig::default()
    };
    let store = Store::open(folder.path(), config).map_err(|error| no_folder(&error))?;
    let has_cluster = client.is_some();
    let secrets: Arc<dyn Secrets> = match client {
        Some(client) => Arc::new(Cluster::new(client, namespace)),
        None => Arc::new(NoCluster),
    };
    let configuration = configuration(situation);
    let wanted: Vec<(PluginId, PluginEntry)> = locations(&configuration)
        .filter(|(_, _, entry)| can_be_asked(entry, has_cluster))
        .map(|(id, _, entry)| (id.clone(), entry.clone()))
        .collect();
    let probes = stream::iter(wanted).map(|(id, entry)| {
        let (store, secrets) = (&store, &secrets);
        async move {
            let probe = probe(workbench, store, &id, &entry, &**secrets).await;
            (id, probe)
        }
    });
    Ok(probes.buffer_unordered(AT_ONCE).collect().await)
}

fn no_folder(error: &dyn std::fmt::Display) -> CommandError {
    CommandError::usage(
        format!("there is no folder to fetch plugins into: {error}"),
        "set TMPDIR, or look without fetching: --offline",
    )
}

/// Files are those of a pod, unless they happen to be here; without a cluster there are no Secrets for headers.
fn can_be_asked(entry: &PluginEntry, has_cluster: bool) -> bool {
    match entry.location.split_once("://") {
        Some(("file", path)) => Path::new(path).is_absolute() && Path::new(path).is_file(),
        _ => entry.headers_from.is_empty() || has_cluster,
    }
}

async fn probe(
    workbench: &Workbench,
    store: &Store,
    id: &PluginId,
    entry: &PluginEntry,
    secrets: &dyn Secrets,
) -> Probe {
    match tokio::time::timeout(LOCATION, look(workbench, store, id, entry, secrets)).await {
        Ok(Ok(probe)) => probe,
        Ok(Err(fault)) => Probe::Failed(fault),
        Err(_) => Probe::Failed(Box::new(Fault::new(
            id,
            Phase::Fetch,
            FaultKind::Unreachable,
            format!("{} did not hand out the plugin within {LOCATION:?}", entry.location),
            "look at the server, or look without fetching: --offline",
        ))),
    }
}

async fn look(
    workbench: &Workbench,
    store: &Store,
    id: &PluginId,
    entry: &PluginEntry,
    secrets: &dyn Secrets,
) -> Result<Probe, Box<Fault>> {
    let fetched = store.fetch(id, entry, secrets).await?;
    let identity = identify(&fetched.bytes);
    if let Identity::Native {
        format, architectures, ..
    } = &identity
    {
        return Ok(Probe::Native {
            format: identity.to_string(),
            architectures: architectures.iter().map(ToString::to_string).collect(),
            is_linux: *format == NativeFormat::Elf,
        });
    }
    let other = |error: CommandError| match error {
        CommandError::Fault(fault) => fault,
        error => Box::new(Fault::new(
            id,
            Phase::Link,
            FaultKind::Host,
            error.to_string(),
            error.hint(),
        )),
    };
    let found = workbench.look_at(id, &fetched).await.map_err(other)?;
    let Program::Component(component) = &found.program else {
        // Handled above.
        return Err(Box::new(Fault::new(
            id,
            Phase::Verify,
            FaultKind::NotAPlugin,
            "neither a component nor an executable",
            identity.hint(),
        )));
    };
    let plugin = workbench.component(id, component, entry).map_err(other)?;
    let description = plugin.describe().await?;
    Ok(Probe::Component {
        missing: missing(&description.wants, &entry.permissions),
    })
}
