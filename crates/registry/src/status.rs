//! What people and other rooms may know of every plugin, as one snapshot.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use rollcage_api::plugin::PluginEntry;
use rollcage_core::{Fault, PluginId};
use serde::Serialize;

use crate::{
    circuit::BreakerState,
    config::{Judged, Source},
    loader::{Runtime, Stage},
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
