//! The registry: takes configurations, runs loads, publishes states, hands out ports.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::FutureExt;
use jiff::Timestamp;
use rollcage_api::plugin::{PluginKind, UnavailableEntry};
use rollcage_core::{
    Fault, FaultKind, MetricProvider, Phase, PluginId, PluginSource, Step, TrafficRouter,
    clock::{Clock, SystemClock},
};
use tokio::sync::watch;

use crate::{
    config::{self, Bundled, ConfigMap, ConfigMaps, Configuration, Judged, PluginObject, Remembered, Wanted},
    handle::{Handle, panic_text},
    loader::{Loaded, Loader, Plugin, Progress, Stage},
    monotonic::{Monotonic, SystemMonotonic},
    observe::{Observer, Unobserved},
    pipeline::{Events, Load, Pipeline},
    retry::Retry,
    slot::{Serving, Slot},
    status::{Inspection, PluginStatus, Snapshot},
    supervised::Supervised,
};

/// How the registry is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Plugins that come with the program, wanted unless a ConfigMap says otherwise.
    pub bundled: Vec<Bundled>,
    /// The time of states and retries; virtual in `dev` and tests.
    pub clock: Arc<dyn Clock>,
    /// The time of breakers; always real outside tests.
    pub monotonic: Arc<dyn Monotonic>,
    /// When failed loads are tried again.
    pub retry: Retry,
    /// How long (real time) the wanted bytes may take before the last-known-good ones serve in the meantime, when
    /// nothing else does.
    pub patience: Duration,
    /// Who is told of calls and loads.
    pub observer: Arc<dyn Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bundled: Vec::new(),
            clock: Arc::new(SystemClock),
            monotonic: Arc::new(SystemMonotonic),
            retry: Retry::default(),
            patience: Duration::from_millis(300),
            observer: Arc::new(Unobserved),
        }
    }
}

/// Which plugins are wanted and which are serving. Cheap to clone; all clones are the same registry.
///
/// Loads run as tasks: [`configure`](Self::configure) and [`retry_due`](Self::retry_due) are called inside of a tokio
/// runtime. When the last clone and the last port are dropped, loads end.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    options: Options,
    loads: Arc<dyn Load>,
    /// What calls look up. Written under the lock of `supervision` only.
    slots: ArcSwap<HashMap<PluginId, Arc<Slot>>>,
    supervision: Mutex<Supervision>,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

#[derive(Debug, Default)]
struct Supervision {
    plugins: BTreeMap<PluginId, Supervised>,
    remembered: Remembered,
    /// What the ConfigMaps said last; objects are added to it. `None` before they were read.
    configured: Option<Configuration>,
    objects: Vec<PluginObject>,
    judged: Arc<BTreeMap<String, Judged>>,
    is_complete: bool,
    notes: Vec<String>,
}

impl Registry {
    /// A registry without plugins.
    pub fn new<L: Loader>(loader: L, options: Options) -> Self {
        let loads = Arc::new(Pipeline::new(loader, options.patience, options.observer.clone()));
        Self {
            inner: Arc::new(Inner {
                options,
                loads,
                slots: ArcSwap::default(),
                supervision: Mutex::default(),
                snapshots: watch::Sender::default(),
            }),
        }
    }

    /// Wants what the ConfigMaps say now. Plugins whose entries are the same are not touched; the others load beside
    /// what serves; those that are gone stop.
    pub fn configure(&self, maps: &ConfigMaps) {
        let mut supervision = self.inner.lock();
        let read = config::read(&self.inner.options.bundled, maps, &mut supervision.remembered);
        supervision.configured = Some(read);
        supervision.is_complete = [&maps.argo, &maps.rollcage]
            .into_iter()
            .all(|map| !matches!(map, ConfigMap::Unreadable(_)));
        self.inner.want_both(&mut supervision);
    }

