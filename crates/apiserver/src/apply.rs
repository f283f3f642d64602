//! Server-side apply: the applied fields are the manager's, and those that it applied before and does not any more go,
//! unless somebody else manages them.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    error::{ApiError, field_invalid},
    fields::{Id, Managers, Operation, compare, merge, of, prune, tracked, untracked},
    object::{Meta, Object},
    store::{Store, Stored},
    write::{Target, Track, WriteOptions, match_namespace},
};

impl Store {
    /// PATCH with an apply configuration; whether the object was made by it.
    pub(crate) fn apply(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        value: Value,
    ) -> Result<(Arc<Stored>, bool), ApiError> {
        let view = &target.view;
        let mut applied = Object::parse(view, value)?;
        if applied
            .meta
            .managed_fields
            .as_ref()
            .is_some_and(|entries| !entries.is_empty())
        {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        if applied.meta.name.is_empty() {
            applied.meta.name.clone_from(&target.name);
        }
        match_namespace(target, &mut applied)?;
        if applied.meta.name != target.name {
            let why = "must be the name on the URL";
            return Err(ApiError::invalid(
                view,
                &target.name,
                vec![field_invalid("metadata.name", &applied.meta.name, why)],
            ));
        }
        if view.id.as_str() == "secrets" {
            crate::secret::encode(&mut applied)?;
        }
        // Each endpoint takes its half.
        if target.status {
            applied.body.retain(|field, _| field == "status");
        } else if view.kind.status {
            applied.body.shift_remove("status");
        }
        let id = Id::new(Operation::Apply, &options.manager, view, target.status);
        match self.get(&view.id, &target.key()).cloned() {
            Some(existing) => Ok((self.apply_to(target, options, &id, &existing, &applied)?, false)),
            None if target.status => Err(ApiError::not_found(view, &target.name)),
            None => Ok((self.apply_new(target, options, &id, applied)?, true)),
        }
    }

    fn apply_new(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        id: &Id,
        applied: Object,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
        if !applied.meta.uid.is_empty() || !applied.meta.resource_version.is_empty() {
            let why = "the object does not exist, but its uid or resourceVersion was given";
            return Err(ApiError::conflict(view, &target.name, why));
        }
        let mut managers = Managers::default();
        managers.apply(id, of(&view.kind.lists, &tracked(&applied)));
        managers.touch(id, &self.time());
        let mut object = applied;
        object.meta.managed_fields = Some(managers.write());
        self.add(target, options, object)
    }

    fn apply_to(
        &mut self,
        target: &Target,
        options: &WriteOptions,
        id: &Id,
        existing: &Arc<Stored>,
        applied: &Object,
    ) -> Result<Arc<Stored>, ApiError> {
        let view = &target.view;
        let lists = &view.kind.lists;
        let live = Object::of(existing);
        let mut config = tracked(applied);
        if target.status
            && let Some(map) = config.as_object_mut()
        {
            map.shift_remove("metadata");
        }
        let set = of(lists, &config);
        let mut managers = Managers::read(live.meta.managed_fields.as_deref().unwrap_or_default());
        managers.track(&live, view);
        let before = managers.apply(id, set.clone());
        let was = tracked(&live);
        let mut merged = merge(lists, was.clone(), &config);
        let mut gone = before.clone();
        let kept = managers.all();
        gone.subtract(&kept);
        prune(lists, &mut merged, &gone, &kept);
        let changes = compare(lists, &was, &merged);
        if !options.force {
            managers.check_conflicts(id, &changes.changed)?;
        }
        managers.give_up(id, &changes);
        if set != before || !changes.is_empty() {
            managers.touch(id, &self.time());
        }
        let base = Meta {
            uid: applied.meta.uid.clone(),
            resource_version: match applied.meta.resource_version.as_str() {
                "" => live.meta.resource_version.clone(),
                said => said.to_owned(),
            },
            ..live.meta.clone()
        };
        let new = untracked(&base, merged)?;
        self.amend(target, options, existing, new, Track::Known(managers.write()))
    }
}
