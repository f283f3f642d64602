//! Whether a value is what is expected of it: fields that are not named are free.
//!
//! A map expects its fields, a list its items in order, a number its value however it is written, null an absent field.
//! Where a text is found, `{$contains: TEXT}` and `{$matches: REGEX}` (unanchored) expect something of it.

use serde_json::{Map, Value};
use similar::TextDiff;

/// Longest rendering of a value in a difference.
const SHOWN: usize = 300;

/// One place where something else is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Such as `metadata.annotations["a/b"]`; empty is the value itself.
    pub path: String,
    /// What is expected there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// Every place where `found` is not as expected.
pub fn differences(expected: &Value, found: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(String::new(), expected, found, &mut all);
    all
}

/// Unified diff from what is expected to what was found; what is free is taken from `found`.
pub fn diff(expected: &Value, found: &Value) -> String {
    full_diff(&overlay(expected, found), found)
}

/// Unified diff from one value to another, nothing free.
pub fn full_diff(expected: &Value, found: &Value) -> String {
    let yaml = |value: &Value| match value {
        Value::Null => String::new(),
        value => rollcage_api::yaml::to_string(value).unwrap_or_default(),
    };
    let (wanted, found) = (yaml(expected), yaml(found));
    TextDiff::from_lines(&wanted, &found)
        .unified_diff()
        .context_radius(3)
        .header("expected", "found")
        .to_string()
}

/// A value on one line, not too long.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn compare(path: String, expected: &Value, found: &Value, all: &mut Vec<Difference>) {
    let differs = |path: String, expected: String, found: &Value| Difference {
        path,
        expected,
        found: shown(found),
    };
    match (expected, found) {
        (Value::Object(wanted), found) if matcher(wanted).is_some() => {
            if let Some((name, text)) = matcher(wanted)
                && !matcher_holds(name, text, found)
            {
                let verb = if name == CONTAINS {
                    "a text with"
                } else {
                    "a text that matches"
                };
                all.push(differs(path, format!("{verb} {text:?}"), found));
            }
        }
        (Value::Object(wanted), Value::Object(fields)) => {
            for (key, wanted) in wanted {
                let found = fields.get(key).unwrap_or(&Value::Null);
                compare(with_key(&path, key), wanted, found, all);
            }
        }
        (Value::Array(wanted), Value::Array(items)) => {
            if wanted.len() != items.len() {
                let (wanted, found) = (wanted.len(), items.len());
                all.push(Difference {
                    path: path.clone(),
                    expected: format!("{wanted} items"),
                    found: found.to_string(),
                });
            }
            for (index, (wanted, found)) in wanted.iter().zip(items).enumerate() {
                compare(format!("{path}[{index}]"), wanted, found, all);
            }
        }
        (Value::Number(wanted), Value::Number(number)) if wanted.as_f64() == number.as_f64() => {}
        (expected, found) if expected == found => {}
        (expected, found) => all.push(differs(path, shown(expected), found)),
    }
}

const CONTAINS: &str = "$contains";
const MATCHES: &str = "$matches";

/// `{$contains: TEXT}` or `{$matches: REGEX}`.
fn matcher(fields: &Map<String, Value>) -> Option<(&str, &str)> {
    let (name, text) = fields.iter().next()?;
    let known = fields.len() == 1 && (name == CONTAINS || name == MATCHES);
    text.as_str().filter(|_| known).map(|text| (name.as_str(), text))
}

fn matcher_holds(name: &str, text: &str, found: &Value) -> bool {
    let Some(found) = found.as_str() else { return false };
    if name == CONTAINS {
        return found.contains(text);
    }
    // A pattern that is none matches nothing: the difference shows it.
    regex::Regex::new(text).is_ok_and(|pattern| pattern.is_match(found))
}

fn with_key(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{key:?}]"),
    }
}

/// `found` with everything that is expected in its place.
fn overlay(expected: &Value, found: &Value) -> Value {
    match (expected, found) {
        (Value::Object(wanted), found) if matcher(wanted).is_some() => {
            let holds = matcher(wanted).is_some_and(|(name, text)| matcher_holds(name, text, found));
            if holds { found.clone() } else { expected.clone() }
        }
        (Value::Object(wanted), Value::Object(fields)) => {
            let mut fields = fields.clone();
            for (key, wanted) in wanted {
                if wanted.is_null() {
                    fields.shift_remove(key);
                } else {
                    let value = overlay(wanted, fields.get(key).unwrap_or(&Value::Null));
                    fields.insert(key.clone(), value);
                }
            }
            Value::Object(fields)
        }
        (Value::Array(wanted), Value::Array(items)) => {
            let overlaid = wanted
                .iter()
                .enumerate()
                .map(|(index, wanted)| overlay(wanted, items.get(index).unwrap_or(&Value::Null)));
            Value::Array(overlaid.collect())
        }
        (Value::Number(wanted), Value::Number(number)) if wanted.as_f64() == number.as_f64() => found.clone(),
        (expected, _) => expected.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_named_counts() {
        let found = json!({"phase": "Failed", "value": "[0.9]", "n": 1, "list": [{"a": 1, "b": 2}], "m": {"a/b": "x"}});
        for (expected, differs) in [
            (json!({}), vec![]),
            (json!({"n": 1.0, "list": [{"a": 1}]}), vec![]),
            (json!({"absent": null}), vec![]),
            (json!({"value": {"$contains": "0.9"}}), vec![]),
            (json!({"value": {"$matches": r"^\[0\.\d\]$"}}), vec![]),
            (
                json!({"value": {"$matches": "("}}),
                vec![r#"value: expected a text that matches "(", found "[0.9]""#],
            ),
            (
                json!({"phase": "Successful", "value": {"$contains": "1"}}),
                vec![
                    r#"phase: expected "Successful", found "Failed""#,
                    r#"value: expected a text with "1", found "[0.9]""#,
                ],
            ),
            (json!({"list": []}), vec!["list: expected 0 items, found 1"]),
            (json!({"list": [{"b": 3}]}), vec!["list[0].b: expected 3, found 2"]),
            (json!({"m": {"a/b": "y"}}), vec![r#"m["a/b"]: expected "y", found "x""#]),
            (json!({"phase": null}), vec![r#"phase: expected null, found "Failed""#]),
            (json!([1]), vec![&*format!("expected [1], found {}", shown(&found))]),
        ] {
            let found: Vec<String> = differences(&expected, &found).iter().map(ToString::to_string).collect();
            assert_eq!(found, differs, "{expected}");
        }
    }

    #[test]
    fn a_diff_shows_only_what_differs() {
        let found = json!({"phase": "Failed", "value": "[0.9]"});
        let diff = diff(&json!({"phase": "Successful", "value": {"$contains": "0"}}), &found);
        assert!(diff.starts_with("--- expected\n+++ found\n@@ -1,2 +1,2 @@\n"), "{diff}");
        assert!(diff.contains("\n-phase: Successful\n+phase: Failed\n value:"), "{diff}");
    }
}
