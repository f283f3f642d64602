//! The two halves of server-side apply: what the applied fields make of the object, and what goes because its manager
//! no longer applies it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{
    compare::within,
    lists::{ListType, Lists, element},
    set::Set,
};

/// The object with the applied fields in it.
pub(crate) fn merge(lists: &Lists, live: Value, applied: &Value) -> Value {
    merge_at(lists, &mut String::new(), live, applied)
}

fn merge_at(lists: &Lists, path: &mut String, live: Value, applied: &Value) -> Value {
    match (live, applied) {
        (Value::Object(mut live), Value::Object(applied)) => {
            for (field, value) in applied {
                let merged = match live.get_mut(field).map(Value::take) {
                    Some(was) => within(path, field, |path| merge_at(lists, path, was, value)),
                    None => value.clone(),
                };
                live.insert(field.clone(), merged);
            }
            Value::Object(live)
        }
        (live, applied) => match (lists.items(path, &live), lists.items(path, applied)) {
            (Some(old), Some(new)) => merge_items(lists, path, &old, &new),
            _ => applied.clone(),
        },
    }
}

/// Items that are applied come in the order in which they are applied; the others stay where they are between them, as
/// the real server's structured merge has it.
fn merge_items(lists: &Lists, path: &mut String, old: &[(String, &Value)], new: &[(String, &Value)]) -> Value {
    let live: HashMap<&str, &Value> = old.iter().map(|(element, item)| (element.as_str(), *item)).collect();
    let applied: HashSet<&str> = new.iter().map(|(element, _)| element.as_str()).collect();
    let mut shared = new
        .iter()
        .map(|(element, _)| element.as_str())
        .filter(|element| live.contains_key(element));
    let mut next_shared = shared.next();
    let mut done = HashSet::new();
    let mut merged = Vec::with_capacity(old.len() + new.len());
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        if let Some(&&(ref kept, item)) = left.peek() {
            let wanted = right.peek().map(|(element, _)| element);
            if !applied.contains(kept.as_str()) {
                merged.push(item.clone());
                left.next();
                continue;
            }
            // Merged already, or to be merged in another round.
            let later = wanted.is_some_and(|wanted| wanted != kept) && next_shared.is_some_and(|next| next != kept);
            if later || done.contains(kept.as_str()) {
                left.next();
                continue;
            }
        }
        let Some((element, item)) = right.next() else { break };
        merged.push(match live.get(element.as_str()) {
            Some(was) => merge_at(lists, path, (*was).clone(), item),
            None => (*item).clone(),
        });
        done.insert(element.as_str());
        if next_shared == Some(element) {
            next_shared = shared.next();
        }
    }
    Value::Array(merged)
}

/// Takes out the fields of `gone`. What is empty then goes as well, unless it is one of `kept` as such.
pub(crate) fn prune(lists: &Lists, value: &mut Value, gone: &Set, kept: &Set) {
    prune_at(lists, &mut String::new(), value, gone, Some(kept));
}

/// Whether nothing is left of the value, so that it goes as well.
fn prune_at(lists: &Lists, path: &mut String, value: &mut Value, gone: &Set, kept: Option<&Set>) -> bool {
    let keep = kept.is_some_and(|kept| kept.member);
    let keeps = |element: &str| kept.and_then(|kept| kept.children.get(element));
    match value {
        Value::Object(map) => {
            let before = map.len();
            map.retain(|field, value| {
                let element = format!("f:{field}");
                let Some(below) = gone.children.get(&element) else {
                    return true;
                };
                !within(path, field, |path| prune_at(lists, path, value, below, keeps(&element)))
            });
            map.is_empty() && (gone.member || before > 0) && !keep
        }
        Value::Array(items) => {
            let Some(list) = lists.get(path) else {
                return gone.member;
            };
            if gone.member && gone.children.is_empty() {
                return true;
            }
            let before = items.len();
            items.retain_mut(|item| {
                let Some(element) = element(list, item) else {
                    return true;
                };
                let Some(below) = gone.children.get(&element) else {
                    return true;
                };
                !prune_item(lists, path, list, item, below, keeps(&element))
            });
            items.is_empty() && before > 0 && !keep
        }
        _ => gone.member,
    }
}

/// Whether an item goes: it is to go, and nothing that others manage is left of it.
fn prune_item(
    lists: &Lists,
    path: &mut String,
    list: &ListType,
    item: &mut Value,
    gone: &Set,
    kept: Option<&Set>,
) -> bool {
    let ListType::Keyed(keys) = list else {
        return gone.member;
    };
    let is_key = |field: &str| keys.iter().any(|(key, _)| key == field);
    let mut fields = gone.clone();
    fields
        .children
        .retain(|element, _| element.strip_prefix("f:").is_none_or(|field| !is_key(field)));
    prune_at(lists, path, item, &fields, kept);
    gone.member
        && item
            .as_object()
            .is_none_or(|item| item.keys().all(|field| is_key(field)))
}
