//! The Secrets that entries of plugins name: each is watched by its name, so that a new value counts at once.
//!
//! ```text
//! read(NAME) ── first time ──> watch of NAME alone (list and watch of this one object) ──> value in memory, revision
//!     │  <───────────────────────────────────────────────────────────────────────────────────┘        │
//!     └── the watch could not begin (no right) ──> read directly                                       │
//! registry: loads that failed, of plugins that name it <── tried again <── appeared, changed, gone <───┘
//! ```
//!
//! Invariants: no Secret is asked for that no entry names, and none is asked for without its name; values are in memory
//! only, and go when no entry names them any more; what cannot be watched is read as if there were no watches.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::watcher::{self, Event},
};
use rollcage_api::plugin::PluginEntry;
use rollcage_core::{
    PluginId,
    host::{Secrets, SecretsError},
};
use rollcage_registry::{Registry, Snapshot};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use crate::watch::follow;

/// Longest wait for a watch that has just begun.
const BEGINNING: Duration = Duration::from_secs(5);

type Data = BTreeMap<String, Vec<u8>>;

/// The Secrets of one namespace. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct WatchedSecrets(Arc<Inner>);

struct Inner {
    client: Client,
    namespace: String,
    /// One request for each reading: where there is no watch.
    direct: Arc<dyn Secrets>,
    runtime: Handle,
    watches: Mutex<HashMap<String, Watch>>,
    changes: Arc<Changes>,
}

/// Numbers of what was seen, never used twice, and who is told of each.
#[derive(Debug, Default)]
struct Changes {
    last: AtomicU64,
    told: watch::Sender<u64>,
}

/// The watch of one Secret; it ends when this is dropped.
struct Watch {
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a watch has seen of its Secret.
#[derive(Clone, Default)]
struct Seen {
    /// Nothing before the first answer.
    known: Option<Known>,
    /// The watch could not begin. One that breaks off later goes on where it was, without missing a change: until then what
    /// is known counts.
    is_cut: bool,
}

#[derive(Clone)]
struct Known {
    revision: u64,
    /// None: there is no such Secret.
    data: Option<Arc<Data>>,
}

impl WatchedSecrets {
    /// Those of `namespace`; what cannot be watched is read by `direct`. Watches run where this is called.
    pub fn new(client: Client, namespace: &str, direct: Arc<dyn Secrets>) -> Self {
        Self(Arc::new(Inner {
            client,
            namespace: namespace.to_owned(),
            direct,
            runtime: Handle::current(),
            watches: Mutex::default(),
            changes: Arc::default(),
        }))
    }

    /// Watches what the entries of the registry name and nothing else, and has loads that failed tried again when a Secret
    /// that their entry names appears or changes.
    pub async fn serve(&self, registry: &Registry) -> Infallible {
        let mut snapshots = registry.watch();
        let mut told = self.0.changes.told.subscribe();
        let mut revisions = HashMap::new();
        let mut again = BTreeSet::new();
        let mut is_last = false;
        loop {
            snapshots.mark_unchanged();
            told.mark_unchanged();
            let snapshot = registry.snapshot();
            let named = named(&snapshot);
            self.keep(&named);
            for (name, plugins) in &named {
                let revision = self.revision(name);
                if revision.is_some() && revisions.insert(name.clone(), revision) != Some(revision) {
                    again.extend(plugins.iter().cloned());
                }
            }
            revisions.retain(|name, _| named.contains_key(name));
            // One that loads may have read the older value: it has its turn when that load has failed.
            let is_loading = |id: &PluginId| snapshot.plugins.get(id).is_some_and(|plugin| plugin.loading.is_some());
            let ready: Vec<PluginId> = again.extract_if(.., |id| !is_loading(id)).collect();
            registry.load_failed_again(&ready);
            tokio::select! {
                changed = snapshots.changed(), if !is_last => is_last = changed.is_err(),
                // We hold the sender.
                _ = told.changed() => {}
            }
        }
    }

    /// Ends the watches of other Secrets, and begins those that are missing.
    fn keep(&self, named: &BTreeMap<String, Vec<PluginId>>) {
        self.watches().retain(|name, _| named.contains_key(name));
        for name in named.keys().filter(|name| is_name(name)) {
            self.watch(name);
        }
    }

    /// What the watch of this Secret sees; it begins where there is none.
    fn watch(&self, name: &str) -> watch::Receiver<Seen> {
        let mut watches = self.watches();
        let watch = watches.entry(name.to_owned()).or_insert_with(|| self.begin(name));
        watch.seen.clone()
    }

