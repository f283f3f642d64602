//! The custom resource `plugins.rollcage.dev`: entries from objects, and every plugin's state in the cluster.
//!
//! ```text
//! Plugin objects -> follow (watch) -> store -> entries -> registry (ConfigMaps win, then the older object)
//!                                       │                     │ snapshot
//!                                       v                     v
//!                                     plan (what is there <-> what should be) -> write (paced, on the version that is known)
//! every replica: its entry of status.replicas, field manager rollcage-<replica>
//! the leader:    the rest of the status, field manager rollcage; mirrors of ConfigMap entries; entries of replicas that are gone
//! somebody asks: report (rollcage plugins)
//! ```
//!
//! Invariants
//! - Nothing here holds up the registry, and nothing here can stop a plugin: without the custom resource, without rights, or
//!   without an API server, plugins run and their states are not shown.
//! - Only differences are written; an object is written at most once a [`Timing::spacing`] by each field manager; every
//!   write carries the version of the object that it was decided on.
//! - An object without the label `rollcage.dev/source` is somebody's: its status is written, nothing else of it.
//! - A mirror shows kind, name, location and digest of an entry: no arguments, no environment, no grants. Texts of a status
//!   are the registry's, where secrets are masked.
//! - A replica that ends takes its entries with it. One that was killed has its entries removed by the leader, when it has
//!   not written them for [`Timing::gone`] by the leader's clock.

mod crd;
mod follow;
mod mirror;
mod plan;
pub mod report;
mod status;
mod store;
mod write;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    fmt,
    future::Future,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use jiff::SignedDuration;
use kube::{Api, Client, api::DynamicObject};
use rollcage_core::clock::{Clock, SystemClock};
use rollcage_registry::Registry;
use tokio::{sync::watch, time::Instant};

pub use self::{
    crd::{definition, text as definition_text},
    mirror::name_of,
};
use self::{
    plan::{Action, Ages, Part, Silence, Us, Write},
    store::Store,
    write::Done,
};
use crate::run::{Companion, Ground};

/// Objects that are written at the same time.
const AT_ONCE: usize = 8;

/// Longest pause after a write that failed.
const LONGEST: Duration = Duration::from_mins(1);

/// How long a replica that ends takes over its entries.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long changes are collected before something is written.
    pub settle: Duration,
    /// Least time between two writes of one part of one object.
    pub spacing: Duration,
    /// How often to look for a custom resource that is not there.
    pub look_again: Duration,
    /// How often a replica writes its entries again.
    pub heartbeat: Duration,
    /// After which time without writing a replica is gone: several heartbeats.
    pub gone: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(100),
            spacing: Duration::from_secs(1),
            look_again: Duration::from_secs(15),
            heartbeat: Duration::from_mins(5),
            gone: Duration::from_mins(16),
        }
    }
}

/// What is needed to keep the objects.
pub struct PluginObjects {
    /// Whose plugins are shown, and to whom entries are handed.
    pub registry: Registry,
    /// Reads objects, and writes this replica's entries.
    pub client: Client,
    /// Writes what is the leader's; refuses when we lead no more.
    pub leaders_client: Client,
    /// The controller's own namespace; others are not looked at.
    pub namespace: String,
    /// This replica: the pod's name.
    pub replica: String,
    /// Whether we lead.
    pub leads: watch::Receiver<bool>,
    /// The time in statuses.
    pub clock: Arc<dyn Clock>,
    /// How often things are done.
    pub timing: Timing,
}

impl fmt::Debug for PluginObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginObjects")
            .field("namespace", &self.namespace)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

