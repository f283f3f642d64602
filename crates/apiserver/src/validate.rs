//! What must be true of `metadata` before an object is stored.

use std::collections::BTreeMap;

use crate::{
    error::{ApiError, Cause, field_forbidden, field_invalid, field_required, field_too_long},
    kind::View,
    object::{Meta, Object, check_name},
};

/// Bytes of all annotations of an object.
const ANNOTATIONS: usize = 256 << 10;
/// Bytes of all values of a ConfigMap or Secret.
const DATA: usize = 1 << 20;

/// Refuses an object with every field that is wrong.
pub(crate) fn object(view: &View, object: &Object) -> Result<(), ApiError> {
    let meta = &object.meta;
    let mut causes = Vec::new();
    if meta.name.is_empty() {
        causes.push(field_required("metadata.name", "name or generateName is required"));
    } else if let Err(why) = check_name(view.kind.names, &meta.name) {
        causes.push(field_invalid("metadata.name", &meta.name, why));
    }
    labels(&meta.labels, "metadata.labels", &mut causes);
    annotations(&meta.annotations, &mut causes);
    for finalizer in &meta.finalizers {
        if let Err(why) = qualified_name(finalizer) {
            causes.push(field_invalid("metadata.finalizers", finalizer, why));
        }
    }
    owners(meta, &mut causes);
    if matches!(view.id.as_str(), "configmaps" | "secrets") {
        data(object, &mut causes);
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(view, &meta.name, causes))
    }
}

/// Refuses an update that changes what never changes.
pub(crate) fn update(view: &View, old: &Meta, new: &Meta) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let fixed = [
        ("metadata.name", &old.name, &new.name),
        ("metadata.namespace", &old.namespace, &new.namespace),
        (
            "metadata.deletionTimestamp",
            &old.deletion_timestamp,
            &new.deletion_timestamp,
        ),
    ];
    for (field, was, is) in fixed {
        if was != is {
            causes.push(field_invalid(field, is, "field is immutable"));
        }
    }
    let added: Vec<&str> = new
        .finalizers
        .iter()
        .filter(|name| !old.finalizers.contains(name))
        .map(String::as_str)
        .collect();
    if !old.deletion_timestamp.is_empty() && !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added
                .iter()
                .map(|name| format!("{name:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        causes.push(field_forbidden("metadata.finalizers", &why));
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(view, &old.name, causes))
    }
}

/// A ConfigMap or Secret that says that it never changes.
pub(crate) fn immutable(view: &View, old: &Object, new: &Object) -> Result<(), ApiError> {
    let holds = matches!(view.id.as_str(), "configmaps" | "secrets");
    if !holds || old.body.get("immutable") != Some(&true.into()) {
        return Ok(());
    }
    let why = "field is immutable when `immutable` is set";
    let fields = ["immutable", "data", "binaryData"];
    let changed = fields
        .iter()
        .filter(|field| old.body.get(**field) != new.body.get(**field));
    let causes: Vec<Cause> = changed.map(|field| field_forbidden(*field, why)).collect();
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(view, &old.meta.name, causes))
    }
}

fn labels(labels: &BTreeMap<String, String>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels {
        if let Err(why) = qualified_name(key) {
            causes.push(field_invalid(field, key, why));
        }
        if let Err(why) = label_value(value) {
            causes.push(field_invalid(field, value, why));
        }
    }
}

fn annotations(annotations: &BTreeMap<String, String>, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.len();
        if let Err(why) = qualified_name(&key.to_lowercase()) {
            causes.push(field_invalid("metadata.annotations", key, why));
        }
    }
    if size > ANNOTATIONS {
        causes.push(field_too_long("metadata.annotations", ANNOTATIONS));
    }
}

fn owners(meta: &Meta, causes: &mut Vec<Cause>) {
    for owner in &meta.owner_references {
        let fields = [
            ("apiVersion", &owner.api_version),
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", &owner.uid),
        ];
        for (name, value) in fields {
            if value.is_empty() {
                causes.push(field_invalid(
                    format!("metadata.ownerReferences.{name}"),
                    "",
                    "must not be empty",
                ));
            }
        }
    }
    if meta
        .owner_references
        .iter()
        .filter(|owner| owner.controller == Some(true))
        .count()
        > 1
    {
        let why = "only one reference can have Controller set to true";
        causes.push(field_invalid("metadata.ownerReferences", "", why));
    }
}

fn data(object: &Object, causes: &mut Vec<Cause>) {
    let sizes = ["data", "binaryData"]
        .iter()
        .filter_map(|field| object.body.get(*field)?.as_object());
    let size: usize = sizes
        .flat_map(serde_json::Map::values)
        .filter_map(|value| value.as_str())
        .map(str::len)
        .sum();
    // A Secret's data is base64: three bytes in four.
    let most = if object.body.contains_key("type") {
        DATA / 3 * 4
    } else {
        DATA
    };
    if size > most {
        causes.push(field_too_long("data", DATA));
    }
}

/// `[prefix/]name`, the form of label keys, annotation keys and finalizers.
pub(crate) fn qualified_name(name: &str) -> Result<(), &'static str> {
    const WHY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let name = match name.split_once('/') {
        Some((prefix, name)) => {
            check_name(crate::kind::NameRule::Subdomain, prefix).map_err(|_| WHY)?;
            name
        }
        None => name,
    };
    if name.is_empty() {
        Err(WHY)
    } else {
        label_value(name).map_err(|_| WHY)
    }
}

/// What a label's value may be.
pub(crate) fn label_value(value: &str) -> Result<(), &'static str> {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if value.len() <= 63 && ends(value.chars().next()) && ends(value.chars().last()) && value.chars().all(inside) {
        Ok(())
    } else {
        Err(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
             validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        )
    }
}
