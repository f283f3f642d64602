//! All objects at one version, and what differs between two versions.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    feed::{ChangeType, Gvk},
    server::ApiServer,
    store::Store,
};

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind, in the version that is stored.
    pub gvk: Gvk,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Every object at one version. Cheap: objects are shared with the server.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The version of the store.
    pub resource_version: u64,
    /// The objects.
    pub objects: BTreeMap<ObjectKey, Arc<Value>>,
}

/// How one object differs between two snapshots.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Which object.
    pub key: ObjectKey,
    /// What happened to it.
    pub change: ChangeType,
    /// As it was; absent if it is new.
    pub before: Option<Arc<Value>>,
    /// As it is; absent if it is gone.
    pub after: Option<Arc<Value>>,
}

impl Snapshot {
    /// What became of every object that is not the same in `after`, by kind, namespace and name. An object that was
    /// deleted and created again is one that changed.
    pub fn diff(&self, after: &Self) -> Vec<Difference> {
        let gone = self
            .objects
            .iter()
            .filter(|(key, _)| !after.objects.contains_key(key))
            .map(|(key, before)| Difference {
                key: key.clone(),
                change: ChangeType::Deleted,
                before: Some(before.clone()),
                after: None,
            });
        let here = after.objects.iter().filter_map(|(key, after)| {
            let before = self.objects.get(key).cloned();
            let change = match &before {
                None => ChangeType::Added,
                Some(before) if before == after => return None,
                Some(_) => ChangeType::Modified,
            };
            Some(Difference {
                key: key.clone(),
                change,
                before,
                after: Some(after.clone()),
            })
        });
        let mut differences: Vec<_> = gone.chain(here).collect();
        differences.sort_by(|a, b| a.key.cmp(&b.key));
        differences
    }
}

/// An object without what the server itself keeps in it: `managedFields`, `resourceVersion`, `uid`, `generation` and
/// times of creation. What is left is what a reader of a difference wants to see.
pub fn without_bookkeeping(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "generation",
            "creationTimestamp",
        ] {
            meta.shift_remove(field);
        }
    }
    object
}

impl ApiServer {
    /// Every object now.
    pub fn snapshot(&self) -> Snapshot {
        self.store().snapshot()
    }
}

impl Store {
    fn snapshot(&self) -> Snapshot {
        let objects = self.everything().filter_map(|(id, stored)| {
            let view = self.kinds.stored(id)?;
            let gvk = Gvk {
                group: view.group,
                version: view.version,
                kind: view.kind.kind.clone(),
            };
            let (namespace, name) = (stored.meta.namespace.clone(), stored.meta.name.clone());
            Some((ObjectKey { gvk, namespace, name }, stored.value.clone()))
        });
        Snapshot {
            resource_version: self.revision(),
            objects: objects.collect(),
        }
    }
}
