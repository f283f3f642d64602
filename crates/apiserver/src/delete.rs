//! DELETE: preconditions and finalizers.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    error::ApiError,
    object::Object,
    store::{Store, Stored},
    write::Target,
};

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

/// What became of a deletion.
#[derive(Clone, Debug)]
pub(crate) enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Stored>),
    /// Finalizers hold it.
    Held(Arc<Stored>),
}

impl Store {
    /// DELETE of one object.
    pub(crate) fn delete(&mut self, target: &Target, options: &DeleteOptions) -> Result<Deleted, ApiError> {
        let view = &target.view;
        let existing = self.existing(target)?;
        options.check(target, &existing)?;
        let dry_run = options.dry_run.as_ref().is_some_and(|dry_run| !dry_run.is_empty());
        if existing.meta.finalizers.is_empty() {
            if dry_run {
                return Ok(Deleted::Gone(existing));
            }
            let gone = self.take(view, &target.key(), None);
            return gone
                .map(Deleted::Gone)
                .ok_or_else(|| ApiError::not_found(view, &target.name));
        }
        if existing.meta.is_deleting() || dry_run {
            return Ok(Deleted::Held(existing));
        }
        let mut object = Object::of(&existing);
        object.meta.deletion_timestamp = self.time();
        object.meta.deletion_grace_period_seconds = Some(0);
        object.meta.generation += i64::from(object.meta.generation > 0);
        let stored = self.prepare(view, object)?;
        self.put(view, stored).map(Deleted::Held)
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
                let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {is}");
                return Err(ApiError::conflict(&target.view, &target.name, &why));
            }
        }
        Ok(())
    }
}
