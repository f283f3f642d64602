//! Strategic merge patches: a merge patch that goes into lists whose items have a key, with directives of its own
//! (`$patch`, `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`, `$retainKeys`).

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::{
    error::ApiError,
    fields::{ListType, Lists, push},
};

/// Changes `value`.
pub(super) fn merge(lists: &Lists, value: &mut Value, patch: &Value) -> Result<(), ApiError> {
    merge_at(lists, &mut String::new(), value, patch)
}

/// `at` is where `value` is: names of fields joined by dots.
fn merge_at(lists: &Lists, at: &mut String, value: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return Ok(());
    };
    match patch.get("$patch").map(Value::as_str) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            *value = without_directives(patch);
            return Ok(());
        }
        Some(Some("delete")) => {
            *value = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => return Err(unknown_directive(other.unwrap_or("not a text"))),
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return Ok(()) };
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        let keep: HashSet<&str> = keep.iter().filter_map(Value::as_str).collect();
        map.retain(|field, _| keep.contains(field.as_str()));
    }
    for (field, part) in patch {
        if let Some(field) = field.strip_prefix("$deleteFromPrimitiveList/") {
            let gone: HashSet<String> = part.as_array().into_iter().flatten().map(Value::to_string).collect();
            if let Some(Value::Array(items)) = map.get_mut(field) {
                items.retain(|item| !gone.contains(&item.to_string()));
            }
        } else if !field.starts_with('$') {
            let length = at.len();
            push(at, field);
            merge_field(lists, at, map, field, part)?;
            at.truncate(length);
        }
    }
    // The order is set once all items are there.
    for (field, order) in patch {
        let Some(field) = field.strip_prefix("$setElementOrder/") else {
            continue;
        };
        let length = at.len();
        push(at, field);
        if let (Some(Value::Array(items)), Some(order)) = (map.get_mut(field), order.as_array()) {
            set_order(lists.get(at), items, order);
        }
        at.truncate(length);
    }
    Ok(())
}

fn merge_field(
    lists: &Lists,
    at: &mut String,
    map: &mut Map<String, Value>,
    field: &str,
    part: &Value,
) -> Result<(), ApiError> {
    match (part, lists.get(at)) {
        // Nulls vanish when the object is decoded.
        (Value::Null, _) => {
            map.insert(field.into(), Value::Null);
        }
        (Value::Array(parts), Some(list)) => {
            let items = match map.get_mut(field).map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            map.insert(field.into(), Value::Array(merge_items(lists, at, list, items, parts)?));
        }
        (Value::Object(object), _) if object.get("$patch").and_then(Value::as_str) == Some("delete") => {
            map.insert(field.into(), Value::Null);
        }
        (Value::Object(_), _) => {
            let value = map.entry(field).or_insert_with(|| Value::Object(Map::new()));
            merge_at(lists, at, value, part)?;
        }
        (other, _) => {
            map.insert(field.into(), other.clone());
        }
    }
    Ok(())
}

fn merge_items(
    lists: &Lists,
    at: &mut String,
    list: &ListType,
    items: Vec<Value>,
    parts: &[Value],
) -> Result<Vec<Value>, ApiError> {
    let key = merge_key(list);
    let directive = |part: &Value| part.get("$patch").and_then(Value::as_str).map(str::to_owned);
    let Some(key) = key else {
        let mut seen = HashSet::new();
        let all = items.into_iter().chain(parts.iter().cloned());
        return Ok(all.filter(|item| seen.insert(item.to_string())).collect());
    };
    if parts
        .iter()
        .any(|part| part.get(key).is_none() && directive(part).as_deref() == Some("replace"))
    {
        return Ok(parts.iter().filter(|part| part.get(key).is_some()).map(clean).collect());
    }
    // Found by the text of the key: a list of a million items is merged with another in one pass.
    let mut places: HashMap<String, usize> = items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| Some((item.get(key)?.to_string(), place)))
        .collect();
    let mut items: Vec<Option<Value>> = items.into_iter().map(Some).collect();
    for part in parts {
        if !part.is_object() {
            return Err(ApiError::bad_request(format!(
                "{at} in the patch holds an item that is not an object"
            )));
        }
        let Some(wanted) = part.get(key) else {
            return Err(ApiError::bad_request(format!(
                "map: {at}: does not contain declared merge key: {key}"
            )));
        };
        let wanted = wanted.to_string();
        if directive(part).as_deref() == Some("delete") {
            if let Some(item) = places.remove(&wanted).and_then(|place| items.get_mut(place)) {
                *item = None;
            }
            continue;
        }
        let place = *places.entry(wanted).or_insert(items.len());
        if place == items.len() {
            items.push(Some(Value::Object(Map::new())));
        }
        if let Some(Some(item)) = items.get_mut(place) {
            merge_at(lists, at, item, part)?;
        }
    }
    Ok(items.into_iter().flatten().collect())
}