    /// Wants what these objects say, too, where the ConfigMaps do not say otherwise. An object that is not there any more
    /// wants nothing; when the objects cannot be read, this is not called, and they stay as they were.
    ///
    /// Before the first [`configure`](Self::configure) they are only kept: what a ConfigMap overrides never begins to load.
    pub fn configure_objects(&self, objects: Vec<PluginObject>) {
        let mut supervision = self.inner.lock();
        if supervision.objects != objects {
            supervision.objects = objects;
            self.inner.want_both(&mut supervision);
        }
    }

    /// Wants just this, wherever it was read; otherwise as [`configure`](Self::configure).
    pub fn want(&self, configuration: Configuration) {
        self.inner.want_locked(&mut self.inner.lock(), configuration);
    }

    /// All states, now and whenever one changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.inner.snapshots.subscribe()
    }

    /// All states now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshots.borrow().clone()
    }

    /// Bytes of memory that each plugin takes now, where that is known.
    pub fn memory(&self) -> BTreeMap<PluginId, u64> {
        let supervision = self.inner.lock();
        let serving = supervision.plugins.iter().filter_map(|(id, plugin)| {
            let serving = plugin.slot.serving.load_full()?;
            Some((id.clone(), serving))
        });
        let serving: Vec<_> = serving.collect();
        drop(supervision);
        // Of a process it is read from a file.
        let memory = |serving: &Serving| serving.loaded.footprint.as_ref()?.memory();
        let known = serving.into_iter();
        known
            .filter_map(|(id, serving)| Some((id, memory(&serving)?)))
            .collect()
    }

    /// Everything about every plugin, for those who look for a cause.
    pub fn inspect(&self) -> Vec<Inspection> {
        let snapshot = self.snapshot();
        let slots = self.inner.slots.load();
        let of = |(id, status): (&PluginId, &Arc<PluginStatus>)| {
            let serving = slots.get(id).and_then(|slot| slot.serving.load_full());
            Inspection::new(status.clone(), serving.as_deref())
        };
        snapshot.plugins.iter().map(of).collect()
    }

    /// When the next failed load is to be tried again, by the injected clock.
    pub fn next_retry(&self) -> Option<Timestamp> {
        let supervision = self.inner.lock();
        supervision.plugins.values().filter_map(Supervised::retry_at).min()
    }

    /// Begins the loads whose time has come. True when there were any.
    pub fn retry_due(&self) -> bool {
        let inner = &self.inner;
        let now = inner.options.clock.now();
        let mut supervision = inner.lock();
        let mut any = false;
        for plugin in supervision.plugins.values_mut() {
            if plugin.retry_at().is_some_and(|at| at <= now) && !plugin.is_loading() {
                inner.load(plugin);
                any = true;
            }
        }
        if any {
            inner.publish_locked(&supervision);
        }
        any
    }

    /// Begins anew the loads of these plugins that have failed, without waiting for their time: something that they need
    /// is different now. Others are left alone.
    pub fn load_failed_again(&self, ids: &[PluginId]) {
        if ids.is_empty() {
            return;
        }
        let inner = &self.inner;
        let mut supervision = inner.lock();
        for id in ids {
            if let Some(plugin) = supervision.plugins.get_mut(id)
                && plugin.has_failed()
                && !plugin.is_loading()
            {
                inner.load(plugin);
            }
        }
        inner.publish_locked(&supervision);
    }

    /// Returns when no load is under way.
    pub async fn settled(&self) {
        let mut snapshots = self.watch();
        // The sender is alive as long as we are.
        let _ = snapshots.wait_for(|snapshot| snapshot.is_settled()).await;
    }

    /// For those who want every plugin or nothing (`--strict-plugins`): the first plugin that is not Ready. Disabled
    /// ones are as they should be.
    pub fn all_ready(&self) -> Result<(), Box<Fault>> {
        let supervision = self.inner.lock();
        match supervision.plugins.values().find_map(Supervised::shortcoming) {
            Some(fault) => Err(Box::new(fault)),
            None => Ok(()),
        }
    }

    /// Tries failed loads again in real time, for ever. For a registry whose clock is the machine's; others call
    /// [`retry_due`](Self::retry_due) themselves.
    pub async fn retry_in_real_time(&self) {
        let mut snapshots = self.watch();
        loop {
            self.retry_due();
            let pause = self.next_retry().map(|at| {
                let left = at.duration_since(self.inner.options.clock.now());
                Duration::try_from(left).unwrap_or(Duration::ZERO)
            });
            let wake = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wake => {}
                changed = snapshots.changed() => if changed.is_err() { return },
            }
        }
    }

    fn port(&self, kind: PluginKind, name: &str, namespace: &str) -> Result<Arc<Handle>, Box<Fault>> {
        let id = PluginId {
            kind,
            name: name.to_owned(),
        };
        let serving = self.inner.serving(&id)?;
        serving.check_namespace(namespace)?;
        if let Some(left) = serving.breaker.refuses() {
            return Err(Box::new(serving.breaker.refusal(&id, left)));
        }
        Ok(Arc::new(Handle {
            registry: self.inner.clone(),
            id,
            namespace: namespace.to_owned(),
        }))
    }
}

