//! One load, from entry to port: the order of the stages, single flight, and the stand-in while the wanted bytes are not
//! to be had.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::{Either, select};
use rollcage_core::{Fault, PluginId};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::{
    loader::{Loaded, Loader, Plugin, Progress, Stage},
    observe::Observer,
};

/// What serves while a load goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    None,
    /// Something that an older entry asked for.
    OlderEntry,
    /// Something that this entry asked for.
    ThisEntry,
}

/// Told of a load's events.
pub(crate) trait Events: Progress {
    /// The last-known-good bytes can serve until the wanted ones are there.
    fn stand_in(&self, loaded: Loaded);
}

/// A load, whatever the loader's own types are.
#[async_trait]
pub(crate) trait Load: Send + Sync + std::fmt::Debug {
    /// From entry to port.
    async fn load(&self, plugin: &Plugin, standing: Standing, events: &dyn Events) -> Result<Loaded, Box<Fault>>;
    /// A plugin is no longer configured, unless it is again.
    async fn forget(&self, id: &PluginId, is_wanted: &(dyn Fn() -> bool + Sync));
}

/// The stages of a [`Loader`] in order.
pub(crate) struct Pipeline<L: Loader> {
    loader: L,
    /// How long the wanted bytes may take before the last-known-good ones serve in the meantime, when nothing does.
    patience: Duration,
    observer: Arc<dyn Observer>,
    components: Keyed<Weak<L::Component>>,
    /// Held while what is kept of a plugin changes.
    keeping: Keyed<()>,
}

impl<L: Loader> std::fmt::Debug for Pipeline<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("loader", &self.loader)
            .finish_non_exhaustive()
    }
}

impl<L: Loader> Pipeline<L> {
    pub(crate) fn new(loader: L, patience: Duration, observer: Arc<dyn Observer>) -> Self {
        Self {
            loader,
            patience,
            observer,
            components: Keyed::default(),
            keeping: Keyed::default(),
        }
    }

    /// From bytes to port. Of one digest, one compilation at a time, and its result is shared for as long as it is used.
    async fn start(&self, plugin: &Plugin, bytes: &L::Bytes, progress: &dyn Progress) -> Result<Loaded, Box<Fault>> {
        let digest = self.loader.digest(bytes);
        if self.loader.is_compiled(bytes) {
            progress.at(Stage::Compiling);
        }
        let component = {
            let flight = self.components.get(&digest);
            let mut shared = flight.lock().await;
            if let Some(component) = shared.upgrade() {
                component
            } else {
                let component = self.loader.compile(plugin, bytes).await?;
                *shared = Arc::downgrade(&component);
                component
            }
        };
        progress.at(Stage::Initializing);
        self.loader.initialize(plugin, component).await
    }

    async fn wanted(&self, plugin: &Plugin, progress: &Recorder<'_>) -> Result<Loaded, Box<Fault>> {
        progress.at(Stage::Fetching);
        if !plugin.entry.sha256.is_empty() {
            progress.digest(&plugin.entry.sha256);
        }
        let bytes = self.loader.fetch(plugin, progress).await?;
        let digest = self.loader.digest(&bytes);
        progress.digest(&digest);
        let _ = progress.got.set(digest);
        let loaded = self.start(plugin, &bytes, progress).await?;
        let keeping = self.keeping.get(&key(&plugin.id));
        let _turn = keeping.lock().await;
        if let Err(fault) = self.loader.remember(plugin, &bytes).await {
            tracing::warn!(plugin = %plugin.id, %fault, "cannot note what serves: a restart may not find it");
        }
        Ok(loaded)
    }

    /// The last-known-good bytes under the present entry: an older plugin, but never older grants.
    async fn stand_in(&self, plugin: &Plugin, wanted: &Recorder<'_>) -> Option<Loaded> {
        let bytes = self.loader.last_known_good(&plugin.id).await?;
        if wanted.got.get() == Some(&self.loader.digest(&bytes)) {
            // They are the wanted ones, and what keeps those from serving keeps these.
            return None;
        }
        match self.start(plugin, &bytes, &Silent).await {
            Ok(loaded) => Some(loaded),
            Err(fault) => {
                tracing::warn!(plugin = %plugin.id, %fault, "the last known good version does not load either");
                None
            }
        }
    }
}

