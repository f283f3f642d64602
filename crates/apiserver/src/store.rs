//! Every object, its version, and the order of changes. Everything here happens under one lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Range},
    io,
    sync::{Arc, Weak},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    error::ApiError,
    feed::{Change, ChangeType, Feed, Gvk},
    history::{Event, History},
    id::Ids,
    kind::{KindId, Kinds, View},
    limits::Limits,
    object::{Meta, Object, nests_within},
};

/// Tells the time that objects carry.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An object as it is stored.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    pub meta: Meta,
    /// The whole object, in the version that is stored.
    pub value: Arc<Value>,
    /// Bytes as JSON.
    pub size: usize,
    /// The version of the store when it was written.
    pub revision: u64,
}

/// Namespace (empty for cluster-scoped kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    pub(crate) fn of(meta: &Meta) -> Self {
        Self::new(&meta.namespace, &meta.name)
    }
}

/// Where an object is.
pub(crate) type Place = (KindId, Key);

pub(crate) struct Store {
    pub kinds: Kinds,
    pub limits: Limits,
    pub ids: Ids,
    pub history: History,
    now: Now,
    revision: u64,
    objects: BTreeMap<KindId, BTreeMap<Key, Arc<Stored>>>,
    /// Where the object of a UID is.
    uids: HashMap<String, Place>,
    /// Which objects name a UID as their owner.
    dependents: HashMap<String, BTreeSet<Place>>,
    bytes: usize,
    feeds: Vec<Weak<Feed>>,
    /// Wakes watches.
    grown: watch::Sender<u64>,
}

