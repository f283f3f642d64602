//! Create, replace and patch: from a body to a stored object, by the rules of the real API server.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    error::{ApiError, field_invalid, field_required},
    kind::{Generation, View},
    object::{Object, shown},
    patch::Patch,
    store::{Key, Store, Stored},
    validate,
};

/// What a write is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub view: View,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Empty when an object is created.
    pub name: String,
    /// Whether the status subresource is written.
    pub status: bool,
}

impl Target {
    pub(crate) fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }
}

/// How a write is meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteOptions {
    /// Answer as if it were done, and do nothing.
    pub dry_run: bool,
}

/// Longest generated name is 63: five characters are added.
const GENERATE_NAME: usize = 58;
/// How often a generated name is tried, as by the real server.
const GENERATE_TRIES: usize = 8;

impl Store {
    /// POST.
    pub(crate) fn create(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        value: Value,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
        let mut object = Object::parse(view, value)?;
        match_namespace(target, &mut object)?;
        if !matches!(object.meta.resource_version.as_str(), "" | "0") {
            let mut error = ApiError::new(500, "resourceVersion should not be set on objects to be created");
            error.reason = crate::error::Reason::Unknown;
            return Err(error);
        }
        let prefix: String = object.meta.generate_name.chars().take(GENERATE_NAME).collect();
        if object.meta.name.is_empty() && !prefix.is_empty() {
            for _ in 0..GENERATE_TRIES {
                object.meta.name = prefix.clone() + &self.ids.suffix();
                if self.get(&view.id, &Key::of(&object.meta)).is_none() {
                    break;
                }
            }
        }
        object.meta.uid = self.ids.uid();
        object.meta.creation_timestamp = self.time();
        object.meta.deletion_timestamp = String::new();
        object.meta.deletion_grace_period_seconds = None;
        if view.kind.status {
            object.body.shift_remove("status");
        }
        self.insert(view, options, object)
    }

    /// The part of creating that loaded manifests go through as well: they keep their uid, times and status.
    pub(crate) fn insert(
        &mut self,
        view: &View,
        options: &WriteOptions,
        mut object: Object,
    ) -> Result<Arc<Stored>, ApiError> {
        object.meta.generation = i64::from(view.kind.generation != Generation::Never);
        settle_fields(view, &mut object)?;
        validate::object(view, &object)?;
        let name = object.meta.name.clone();
        if view.kind.namespaced {
            self.check_namespace(view, &object.meta.namespace, &name)?;
        }
        if self.get(&view.id, &Key::of(&object.meta)).is_some() {
            return Err(ApiError::already_exists(view, &name));
        }
        object.meta.resource_version = String::new();
        let stored = self.prepare(view, object)?;
        if options.dry_run {
            Ok(Arc::new(stored))
        } else {
            self.put(view, stored)
        }
    }

    /// PUT.
    pub(crate) fn replace(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        value: Value,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
        let object = Object::parse(view, value)?;
        if object.meta.name != target.name {
            let (said, url) = (&object.meta.name, &target.name);
            let why = format!("the name of the object ({said}) does not match the name on the URL ({url})");
            return Err(ApiError::bad_request(why));
        }
        let existing = self.existing(target)?;
        self.amend(target, options, &existing, object)
    }

    /// PATCH, all but apply.
    pub(crate) fn patch(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        patch: &Patch,
    ) -> Result<Arc<Stored>, ApiError> {
        let existing = self.existing(target)?;
        let mut value = shown(&target.view, &existing).as_ref().clone();
        patch.apply(&target.view, &mut value, &self.limits)?;
        let object = Object::parse(&target.view, value)?;
        self.amend(target, options, &existing, object)
    }

    pub(crate) fn existing(&self, target: &Target) -> Result<Arc<Stored>, ApiError> {
        let found = self.get(&target.view.id, &target.key()).cloned();
        found.ok_or_else(|| ApiError::not_found(&target.view, &target.name))
    }