/// The field that tells items apart: the first of a list's keys, as in the real server's older table.
fn merge_key(list: &ListType) -> Option<&str> {
    match list {
        ListType::Keyed(keys) => keys.first().map(|(key, _)| key.as_str()),
        ListType::Set => None,
    }
}

/// Items in the order of `order`; those that it does not name keep their place before the next one that it names.
fn set_order(list: Option<&ListType>, items: &mut Vec<Value>, order: &[Value]) {
    let key = list.and_then(merge_key);
    let name = |item: &Value| match key {
        Some(key) => item.get(key).map(Value::to_string),
        None => Some(item.to_string()),
    };
    let places: HashMap<String, usize> = order
        .iter()
        .enumerate()
        .filter_map(|(place, named)| Some((name(named)?, place)))
        .collect();
    let mut next = usize::MAX;
    let mut ordered: Vec<(usize, bool, Value)> = Vec::with_capacity(items.len());
    for item in items.drain(..).rev() {
        let named = name(&item).and_then(|name| places.get(&name).copied());
        next = named.unwrap_or(next);
        ordered.push((next, named.is_some(), item));
    }
    ordered.reverse();
    ordered.sort_by_key(|(place, named, _)| (*place, *named));
    items.extend(ordered.into_iter().map(|(_, _, item)| item));
}

fn clean(item: &Value) -> Value {
    item.as_object().map_or_else(|| item.clone(), without_directives)
}

fn without_directives(map: &Map<String, Value>) -> Value {
    let kept = map.iter().filter(|(field, _)| !field.starts_with('$'));
    Value::Object(kept.map(|(field, value)| (field.clone(), value.clone())).collect())
}

fn unknown_directive(said: &str) -> ApiError {
    ApiError::bad_request(format!("unknown patch type: {said} in map"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_merged_by_their_keys() {
        let lists = Lists::of_metadata().pod_spec("spec");
        let base = json!({"metadata": {"finalizers": ["a", "b"]}, "spec": {
            "containers": [{"name": "x", "image": "1", "args": ["p"]}, {"name": "y", "image": "1"}],
            "tolerations": [{"key": "k"}],
        }});
        let table = [
            (
                "an item by its name, other lists as one",
                json!({"spec": {"containers": [{"name": "y", "image": "2"}], "tolerations": []}}),
                json!([{"name": "x", "image": "1", "args": ["p"]}, {"name": "y", "image": "2"}]),
            ),
            (
                "a new item goes last",
                json!({"spec": {"containers": [{"name": "z"}]}}),
                json!([{"name": "x", "image": "1", "args": ["p"]}, {"name": "y", "image": "1"}, {"name": "z"}]),
            ),
            (
                "an item is deleted",
                json!({"spec": {"containers": [{"name": "x", "$patch": "delete"}]}}),
                json!([{"name": "y", "image": "1"}]),
            ),
            (
                "the list is reordered",
                json!({"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}}),
                json!([{"name": "z"}]),
            ),
            (
                "the order is set",
                json!({"spec": {"$setElementOrder/containers": [{"name": "y"}, {"name": "x"}]}}),
                json!([{"name": "y", "image": "1"}, {"name": "x", "image": "1", "args": ["p"]}]),
            ),
            (
                "an item keeps what is retained",
                json!({"spec": {"containers": [{"name": "x", "$retainKeys": ["name", "image"], "image": "3"}]}}),
                json!([{"name": "x", "image": "3"}, {"name": "y", "image": "1"}]),
            ),
        ];
        for (what, patch, containers) in table {
            let mut value = base.clone();
            merge(&lists, &mut value, &patch).unwrap();
            assert_eq!(value["spec"]["containers"], containers, "{what}");
        }
        let mut value = base.clone();
        merge(
            &lists,
            &mut value,
            &json!({"metadata": null, "spec": {"containers": {"$patch": "delete"}}}),
        )
        .unwrap();
        assert_eq!(
            value,
            json!({"metadata": null, "spec": {"containers": null, "tolerations": [{"key": "k"}]}})
        );
        let mut value = base.clone();
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c", "b"]}});
        merge(&lists, &mut value, &patch).unwrap();
        assert_eq!(value["metadata"]["finalizers"], json!(["b", "c"]));
        let mut value = base;
        assert!(merge(&lists, &mut value, &json!({"spec": {"containers": [{"image": "1"}]}})).is_err());
        assert!(merge(&lists, &mut value, &json!({"spec": {"$patch": "explode"}})).is_err());
    }
}
