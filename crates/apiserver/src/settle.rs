//! What a deletion brings about: dependents go, owners and namespaces that waited go, kinds that lost their definition
//! go. The real server's controllers do this some time later; here it is done before the request is answered, so that
//! a run is the same every time. A reference to an owner that never was is left alone.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    crd,
    delete::FOREGROUND,
    error::ApiError,
    kind::{KindId, View},
    object::{Meta, Object},
    store::{Key, Place, Store, Stored},
};

/// Something left to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Delete an object in the background way.
    Delete(KindId, Key),
    /// An object is gone.
    Gone(KindId, Box<Meta>),
    /// Delete what an object waits for that is being deleted.
    Empty(KindId, Key),
    /// Something that an object waits for may be gone.
    Emptied(KindId, Key),
}

impl Store {
    /// Does all of it, and what follows from it. Work that a full store refuses is left undone: what it was about
    /// stays as it is, and a later request can try again.
    pub(crate) fn settle(&mut self, work: Vec<Work>) {
        let mut queue: VecDeque<Work> = work.into();
        while let Some(work) = queue.pop_front() {
            let done = match work {
                Work::Delete(id, key) => self.begin_deletion(&id, &key, &mut queue),
                Work::Gone(id, meta) => self.after(&id, &meta, &mut queue),
                Work::Empty(id, key) => {
                    self.empty(&id, &key, &mut queue);
                    Ok(())
                }
                Work::Emptied(id, key) => self.try_finish(&id, &key, &mut queue),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "a deletion could not be carried on");
            }
        }
    }

    fn begin_deletion(&mut self, id: &KindId, key: &Key, queue: &mut VecDeque<Work>) -> Result<(), ApiError> {
        let (Some(view), Some(existing)) = (self.kinds.stored(id), self.get(id, key).cloned()) else {
            return Ok(());
        };
        if !has_contents(&view) && existing.meta.finalizers.is_empty() {
            self.finish(&view, key, queue);
            return Ok(());
        }
        if !existing.meta.is_deleting() {
            self.mark(&view, &existing, None)?;
        }
        queue.push_back(Work::Empty(id.clone(), key.clone()));
        Ok(())
    }

    fn finish(&mut self, view: &View, key: &Key, queue: &mut VecDeque<Work>) {
        if let Some(gone) = self.take(view, key, None) {
            queue.push_back(Work::Gone(view.id.clone(), Box::new(gone.meta.clone())));
        }
    }

    /// Deletes what an object waits for.
    fn empty(&self, id: &KindId, key: &Key, queue: &mut VecDeque<Work>) {
        let (Some(view), Some(existing)) = (self.kinds.stored(id), self.get(id, key)) else {
            return;
        };
        let places = match contents(&view, &existing.meta) {
            Some(contents) => self
                .inside(&contents)
                .map(|(id, stored)| (id.clone(), Key::of(&stored.meta)))
                .collect(),
            None if holds_dependents(&existing.meta) => self.dependents(&existing.meta.uid).cloned().collect(),
            None => Vec::new(),
        };
        queue.extend(places.into_iter().map(|(id, key)| Work::Delete(id, key)));
        queue.push_back(Work::Emptied(id.clone(), key.clone()));
    }

    /// Ends an object that is being deleted once nothing is left that it waits for.
    fn try_finish(&mut self, id: &KindId, key: &Key, queue: &mut VecDeque<Work>) -> Result<(), ApiError> {
        let (Some(view), Some(existing)) = (self.kinds.stored(id), self.get(id, key).cloned()) else {
            return Ok(());
        };
        if !existing.meta.is_deleting() {
            return Ok(());
        }
        if let Some(contents) = contents(&view, &existing.meta) {
            if existing.meta.finalizers.is_empty() && self.inside(&contents).next().is_none() {
                self.finish(&view, key, queue);
            }
            return Ok(());
        }
        let waits = || {
            self.dependents(&existing.meta.uid)
                .any(|place| self.blocks(place, &existing.meta.uid))
        };
        if !holds_dependents(&existing.meta) || waits() {
            return Ok(());
        }
        let mut object = Object::of(&existing);
        object.meta.finalizers.retain(|finalizer| finalizer != FOREGROUND);
        if object.meta.finalizers.is_empty() {
            self.finish(&view, key, queue);
            return Ok(());
        }
        let stored = self.prepare(&view, object)?;
        self.put(&view, stored).map(drop)
    }

    /// Whether an object holds the end of its owner.
    fn blocks(&self, (id, key): &Place, owner: &str) -> bool {
        self.get(id, key).is_some_and(|stored| {
            let mut owners = stored.meta.owner_references.iter();
            owners.any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
        })
    }

    /// What follows from the end of an object.
    fn after(&mut self, id: &KindId, gone: &Meta, queue: &mut VecDeque<Work>) -> Result<(), ApiError> {
        let dependents: Vec<Place> = self.dependents(&gone.uid).cloned().collect();
        for (dependent, key) in dependents {
            // An owner in a namespace owns nothing outside it.
            if !gone.namespace.is_empty() && gone.namespace != key.namespace {
                continue;
            }
            let other_owner = self.get(&dependent, &key).is_some_and(|stored| {
                let mut owners = stored.meta.owner_references.iter();
                owners.any(|owner| owner.uid != gone.uid && self.place(&owner.uid).is_some())
            });
            if other_owner {
                self.drop_owner(&dependent, &key, &gone.uid)?;
            } else {
                queue.push_back(Work::Delete(dependent, key));
            }
        }
        for owner in &gone.owner_references {
            if let Some((id, key)) = self.place(&owner.uid).cloned() {
                queue.push_back(Work::Emptied(id, key));
            }
        }
        if let Some(namespaces) = self
            .kinds
            .by_kind("v1", "Namespace")
            .filter(|_| !gone.namespace.is_empty())
        {
            queue.push_back(Work::Emptied(namespaces.id, Key::new("", &gone.namespace)));
        }
        if id.as_str() == crd::ID {
            self.kinds.remove(&KindId::of(&gone.name));
        } else {
            queue.push_back(Work::Emptied(KindId::of(crd::ID), Key::new("", id.as_str())));
        }
        Ok(())
    }

    /// Takes an object from all its dependents.
    pub(crate) fn orphan(&mut self, uid: &str) -> Result<(), ApiError> {
        let dependents: Vec<Place> = self.dependents(uid).cloned().collect();
        for (id, key) in dependents {
            self.drop_owner(&id, &key, uid)?;
        }
        Ok(())
    }

    fn drop_owner(&mut self, id: &KindId, key: &Key, uid: &str) -> Result<(), ApiError> {
        let (Some(view), Some(existing)) = (self.kinds.stored(id), self.get(id, key).cloned()) else {
            return Ok(());
        };
        let mut object = Object::of(&existing);
        object.meta.owner_references.retain(|owner| owner.uid != uid);
        let stored = self.prepare(&view, object)?;
        self.put(&view, stored).map(drop)
    }

    fn inside<'s>(&'s self, contents: &'s Contents) -> Box<dyn Iterator<Item = (&'s KindId, &'s Arc<Stored>)> + 's> {
        match contents {
            Contents::Namespace(name) => {
                let kinds = self.kinds.iter().filter(|(_, kind)| kind.namespaced);
                Box::new(kinds.flat_map(move |(id, _)| self.objects(id, name).map(move |stored| (id, stored))))
            }
            Contents::Kind(id) => Box::new(self.objects(id, "").map(move |stored| (id, stored))),
        }
    }
}

/// Whether an object waits for its dependents.
fn holds_dependents(meta: &Meta) -> bool {
    meta.finalizers.iter().any(|finalizer| finalizer == FOREGROUND)
}

/// Whether something must be gone before an object of this kind goes.
pub(crate) fn has_contents(view: &View) -> bool {
    matches!(view.id.as_str(), "namespaces" | crd::ID)
}

/// What must be gone before an object goes.
enum Contents {
    /// Everything in the namespace.
    Namespace(String),
    /// Every object of the kind.
    Kind(KindId),
}

fn contents(view: &View, meta: &Meta) -> Option<Contents> {
    match view.id.as_str() {
        "namespaces" => Some(Contents::Namespace(meta.name.clone())),
        crd::ID => Some(Contents::Kind(KindId::of(&meta.name))),
        _ => None,
    }
}
