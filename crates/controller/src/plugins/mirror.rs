//! Objects that stand for entries that are written elsewhere: what they are called, and what they hold.

use std::{collections::BTreeMap, fmt::Write as _};

use kube::{ResourceExt as _, api::DynamicObject};
use rollcage_api::plugin_object::{API_VERSION, KIND, SOURCE_LABEL};
use rollcage_core::PluginId;
use rollcage_registry::{ConfigFile, PluginStatus, Snapshot, config::shown_location};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Longest part of a mirror's name that is taken from the plugin's; a name has 253 at most.
const READABLE: usize = 180;

/// An object that should be there for an entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mirror {
    /// `configmap` or `bundled`.
    pub(super) label: &'static str,
    /// What is shown of the entry. Arguments, environment and grants are not: they may hold what is for those alone who may
    /// read the ConfigMap.
    pub(super) spec: Value,
}

impl Mirror {
    /// The object.
    pub(super) fn object(&self, name: &str, namespace: &str) -> Value {
        json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name, "namespace": namespace, "labels": {SOURCE_LABEL: self.label}},
            "spec": self.spec
        })
    }
}

/// The label's value, if it is an object of ours.
pub(super) fn label(object: &DynamicObject) -> Option<&str> {
    object.labels().get(SOURCE_LABEL).map(String::as_str)
}

/// The mirrors that should be there, by name. `is_foreign` tells whether a name is that of an object that is not ours.
pub(super) fn wanted(snapshot: &Snapshot, is_foreign: impl Fn(&str) -> bool) -> BTreeMap<String, Mirror> {
    let mut mirrors = BTreeMap::new();
    for plugin in snapshot.plugins.values() {
        let Some(mirror) = mirror(plugin) else { continue };
        let name = name_of(&plugin.id);
        let name = if is_foreign(&name) {
            format!("{name}-configmap")
        } else {
            name
        };
        if !is_foreign(&name) {
            mirrors.insert(name, mirror);
        }
    }
    mirrors
}

fn mirror(plugin: &PluginStatus) -> Option<Mirror> {
    let label = match plugin.source.file {
        ConfigFile::Argo | ConfigFile::Rollcage => "configmap",
        ConfigFile::Bundled | ConfigFile::Entry => "bundled",
        ConfigFile::Object => return None,
    };
    let (kind, name) = shown(plugin);
    let mut spec = json!({"kind": kind, "name": name});
    if let (Some(entry), Some(fields)) = (&plugin.entry, spec.as_object_mut()) {
        let location = shown_location(&entry.location);
        if !location.is_empty() {
            fields.insert("location".to_owned(), json!(location));
        }
        // Of a disabled entry nothing is checked, and the definition refuses what is wrong.
        if !entry.sha256.is_empty() && !entry.disabled {
            fields.insert("sha256".to_owned(), json!(entry.sha256));
        }
        if entry.disabled {
            fields.insert("disabled".to_owned(), json!(true));
        }
    }
    Some(Mirror { label, spec })
}

/// Kind and name as a mirror shows them. A name that the definition would refuse is shown as its place.
pub(super) fn shown(plugin: &PluginStatus) -> (String, String) {
    let (file, name) = (plugin.source.file, &plugin.id.name);
    let kind = format!("{:?}", plugin.id.kind);
    let place = format!("{file}:");
    if plugin.entry.is_some() || is_good(name) || name.starts_with(&place) {
        return (kind, name.clone());
    }
    let printable: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    (kind, format!("{place}{printable}"))
}

fn is_good(name: &str) -> bool {
    let part = |text: &str, more: &[char]| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || more.contains(&c))
    };
    name.split_once('/')
        .is_some_and(|(namespace, rest)| part(namespace, &[]) && part(rest, &['_', '.']))
}

/// The name of the object that stands for a plugin's entry: `<kind>.<namespace>.<name>`. What a Kubernetes name cannot hold
/// is replaced, and then a digest keeps names apart.
pub fn name_of(id: &PluginId) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(plain) && !part.starts_with('-') && !part.ends_with('-');
    let kind = id.kind.world();
    if let Some((namespace, rest)) = id.name.split_once('/')
        && is_part(namespace)
        && is_part(rest)
        && id.name.len() <= READABLE
    {
        return format!("{kind}.{namespace}.{rest}");
    }
    let mut readable = String::new();
    for c in id.name.chars().flat_map(char::to_lowercase).take(READABLE) {
        match c {
            c if plain(c) && c != '-' => readable.push(c),
            // One separator between two letters, whatever stood there.
            _ if readable.is_empty() || readable.ends_with('-') => {}
            _ => readable.push('-'),
        }
    }
    let digest = Sha256::digest(id.name.as_bytes());
    let mut suffix = String::new();
    for byte in digest.iter().take(5) {
        // Writing to a text does not fail.
        let _ = write!(suffix, "{byte:02x}");
    }
    match readable.trim_end_matches('-') {
        "" => format!("{kind}.{suffix}"),
        readable => format!("{kind}.{readable}-{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rollcage_api::plugin::PluginKind;

    use super::*;

    fn of(text: &str) -> String {
        name_of(&PluginId {
            kind: PluginKind::MetricProvider,
            name: text.to_owned(),
        })
    }

    #[test]
    fn names_are_readable_valid_and_different() {
        assert_eq!(
            of("argoproj-labs/prometheus"),
            "metric-provider.argoproj-labs.prometheus"
        );
        let all = [
            "a/b",
            "A/b",
            "a/B",
            "a.b",
            "a/b.c",
            "a/b-c",
            "a/b_c",
            "a/b_",
            "a/-b",
            "",
            "/",
            "💥",
            "a//b",
            "rollcage-config:metricProviderPlugins",
            "rollcage-config:metricProviderPlugins[3]",
            &"x/".repeat(100),
            &format!("a/{}", "b".repeat(250)),
        ]
        .map(of);
        for name in &all {
            assert!(name.len() <= 253, "{name}");
            assert!(
                name.split('.').all(|label| !label.is_empty()
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')),
                "{name}"
            );
        }
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}
