//! Which lists are merged item by item. Every other list is one value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// How a list is merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ListType {
    /// A set of scalars.
    Set,
    /// Objects told apart by the values of these fields, each with the value it has where it is left out.
    Keyed(Vec<(String, Option<Value>)>),
}

/// The lists of a kind that are merged item by item, by path: names of fields joined by dots, items of lists passed
/// over, as in `spec.template.spec.containers.ports`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists(BTreeMap<String, ListType>, Structs);

/// What holds fields and is always there, if empty, so that nobody manages the whole of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Structs {
    /// `metadata` alone.
    #[default]
    Metadata,
    /// Everything but maps of text, as in the Go types of built-in kinds.
    Types,
}

/// Maps of text: the only ones whose keys are not fields of a Go type.
const MAPS: &[&str] = &[
    "annotations",
    "binaryData",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "requests",
];

/// Lists of a pod's spec, with their keys.
const POD: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("containers.env", &["name"]),
    ("containers.ports", &["containerPort", "protocol"]),
    ("containers.resources.claims", &["name"]),
    ("containers.volumeDevices", &["devicePath"]),
    ("containers.volumeMounts", &["mountPath"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumes", &["name"]),
];

impl Lists {
    /// Those that every object has.
    pub(crate) fn of_metadata() -> Self {
        let mut lists = Self::default().keyed("metadata.ownerReferences", &["uid"]);
        lists.0.insert("metadata.finalizers".into(), ListType::Set);
        lists
    }

    /// Of a kind that the real server decodes into a Go type.
    pub(crate) fn of_types(mut self) -> Self {
        self.1 = Structs::Types;
        self
    }

    /// Whether nobody manages the whole of what is at this path.
    pub(crate) fn is_always_there(&self, path: &str) -> bool {
        let last = path.rsplit('.').next().unwrap_or_default();
        match self.1 {
            _ if path.is_empty() || path == "metadata" => true,
            _ if path.starts_with("metadata.") => false,
            Structs::Metadata => false,
            Structs::Types => !MAPS.contains(&last),
        }
    }

    /// One more list whose items are told apart by these fields. A `protocol` that is left out is TCP.
    #[must_use]
    pub fn keyed(mut self, path: &str, keys: &[&str]) -> Self {
        let key = |key: &&str| ((*key).to_owned(), (*key == "protocol").then(|| "TCP".into()));
        self.0
            .insert(path.into(), ListType::Keyed(keys.iter().map(key).collect()));
        self
    }

    /// Those of a pod's spec at `path`.
    #[must_use]
    pub fn pod_spec(self, path: &str) -> Self {
        POD.iter().fold(self, |lists, (list, keys)| {
            let lists = lists.keyed(&format!("{path}.{list}"), keys);
            match list.strip_prefix("containers") {
                Some(rest) => ["initContainers", "ephemeralContainers"]
                    .iter()
                    .fold(lists, |lists, other| {
                        lists.keyed(&format!("{path}.{other}{rest}"), keys)
                    }),
                None => lists,
            }
        })
    }

    /// Adds those of another.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0
            .extend(other.0.iter().map(|(path, list)| (path.clone(), list.clone())));
    }

    /// Adds what an OpenAPI schema says (`x-kubernetes-list-type`).
    pub(crate) fn read_schema(&mut self, schema: &Value) {
        self.read_at(&mut String::new(), schema);
    }

    fn read_at(&mut self, path: &mut String, schema: &Value) {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(items) = schema.get("items") {
            match text(schema, "x-kubernetes-list-type").as_deref() {
                Some("set") => {
                    self.0.insert(path.clone(), ListType::Set);
                }
                Some("map") => {
                    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                    let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                    let default = |key: &str| items.get("properties")?.get(key)?.get("default").cloned();
                    let keys = keys.map(|key| (key.to_owned(), default(key))).collect();
                    self.0.insert(path.clone(), ListType::Keyed(keys));
                }
                _ => {}
            }
            self.read_at(path, items);
        }
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let length = path.len();
            push(path, name);
            self.read_at(path, property);
            path.truncate(length);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&ListType> {
        self.0.get(path)
    }

    /// The items of a list with the path element of each, if it is merged by item: `k:{"name":"x"}` or `v:"x"`. A list
    /// whose items lack a key or share one is one value.
    pub(crate) fn items<'v>(&self, path: &str, value: &'v Value) -> Option<Vec<(String, &'v Value)>> {
        let list = self.get(path)?;
        let items = value.as_array()?;
        let mut elements = Vec::with_capacity(items.len());
        let mut seen = std::collections::BTreeSet::new();
        for item in items {
            let element = element(list, item)?;
            if !seen.insert(element.clone()) {
                return None;
            }
            elements.push((element, item));
        }
        Some(elements)
    }
}

/// The path element of an item.
pub(crate) fn element(list: &ListType, item: &Value) -> Option<String> {
    let scalar = |value: &Value| !matches!(value, Value::Object(_) | Value::Array(_) | Value::Null);
    match list {
        ListType::Set if scalar(item) => Some(format!("v:{item}")),
        ListType::Set => None,
        ListType::Keyed(keys) => {
            let item = item.as_object()?;
            let mut sorted: Vec<_> = keys.iter().collect();
            sorted.sort_by_key(|(key, _)| key);
            let mut element = Map::new();
            for (key, default) in sorted {
                let value = item.get(key).or(default.as_ref()).filter(|value| scalar(value))?;
                element.insert(key.clone(), value.clone());
            }
            Some(format!("k:{}", Value::Object(element)))
        }
    }
}

/// Goes into a field.
pub(crate) fn push(path: &mut String, field: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(field);
}