/// Keeps the objects beside a controller's loops.
pub fn companion(timing: Timing) -> Companion {
    Box::new(move |ground: Ground| {
        let objects = PluginObjects {
            registry: ground.registry,
            leaders_client: ground.leaders_client,
            client: ground.client,
            namespace: ground.namespace,
            replica: ground.pod,
            leads: ground.leading,
            clock: Arc::new(SystemClock),
            timing,
        };
        let (mut stopping, farewell) = (ground.stopping, ground.farewell);
        Box::pin(async move {
            let stopped = async move {
                if stopping.wait_for(|stopping| *stopping).await.is_err() {
                    // Nobody will say so any more.
                    std::future::pending::<()>().await;
                }
            };
            objects.run(stopped).await;
            drop(farewell);
            // A part of the process that ends by itself is a defect.
            std::future::pending::<()>().await;
        })
    })
}

impl PluginObjects {
    /// Keeps the objects until `ends`, then takes this replica's entries off them, within two seconds.
    pub async fn run(self, ends: impl Future<Output = ()>) {
        let store = Arc::new(Store::default());
        let follow = follow::follow(
            self.client.clone(),
            self.namespace.clone(),
            store.clone(),
            self.registry.clone(),
            self.timing,
        );
        let mut keeper = Keeper::new(self, store);
        tokio::select! {
            never = follow => match never {},
            never = keeper.keep() => match never {},
            () = ends => {}
        }
        let farewell = tokio::time::timeout(FAREWELL, keeper.take_entries_off()).await;
        if farewell.is_err() {
            tracing::warn!("this replica's entries in plugin objects stay until the leader removes them");
        }
    }
}

/// When a part of an object may be written next, and what was written last.
#[derive(Debug)]
struct Pace {
    not_before: Instant,
    failures: u32,
    /// What was written, and the version that came of it: where that did not bring about what it should have (somebody
    /// holds a field that we have no say in), writing it again would not either.
    settled: Option<(Action, Option<String>)>,
}

struct Keeper {
    of: PluginObjects,
    api: Api<DynamicObject>,
    leaders_api: Api<DynamicObject>,
    store: Arc<Store>,
    paces: HashMap<(String, Part), Pace>,
    silence: Silence,
    said: Option<String>,
}

impl Keeper {
    fn new(of: PluginObjects, store: Arc<Store>) -> Self {
        Self {
            api: follow::api(&of.client, &of.namespace),
            leaders_api: follow::api(&of.leaders_client, &of.namespace),
            of,
            store,
            paces: HashMap::new(),
            silence: Silence::default(),
            said: None,
        }
    }

    async fn keep(&mut self) -> Infallible {
        let mut snapshots = self.of.registry.watch();
        let mut objects = self.store.changes();
        let mut leads = self.of.leads.clone();
        // A sender that is gone changes nothing more; the others go on.
        let (mut snapshots_end, mut leads_end) = (false, false);
        loop {
            snapshots.mark_unchanged();
            objects.mark_unchanged();
            leads.mark_unchanged();
            let wake = self.pass().await;
            tokio::select! {
                changed = snapshots.changed(), if !snapshots_end => snapshots_end = changed.is_err(),
                changed = leads.changed(), if !leads_end => leads_end = changed.is_err(),
                _ = objects.changed() => {}
                () = tokio::time::sleep(wake) => {}
            }
            tokio::time::sleep(self.of.timing.settle).await;
        }
    }

    /// Writes what may be written now. How long until something else is to be written.
    async fn pass(&mut self) -> Duration {
        let timing = self.of.timing;
        let Some(objects) = self.store.all() else {
            return timing.look_again;
        };
        let snapshot = self.of.registry.snapshot();
        let us = Us {
            namespace: &self.of.namespace,
            replica: &self.of.replica,
            leads: *self.of.leads.borrow(),
        };
        let ages = Ages {
            heartbeat: signed(timing.heartbeat),
            gone: signed(timing.gone),
        };
        let now = Instant::now();
        let planned = plan::plan(&objects, &snapshot, us, ages, &mut self.silence, self.of.clock.now());
        let mut wake = timing.heartbeat / 4;
        let mut due: BTreeMap<String, Vec<Write>> = BTreeMap::new();
        for write in planned {
            let pace = self.paces.get(&(write.name.clone(), write.part.clone()));
            let version = objects
                .get(&write.name)
                .and_then(|object| object.metadata.resource_version.clone());
            let settled = pace.and_then(|pace| pace.settled.as_ref());
            if settled.is_some_and(|(action, at)| *action == write.action && *at == version) {
                continue;
            }
            match pace.map(|pace| pace.not_before.saturating_duration_since(now)) {
                Some(left) if !left.is_zero() => wake = wake.min(left),
                _ => due.entry(write.name.clone()).or_default().push(write),
            }
        }
        self.paces
            .retain(|(name, _), pace| objects.contains_key(name) || pace.not_before > now);
        let done = self.write_all(due).await;
        for (write, done) in done {
            wake = wake.min(self.note(write, done));
        }
        wake
    }

