//! One key's text as a list of entries, each read on its own.

use rollcage_api::{
    plugin::PluginEntry,
    yaml::{self, Document, Key, Node, Value, YamlError},
};

use super::check::Problem;

/// Longest text of a key: the API server takes objects of 1.5 MiB at most.
const MAX_TEXT: usize = 2 << 20;

/// Unknown fields of one entry that are told.
const MAX_UNKNOWN: usize = 10;

/// One item of the list.
pub(super) struct Item {
    document: Document,
}

/// Something wrong, with its place.
#[derive(Debug)]
pub(super) struct Wrong {
    /// From 1; 0 when the text as a whole is meant.
    pub(super) line: usize,
    pub(super) field: String,
    pub(super) cause: String,
    pub(super) hint: String,
}

impl Wrong {
    fn new(error: YamlError, hint: impl Into<String>) -> Self {
        Self {
            line: error.line,
            field: error.field,
            cause: error.cause,
            hint: hint.into(),
        }
    }
}

/// The items of a key, or what is wrong with the text as a whole. Read as Argo reads it: field names match in any case,
/// the last of equal keys wins.
pub(super) fn items(text: &str) -> Result<Vec<Item>, Wrong> {
    let whole = |line: usize, cause: String| Wrong {
        line,
        field: String::new(),
        cause,
        hint: String::new(),
    };
    if text.len() > MAX_TEXT {
        return Err(whole(
            0,
            format!("{} bytes are more than any ConfigMap holds", text.len()),
        ));
    }
    let document = yaml::document_like_argo("", text).map_err(|error| Wrong::new(error, ""))?;
    let line = document.mark().line;
    match document.into_items() {
        Some(items) => Ok(items.into_iter().map(|document| Item { document }).collect()),
        None => Err(whole(line, "this is no list of entries".to_owned())),
    }
}

impl Item {
    pub(super) fn new(document: Document) -> Self {
        Self { document }
    }

    pub(super) fn line(&self) -> usize {
        self.document.mark().line
    }

    /// The name, as far as it can be told whatever else is wrong.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.document.root().value {
            Value::Mapping(fields) => fields.iter().rev().find_map(|(key, node)| match &node.value {
                Value::String(name) if key.text.eq_ignore_ascii_case("name") => Some(name.as_str()),
                _ => None,
            }),
            _ => None,
        }
    }

    pub(super) fn entry(&self) -> Result<PluginEntry, Wrong> {
        self.document
            .read()
            .map_err(|error| Wrong::new(error, "correct the field; the other entries are not affected"))
    }

    /// Where a problem with the entry is written.
    pub(super) fn place(&self, problem: Problem) -> Wrong {
        let path: Vec<_> = problem.path.iter().map(String::as_str).collect();
        Wrong::new(self.document.error_at(&path, problem.cause), problem.hint)
    }

    /// Fields that nobody reads, with their lines: most are slips of the pen, and one in `permissions` hurts.
    pub(super) fn unknown_fields(&self) -> Vec<(usize, String)> {
        let mut unknown = Vec::new();
        find_unknown(self.document.root(), "", &mut unknown);
        unknown
    }
}

/// Fields by the place of the mapping that has them; `[]` stands for every item of a list. A mapping that is not here
/// (`env`) has free keys.
pub(super) const FIELDS: [(&str, &[&str]); 12] = [
    (
        "",
        &[
            "name",
            "location",
            "sha256",
            "args",
            "headersFrom",
            "disabled",
            "limits",
            "instances",
            "breaker",
            "unavailable",
            "usableFrom",
            "permissions",
            "env",
        ],
    ),
    ("headersFrom[]", &["secretRef"]),
    ("headersFrom[].secretRef", &["name"]),
    (
        "limits",
        &["deadline", "memory", "concurrency", "queue", "input", "output", "log"],
    ),
    ("instances", &["mode", "max", "calls", "idle"]),
    ("breaker", &["faults", "window", "maxPause"]),
    ("unavailable", &["after", "action"]),
    ("permissions", &["http", "kubernetes", "credentials"]),
    ("permissions.http[]", &["host", "insecure", "ca", "methods"]),
    (
        "permissions.kubernetes[]",
        &["apiGroups", "resources", "verbs", "namespaces", "resourceNames"],
    ),
    (
        "permissions.credentials[]",
        &["name", "secretRef", "header", "hosts", "readable"],
    ),
    ("permissions.credentials[].secretRef", &["name", "key"]),
];

fn find_unknown(node: &Node, place: &str, unknown: &mut Vec<(usize, String)>) {
    match &node.value {
        Value::Sequence(items) => {
            let place = format!("{place}[]");
            for item in items {
                find_unknown(item, &place, unknown);
            }
        }
        Value::Mapping(fields) => {
            let Some((_, known)) = FIELDS.iter().find(|(known, _)| *known == place) else {
                return;
            };
            for (key, node) in fields {
                let Key { mark, text } = key;
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!("{place}.")
                };
                match known.iter().find(|known| known.eq_ignore_ascii_case(text)) {
                    Some(known) => find_unknown(node, &format!("{place}{known}"), unknown),
                    None if unknown.len() < MAX_UNKNOWN => {
                        let shown: String = text.chars().take(60).collect();
                        unknown.push((mark.line, format!("{place}{shown}")));
                    }
                    None => {}
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::schema_for;
    use serde_json::Value as Json;

    use super::*;

    /// The properties of every mapping in a schema, by place.
    fn walk(schema: &Json, root: &Json, place: &str, found: &mut BTreeSet<(String, Vec<String>)>) {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            return walk(&root["$defs"][name], root, place, found);
        }
        for branch in ["anyOf", "oneOf"] {
            for schema in schema[branch].as_array().into_iter().flatten() {
                walk(schema, root, place, found);
            }
        }
        if schema["items"].is_object() {
            walk(&schema["items"], root, &format!("{place}[]"), found);
        }
        if let Some(properties) = schema["properties"].as_object() {
            let mut names: Vec<_> = properties.keys().cloned().collect();
            names.sort();
            found.insert((place.to_owned(), names));
            for (name, schema) in properties {
                let place = if place.is_empty() {
                    name.clone()
                } else {
                    format!("{place}.{name}")
                };
                walk(schema, root, &place, found);
            }
        }
    }

    #[test]
    fn the_known_fields_are_those_of_the_entry() {
        let schema = schema_for!(PluginEntry).to_value();
        let mut found = BTreeSet::new();
        walk(&schema, &schema, "", &mut found);
        let ours: BTreeSet<_> = FIELDS
            .iter()
            .map(|(place, names)| {
                let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
                names.sort();
                ((*place).to_owned(), names)
            })
            .collect();
        assert_eq!(found, ours);
    }
}
