//! DELETE: preconditions, finalizers, and which way it goes on to dependents.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    error::{ApiError, field_not_supported},
    kind::View,
    object::Object,
    settle::Work,
    store::{Key, Store, Stored},
    write::Target,
};

/// Holds an owner until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// The body of a DELETE.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    pub propagation_policy: Option<String>,
    pub orphan_dependents: Option<bool>,
    pub preconditions: Option<Preconditions>,
    pub dry_run: Option<Vec<String>>,
}

/// What must be true of the object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They go after their owner.
    Background,
    /// They go before it.
    Foreground,
    /// They stay, without it as their owner.
    Orphan,
}

/// What became of a deletion.
#[derive(Clone, Debug)]
pub(crate) enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Stored>),
    /// Finalizers, dependents or contents hold it.
    Held(Arc<Stored>),
}

impl Store {
    /// DELETE of one object.
    pub(crate) fn delete(&mut self, target: &Target, options: &DeleteOptions) -> Result<Deleted, ApiError> {
        let view = &target.view;
        let existing = self.existing(target)?;
        options.check(target, &existing)?;
        let propagation = options.propagation()?;
        if options.dry_run.as_ref().is_some_and(|dry_run| !dry_run.is_empty()) {
            let held = !existing.meta.finalizers.is_empty();
            return Ok(if held {
                Deleted::Held(existing)
            } else {
                Deleted::Gone(existing)
            });
        }
        let key = target.key();
        match propagation {
            Propagation::Orphan => self.orphan(&existing.meta.uid)?,
            Propagation::Foreground if !existing.meta.is_deleting() => {
                self.mark(view, &existing, Some(FOREGROUND))?;
                self.settle(vec![Work::Empty(view.id.clone(), key.clone())]);
                return self.outcome(view, &key, existing);
            }
            _ => {}
        }
        self.settle(vec![Work::Delete(view.id.clone(), key.clone())]);
        self.outcome(view, &key, existing)
    }

    /// What there is of it after a deletion.
    fn outcome(&self, view: &View, key: &Key, was: Arc<Stored>) -> Result<Deleted, ApiError> {
        match self.get(&view.id, key) {
            Some(held) if held.meta.is_deleting() => Ok(Deleted::Held(held.clone())),
            Some(_) => Err(ApiError::new(507, "the store is full: the deletion could not be noted")),
            None => Ok(Deleted::Gone(was)),
        }
    }

    /// Notes that an object is being deleted.
    pub(crate) fn mark(&mut self, view: &View, existing: &Stored, finalizer: Option<&str>) -> Result<(), ApiError> {
        let mut object = Object::of(existing);
        object.meta.deletion_timestamp = self.time();
        object.meta.deletion_grace_period_seconds = Some(0);
        object.meta.generation = object
            .meta
            .generation
            .saturating_add(i64::from(object.meta.generation > 0));
        object.meta.finalizers.extend(finalizer.map(str::to_owned));
        if view.id.as_str() == "namespaces" {
            object
                .body
                .insert("status".into(), serde_json::json!({"phase": "Terminating"}));
        }
        let stored = self.prepare(view, object)?;
        self.put(view, stored).map(drop)
    }
}

impl DeleteOptions {
    fn check(&self, target: &Target, existing: &Stored) -> Result<(), ApiError> {
        let Some(wanted) = &self.preconditions else {
            return Ok(());
        };
        let is = &existing.meta;
        let said = [
            ("UID", &wanted.uid, &is.uid),
            ("ResourceVersion", &wanted.resource_version, &is.resource_version),
        ];
        for (what, wanted, is) in said {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != is) {
                let perhaps = if what == "UID" {
                    "deleted and then recreated"
                } else {
                    "modified"
                };
                let why = format!(
                    "the {what} in the precondition ({wanted}) does not match the {what} in record ({is}). The object \
                     might have been {perhaps}"
                );
                return Err(ApiError::precondition(&target.view, &target.name, &why));
            }
        }
        Ok(())
    }

    fn propagation(&self) -> Result<Propagation, ApiError> {
        match (self.propagation_policy.as_deref(), self.orphan_dependents) {
            (Some("Orphan"), _) | (None, Some(true)) => Ok(Propagation::Orphan),
            (Some("Foreground"), _) => Ok(Propagation::Foreground),
            (Some("Background") | None, _) => Ok(Propagation::Background),
            (Some(other), _) => {
                let all = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
                let cause = field_not_supported("propagationPolicy", &format!("{other:?}"), all);
                Err(ApiError::option("DeleteOptions", cause))
            }
        }
    }
}