impl PluginSource for Registry {
    fn metric_provider(&self, name: &str, namespace: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>> {
        Ok(self.port(PluginKind::MetricProvider, name, namespace)?)
    }

    fn traffic_router(&self, name: &str, namespace: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>> {
        Ok(self.port(PluginKind::TrafficRouter, name, namespace)?)
    }

    fn step(&self, name: &str, namespace: &str) -> Result<Arc<dyn Step>, Box<Fault>> {
        Ok(self.port(PluginKind::Step, name, namespace)?)
    }

    fn unavailable_policy(&self, id: &PluginId) -> UnavailableEntry {
        let slots = self.inner.slots.load();
        slots
            .get(id)
            .map(|slot| UnavailableEntry::clone(&slot.policy.load()))
            .unwrap_or_default()
    }
}

impl Inner {
    /// The time of states.
    pub(crate) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Who is told of calls.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        self.options.observer.clone()
    }

    /// What serves now, or why nothing does.
    pub(crate) fn serving(&self, id: &PluginId) -> Result<Arc<Serving>, Box<Fault>> {
        match self.slots.load().get(id) {
            Some(slot) => slot
                .serving
                .load_full()
                .ok_or_else(|| Box::new(Fault::clone(&slot.why_not.load()))),
            None => Err(Box::new(self.not_configured(id))),
        }
    }

    fn not_configured(&self, id: &PluginId) -> Fault {
        let supervision = self.lock();
        // A key that cannot be read may hold the entry: say so, or people look in the wrong place.
        let unread = supervision
            .plugins
            .values()
            .find_map(|plugin| plugin.unread_key(id.kind));
        let hint = match unread {
            Some(fault) => format!("{}: {}", fault.cause, fault.hint),
            None => format!(
                "add an entry to {} of the ConfigMap rollcage-config or argo-rollouts-config",
                id.kind.config_key()
            ),
        };
        Fault::new(
            id,
            Phase::Resolve,
            FaultKind::NotConfigured,
            // Argo's words.
            format!("plugin {} not configured in configmap", id.name),
            hint,
        )
    }

    /// Wants what ConfigMaps and objects say together.
    fn want_both(self: &Arc<Self>, supervision: &mut Supervision) {
        let Some(mut configuration) = supervision.configured.clone() else {
            return;
        };
        let judged = config::add_objects(&supervision.objects, &mut configuration);
        if *supervision.judged != judged {
            supervision.judged = Arc::new(judged);
        }
        self.want_locked(supervision, configuration);
    }

    fn want_locked(self: &Arc<Self>, supervision: &mut Supervision, configuration: Configuration) {
        supervision.notes = configuration.notes;
        self.want(supervision, configuration.plugins);
        self.publish_locked(supervision);
    }

    fn want(self: &Arc<Self>, supervision: &mut Supervision, wanted: BTreeMap<PluginId, Wanted>) {
        let now = self.options.clock.now();
        supervision.plugins.retain(|id, plugin| {
            let stays = wanted.contains_key(id);
            if !stays {
                tracing::info!(plugin = %id, kind = %id.kind, "plugin is no longer configured");
                plugin.remove();
                self.forget(id);
            }
            stays
        });
        for (id, wanted) in wanted {
            let plugin = match supervision.plugins.entry(id) {
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    let new = Supervised::new(vacant.key(), wanted, now);
                    vacant.insert(new)
                }
                std::collections::btree_map::Entry::Occupied(known) => {
                    let known = known.into_mut();
                    if !known.want(wanted, now) {
                        continue;
                    }
                    known
                }
            };
            self.load(plugin);
        }
        let slots = supervision
            .plugins
            .iter()
            .map(|(id, plugin)| (id.clone(), plugin.slot.clone()))
            .collect();
        self.slots.store(Arc::new(slots));
    }

