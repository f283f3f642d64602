//! What people and other rooms may know of every plugin, as one snapshot.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use rollcage_api::plugin::PluginEntry;
use rollcage_core::{Fault, PluginId};
use serde::Serialize;

use crate::{
    circuit::BreakerState,
    config::{Judged, Source},
    loader::{Runtime, Stage},
    slot::Serving,
};

/// A plugin's state.
///
/// A plugin that failed stays `Unavailable` while it is tried again, and one that serves stays `Ready` or `Degraded`
/// while a newer version loads: [`PluginStatus::loading`] tells of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum PluginState {
    /// Nothing was tried yet.
    Pending,
    /// Its bytes are on their way.
    Fetching,
    /// Its bytes are being checked.
    Verifying,
    /// It is being compiled.
    Compiling,
    /// Its `init` runs in a throw-away instance.
    Initializing,
    /// What its entry wants is serving.
    Ready,
    /// Something older serves than what its entry wants.
    Degraded,
    /// Nothing serves.
    Unavailable,
}

impl PluginState {
    /// Whether calls are answered.
    pub fn is_serving(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

impl From<Stage> for PluginState {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Pending => Self::Pending,
            Stage::Fetching => Self::Fetching,
            Stage::Verifying => Self::Verifying,
            Stage::Compiling => Self::Compiling,
            Stage::Initializing => Self::Initializing,
        }
    }
}

/// All of one plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// Which one.
    pub id: PluginId,
    /// Where its entry is written.
    pub source: Source,
    /// Its entry, if it is a good one.
    #[serde(skip)]
    pub entry: Option<Arc<PluginEntry>>,
    /// How it is.
    pub state: PluginState,
    /// Since when, by the injected clock.
    pub since: Timestamp,
    /// How far the load is that is under way.
    pub loading: Option<Stage>,
    /// What runs what serves.
    pub runtime: Option<Runtime>,
    /// The contract of what serves.
    pub contract: Option<String>,
    /// SHA-256 of what serves.
    pub serving_digest: Option<String>,
    /// SHA-256 of what should serve, when known.
    pub wanted_digest: Option<String>,
    /// Why what should serve does not. While the same thing fails again and again, its first occurrence.
    pub failure: Option<Arc<Fault>>,
    /// Loads that failed since the last that did not.
    pub failed_loads: u32,
    /// When the next load is tried, by the injected clock.
    pub retry_at: Option<Timestamp>,
    /// Whether calls pass.
    pub breaker: BreakerState,
    /// The last end of a call that counted against the plugin.
    pub last_fault: Option<Arc<Fault>>,
    /// How often the process of a native plugin ended since its entry last changed.
    pub exits: u32,
    /// How it ended last.
    pub last_exit: Option<Arc<Fault>>,
    /// What is odd about the entry, but not wrong.
    pub notes: Vec<String>,
}

/// All plugins at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// Every plugin that is configured, or serves although it no longer is readable.
    pub plugins: BTreeMap<PluginId, Arc<PluginStatus>>,
    /// What people should know about the configuration as a whole.
    pub notes: Vec<String>,
    /// What became of every Plugin object, by its name.
    #[serde(skip)]
    pub objects: Arc<BTreeMap<String, Judged>>,
    /// Whether this is all that is configured: both ConfigMaps were asked for, and answered.
    #[serde(skip)]
    pub is_complete: bool,
}

impl Snapshot {
    /// Whether no load is under way.
    pub fn is_settled(&self) -> bool {
        self.plugins.values().all(|plugin| plugin.loading.is_none())
    }
}

/// Faults of calls that are kept.
const FAULTS: usize = 10;

/// The last ends of calls by a fault, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<VecDeque<Ended>>);

impl Faults {
    pub(crate) fn note(&self, time: Timestamp, fault: &Fault) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= FAULTS {
            kept.pop_front();
        }
        let fault = fault.clone();
        kept.push_back(Ended { time, fault });
    }

    fn all(&self) -> Vec<Ended> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}

/// A call that ended by a fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ended {
    /// When, by the injected clock.
    pub time: Timestamp,
    /// How.
    pub fault: Fault,
}

/// All that can be said of a plugin at one moment. Texts are those of faults, where secrets are masked.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// How it is.
    #[serde(flatten)]
    pub status: Arc<PluginStatus>,
    /// What serves, if anything does.
    pub serving: Option<InService>,
}

/// What serves.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InService {
    /// Calls under way.
    pub running: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Bytes of memory, where known.
    pub memory: Option<u64>,
    /// Instances that wait for a call, where they are kept.
    pub idle_instances: Option<usize>,
    /// Milliseconds until the breaker lets a call pass; none where calls pass.
    pub refuses_for_ms: Option<u64>,
    /// Servers that are not asked now, because they did not answer in time.
    pub paused_servers: Vec<String>,
    /// The last calls that ended by a fault, oldest first.
    pub faults: Vec<Ended>,
}

impl Inspection {
    pub(crate) fn new(status: Arc<PluginStatus>, serving: Option<&Serving>) -> Self {
        let serving = serving.map(|serving| {
            let (running, waiting) = serving.admission.load();
            let footprint = serving.loaded.footprint.as_ref();
            let left = serving.breaker.refuses();
            InService {
                running,
                waiting,
                memory: footprint.and_then(|footprint| footprint.memory()),
                idle_instances: footprint.and_then(|footprint| footprint.idle_instances()),
                refuses_for_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
                paused_servers: serving.targets.paused(),
                faults: serving.faults.all(),
            }
        });
        Self { status, serving }
    }
}
