//! Which of all entries is the one that is served.

use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, Phase, PluginId};
use rollcage_registry::config::{ConfigFile, Configuration, Wanted};

/// What is to be served: exactly one plugin, or none for a reason.
pub(super) type Choice = Result<(PluginId, Configuration), Box<Fault>>;

/// This plugin alone.
pub(super) fn only(id: PluginId, wanted: Wanted, notes: Vec<String>) -> (PluginId, Configuration) {
    let plugins = [(id.clone(), wanted)].into();
    (id, Configuration { plugins, notes })
}

/// The entry named `name` out of both ConfigMaps of `namespace`.
pub(super) fn of_config_maps(mut all: Configuration, kind: PluginKind, name: &str, namespace: &str) -> Choice {
    let id = PluginId {
        kind,
        name: name.to_owned(),
    };
    let refused = |kind, cause: String, hint: String| Err(Box::new(Fault::new(&id, Phase::Resolve, kind, cause, hint)));
    let place = |kind: PluginKind| format!("{} of the ConfigMap rollcage-config in {namespace}", kind.config_key());
    match all.plugins.remove(&id) {
        Some(wanted) if is_shim(&wanted) => refused(
            FaultKind::NotConfigured,
            format!(
                "{} is the entry of this shim itself, and there is none of a component",
                wanted.source
            ),
            format!(
                "write the component's entry, with the name {name}, into {}",
                place(kind)
            ),
        ),
        Some(wanted) => Ok(only(id, wanted, all.notes)),
        None => {
            let other = all
                .plugins
                .iter()
                .find(|(other, wanted)| other.name == name && !is_shim(wanted));
            if let Some((other, wanted)) = other {
                return refused(
                    FaultKind::WrongContract,
                    format!(
                        "{} configures it as a {}, but Argo Rollouts has started this shim as a {kind}",
                        wanted.source, other.kind
                    ),
                    format!(
                        "list the shim under {} of argo-rollouts-config, or the component under {}",
                        other.kind.config_key(),
                        place(kind)
                    ),
                );
            }
            // A key that cannot be read may hold it.
            let unread = all.plugins.iter().find_map(|(other, wanted)| {
                let stands_for_key = other.kind == kind && other.name.contains(':');
                wanted.entry.as_ref().err().filter(|_| stands_for_key)
            });
            if let Some(fault) = unread {
                return refused(fault.kind, fault.cause.clone(), fault.hint.clone());
            }
            // So may a ConfigMap that cannot.
            if let Some(note) = all.notes.iter().find(|note| note.contains("cannot be read")) {
                return refused(
                    FaultKind::Unreachable,
                    note.clone(),
                    format!("let the controller's service account get ConfigMaps in {namespace}"),
                );
            }
            refused(
                FaultKind::NotConfigured,
                // Argo's words.
                format!("plugin {name} not configured in configmap"),
                format!("add an entry with this name to {}", place(kind)),
            )
        }
    }
}

/// Whether an entry is that of a shim: of this program, as the stock controller starts it.
fn is_shim(wanted: &Wanted) -> bool {
    let entry = wanted.entry.as_ref();
    wanted.source.file == ConfigFile::Argo
        && entry.is_ok_and(|entry| entry.args.first().is_some_and(|first| first == "shim"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rollcage_registry::config::{ConfigMap, ConfigMaps, Remembered, read};

    use super::*;

    fn map(keys: &[(&str, &str)]) -> ConfigMap {
        let data: BTreeMap<_, _> = keys
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        ConfigMap::Present(data)
    }

    fn choose(argo: ConfigMap, rollcage: ConfigMap) -> Result<String, String> {
        let all = read(&[], &ConfigMaps { argo, rollcage }, &mut Remembered::default());
        let (id, only) =
            of_config_maps(all, PluginKind::MetricProvider, "a/b", "argo").map_err(|fault| fault.to_string())?;
        assert_eq!(only.plugins.len(), 1);
        let entry = only.plugins[&id].entry.as_ref().map_err(ToString::to_string)?;
        Ok(entry.location.clone())
    }

    const SHIM: &str = "[{name: a/b, location: 'file:///rollcage', args: [shim, --entry-from-configmap]}]";

    #[test]
    fn one_entry_is_chosen_and_never_the_shims_own() {
        let wasm = "[{name: x/y, location: 'file:///no'}, {name: a/b, location: 'file:///p.wasm'}]";
        let (metrics, steps) = ("metricProviderPlugins", "stepPlugins");
        assert_eq!(
            choose(map(&[(metrics, SHIM)]), map(&[(metrics, wasm)])).as_deref(),
            Ok("file:///p.wasm")
        );
        assert_eq!(
            choose(map(&[(metrics, wasm)]), ConfigMap::Absent).as_deref(),
            Ok("file:///p.wasm")
        );
        for (argo, rollcage, says) in [
            (
                map(&[(metrics, SHIM)]),
                ConfigMap::Absent,
                "the entry of this shim itself",
            ),
            (
                map(&[(metrics, SHIM)]),
                map(&[]),
                "into metricProviderPlugins of the ConfigMap rollcage-config in argo",
            ),
            (map(&[]), map(&[]), "plugin a/b not configured in configmap"),
            (
                map(&[(metrics, SHIM)]),
                map(&[(steps, wasm)]),
                "the entry of this shim itself",
            ),
            (
                map(&[]),
                map(&[(steps, wasm)]),
                "rollcage-config, stepPlugins, line 1 configures it as a step, but Argo Rollouts has started this shim as a \
                 metric-provider",
            ),
            (
                map(&[]),
                map(&[(metrics, "{")]),
                "rollcage-config, metricProviderPlugins",
            ),
            (ConfigMap::Unreadable("no rights".to_owned()), map(&[]), "no rights"),
            (map(&[]), map(&[(metrics, "[{name: a/b}]")]), "location"),
        ] {
            let error = choose(argo, rollcage).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
