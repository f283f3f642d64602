//! What a Rollout's arguments are worth (spec 6.2): texts, hashes of its ReplicaSets, and fields of the Rollout itself.

use std::collections::BTreeMap;

use rollcage_api::{
    analysis::Argument,
    template::{PodTemplateHashValue, RolloutArgument},
};
use serde_json::Value;

use crate::template::quoted;

/// Pod-template hashes of the two ReplicaSets of a release.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashes<'a> {
    /// The one that serves now.
    pub stable: &'a str,
    /// The newest.
    pub latest: &'a str,
}

/// Why a field of a Rollout is no argument. The texts are Argo's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No such field of `metadata`.
    #[error("unsupported fieldPath: {0}")]
    Unsupported(String),
    /// `['key']` where no key can be.
    #[error("fieldPath {} does not support subscript", quoted(.0))]
    NoSubscript(String),
    /// A key that no label or annotation can have.
    #[error("invalid key subscript in {0}")]
    Key(String),
    /// An element of a list by something that is no number.
    #[error("invalid index '{0}'")]
    NoIndex(String),
    /// An element that the list does not have.
    #[error("index {0} out of range")]
    OutOfRange(i64),
    /// There is nothing.
    #[error("invalid path {0} in rollout")]
    NoField(String),
    /// There is more than one value.
    #[error("path {0} in rollout must terminate in a primitive value")]
    NoPrimitive(String),
}

/// The arguments with their values. `rollout` is the whole object as JSON.
pub fn rollout_arguments(
    arguments: &[RolloutArgument],
    hashes: Hashes<'_>,
    rollout: &Value,
) -> Result<Vec<Argument>, FieldError> {
    arguments
        .iter()
        .map(|argument| {
            Ok(Argument {
                name: argument.name.clone(),
                value: Some(value(argument, hashes, rollout)?),
                value_from: None,
            })
        })
        .collect()
}

fn value(argument: &RolloutArgument, hashes: Hashes<'_>, rollout: &Value) -> Result<String, FieldError> {
    let Some(from) = &argument.value_from else {
        return Ok(argument.value.clone());
    };
    match (from.pod_template_hash_value, &from.field_ref) {
        (Some(PodTemplateHashValue::Latest), _) => Ok(hashes.latest.to_owned()),
        (Some(PodTemplateHashValue::Stable), _) => Ok(hashes.stable.to_owned()),
        (None, Some(field)) if field.field_path.starts_with("metadata") => metadata_field(&field.field_path, rollout),
        (None, Some(field)) => rollout_field(&field.field_path, rollout),
        (None, None) => Ok(argument.value.clone()),
    }
}

/// A field of `metadata` as Kubernetes' downward API reads it.
fn metadata_field(path: &str, rollout: &Value) -> Result<String, FieldError> {
    let metadata = rollout.get("metadata").unwrap_or(&Value::Null);
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let subscript = path
        .strip_suffix("']")
        .and_then(|path| path.split_once("['"))
        .filter(|(field, _)| !field.is_empty());
    if let Some((field, key)) = subscript {
        let known = match field {
            "metadata.annotations" => is_qualified_name(&key.to_lowercase()).then_some("annotations"),
            "metadata.labels" => is_qualified_name(key).then_some("labels"),
            _ => return Err(FieldError::NoSubscript(path.to_owned())),
        };
        let known = known.ok_or_else(|| FieldError::Key(path.to_owned()))?;
        return Ok(metadata
            .get(known)
            .and_then(|pairs| pairs.get(key))
            .map(text)
            .unwrap_or_default());
    }
    match path {
        "metadata.name" | "metadata.namespace" | "metadata.uid" => {
            let field = path.trim_start_matches("metadata.");
            Ok(metadata.get(field).map(text).unwrap_or_default())
        }
        "metadata.annotations" | "metadata.labels" => {
            let pairs = metadata
                .get(path.trim_start_matches("metadata."))
                .and_then(Value::as_object);
            // Sorted by key.
            let pairs: BTreeMap<&String, &Value> = pairs.into_iter().flatten().collect();
            let lines: Vec<String> = pairs
                .into_iter()
                .map(|(key, value)| format!("{key}={}", quoted(value.as_str().unwrap_or_default())))
                .collect();
            Ok(lines.join("\n"))
        }
        _ => Err(FieldError::Unsupported(path.to_owned())),
    }
}

