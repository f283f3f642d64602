//! An object while it is worked on: typed metadata, and everything else as it came.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    error::ApiError,
    kind::{NameRule, View},
    store::Stored,
};

/// `metadata`. Fields that the real server does not know are dropped, as it drops them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Meta {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub generation: i64,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub creation_timestamp: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub deletion_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    #[serde(deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Absent and empty differ: an update with `[]` forgets who manages what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_fields: Option<Vec<ManagedFieldsEntry>>,
}

impl Meta {
    /// As JSON.
    pub(crate) fn to_value(&self) -> Value {
        // A struct of strings, numbers and maps with string keys can always be serialised.
        serde_json::to_value(self).unwrap_or_default()
    }

    pub(crate) fn is_deleting(&self) -> bool {
        !self.deletion_timestamp.is_empty()
    }
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OwnerReference {
    #[serde(deserialize_with = "or_default")]
    pub api_version: String,
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// One of `metadata.managedFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ManagedFieldsEntry {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub manager: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub operation: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub time: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub fields_type: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Map::is_empty")]
    pub fields_v1: Map<String, Value>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// In Go a null in a map of strings reads as the empty string.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let read: Option<BTreeMap<String, Option<String>>> = Option::deserialize(from)?;
    Ok(read
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect())
}

/// An object taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub meta: Meta,
    /// Every top-level field but `apiVersion`, `kind` and `metadata`.
    pub body: Map<String, Value>,
}

impl Object {
    /// Takes a body apart, once `apiVersion` and `kind` are those of `view`.
    pub(crate) fn parse(view: &View, value: Value) -> Result<Self, ApiError> {
        let Value::Object(mut body) = value else {
            return Err(ApiError::bad_request("the body of the request is not a JSON object"));
        };
        check_type(view, &mut body, "apiVersion", &view.api_version(), "API version")?;
        check_type(view, &mut body, "kind", &view.kind.kind, "kind")?;
        let meta = match body.shift_remove("metadata") {
            None | Some(Value::Null) => Meta::default(),
            Some(meta) => read(meta, "metadata")?,
        };
        if view.kind.typed {
            body = body
                .into_iter()
                .filter_map(|(key, value)| Some((key, without_nulls(value)?)))
                .collect();
        }
        for (stored, served) in view.renames {
            if let Some(value) = body.shift_remove(*served) {
                body.insert((*stored).into(), value);
            }
        }
        Ok(Self { meta, body })
    }

    /// A stored object, taken apart.
    pub(crate) fn of(stored: &Stored) -> Self {
        let mut body = stored.value.as_object().cloned().unwrap_or_default();
        body.retain(|key, _| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
        Self {
            meta: stored.meta.clone(),
            body,
        }
    }

    /// Puts it together again.
    pub(crate) fn to_value(&self, api_version: &str, kind: &str) -> Value {
        let mut map = Map::with_capacity(self.body.len() + 3);
        map.insert("apiVersion".into(), api_version.into());
        map.insert("kind".into(), kind.into());
        map.insert("metadata".into(), self.meta.to_value());
        map.extend(self.body.iter().map(|(key, value)| (key.clone(), value.clone())));
        Value::Object(map)
    }
}

fn check_type(view: &View, body: &mut Map<String, Value>, field: &str, is: &str, what: &str) -> Result<(), ApiError> {
    match body.shift_remove(field) {
        Some(Value::String(said)) if said == is => Ok(()),
        Some(Value::String(said)) if !said.is_empty() => Err(ApiError::bad_request(format!(
            "the {what} in the data ({said}) does not match the expected {what} ({is})"
        ))),
        None | Some(Value::Null | Value::String(_)) if view.kind.typed => Ok(()),
        _ => Err(ApiError::bad_request(format!(
            "the body of the request has no text in \"{field}\""
        ))),
    }
}

/// Reads a part of an object, or says which part is wrong.
pub(crate) fn read<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| ApiError::bad_request(format!("{what} cannot be decoded: {error}")))
}

/// A stored object as `view` shows it: the same one, unless the version differs from the one that is stored.
pub(crate) fn shown(view: &View, stored: &Stored) -> Arc<Value> {
    let api_version = view.api_version();
    let is_stored = stored.value.get("apiVersion").and_then(Value::as_str) == Some(api_version.as_str());
    if is_stored && view.renames.is_empty() {
        return stored.value.clone();
    }
    let mut value = stored.value.as_ref().clone();
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".into(), api_version.into());
        for (stored, served) in view.renames {
            if let Some(value) = map.shift_remove(*stored) {
                map.insert((*served).into(), value);
            }
        }
    }
    Arc::new(value)
}

/// What is left once decoding into a Go type has dropped the nulls.
fn without_nulls(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter()
                .filter_map(|(key, value)| Some((key, without_nulls(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(Value::Array(
            items
                .into_iter()
                .map(|item| without_nulls(item).unwrap_or(Value::Null))
                .collect(),
        )),
        other => Some(other),
    }
}

/// Whether a value nests no deeper than `most`. Stops there, so it is safe on anything.
pub(crate) fn nests_within(value: &Value, most: usize) -> bool {
    let Some(rest) = most.checked_sub(1) else {
        return !matches!(value, Value::Object(_) | Value::Array(_));
    };
    match value {
        Value::Object(map) => map.values().all(|value| nests_within(value, rest)),
        Value::Array(items) => items.iter().all(|value| nests_within(value, rest)),
        _ => true,
    }
}

/// Whether a name follows a rule; if not, what the rule is.
pub(crate) fn check_name(rule: NameRule, name: &str) -> Result<(), &'static str> {
    let label = |text: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(text.chars().next())
            && ends(text.chars().last())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    match rule {
        NameRule::Subdomain if name.len() <= 253 && name.split('.').all(label) => Ok(()),
        NameRule::Subdomain => Err(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
             validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        NameRule::Label if name.len() <= 63 && label(name) => Ok(()),
        NameRule::Label => Err(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
             must start and end with an alphanumeric character, and be no more than 63 characters",
        ),
        NameRule::Label1035
            if name.len() <= 63 && label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()) =>
        {
            Ok(())
        }
        NameRule::Label1035 => Err(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
             with an alphabetic character, end with an alphanumeric character, and be no more than 63 characters",
        ),
    }
}
