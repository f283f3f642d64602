//! `metadata.managedFields`.

use std::collections::BTreeMap;

use super::{
    compare::{Changes, compare, of, tracked},
    set::Set,
};
use crate::{
    error::{ApiError, Cause, Details, Reason},
    kind::View,
    object::{ManagedFieldsEntry, Object},
};

/// Managers by update that are told apart; older ones are put together, as by the real server.
const UPDATES: usize = 10;
const ANCIENT: &str = "ancient-changes";
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// How a manager came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells managers apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub operation: Operation,
    pub manager: String,
    pub api_version: String,
    pub subresource: String,
}

impl Id {
    pub(crate) fn new(operation: Operation, manager: &str, view: &View, status: bool) -> Self {
        // Fields are told apart by the names they are stored under.
        let stored = view.kind.served.first().filter(|_| !view.renames.is_empty());
        let api_version = stored.map(|stored| crate::kind::api_version(&stored.group, &stored.version));
        Self {
            operation,
            manager: manager.into(),
            api_version: api_version.unwrap_or_else(|| view.api_version()),
            subresource: if status { "status".into() } else { String::new() },
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Managed {
    set: Set,
    time: String,
}

/// Who manages which fields of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Managers(BTreeMap<Id, Managed>);

impl Managers {
    /// Reads the entries of an object. Entries that it does not understand are left out.
    pub(crate) fn read(entries: &[ManagedFieldsEntry]) -> Self {
        let mut managers = Self::default();
        for entry in entries.iter().filter(|entry| entry.fields_type == "FieldsV1") {
            let operation = match entry.operation.as_str() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => continue,
            };
            let id = Id {
                operation,
                manager: entry.manager.clone(),
                api_version: entry.api_version.clone(),
                subresource: entry.subresource.clone(),
            };
            let set = Set::from_fields_v1(&entry.fields_v1);
            managers.0.insert(
                id,
                Managed {
                    set,
                    time: entry.time.clone(),
                },
            );
        }
        managers
    }

    /// The entries: appliers first, then by time.
    pub(crate) fn write(mut self) -> Vec<ManagedFieldsEntry> {
        self.0.retain(|_, managed| !managed.set.is_empty());
        self.cap();
        let mut all: Vec<(Id, Managed)> = self.0.into_iter().collect();
        all.sort_by(|(a, this), (b, that)| {
            (a.operation, &this.time, &a.manager).cmp(&(b.operation, &that.time, &b.manager))
        });
        let entry = |(id, managed): (Id, Managed)| ManagedFieldsEntry {
            manager: id.manager,
            operation: id.operation.as_str().into(),
            api_version: id.api_version,
            time: managed.time,
            fields_type: "FieldsV1".into(),
            fields_v1: managed.set.to_fields_v1(),
            subresource: id.subresource,
        };
        all.into_iter().map(entry).collect()
    }

    fn cap(&mut self) {
        let mut updates: Vec<_> = self
            .0
            .iter()
            .filter(|(id, _)| id.operation == Operation::Update)
            .map(|(id, managed)| (managed.time.clone(), id.clone()))
            .collect();
        updates.sort();
        let over = updates.len().saturating_sub(UPDATES);
        // One more than what is over: they become one.
        for (_, id) in updates.into_iter().take(if over > 0 { over + 1 } else { 0 }) {
            let Some(managed) = self.0.remove(&id) else { continue };
            let ancient = self
                .0
                .entry(Id {
                    manager: ANCIENT.into(),
                    subresource: String::new(),
                    ..id
                })
                .or_default();
            ancient.set.add(&managed.set);
            ancient.time = managed.time;
        }
    }

    /// Notes what a write that is no apply changed. `new` brings its own entries, those of `old` if it has none, and
    /// with an empty list forgets them all.
    pub(crate) fn record(id: Id, old: Option<&Object>, new: &mut Object, view: &View, time: &str) {
        let brought = new.meta.managed_fields.take();
        let emptied = brought
            .as_ref()
            .is_some_and(|entries| entries.iter().all(|entry| *entry == ManagedFieldsEntry::default()));
        let mut managers = brought
            .filter(|_| !emptied)
            .map(|entries| Self::read(&entries))
            .unwrap_or_default();
        if managers.0.is_empty() && !emptied {
            let entries = old.and_then(|old| old.meta.managed_fields.as_deref());
            managers = Self::read(entries.unwrap_or_default());
        }
        // An object that nobody tracks stays so until someone applies it.
        if managers.0.is_empty() && old.is_some() {
            return;
        }
        let lists = &view.kind.lists;
        let was = old.map_or_else(|| serde_json::json!({}), tracked);
        let changes = compare(lists, &was, &tracked(new));
        managers.give_up(&id, &changes);
        let own = managers.0.entry(id).or_default();
        let before = own.set.clone();
        own.set.add(&changes.changed);
        own.set.subtract(&changes.removed);
        if own.set != before {
            time.clone_into(&mut own.time);
        }
        new.meta.managed_fields = Some(managers.write()).filter(|entries| !entries.is_empty());
    }

    /// An object that nobody tracked counts as written by one manager before.
    pub(crate) fn track(&mut self, live: &Object, view: &View) {
        if self.0.is_empty() {
            let before = Id::new(Operation::Update, BEFORE_FIRST_APPLY, view, false);
            let set = of(&view.kind.lists, &tracked(live));
            self.0.insert(
                before,
                Managed {
                    set,
                    time: live.meta.creation_timestamp.clone(),
                },
            );
        }
    }

    /// `id` applies `set`; what it applied last.
    pub(crate) fn apply(&mut self, id: &Id, set: Set) -> Set {
        std::mem::replace(&mut self.0.entry(id.clone()).or_default().set, set)
    }

    /// The fields that anyone manages.
    pub(crate) fn all(&self) -> Set {
        self.0.values().fold(Set::default(), |mut all, managed| {
            all.add(&managed.set);
            all
        })
    }

    /// Everyone but `id` loses what changed.
    pub(crate) fn give_up(&mut self, id: &Id, changes: &Changes) {
        for (_, managed) in self.0.iter_mut().filter(|(other, _)| *other != id) {
            managed.set.subtract(&changes.changed);
            managed.set.subtract(&changes.removed);
        }
    }

    pub(crate) fn touch(&mut self, id: &Id, time: &str) {
        if let Some(managed) = self.0.get_mut(id) {
            time.clone_into(&mut managed.time);
        }
    }

    /// Refuses an apply that changes what others manage.
    pub(crate) fn check_conflicts(&self, id: &Id, changed: &Set) -> Result<(), ApiError> {
        let mut causes = Vec::new();
        let mut others = std::collections::BTreeSet::new();
        for (other, managed) in self.0.iter().filter(|(other, _)| *other != id) {
            let subresource = match other.subresource.as_str() {
                "" => String::new(),
                subresource => format!(" with subresource \"{subresource}\""),
            };
            let how = if other.operation == Operation::Update {
                format!(" using {} at {}", other.api_version, managed.time)
            } else {
                String::new()
            };
            let who = format!("conflict with \"{}\"{subresource}{how}", other.manager);
            for field in managed.set.intersection(changed).paths() {
                others.insert(format!("{who}: {field}"));
                causes.push(Cause {
                    reason: "FieldManagerConflict",
                    message: who.clone(),
                    field,
                });
            }
        }
        if causes.is_empty() {
            return Ok(());
        }
        let (count, plural) = (causes.len(), if causes.len() == 1 { "" } else { "s" });
        let shown: Vec<String> = others.into_iter().take(8).collect();
        let message = format!("Apply failed with {count} conflict{plural}: {}", shown.join(", "));
        causes.truncate(crate::error::MAX_CAUSES);
        let details = Some(Box::new(Details {
            causes,
            ..Details::default()
        }));
        Err(ApiError {
            code: 409,
            reason: Reason::Conflict,
            message,
            details,
        })
    }
}
