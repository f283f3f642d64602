//! Plugin objects as a third source of entries.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use rollcage_api::{plugin::PluginKind, yaml};
use rollcage_core::{Fault, PluginId};
use serde_json::Value;

use super::{ConfigFile, Configuration, MAX_ENTRIES, MAX_SHOWN_NAME, Source, text::Item, wanted};

/// A Plugin object, as far as it is configuration. Objects that stand for entries of ConfigMaps are none.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginObject {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`: of two objects for one plugin the older one counts.
    pub created: Option<Timestamp>,
    /// `spec`, whatever it is.
    pub spec: Value,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// `metadata.uid` of the object that was read.
    pub uid: String,
    /// `metadata.generation` of the object that was read.
    pub generation: i64,
    /// What it is.
    pub verdict: Verdict,
}

/// Whether an object configures a plugin.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It does.
    Accepted(PluginId),
    /// It is this plugin's entry, and a wrong one.
    Wrong(PluginId, Arc<Fault>),
    /// It does not even say which plugin is meant.
    Unusable {
        /// What is wrong.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// The plugin is configured elsewhere.
    Duplicate {
        /// The plugin.
        id: PluginId,
        /// Where.
        of: String,
    },
}

impl Verdict {
    /// The plugin whose state is the object's.
    pub fn plugin(&self) -> Option<&PluginId> {
        match self {
            Self::Accepted(id) | Self::Wrong(id, _) => Some(id),
            Self::Unusable { .. } | Self::Duplicate { .. } => None,
        }
    }
}

/// Adds what objects want to what ConfigMaps want, and tells what became of each object, by its name.
pub fn add_objects(objects: &[PluginObject], configuration: &mut Configuration) -> BTreeMap<String, Judged> {
    let mut oldest_first: Vec<&PluginObject> = objects.iter().collect();
    oldest_first.sort_by_key(|object| (object.created, &object.name));
    let mut taken: HashMap<PluginId, &str> = HashMap::new();
    let mut judged = BTreeMap::new();
    for (index, object) in oldest_first.into_iter().enumerate() {
        let verdict = if index < MAX_ENTRIES {
            judge(object, configuration, &mut taken)
        } else {
            Verdict::Unusable {
                cause: format!("only the first {MAX_ENTRIES} objects are read"),
                hint: "remove objects that are not needed".to_owned(),
            }
        };
        let (uid, generation) = (object.uid.clone(), object.generation);
        judged.insert(
            object.name.clone(),
            Judged {
                uid,
                generation,
                verdict,
            },
        );
    }
    judged
}

fn judge<'o>(
    object: &'o PluginObject,
    configuration: &mut Configuration,
    taken: &mut HashMap<PluginId, &'o str>,
) -> Verdict {
    let (id, item) = match identify(object) {
        Ok(identified) => identified,
        Err(verdict) => return verdict,
    };
    if let Some(older) = taken.get(&id) {
        let of = format!("{} {older}, which is older", ConfigFile::Object);
        return Verdict::Duplicate { id, of };
    }
    if let Some(other) = configuration.plugins.get(&id)
        && other.source.file != ConfigFile::Bundled
    {
        let of = format!("the ConfigMap {}", other.source);
        return Verdict::Duplicate { id, of };
    }
    let source = Source {
        object: Some(Arc::from(object.name.as_str())),
        ..Source::new(ConfigFile::Object, id.kind, 0)
    };
    let wanted = wanted(&id, source, &item);
    taken.insert(id.clone(), &object.name);
    let verdict = match &wanted.entry {
        Ok(_) => Verdict::Accepted(id.clone()),
        Err(fault) => Verdict::Wrong(id.clone(), fault.clone()),
    };
    configuration.plugins.insert(id, wanted);
    verdict
}