    /// Puts `new` in the place of `existing`, as far as a write to this target may.
    fn amend(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        existing: &Arc<Stored>,
        mut new: Object,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
        let old = Object::of(existing);
        match_namespace(target, &mut new)?;
        check_version(view, &old, &new)?;
        if target.status {
            let status = new.body.shift_remove("status");
            new.meta = old.meta.clone();
            new.body.clone_from(&old.body);
            put_or_remove(&mut new.body, "status", status);
        } else if view.kind.status {
            put_or_remove(&mut new.body, "status", old.body.get("status").cloned());
        }
        new.meta.uid.clone_from(&old.meta.uid);
        new.meta.resource_version.clone_from(&old.meta.resource_version);
        new.meta.creation_timestamp.clone_from(&old.meta.creation_timestamp);
        new.meta.deletion_grace_period_seconds = old.meta.deletion_grace_period_seconds;
        if old.meta.is_deleting() {
            new.meta.deletion_timestamp.clone_from(&old.meta.deletion_timestamp);
        }
        settle_fields(view, &mut new)?;
        let changed = match view.kind.generation {
            Generation::Never => false,
            Generation::Spec => new.body.get("spec") != old.body.get("spec"),
            Generation::Content if target.status => false,
            Generation::Content => new.body != old.body,
        };
        new.meta.generation = old.meta.generation + i64::from(changed);
        validate::update(view, &old.meta, &new.meta)?;
        validate::object(view, &new)?;
        if new == old {
            return Ok(existing.clone());
        }
        let stored = self.prepare(view, new)?;
        if options.dry_run {
            return Ok(Arc::new(stored));
        }
        if stored.meta.is_deleting() && stored.meta.finalizers.is_empty() {
            let gone = self.take(view, &target.key(), Some(stored));
            return gone.ok_or_else(|| ApiError::not_found(view, &target.name));
        }
        self.put(view, stored)
    }

    fn check_namespace(&self, view: &View, namespace: &str, name: &str) -> Result<(), ApiError> {
        let Some(namespaces) = self.kinds.by_kind("v1", "Namespace") else {
            return Ok(());
        };
        match self.get(&namespaces.id, &Key::new("", namespace)) {
            None => Err(ApiError::not_found(&namespaces, namespace)),
            Some(found) if found.meta.is_deleting() => {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                Err(ApiError::forbidden(view, name, &why))
            }
            Some(_) => Ok(()),
        }
    }
}

fn put_or_remove(body: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            body.insert(field.into(), value);
        }
        None => {
            body.shift_remove(field);
        }
    }
}

/// The namespace of the path is that of the object.
fn match_namespace(target: &Target, object: &mut Object) -> Result<(), ApiError> {
    if object.meta.namespace.is_empty() || target.namespace.is_empty() {
        object.meta.namespace.clone_from(&target.namespace);
    }
    if object.meta.namespace == target.namespace {
        return Ok(());
    }
    let why = "the namespace of the provided object does not match the namespace sent on the request";
    Err(ApiError::bad_request(why))
}

/// An update names the version it is based on; where it may leave it out, it still must not name another object.
fn check_version(view: &View, old: &Object, new: &Object) -> Result<(), ApiError> {
    let name = &old.meta.name;
    if !new.meta.uid.is_empty() && new.meta.uid != old.meta.uid {
        let (said, is) = (&new.meta.uid, &old.meta.uid);
        let why = format!("Precondition failed: UID in precondition: {said}, UID in object meta: {is}");
        return Err(ApiError::conflict(view, name, &why));
    }
    match new.meta.resource_version.as_str() {
        "" | "0" if view.kind.unconditional_update => Ok(()),
        "" | "0" => {
            let cause = field_required("metadata.resourceVersion", "must be specified for an update");
            Err(ApiError::invalid(view, name, vec![cause]))
        }
        said if said == old.meta.resource_version => Ok(()),
        said if said.parse::<u64>().is_err() => {
            let cause = field_invalid(
                "metadata.resourceVersion",
                said,
                "must be a version that this server gave",
            );
            Err(ApiError::invalid(view, name, vec![cause]))
        }
        _ => Err(ApiError::modified(view, name)),
    }
}

/// What the real server fills in for a few kinds, as far as readers depend on it.
fn settle_fields(view: &View, object: &mut Object) -> Result<(), ApiError> {
    match view.id.as_str() {
        "namespaces" => {
            let name = object.meta.name.clone();
            object.meta.labels.insert("kubernetes.io/metadata.name".into(), name);
            object
                .body
                .entry("spec")
                .or_insert_with(|| serde_json::json!({"finalizers": ["kubernetes"]}));
            object
                .body
                .entry("status")
                .or_insert_with(|| serde_json::json!({"phase": "Active"}));
            Ok(())
        }
        "secrets" => crate::secret::settle(object),
        _ => Ok(()),
    }
}
