//! Answers without what differs between any two servers, and how two of them differ.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

/// What differs, and where.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Which step's answer.
    pub step: String,
    /// JSON pointer.
    pub path: String,
    real: Option<Value>,
    ours: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| value.as_ref().map_or("(nothing)".to_owned(), ToString::to_string);
        write!(
            f,
            "{} at {}\n    real: {}\n    ours: {}",
            self.step,
            self.path,
            show(&self.real),
            show(&self.ours)
        )
    }
}

/// Gathers every leaf that differs.
pub fn collect(step: &str, path: &str, real: &Value, ours: &Value, found: &mut Vec<Difference>) {
    let differs = |path: String, real: Option<&Value>, ours: Option<&Value>| Difference {
        step: step.to_owned(),
        path,
        real: real.cloned(),
        ours: ours.cloned(),
    };
    match (real, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => collect(step, &path, left, right, found),
                    (left, right) => found.push(differs(path, left, right)),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                collect(step, &format!("{path}/{index}"), left, right, found);
            }
        }
        (left, right) if left == right => {}
        (left, right) => found.push(differs(path.to_owned(), Some(left), Some(right))),
    }
}

/// Names for what a server makes up: the same name for the same thing.
#[derive(Debug)]
pub struct Normal {
    namespace: String,
    /// By object: how others change does not matter.
    versions: BTreeMap<String, BTreeMap<String, usize>>,
    uids: BTreeMap<String, usize>,
}

impl Normal {
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            versions: BTreeMap::new(),
            uids: BTreeMap::new(),
        }
    }

    pub fn of(&mut self, value: &Value) -> Value {
        let is_list = value.get("items").is_some();
        self.walk("", value, is_list)
    }

    fn walk(&mut self, key: &str, value: &Value, is_list: bool) -> Value {
        match value {
            Value::Object(map) => {
                let uid = map.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
                let mut normal = Map::new();
                for (name, value) in map {
                    let value = match (name.as_str(), value) {
                        // A whole server's version moves with what others do.
                        ("resourceVersion", Value::String(_)) if is_list && key == "metadata" => "(version)".into(),
                        ("resourceVersion", Value::String(text)) if !text.is_empty() => {
                            ordinal(self.versions.entry(uid.clone()).or_default(), text)
                        }
                        ("uid", Value::String(text)) => ordinal(&mut self.uids, text),
                        ("continue", Value::String(text)) if !text.is_empty() => "(continue)".into(),
                        // The whole list's elements are no lists.
                        ("items", _) => self.walk(name, value, false),
                        _ => self.walk(name, value, is_list && name == "metadata"),
                    };
                    normal.insert(self.text(name), value);
                }
                if normal.contains_key("generateName") {
                    normal.insert("name".into(), self.generated(map));
                }
                Value::Object(normal)
            }
            Value::Array(values) => {
                let mut normal: Vec<Value> = values.iter().map(|value| self.walk("", value, false)).collect();
                if key == "managedFields" {
                    // Entries of one second stand in no order.
                    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
                    normal.sort_by_key(|entry| ["operation", "subresource", "manager"].map(|key| text(entry, key)));
                }
                Value::Array(normal)
            }
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }

    /// The name is the prefix and five characters.
    fn generated(&self, map: &Map<String, Value>) -> Value {
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
        let rest = text("name")
            .strip_prefix(text("generateName"))
            .unwrap_or("(another prefix)");
        Value::String(format!("(generated, {} more)", self.text(rest).len()))
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.replace(&self.namespace, "NS");
        for (uid, ordinal) in &self.uids {
            text = text.replace(uid.as_str(), &format!("(uid {ordinal})"));
        }
        if text.parse::<jiff::Timestamp>().is_ok() {
            // Whether there are fractions of a second is the same, too.
            return if text.contains('.') {
                "(time.fraction)"
            } else {
                "(time)"
            }
            .into();
        }
        if text.contains("too old resource version") || text.contains("the ResourceVersion in the precondition") {
            text = text.replace(|character: char| character.is_ascii_digit(), "#");
            while text.contains("##") {
                text = text.replace("##", "#");
            }
        }
        text
    }
}

/// The how-manieth that was seen.
fn ordinal(seen: &mut BTreeMap<String, usize>, text: &str) -> Value {
    let next = seen.len() + 1;
    Value::String(format!("(no. {})", seen.entry(text.to_owned()).or_insert(next)))
}