/// `prefix/name` or `name`, as Kubernetes allows for keys of labels.
fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let name_is_good = name.len() <= 63
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && name.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '_' | '.'));
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label_is_good =
        |label: &str| label.starts_with(lower) && label.ends_with(lower) && label.chars().all(|c| lower(c) || c == '-');
    name_is_good && prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(label_is_good))
}

/// Any other field: names and indexes between `.`, `[` and `]`.
fn rollout_field(path: &str, rollout: &Value) -> Result<String, FieldError> {
    let no_field = || FieldError::NoField(path.to_owned());
    let mut found = rollout;
    for section in path.split(['.', '[', ']']).filter(|section| !section.is_empty()) {
        found = match found {
            Value::Array(elements) => {
                let index: i64 = section.parse().map_err(|_| FieldError::NoIndex(section.to_owned()))?;
                let element = usize::try_from(index).ok().and_then(|index| elements.get(index));
                element.ok_or(FieldError::OutOfRange(index))?
            }
            Value::Object(fields) => fields.get(section).unwrap_or(&Value::Null),
            _ => return Err(no_field()),
        };
    }
    match found {
        Value::Null => Err(no_field()),
        Value::Bool(bool) => Ok(bool.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(go_float(number.as_f64().unwrap_or_default())),
        Value::Array(_) | Value::Object(_) => Err(FieldError::NoPrimitive(path.to_owned())),
    }
}

/// A float as Go's `%v` prints it: the shortest digits, with an exponent where the number is below 1e-4 or has more than
/// six digits before the point.
fn go_float(number: f64) -> String {
    let shortest = format!("{number:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else {
        return shortest;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Spec 6.2, from Rollout to AnalysisRun.
    #[test]
    fn values() {
        let rollout = json!({
            "metadata": {
                "name": "shop", "namespace": "ns", "uid": "u1",
                "labels": {"b": "2", "app.example.com/a": "say \"hi\""}, "annotations": {"Upper": "x"}
            },
            "spec": {
                "replicas": 3, "paused": false, "weight": 0.5, "big": 1_000_000, "huge": 123_456_789, "tiny": 0.00001, "list": ["a", {"b": "c"}],
                "nothing": null
            }
        });
        for (argument, found) in [
            (json!({"value": "v"}), Ok("v")),
            (json!({}), Ok("")),
            (json!({"valueFrom": {"podTemplateHashValue": "Latest"}}), Ok("new")),
            (json!({"valueFrom": {"podTemplateHashValue": "Stable"}}), Ok("old")),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
                Ok("shop"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}),
                Ok("u1"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['b']"}}}),
                Ok("2"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['c']"}}}),
                Ok(""),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['Upper']"}}}),
                Ok("x"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}),
                Ok("app.example.com/a=\"say \\\"hi\\\"\"\nb=\"2\""),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['-']"}}}),
                Err("invalid key subscript in metadata.labels['-']"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name['x']"}}}),
                Err(r#"fieldPath "metadata.name['x']" does not support subscript"#),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.generation"}}}),
                Err("unsupported fieldPath: metadata.generation"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.replicas"}}}),
                Ok("3"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.paused"}}}),
                Ok("false"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.weight"}}}),
                Ok("0.5"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.big"}}}),
                Ok("1e+06"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.huge"}}}),
                Ok("1.23456789e+08"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.tiny"}}}),
                Ok("1e-05"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.list[0]"}}}),
                Ok("a"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.list[1].b"}}}),
                Ok("c"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.list[2]"}}}),
                Err("index 2 out of range"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.list[-1]"}}}),
                Err("index -1 out of range"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.list.x"}}}),
                Err("invalid index 'x'"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.nothing"}}}),
                Err("invalid path spec.nothing in rollout"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.replicas.x"}}}),
                Err("invalid path spec.replicas.x in rollout"),
            ),
            (
                json!({"valueFrom": {"fieldRef": {"fieldPath": "spec.list"}}}),
                Err("path spec.list in rollout must terminate in a primitive value"),
            ),
        ] {
            let argument: RolloutArgument = serde_json::from_value(argument).unwrap();
            let hashes = Hashes {
                stable: "old",
                latest: "new",
            };
            let found_now = rollout_arguments(std::slice::from_ref(&argument), hashes, &rollout);
            let found_now = found_now.map(|arguments| arguments[0].value.clone().unwrap());
            assert_eq!(
                found_now.map_err(|error| error.to_string()),
                found.map(str::to_owned).map_err(str::to_owned),
                "{argument:?}"
            );
        }
    }
}