/// Which plugin an object is about.
fn identify(object: &PluginObject) -> Result<(PluginId, Item), Verdict> {
    let unusable = |cause: String, hint: &str| Verdict::Unusable {
        cause,
        hint: hint.to_owned(),
    };
    let Value::Object(mut fields) = object.spec.clone() else {
        return Err(unusable(
            "there is no spec".to_owned(),
            "write a spec with kind, name and location",
        ));
    };
    let kind = fields.shift_remove("kind").unwrap_or_default();
    let kind: PluginKind = serde_json::from_value(kind.clone()).map_err(|_| {
        unusable(
            format!("kind: {kind} is no kind of plugin"),
            "write MetricProvider, TrafficRouter or Step",
        )
    })?;
    // As the same text in a ConfigMap would be read.
    let text = Value::Object(fields).to_string();
    let document = yaml::document_like_argo("", &text)
        .map_err(|error| unusable(error.cause, "write the fields of a plugin entry into spec"))?;
    let item = Item::new(document);
    let name = match item.name() {
        Some(name) if !name.is_empty() => name.chars().take(MAX_SHOWN_NAME).collect(),
        _ => {
            let cause = "name: there is no name".to_owned();
            return Err(unusable(
                cause,
                "write the name as <namespace>/<name>, such as argoproj-labs/prometheus",
            ));
        }
    };
    Ok((PluginId { kind, name }, item))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Bundled, ConfigMap, ConfigMaps, Remembered, read};

    fn object(name: &str, second: i64, spec: Value) -> PluginObject {
        PluginObject {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            generation: 1,
            created: Timestamp::from_second(second).ok(),
            spec,
        }
    }

    fn entry(name: &str, location: &str) -> Value {
        json!({"kind": "Step", "name": name, "location": location})
    }

    fn configured(text: &str) -> Configuration {
        let rollcage = ConfigMap::Present([("stepPlugins".to_owned(), text.to_owned())].into());
        let maps = ConfigMaps {
            rollcage,
            ..ConfigMaps::default()
        };
        let bundled = Bundled {
            kind: PluginKind::Step,
            entry: Arc::new(serde_json::from_value(json!({"name": "b/b", "location": "bundled://b"})).unwrap()),
        };
        read(&[bundled], &maps, &mut Remembered::default())
    }

    fn location<'c>(configuration: &'c Configuration, name: &str) -> &'c str {
        let id = PluginId {
            kind: PluginKind::Step,
            name: name.to_owned(),
        };
        &configuration.plugins[&id].entry.as_ref().unwrap().location
    }

    #[test]
    fn the_configmap_wins_then_the_older_object_then_what_is_bundled() {
        let mut all = configured("- {name: a/map, location: 'file:///map'}");
        let judged = add_objects(
            &[
                object("young", 20, entry("a/two", "file:///young")),
                object("old", 10, entry("a/two", "file:///old")),
                object("shadowed", 1, entry("a/map", "file:///object")),
                object("bundled", 1, entry("b/b", "file:///instead")),
            ],
            &mut all,
        );
        assert_eq!(location(&all, "a/map"), "file:///map");
        assert_eq!(location(&all, "a/two"), "file:///old");
        assert_eq!(location(&all, "b/b"), "file:///instead");
        let of = |name: &str| match &judged[name].verdict {
            Verdict::Duplicate { of, .. } => of.clone(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(of("young"), "Plugin object old, which is older");
        assert_eq!(of("shadowed"), "the ConfigMap rollcage-config, stepPlugins, line 1");
        assert!(matches!(&judged["old"].verdict, Verdict::Accepted(id) if id.name == "a/two"));
        let old = &all.plugins[judged["old"].verdict.plugin().unwrap()];
        assert_eq!(old.source.to_string(), "Plugin object old");
    }

    #[test]
    fn a_bad_object_is_bad_alone() {
        let mut all = Configuration::default();
        let judged = add_objects(
            &[
                object("good", 1, entry("a/good", "file:///p")),
                object("where", 1, entry("a/where", "nowhere")),
                object(
                    "limit",
                    1,
                    json!({"kind": "Step", "name": "a/limit", "location": "file:///p", "limits": {"deadline": "x"}}),
                ),
                object("kind", 1, json!({"kind": "Other", "name": "a/b"})),
                object("nameless", 1, json!({"kind": "Step"})),
                object("odd", 1, json!(7)),
            ],
            &mut all,
        );
        let said = |name: &str| match &judged[name].verdict {
            Verdict::Wrong(_, fault) => fault.cause.clone(),
            Verdict::Unusable { cause, .. } => cause.clone(),
            other => format!("{other:?}"),
        };
        assert!(said("good").starts_with("Accepted"));
        assert!(
            said("where").starts_with("Plugin object where: location: "),
            "{}",
            said("where")
        );
        assert!(
            said("limit").starts_with("Plugin object limit: limits.deadline: "),
            "{}",
            said("limit")
        );
        assert_eq!(said("kind"), "kind: \"Other\" is no kind of plugin");
        assert_eq!(said("nameless"), "name: there is no name");
        assert_eq!(said("odd"), "there is no spec");
        assert_eq!(
            all.plugins.len(),
            3,
            "the two that say which plugin they mean are states of it"
        );
    }
}
