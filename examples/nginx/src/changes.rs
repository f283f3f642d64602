//! What has to change on an Ingress.

use serde_json::{Map, Value};

/// A merge patch that brings annotations, labels and spec of `current` to those of `desired`; `None` when they are.
pub(crate) fn patch(current: &Value, desired: &Value) -> Option<Value> {
    let nothing = Value::Object(Map::new());
    let mut patch = Map::new();
    let mut metadata = Map::new();
    for field in ["annotations", "labels"] {
        let of = |object: &Value| object.get("metadata").and_then(|metadata| metadata.get(field)).cloned();
        let (current, desired) = (of(current), of(desired));
        if let Some(difference) = difference(
            current.as_ref().unwrap_or(&nothing),
            desired.as_ref().unwrap_or(&nothing),
        ) {
            metadata.insert(field.to_owned(), difference);
        }
    }
    if !metadata.is_empty() {
        patch.insert("metadata".to_owned(), Value::Object(metadata));
    }
    let of = |object: &Value| object.get("spec").cloned().unwrap_or_else(|| nothing.clone());
    if let Some(difference) = difference(&of(current), &of(desired)) {
        patch.insert("spec".to_owned(), difference);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// A merge patch from one value to another: lists are replaced whole.
fn difference(current: &Value, desired: &Value) -> Option<Value> {
    if current == desired {
        return None;
    }
    let (Value::Object(current), Value::Object(desired)) = (current, desired) else {
        return Some(desired.clone());
    };
    let mut patch = Map::new();
    for (key, value) in desired {
        let change = match current.get(key) {
            Some(current) => difference(current, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    for key in current.keys().filter(|key| !desired.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_differences_are_patched() {
        let current = json!({
            "metadata": {"name": "x", "annotations": {"a": "1", "b": "2"}, "labels": {"l": "1"}, "uid": "u"},
            "spec": {"rules": [1, 2], "tls": [3], "ingressClassName": "nginx"}, "status": {"s": 1}
        });
        let desired = json!({
            "metadata": {"name": "x", "annotations": {"a": "1", "b": "3", "c": "4"}},
            "spec": {"rules": [1], "ingressClassName": "nginx"}
        });
        assert_eq!(
            patch(&current, &desired),
            Some(json!({
                "metadata": {"annotations": {"b": "3", "c": "4"}, "labels": {"l": null}},
                "spec": {"rules": [1], "tls": null}
            }))
        );
        assert_eq!(patch(&desired, &desired), None);
    }
}
