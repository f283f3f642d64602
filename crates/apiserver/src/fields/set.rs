//! A set of field paths, as `fieldsV1` writes it.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::{Map, Value};

/// Paths as a tree. An edge is a path element as written in `fieldsV1`: `f:NAME`, `k:{KEYS}` or `v:VALUE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    /// Whether the path that ends here is in the set.
    pub member: bool,
    pub children: BTreeMap<String, Set>,
}

impl Set {
    pub(crate) fn leaf() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds a branch, unless there is nothing on it.
    pub(crate) fn attach(&mut self, element: String, child: Self) {
        if child.is_empty() {
            return;
        }
        match self.children.entry(element) {
            Entry::Vacant(place) => {
                place.insert(child);
            }
            Entry::Occupied(mut there) => there.get_mut().add(&child),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().add(child);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        self.children.retain(|element, child| {
            if let Some(other) = other.children.get(element) {
                child.subtract(other);
            }
            !child.is_empty()
        });
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self {
            member: self.member && other.member,
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            if let Some(other) = other.children.get(element) {
                both.attach(element.clone(), child.intersection(other));
            }
        }
        both
    }

    /// Every path, as `.spec.containers[name="x"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    fn collect(&self, path: &mut String, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.clone());
        }
        for (element, child) in &self.children {
            let length = path.len();
            path.push_str(&shown(element));
            child.collect(path, paths);
            path.truncate(length);
        }
    }

    pub(crate) fn to_fields_v1(&self) -> Map<String, Value> {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            map.insert(element.clone(), Value::Object(child.to_fields_v1()));
        }
        map
    }

    /// Reads `fieldsV1`. What it does not understand is left out.
    pub(crate) fn from_fields_v1(map: &Map<String, Value>) -> Self {
        let mut set = Self::default();
        for (element, child) in map {
            let Value::Object(child) = child else { continue };
            if element == "." {
                set.member = true;
            } else if let Some(element) = canonical(element) {
                let mut below = Self::from_fields_v1(child);
                below.member |= child.is_empty();
                set.attach(element, below);
            }
        }
        set
    }
}

/// A path element with its JSON in the one form that is compared.
fn canonical(element: &str) -> Option<String> {
    let (kind, rest) = element.split_once(':')?;
    match kind {
        "f" => Some(element.to_owned()),
        "v" | "k" => {
            let mut value: Value = serde_json::from_str(rest).ok()?;
            if let Value::Object(keys) = &mut value {
                keys.sort_keys();
            }
            Some(format!("{kind}:{value}"))
        }
        _ => None,
    }
}

fn shown(element: &str) -> String {
    match element.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some((_, value)) => format!("[={value}]"),
        None => String::new(),
    }
}
