//! The Plugin objects as they were last seen, whoever saw them: the watch, or an answer to a write of ours.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{ResourceExt as _, api::DynamicObject};
use tokio::sync::watch;

use crate::guard::compare;

type Objects = BTreeMap<String, Arc<DynamicObject>>;

/// All objects, as soon as they were listed once. Nothing older replaces anything newer.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: Mutex<Option<Objects>>,
    version: watch::Sender<u64>,
}

impl Store {
    /// Tells of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// All objects; `None` while nothing is known of them.
    pub(super) fn all(&self) -> Option<Objects> {
        self.lock().clone()
    }

    /// One object.
    pub(super) fn get(&self, name: &str) -> Option<Arc<DynamicObject>> {
        self.lock().as_ref()?.get(name).cloned()
    }

    /// Nothing is known any more.
    pub(super) fn forget_all(&self) {
        *self.lock() = None;
        self.changed();
    }

    /// These and no others.
    pub(super) fn replace(&self, listed: Vec<DynamicObject>) {
        let mut objects = self.lock();
        let before = objects.take().unwrap_or_default();
        let listed = listed.into_iter().map(|object| {
            let name = object.name_any();
            let newer = before.get(&name).filter(|known| is_newer(known, &object)).cloned();
            (name, newer.unwrap_or_else(|| Arc::new(trimmed(object))))
        });
        *objects = Some(listed.collect());
        drop(objects);
        self.changed();
    }

    /// One object is like this now.
    pub(super) fn put(&self, object: DynamicObject) {
        if let Some(objects) = self.lock().as_mut() {
            let name = object.name_any();
            if objects.get(&name).is_some_and(|known| is_newer(known, &object)) {
                return;
            }
            objects.insert(name, Arc::new(trimmed(object)));
        }
        self.changed();
    }

    /// One object is gone; one made anew under its name is not.
    pub(super) fn remove(&self, name: &str, uid: Option<&str>) {
        if let Some(objects) = self.lock().as_mut() {
            let known = objects.get(name);
            if known.is_none_or(|known| uid.is_some() && known.metadata.uid.as_deref() != uid) {
                return;
            }
            objects.remove(name);
        }
        self.changed();
    }

    fn changed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Objects>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what is known is newer than what comes.
fn is_newer(known: &DynamicObject, coming: &DynamicObject) -> bool {
    let version = |object: &DynamicObject| object.metadata.resource_version.clone().unwrap_or_default();
    compare(&version(known), &version(coming)) == Some(Ordering::Greater)
}

fn trimmed(mut object: DynamicObject) -> DynamicObject {
    object.metadata.managed_fields = None;
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, uid: &str, version: &str) -> DynamicObject {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "rollcage.dev/v1alpha1", "kind": "Plugin",
            "metadata": {"name": name, "uid": uid, "resourceVersion": version}
        }))
        .unwrap()
    }

    fn version(store: &Store, name: &str) -> Option<String> {
        store.get(name)?.metadata.resource_version.clone()
    }

    #[test]
    fn nothing_older_replaces_anything_newer() {
        let store = Store::default();
        store.put(object("early", "u", "1"));
        assert!(store.all().is_none(), "one object is not all of them");
        store.replace(vec![object("a", "u", "5"), object("b", "v", "5")]);
        store.put(object("a", "u", "10"));
        store.put(object("a", "u", "9"));
        assert_eq!(version(&store, "a").as_deref(), Some("10"));
        store.replace(vec![object("a", "u", "8")]);
        assert_eq!(version(&store, "a").as_deref(), Some("10"));
        assert!(store.get("b").is_none());
        store.remove("a", Some("older"));
        assert!(store.get("a").is_some(), "the one that is gone had another uid");
        store.remove("a", Some("u"));
        assert!(store.get("a").is_none());
    }
}
