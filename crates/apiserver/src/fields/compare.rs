//! Which fields an object has, and which differ between two.

use serde_json::{Map, Value};

use super::{
    lists::{Lists, push},
    set::Set,
};
use crate::{
    error::ApiError,
    object::{Meta, Object, read},
};

/// Fields of `metadata` that someone can manage. The others are the server's.
const METADATA: &[&str] = &["generateName", "labels", "annotations", "ownerReferences", "finalizers"];

/// The fields of an object that someone can manage.
pub(crate) fn tracked(object: &Object) -> Value {
    let mut map = object.body.clone();
    if let Value::Object(mut meta) = object.meta.to_value() {
        meta.retain(|field, _| METADATA.contains(&field.as_str()));
        if !meta.is_empty() {
            map.insert("metadata".into(), meta.into());
        }
    }
    Value::Object(map)
}

/// Puts the fields that someone can manage back into an object whose other metadata is `base`.
pub(crate) fn untracked(base: &Meta, value: Value) -> Result<Object, ApiError> {
    let mut body = match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let managed = body
        .shift_remove("metadata")
        .unwrap_or_else(|| Value::Object(Map::new()));
    let managed: Meta = read(managed, "metadata")?;
    let meta = Meta {
        labels: managed.labels,
        annotations: managed.annotations,
        owner_references: managed.owner_references,
        finalizers: managed.finalizers,
        ..base.clone()
    };
    Ok(Object { meta, body })
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Fields that are new or have another value.
    pub changed: Set,
    /// Fields that are gone.
    pub removed: Set,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }

    fn attach(&mut self, element: String, below: Self) {
        self.changed.attach(element.clone(), below.changed);
        self.removed.attach(element, below.removed);
    }
}

/// Every field of a value, as who applies it manages them.
pub(crate) fn of(lists: &Lists, value: &Value) -> Set {
    let mut set = of_at(lists, &mut String::new(), value);
    // The object as a whole is nobody's.
    set.member = false;
    set
}

fn of_at(lists: &Lists, path: &mut String, value: &Value) -> Set {
    let mut set = Set::default();
    if let Value::Object(map) = value
        && !map.is_empty()
    {
        for (field, value) in map {
            set.attach(
                format!("f:{field}"),
                within(path, field, |path| of_at(lists, path, value)),
            );
        }
        return set;
    }
    match lists.items(path, value) {
        Some(items) if !items.is_empty() => {
            for (element, item) in items {
                set.attach(element, item_of(lists, path, item));
            }
            set
        }
        _ => Set::leaf(),
    }
}

/// An item is a field itself, beside its fields.
fn item_of(lists: &Lists, path: &mut String, item: &Value) -> Set {
    if is_one_value(path) {
        return Set::leaf();
    }
    let mut set = if item.is_object() {
        of_at(lists, path, item)
    } else {
        Set::default()
    };
    set.member = true;
    set
}

/// Items that are told apart, and are replaced as a whole all the same.
fn is_one_value(path: &str) -> bool {
    path == "metadata.ownerReferences"
}

/// A field that was not there: what holds others is a field itself, unless it is always there.
fn added_at(lists: &Lists, path: &mut String, value: &Value) -> Set {
    let mut set = Set::default();
    match (value, lists.items(path, value)) {
        (Value::Object(map), _) if !map.is_empty() => {
            for (field, value) in map {
                let below = within(path, field, |path| added_at(lists, path, value));
                set.attach(format!("f:{field}"), below);
            }
        }
        (_, Some(items)) if !items.is_empty() => {
            for (element, item) in items {
                set.attach(element, item_of(lists, path, item));
            }
        }
        _ => return Set::leaf(),
    }
    set.member = !lists.is_always_there(path);
    set
}

/// What differs.
pub(crate) fn compare(lists: &Lists, old: &Value, new: &Value) -> Changes {
    compare_at(lists, &mut String::new(), old, new)
}

fn compare_at(lists: &Lists, path: &mut String, old: &Value, new: &Value) -> Changes {
    let mut changes = Changes::default();
    if old == new {
        return changes;
    }
    if is_one_value(path) && new.is_object() {
        changes.changed = Set::leaf();
        return changes;
    }
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        for (field, value) in new {
            let below = within(path, field, |path| match old.get(field) {
                Some(old) => compare_at(lists, path, old, value),
                None => Changes {
                    changed: added_at(lists, path, value),
                    removed: Set::default(),
                },
            });
            changes.attach(format!("f:{field}"), below);
        }
        for (field, value) in old.iter().filter(|(field, _)| !new.contains_key(*field)) {
            let removed = within(path, field, |path| added_at(lists, path, value));
            changes.removed.attach(format!("f:{field}"), removed);
        }
        return changes;
    }
    if let (Some(old), Some(new)) = (lists.items(path, old), lists.items(path, new)) {
        let before: std::collections::BTreeMap<&str, &Value> =
            old.iter().map(|(element, item)| (element.as_str(), *item)).collect();
        let after: std::collections::BTreeSet<&str> = new.iter().map(|(element, _)| element.as_str()).collect();
        for (element, item) in &new {
            let below = match before.get(element.as_str()) {
                Some(before) => compare_at(lists, path, before, item),
                None => Changes {
                    changed: item_of(lists, path, item),
                    removed: Set::default(),
                },
            };
            changes.attach(element.clone(), below);
        }
        for (element, item) in old.iter().filter(|(element, _)| !after.contains(element.as_str())) {
            changes.removed.attach(element.clone(), item_of(lists, path, item));
        }
        return changes;
    }
    changes.changed = of_at(lists, path, new);
    changes.removed = of_at(lists, path, old);
    changes.removed.subtract(&changes.changed);
    changes
}

/// Does something one field deeper.
pub(super) fn within<T>(path: &mut String, field: &str, run: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    push(path, field);
    let done = run(path);
    path.truncate(length);
    done
}
