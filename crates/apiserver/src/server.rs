//! The server as its owner sees it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::{
    builtin,
    feed::Subscription,
    hook::Hooks,
    kind::Kind,
    limits::Limits,
    service::ApiService,
    store::{Key, Now, Store},
    write::WriteOptions,
};

/// Namespaces of every new cluster.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// A Kubernetes API in memory. See the crate's page.
pub struct ApiServer {
    store: Mutex<Store>,
    pub(crate) hooks: Hooks,
    pub(crate) watches: Arc<Semaphore>,
    /// Grows when all watches are to end.
    pub(crate) ended: watch::Sender<u64>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

impl ApiServer {
    /// A server with the built-in kinds and the namespaces of a new cluster. `now` tells the time that objects carry.
    pub fn new(now: Now) -> Arc<Self> {
        Self::with_limits(now, Limits::default())
    }

    /// The same with other bounds.
    pub fn with_limits(now: Now, limits: Limits) -> Arc<Self> {
        let watches = Arc::new(Semaphore::new(limits.watches));
        let mut store = Store::new(now, limits);
        for kind in builtin::kinds() {
            store.kinds.register(kind);
        }
        for name in NAMESPACES {
            store.ensure_namespace(name);
        }
        Arc::new(Self {
            store: Mutex::new(store),
            hooks: Hooks::default(),
            watches,
            ended: watch::Sender::new(0),
        })
    }

    /// Makes a kind known, or changes how it behaves.
    pub fn register(&self, kind: Kind) {
        self.store().kinds.register(kind);
    }

    /// Creates a namespace if there is none of this name. As in a real cluster, nothing can be created in a namespace
    /// that does not exist.
    pub fn ensure_namespace(&self, name: &str) {
        self.store().ensure_namespace(name);
    }

    /// A tower service for `kube::Client::new(server.service(), "default")`.
    pub fn service(self: &Arc<Self>) -> ApiService {
        ApiService::new(self.clone())
    }

    /// Every change from now on, in order.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.store().subscribe())
    }

    /// The version of the store: that of the last change.
    pub fn revision(&self) -> u64 {
        self.store().revision()
    }

    /// One object as it is stored, without a request. `namespace` is empty for cluster-scoped kinds.
    pub fn object(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let store = self.store();
        let view = store.kinds.by_kind(api_version, kind)?;
        let stored = store.get(&view.id, &Key::new(namespace, name))?;
        Some(crate::object::shown(&view, stored))
    }

    /// The objects of a kind by namespace and name, without a request. An empty `namespace` is all of them.
    pub fn objects(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        let store = self.store();
        let Some(view) = store.kinds.by_kind(api_version, kind) else {
            return Vec::new();
        };
        store
            .objects(&view.id, namespace)
            .map(|stored| crate::object::shown(&view, stored))
            .collect()
    }

    /// Forgets the past: a watch or a page from an older version is answered with 410.
    pub fn compact(&self) {
        self.store().history.compact();
    }

    /// Ends every watch, as a server does that goes away.
    pub fn end_watches(&self) {
        self.ended.send_modify(|ended| *ended += 1);
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    pub(crate) fn ensure_namespace(&mut self, name: &str) {
        let Some(view) = self.kinds.by_kind("v1", "Namespace") else {
            return;
        };
        let target = crate::write::Target {
            view,
            namespace: String::new(),
            name: String::new(),
            status: false,
        };
        let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        // The only likely refusal is that it exists.
        let options = WriteOptions {
            manager: "rollcage".into(),
            ..WriteOptions::default()
        };
        drop(self.create(&target, &options, namespace));
    }
}