    fn forget(self: &Arc<Self>, id: &PluginId) {
        let (registry, loads, id) = (Arc::downgrade(self), self.loads.clone(), id.clone());
        tokio::spawn(async move {
            let is_wanted = || {
                registry
                    .upgrade()
                    .is_some_and(|registry| registry.slots.load().contains_key(&id))
            };
            loads.forget(&id, &is_wanted).await;
        });
    }

    /// Begins a load, if the entry is one that can be loaded.
    fn load(self: &Arc<Self>, supervised: &mut Supervised) {
        let Some(plugin) = supervised.entry_to_load() else {
            return;
        };
        let restart = supervised.take_restart();
        let (attempt, standing) = supervised.begin(self.options.clock.now());
        let reporter = Reporter {
            registry: Arc::downgrade(self),
            plugin,
            attempt,
        };
        let loads = self.loads.clone();
        let task = tokio::spawn(async move {
            let load = async {
                match restart {
                    Some(process) => {
                        reporter.at(Stage::Initializing);
                        process.again().await
                    }
                    None => loads.load(&reporter.plugin, standing, &reporter).await,
                }
            };
            let result = AssertUnwindSafe(load).catch_unwind().await;
            let result = result.unwrap_or_else(|panic| {
                Err(Box::new(Fault::new(
                    &reporter.plugin.id,
                    Phase::Compile,
                    FaultKind::Host,
                    format!("the host panicked while loading: {}", panic_text(panic.as_ref())),
                    "report this as a bug of Rollcage",
                )))
            });
            reporter.end(result);
        });
        supervised.set_task(task.abort_handle());
    }

    /// Waits for the end of the process behind `serving`, and has it started again.
    fn watch_process(self: &Arc<Self>, serving: &Arc<Serving>) {
        let Some(process) = serving.loaded.process.clone() else {
            return;
        };
        let (registry, serving, id) = (Arc::downgrade(self), Arc::downgrade(serving), serving.id.clone());
        tokio::spawn(async move {
            let Some(fault) = process.ended().await else {
                return;
            };
            if let (Some(registry), Some(serving)) = (registry.upgrade(), serving.upgrade()) {
                registry.process_ended(&id, &serving, &fault);
            }
        });
    }

    fn process_ended(self: &Arc<Self>, id: &PluginId, serving: &Arc<Serving>, fault: &Arc<Fault>) {
        let lived = self.options.monotonic.now().saturating_duration_since(serving.since);
        let now = self.options.clock.now();
        let mut supervision = self.lock();
        let Some(supervised) = supervision.plugins.get_mut(id) else {
            return;
        };
        let pause = supervised.ended(serving, fault, lived, &self.options.retry, now);
        tracing::warn!(plugin = %id, kind = %id.kind, %fault, ?pause, "the plugin's process ended");
        if pause == Some(Duration::ZERO) {
            self.load(supervised);
        }
        self.publish_locked(&supervision);
    }