    /// One object's writes go one after the other, each on the version that the one before has made.
    async fn write_all(&self, due: BTreeMap<String, Vec<Write>>) -> Vec<(Write, Done)> {
        let of_object = |writes: Vec<Write>| async move {
            let mut done = Vec::new();
            for write in writes {
                let is_leaders = write::is_leaders(&write.part);
                if is_leaders && !*self.of.leads.borrow() {
                    continue;
                }
                let api = if is_leaders { &self.leaders_api } else { &self.api };
                let result = write::write(api, &self.store, &write).await;
                done.push((write, result));
            }
            done
        };
        let all = futures::stream::iter(due.into_values().map(of_object));
        let done: Vec<Vec<(Write, Done)>> = all.buffer_unordered(AT_ONCE).collect().await;
        done.into_iter().flatten().collect()
    }

    /// Remembers what came of a write. How long until this part may be written again.
    fn note(&mut self, write: Write, done: Done) -> Duration {
        let spacing = self.of.timing.spacing;
        let key = (write.name.clone(), write.part.clone());
        let failures = self.paces.get(&key).map_or(0, |pace| pace.failures);
        let (pause, failures, settled) = match done {
            Done::Written(version) => {
                self.said = None;
                (spacing, 0, Some((write.action, version)))
            }
            Done::Overtaken => (spacing, failures, None),
            Done::Failed(why) => {
                if self.said.as_ref() != Some(&why) {
                    tracing::warn!(object = write.name, "plugin states cannot be shown: {why}");
                    self.said = Some(why);
                }
                let pause = spacing.saturating_mul(1 << failures.min(10)).min(LONGEST);
                (pause, failures.saturating_add(1), None)
            }
        };
        let pace = Pace {
            not_before: Instant::now() + pause,
            failures,
            settled,
        };
        self.paces.insert(key, pace);
        pause
    }

    async fn take_entries_off(&self) {
        let Some(objects) = self.store.all() else { return };
        let (name, manager) = (&self.of.replica, plan::manager(&self.of.replica));
        let mut writes = BTreeMap::new();
        for (object_name, object) in objects {
            if !status::observed(&object)
                .replicas
                .iter()
                .any(|replica| replica.name == *name)
            {
                continue;
            }
            let action = Action::Apply {
                manager: manager.clone(),
                status: serde_json::json!({}),
            };
            let write = Write {
                name: object_name.clone(),
                part: Part::Replica,
                action,
            };
            // A second try where somebody else has just written.
            writes.insert(object_name, vec![write.clone(), write]);
        }
        // Nobody watches them any more.
        let names: Vec<String> = writes.keys().cloned().collect();
        let fresh = names.into_iter().map(|name| {
            let (api, store) = (self.api.clone(), self.store.clone());
            async move { write::refresh(&api, &store, &name).await }
        });
        let fresh: Vec<_> = futures::stream::iter(fresh).buffer_unordered(AT_ONCE).collect().await;
        if let Some(error) = fresh.into_iter().find_map(Result::err) {
            tracing::warn!(%error, "plugin objects cannot be read anew before this replica's entries are taken off");
        }
        self.write_all(writes).await;
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