#[async_trait]
impl<L: Loader> Load for Pipeline<L> {
    async fn load(&self, plugin: &Plugin, standing: Standing, events: &dyn Events) -> Result<Loaded, Box<Fault>> {
        let recorder = Recorder {
            progress: events,
            got: OnceLock::new(),
            observer: &*self.observer,
            plugin: &plugin.id,
            stage: Mutex::default(),
        };
        let wanted = self.wanted(plugin, &recorder);
        if standing == Standing::ThisEntry {
            return wanted.await;
        }
        // A server that is slow to fail must not keep what worked yesterday from serving.
        let failed = Notify::new();
        let meanwhile = async {
            if standing == Standing::None {
                let _ = tokio::time::timeout(self.patience, failed.notified()).await;
            } else {
                failed.notified().await;
            }
            if let Some(loaded) = self.stand_in(plugin, &recorder).await {
                events.stand_in(loaded);
            }
        };
        match select(pin!(wanted), pin!(meanwhile)).await {
            Either::Left((Ok(loaded), _)) => Ok(loaded),
            Either::Left((Err(fault), meanwhile)) => {
                failed.notify_one();
                meanwhile.await;
                Err(fault)
            }
            Either::Right(((), wanted)) => wanted.await,
        }
    }

    async fn forget(&self, id: &PluginId, is_wanted: &(dyn Fn() -> bool + Sync)) {
        let keeping = self.keeping.get(&key(id));
        let _turn = keeping.lock().await;
        if is_wanted() {
            return;
        }
        if let Err(fault) = self.loader.forget(id).await {
            tracing::warn!(plugin = %id, %fault, "the last known good version stays on disk");
        }
    }
}

fn key(id: &PluginId) -> String {
    format!("{} {}", id.kind, id.name)
}

/// Passes on how far a load is and how long its stages took, and remembers which bytes it got.
struct Recorder<'a> {
    progress: &'a dyn Progress,
    got: OnceLock<String>,
    observer: &'a dyn Observer,
    plugin: &'a PluginId,
    /// Where it is, and since when.
    stage: Mutex<Option<(Stage, Instant)>>,
}

impl Recorder<'_> {
    fn moved(&self, to: Option<Stage>) {
        let mut at = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if to.is_some() && at.map(|(stage, _)| stage) == to {
            return;
        }
        if let Some((stage, since)) = std::mem::replace(&mut *at, to.map(|stage| (stage, Instant::now()))) {
            self.observer.stage(self.plugin, stage, since.elapsed());
        }
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        self.moved(None);
    }
}

impl Progress for Recorder<'_> {
    fn at(&self, stage: Stage) {
        self.moved(Some(stage));
        self.progress.at(stage);
    }

    fn digest(&self, digest: &str) {
        self.progress.digest(digest);
    }
}

/// Nobody watches.
struct Silent;

impl Progress for Silent {
    fn at(&self, _: Stage) {}

    fn digest(&self, _: &str) {}
}

/// A lock for every key, kept while somebody uses it or its value is worth keeping.
struct Keyed<V>(Mutex<HashMap<String, Arc<AsyncMutex<V>>>>);

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Whether a value is worth keeping when nobody holds its lock.
trait Worth {
    fn is_worthless(&self) -> bool;
}

impl Worth for () {
    fn is_worthless(&self) -> bool {
        true
    }
}

impl<T> Worth for Weak<T> {
    fn is_worthless(&self) -> bool {
        self.strong_count() == 0
    }
}

impl<V: Default + Worth> Keyed<V> {
    fn get(&self, key: &str) -> Arc<AsyncMutex<V>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(key) {
            return lock.clone();
        }
        locks.retain(|_, lock| Arc::strong_count(lock) > 1 || lock.try_lock().is_ok_and(|value| !value.is_worthless()));
        locks.entry(key.to_owned()).or_default().clone()
    }
}
