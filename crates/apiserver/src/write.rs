//! Create, replace and patch: from a body to a stored object, by the rules of the real API server.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    crd,
    error::{ApiError, field_invalid},
    fields::{Id, Managers, Operation},
    kind::{Generation, Kind, View},
    object::{ManagedFieldsEntry, Meta, Object, shown},
    patch::Patch,
    settle::{Work, has_contents},
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
    /// Who writes, for `managedFields`.
    pub manager: String,
    /// Answer as if it were done, and do nothing.
    pub dry_run: bool,
    /// Take fields from other managers (apply).
    pub force: bool,
}

/// How a write is noted in `managedFields`.
pub(crate) enum Track {
    /// What it changed is the writer's now.
    Changes,
    /// By this already.
    Known(Vec<ManagedFieldsEntry>),
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
        if view.kind.status {
            object.body.shift_remove("status");
        }
        settle_fields(view, &mut object)?;
        let id = Id::new(Operation::Update, &options.manager, view, false);
        Managers::record(id, None, &mut object, view, &self.time());
        self.add(target, options, object)
    }

    /// Makes a new object of one whose namespace and managers are known.
    pub(crate) fn add(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        mut object: Object,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
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
        object.meta.generation = 0;
        object.meta.uid = self.ids.uid();
        object.meta.creation_timestamp = self.time();
        object.meta.deletion_timestamp = String::new();
        object.meta.deletion_grace_period_seconds = None;
        self.insert(view, options, object)
    }

    /// The part of creating that loaded manifests go through as well: they keep their uid, times and status.
    pub(crate) fn insert(
        &mut self,
        view: &View,
        options: &WriteOptions,
        mut object: Object,
    ) -> Result<Arc<Stored>, ApiError> {
        object.meta.generation = match view.kind.generation {
            Generation::Never => 0,
            _ => object.meta.generation.max(1),
        };
        settle_fields(view, &mut object)?;
        let defined = self.define(view, &mut object)?;
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
            return Ok(Arc::new(stored));
        }
        let stored = self.put(view, stored)?;
        if let Some(kind) = defined {
            self.kinds.register(kind);
        }
        Ok(stored)
    }

    /// The kind that an object defines, if it is a definition.
    fn define(&self, view: &View, object: &mut Object) -> Result<Option<Kind>, ApiError> {
        (view.id.as_str() == crd::ID)
            .then(|| crd::define(view, &self.kinds, object))
            .transpose()
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
        check_name(target, &object)?;
        let existing = self.existing(target)?;
        self.amend(target, options, &existing, object, Track::Changes)
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
        check_name(target, &object)?;
        if object.meta.uid != existing.meta.uid {
            let cause = field_invalid("metadata.uid", &object.meta.uid, "field is immutable");
            return Err(ApiError::invalid(&target.view, &target.name, vec![cause]));
        }
        self.amend(target, options, &existing, object, Track::Changes)
    }

    pub(crate) fn existing(&self, target: &Target) -> Result<Arc<Stored>, ApiError> {
        let found = self.get(&target.view.id, &target.key()).cloned();
        found.ok_or_else(|| ApiError::not_found(&target.view, &target.name))
    }

    /// Puts `new` in the place of `existing`, as far as a write to this target may.
    pub(crate) fn amend(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        existing: &Arc<Stored>,
        mut new: Object,
        track: Track,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
        let old = Object::of(existing);
        match_namespace(target, &mut new)?;
        check_version(view, &old, &new)?;
        if target.status {
            let status = new.body.shift_remove("status");
            new.meta = Meta {
                managed_fields: new.meta.managed_fields.take(),
                ..old.meta.clone()
            };
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
        let defined = self.define(view, &mut new)?;
        let changed = match view.kind.generation {
            Generation::Never => false,
            // Of a Deployment, annotations count as well: its ReplicaSets carry them.
            Generation::Spec => {
                let annotations =
                    view.id.as_str() == "deployments.apps" && new.meta.annotations != old.meta.annotations;
                annotations || new.body.get("spec") != old.body.get("spec")
            }
            Generation::Content if target.status => false,
            Generation::Content => new.body != old.body,
        };
        new.meta.generation = old.meta.generation.saturating_add(i64::from(changed));
        validate::update(view, &old.meta, &new.meta)?;
        validate::immutable(view, &old, &new)?;
        validate::object(view, &new)?;
        match track {
            Track::Changes => {
                let id = Id::new(Operation::Update, &options.manager, view, target.status);
                Managers::record(id, Some(&old), &mut new, view, &self.time());
            }
            Track::Known(entries) => new.meta.managed_fields = Some(entries).filter(|entries| !entries.is_empty()),
        }
        if new == old {
            return Ok(existing.clone());
        }
        let stored = self.prepare(view, new)?;
        if options.dry_run {
            return Ok(Arc::new(stored));
        }
        let key = target.key();
        let is_deleting = stored.meta.is_deleting();
        if is_deleting && stored.meta.finalizers.is_empty() && !has_contents(view) {
            let gone = self.take(view, &key, Some(stored));
            let gone = gone.ok_or_else(|| ApiError::not_found(view, &target.name))?;
            self.settle(vec![Work::Gone(view.id.clone(), Box::new(gone.meta.clone()))]);
            return Ok(gone);
        }
        let stored = self.put(view, stored)?;
        if let Some(kind) = defined {
            self.kinds.register(kind);
        }
        if is_deleting {
            self.settle(vec![Work::Emptied(view.id.clone(), key)]);
        }
        Ok(stored)
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

/// The name of the path is that of the object.
fn check_name(target: &Target, object: &Object) -> Result<(), ApiError> {
    if object.meta.name == target.name {
        return Ok(());
    }
    let (said, url) = (&object.meta.name, &target.name);
    let why = format!("the name of the object ({said}) does not match the name on the URL ({url})");
    Err(ApiError::bad_request(why))
}

/// The namespace of the path is that of the object.
pub(crate) fn match_namespace(target: &Target, object: &mut Object) -> Result<(), ApiError> {
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
        "" | "0" => Err(ApiError::no_version(view, name)),
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
        "secrets" => {
            object.body.entry("type").or_insert_with(|| "Opaque".into());
            crate::secret::encode(object)
        }
        _ => Ok(()),
    }
}