impl Store {
    pub(crate) fn new(now: Now, limits: Limits) -> Self {
        Self {
            kinds: Kinds::default(),
            ids: Ids::default(),
            history: History::new(limits.history, limits.history_bytes),
            limits,
            now,
            revision: 0,
            objects: BTreeMap::new(),
            uids: HashMap::new(),
            dependents: HashMap::new(),
            bytes: 0,
            feeds: Vec::new(),
            grown: watch::Sender::new(0),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Now, in whole seconds, as objects carry it.
    pub(crate) fn time(&self) -> String {
        let now = (self.now)();
        Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
    }

    pub(crate) fn subscribe(&mut self) -> Arc<Feed> {
        let feed = Feed::new(self.limits.unread, self.limits.unread_bytes);
        self.feeds.retain(|feed| feed.strong_count() > 0);
        self.feeds.push(Arc::downgrade(&feed));
        feed
    }

    /// Wakes at every change.
    pub(crate) fn growth(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    pub(crate) fn get(&self, id: &KindId, key: &Key) -> Option<&Arc<Stored>> {
        self.objects.get(id)?.get(key)
    }

    /// The objects of a kind by namespace and name; those of one namespace if it is not empty.
    pub(crate) fn objects(&self, id: &KindId, namespace: &str) -> impl Iterator<Item = &Arc<Stored>> {
        let namespace = namespace.to_owned();
        let all: Option<Range<'_, Key, Arc<Stored>>> = self
            .objects
            .get(id)
            .map(|objects| objects.range(Key::new(&namespace, "")..));
        all.into_iter()
            .flatten()
            .take_while(move |(key, _)| namespace.is_empty() || key.namespace == namespace)
            .map(|(_, stored)| stored)
    }

    /// Every object of every kind.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&KindId, &Arc<Stored>)> {
        self.objects
            .iter()
            .flat_map(|(id, objects)| objects.values().map(move |stored| (id, stored)))
    }

    /// What `object` would be once stored; its `resourceVersion` is left alone.
    pub(crate) fn prepare(&self, view: &View, object: Object) -> Result<Stored, ApiError> {
        let Some(stored) = self.kinds.stored(&view.id) else {
            return Err(ApiError::no_route());
        };
        let value = object.to_value(&stored.api_version(), &stored.kind.kind);
        if !nests_within(&value, self.limits.depth) {
            return Err(ApiError::bad_request(format!(
                "the object is nested deeper than {} levels",
                self.limits.depth
            )));
        }
        let size = size_of(&value);
        if size > self.limits.object {
            let most = self.limits.object;
            return Err(ApiError::too_large(format!(
                "the object has {size} bytes as JSON: limit is {most}"
            )));
        }
        Ok(Stored {
            meta: object.meta,
            value: Arc::new(value),
            size,
            revision: self.revision,
        })
    }

    /// Stores an object under the next version.
    pub(crate) fn put(&mut self, view: &View, mut stored: Stored) -> Result<Arc<Stored>, ApiError> {
        let key = Key::of(&stored.meta);
        let previous = self.get(&view.id, &key).cloned();
        let bytes = (self.bytes + stored.size).saturating_sub(previous.as_ref().map_or(0, |old| old.size));
        let full = previous.is_none() && self.uids.len() >= self.limits.objects;
        if full || bytes > self.limits.bytes {
            let why = "the store is full: delete objects, or start the server with higher limits";
            return Err(ApiError::new(507, why));
        }
        self.bytes = bytes;
        if let Some(previous) = &previous {
            self.forget(&view.id, &previous.meta);
        }
        self.stamp(&mut stored);
        self.remember(&view.id, &stored.meta);
        let stored = Arc::new(stored);
        self.objects
            .entry(view.id.clone())
            .or_default()
            .insert(key, stored.clone());
        let change = if previous.is_some() {
            ChangeType::Modified
        } else {
            ChangeType::Added
        };
        self.publish(view, change, stored.clone(), previous);
        Ok(stored)
    }

    /// Removes an object; what is left is its last state under the version of the deletion. `last` is that state where
    /// it differs from what is stored.
    pub(crate) fn take(&mut self, view: &View, key: &Key, last: Option<Stored>) -> Option<Arc<Stored>> {
        let previous = self.objects.get_mut(&view.id)?.remove(key)?;
        self.forget(&view.id, &previous.meta);
        self.bytes = self.bytes.saturating_sub(previous.size);
        let mut last = last.unwrap_or_else(|| Stored {
            meta: previous.meta.clone(),
            value: previous.value.clone(),
            size: previous.size,
            revision: 0,
        });
        self.stamp(&mut last);
        let last = Arc::new(last);
        self.publish(view, ChangeType::Deleted, last.clone(), Some(previous));
        Some(last)
    }

    /// Where the object of a UID is.
    pub(crate) fn place(&self, uid: &str) -> Option<&Place> {
        self.uids.get(uid)
    }

    /// Where the objects are that name a UID as their owner.
    pub(crate) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Place> + use<'_> {
        self.dependents.get(uid).into_iter().flatten()
    }

    fn remember(&mut self, id: &KindId, meta: &Meta) {
        let place = (id.clone(), Key::of(meta));
        for owner in &meta.owner_references {
            self.dependents
                .entry(owner.uid.clone())
                .or_default()
                .insert(place.clone());
        }
        self.uids.insert(meta.uid.clone(), place);
    }

    fn forget(&mut self, id: &KindId, meta: &Meta) {
        let place = (id.clone(), Key::of(meta));
        for owner in &meta.owner_references {
            if let Some(places) = self.dependents.get_mut(&owner.uid) {
                places.remove(&place);
                if places.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        self.uids.remove(&meta.uid);
    }

    fn stamp(&mut self, stored: &mut Stored) {
        self.revision += 1;
        let version = self.revision.to_string();
        stored.meta.resource_version = version;
        stored.revision = self.revision;
        if let Some(meta) = Arc::make_mut(&mut stored.value).get_mut("metadata") {
            *meta = stored.meta.to_value();
        }
    }

    fn publish(&mut self, view: &View, change: ChangeType, object: Arc<Stored>, previous: Option<Arc<Stored>>) {
        let gvk = || {
            let stored = self.kinds.stored(&view.id);
            let (group, version) = stored.map(|stored| (stored.group, stored.version)).unwrap_or_default();
            Gvk {
                group,
                version,
                kind: view.kind.kind.clone(),
            }
        };
        let gvk = gvk();
        self.feeds.retain(|feed| {
            let Some(feed) = feed.upgrade() else { return false };
            let change = Change {
                change,
                gvk: gvk.clone(),
                namespace: object.meta.namespace.clone(),
                name: object.meta.name.clone(),
                resource_version: self.revision,
                object: object.value.clone(),
                previous: previous.as_ref().map(|previous| previous.value.clone()),
            };
            feed.push(change, object.size);
            true
        });
        self.history.push(Event {
            revision: self.revision,
            kind: view.id.clone(),
            change,
            object,
            previous,
        });
        self.grown.send_replace(self.revision);
    }
}

/// Bytes of a value as JSON.
pub(crate) fn size_of(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Writing a value to a writer that never fails does not fail.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}