    fn begin(&self, name: &str) -> Watch {
        let (sender, seen) = watch::channel(Seen::default());
        let inner = &self.0;
        let api: Api<Secret> = Api::namespaced(inner.client.clone(), &inner.namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let what = format!("watch the Secret {}/{name}", inner.namespace);
        let (changes, place) = (inner.changes.clone(), format!("{}/{name}", inner.namespace));
        let task = inner.runtime.spawn(async move {
            let mut listed = None;
            follow(api, only, &what, move |event| {
                let data = match event {
                    Ok(Event::Init) => {
                        listed = None;
                        return;
                    }
                    Ok(Event::InitApply(secret)) => {
                        listed = Some(data(secret));
                        return;
                    }
                    Ok(Event::InitDone) => listed.take(),
                    Ok(Event::Apply(secret)) => Some(data(secret)),
                    Ok(Event::Delete(_)) => None,
                    Err(_) => {
                        cut(&sender, &place);
                        return;
                    }
                };
                changes.note(&sender, data);
            })
            .await;
        });
        Watch { seen, task }
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<String, Watch>> {
        self.0.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WatchedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedSecrets")
            .field("namespace", &self.0.namespace)
            .finish_non_exhaustive()
    }
}

impl Changes {
    /// This is the Secret now. The same as before has the same number.
    fn note(&self, seen: &watch::Sender<Seen>, data: Option<Data>) {
        let data = data.map(Arc::new);
        let mut is_new = false;
        seen.send_modify(|seen| {
            seen.is_cut = false;
            if seen.known.as_ref().is_none_or(|known| known.data != data) {
                let revision = self.last.fetch_add(1, Ordering::Relaxed) + 1;
                seen.known = Some(Known { revision, data });
                is_new = true;
            }
        });
        if is_new {
            self.told.send_modify(|told| *told += 1);
        }
    }
}

/// The watch failed; why is said where it is watched.
fn cut(seen: &watch::Sender<Seen>, place: &str) {
    seen.send_if_modified(|seen| {
        if seen.known.is_some() {
            return false;
        }
        let is_new = !std::mem::replace(&mut seen.is_cut, true);
        if is_new {
            tracing::warn!(
                secret = place,
                "until it can be watched this Secret is read when it is needed, at most every 30 s: allow list and watch of it"
            );
        }
        is_new
    });
}

#[async_trait]
impl Secrets for WatchedSecrets {
    async fn read(&self, name: &str) -> Result<Option<Data>, SecretsError> {
        if !is_name(name) {
            return self.0.direct.read(name).await;
        }
        let mut seen = self.watch(name);
        let begun = seen.wait_for(|seen| seen.known.is_some() || seen.is_cut);
        // Whether it came in time shows in what is there. The guard is gone before anything else is waited for.
        let _ = tokio::time::timeout(BEGINNING, begun).await.map(drop);
        let known = seen.borrow().known.clone();
        match known {
            Some(known) => Ok(known.data.as_deref().cloned()),
            None => self.0.direct.read(name).await,
        }
    }

    fn revision(&self, name: &str) -> Option<u64> {
        let watches = self.watches();
        let seen = watches.get(name)?.seen.borrow();
        Some(seen.known.as_ref()?.revision)
    }
}

fn data(secret: Secret) -> Data {
    let data = secret.data.unwrap_or_default();
    data.into_iter().map(|(key, value)| (key, value.0)).collect()
}

/// Whether an object can have this name: others would be something else in a field selector.
fn is_name(name: &str) -> bool {
    let is_good = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, b'-' | b'.');
    !name.is_empty() && name.bytes().all(is_good)
}

/// Every Secret that an entry names, with the plugins that need it.
fn named(snapshot: &Snapshot) -> BTreeMap<String, Vec<PluginId>> {
    let mut named: BTreeMap<String, Vec<PluginId>> = BTreeMap::new();
    for (id, plugin) in &snapshot.plugins {
        for name in plugin.entry.iter().flat_map(|entry| names(entry)) {
            named.entry(name.to_owned()).or_default().push(id.clone());
        }
    }
    named
}

fn names(entry: &PluginEntry) -> impl Iterator<Item = &str> {
    let headers = entry.headers_from.iter().map(|from| from.secret_ref.name.as_str());
    let credentials = entry.permissions.credentials.iter();
    let credentials = credentials.filter_map(|credential| Some(credential.secret_ref.as_ref()?.name.as_str()));
    let wanted = (!entry.disabled).then_some(headers.chain(credentials));
    wanted.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_watched() {
        for good in ["a", "prom-token", "a.b-1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "a,metadata.namespace=b", "a=b", "a/b", "a b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