    /// Shows all states as they are now.
    pub(crate) fn publish(&self) {
        let supervision = self.lock();
        self.publish_locked(&supervision);
    }

    /// Shows all states once more after a pause, when a breaker lets a probe pass.
    pub(crate) fn publish_after(self: &Arc<Self>, pause: Duration) {
        let registry = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(registry) = registry.upgrade() {
                registry.publish();
            }
        });
    }

    /// Under the lock, so that an older snapshot never comes after a newer one.
    fn publish_locked(&self, supervision: &Supervision) {
        let mut next = Snapshot {
            plugins: BTreeMap::new(),
            notes: supervision.notes.clone(),
            objects: supervision.judged.clone(),
            is_complete: supervision.is_complete,
        };
        self.snapshots.send_if_modified(|current| {
            for (id, plugin) in &supervision.plugins {
                let status = plugin.status();
                let status = match current.plugins.get(id) {
                    Some(same) if **same == status => same.clone(),
                    _ => Arc::new(status),
                };
                next.plugins.insert(id.clone(), status);
            }
            let changed = **current != next;
            if changed {
                *current = Arc::new(std::mem::take(&mut next));
            }
            changed
        });
    }

    fn lock(&self) -> MutexGuard<'_, Supervision> {
        self.supervision.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the registry how one load goes.
struct Reporter {
    registry: Weak<Inner>,
    plugin: Plugin,
    attempt: u64,
}

impl Reporter {
    /// Changes the plugin's state; `change` says whether there is something to show.
    fn report(&self, change: impl FnOnce(&Arc<Inner>, &mut Supervised, Timestamp) -> bool) {
        let Some(registry) = self.registry.upgrade() else {
            return;
        };
        let now = registry.options.clock.now();
        let mut supervision = registry.lock();
        let Some(supervised) = supervision.plugins.get_mut(&self.plugin.id) else {
            return;
        };
        if change(&registry, supervised, now) {
            registry.publish_locked(&supervision);
        }
    }

    fn install(&self, loaded: Loaded, is_stand_in: bool) {
        self.report(|registry, supervised, now| {
            let serving = Serving::new(&self.plugin, loaded, is_stand_in, &registry.options);
            let installed = supervised.install(self.attempt, serving.clone(), now);
            if installed {
                registry.watch_process(&serving);
            }
            installed
        });
    }

    fn end(&self, result: Result<Loaded, Box<Fault>>) {
        match result.and_then(|loaded| self.check_kind(loaded)) {
            Ok(loaded) => self.install(loaded, false),
            Err(fault) => self
                .report(|registry, supervised, now| supervised.fail(self.attempt, fault, &registry.options.retry, now)),
        }
    }

    /// A component of one kind under the key of another.
    fn check_kind(&self, loaded: Loaded) -> Result<Loaded, Box<Fault>> {
        let (wanted, found) = (self.plugin.id.kind, loaded.port.kind());
        if wanted == found {
            return Ok(loaded);
        }
        Err(Box::new(Fault::new(
            &self.plugin.id,
            Phase::Link,
            FaultKind::WrongContract,
            format!("this is a {found}, but its entry is in {}", wanted.config_key()),
            format!("move the entry to {}", found.config_key()),
        )))
    }
}

impl Progress for Reporter {
    fn at(&self, stage: Stage) {
        self.report(|_, supervised, now| supervised.progress(self.attempt, stage, now));
    }

    fn digest(&self, digest: &str) {
        self.report(|_, supervised, _| supervised.found_digest(self.attempt, digest));
    }
}

impl Events for Reporter {
    fn stand_in(&self, loaded: Loaded) {
        if let Ok(loaded) = self.check_kind(loaded) {
            self.install(loaded, true);
        }
    }
}
