//! How a plugin gets from its entry to a port, stage by stage. The registry supervises; this does.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{Fault, MetricProvider, PluginId, Step, TrafficRouter};
use serde::Serialize;

use crate::config::ConfigFile;

/// A plugin to load.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// Which one.
    pub id: PluginId,
    /// Its entry, checked.
    pub entry: Arc<PluginEntry>,
    /// Where the entry is written; native plugins are treated differently by it.
    pub file: ConfigFile,
}

/// What runs a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// A WebAssembly component in the sandbox.
    Wasm,
    /// A native executable.
    Native,
}

/// Where a plugin is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Stage {
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
}

/// A plugin's port.
#[derive(Clone, Debug)]
pub enum Port {
    /// Measures.
    MetricProvider(Arc<dyn MetricProvider>),
    /// Moves traffic.
    TrafficRouter(Arc<dyn TrafficRouter>),
    /// Runs as a step.
    Step(Arc<dyn Step>),
}

impl Port {
    /// What it is for.
    pub fn kind(&self) -> PluginKind {
        match self {
            Self::MetricProvider(_) => PluginKind::MetricProvider,
            Self::TrafficRouter(_) => PluginKind::TrafficRouter,
            Self::Step(_) => PluginKind::Step,
        }
    }
}

/// A plugin that is ready to be called.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// SHA-256 of its bytes, 64 hexadecimal digits in lower case.
    pub digest: String,
    /// What runs it.
    pub runtime: Runtime,
    /// The contract that it was built for, such as `0.1.0`.
    pub contract: String,
    /// The process that it runs in, where it has one of its own.
    pub process: Option<Arc<dyn Process>>,
    /// What it takes of the machine, where that is known.
    pub footprint: Option<Arc<dyn Footprint>>,
    /// How to call it. Dropping the last clone ends what is behind it.
    pub port: Port,
}

/// What a plugin takes of the machine now. It does not keep a process going.
pub trait Footprint: Send + Sync + fmt::Debug {
    /// Bytes of memory: of all instances of a component, or of a process.
    fn memory(&self) -> Option<u64>;
    /// Instances that wait for a call.
    fn idle_instances(&self) -> Option<usize> {
        None
    }
}

/// A process behind a port, which may end by itself. It does not keep the process going: the port does.
#[async_trait]
pub trait Process: Send + Sync + fmt::Debug {
    /// Waits for its end, and tells why; `None` when it was ended because nobody wants it any more.
    async fn ended(&self) -> Option<Arc<Fault>>;
    /// Starts the same bytes in the same way: stage [`Initializing`](Stage::Initializing).
    async fn again(&self) -> Result<Loaded, Box<Fault>>;
}

/// Told how far a load is.
pub trait Progress: Send + Sync {
    /// It is here now.
    fn at(&self, stage: Stage);
    /// These are the bytes that it will be.
    fn digest(&self, digest: &str);
}

/// The stages. Every future may be dropped at any point; nothing half-done may be left that a later load would trust.
#[async_trait]
pub trait Loader: Send + Sync + fmt::Debug + 'static {
    /// Verified bytes, or where they are.
    type Bytes: Send + Sync + 'static;
    /// What comes out of compiling and is shared by all plugins of the same bytes.
    type Component: Send + Sync + 'static;

    /// Gets and checks the bytes: stages [`Fetching`](Stage::Fetching) and [`Verifying`](Stage::Verifying).
    async fn fetch(&self, plugin: &Plugin, progress: &dyn Progress) -> Result<Self::Bytes, Box<Fault>>;
    /// SHA-256 of the bytes, 64 hexadecimal digits in lower case.
    fn digest(&self, bytes: &Self::Bytes) -> String;
    /// Whether there is something to compile: stage [`Compiling`](Stage::Compiling).
    fn is_compiled(&self, bytes: &Self::Bytes) -> bool;
    /// Compiles and links, or makes ready to be started. Called for one digest at a time.
    async fn compile(&self, plugin: &Plugin, bytes: &Self::Bytes) -> Result<Arc<Self::Component>, Box<Fault>>;
    /// Gives it its grants and limits and tries its `init`: stage [`Initializing`](Stage::Initializing).
    async fn initialize(&self, plugin: &Plugin, component: Arc<Self::Component>) -> Result<Loaded, Box<Fault>>;
    /// The bytes that served last, when they are kept; no network is used.
    async fn last_known_good(&self, id: &PluginId) -> Option<Self::Bytes>;
    /// These bytes serve now.
    async fn remember(&self, plugin: &Plugin, bytes: &Self::Bytes) -> Result<(), Box<Fault>>;
    /// The plugin is no longer configured: its last-known-good bytes need not be kept.
    async fn forget(&self, id: &PluginId) -> Result<(), Box<Fault>>;
}
