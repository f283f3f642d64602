//! Which plugins are wanted, and which are serving.
//!
//! ```text
//! ConfigMaps -> config (each entry on its own, good or bad) -> Wanted
//!                                                                │ differs from before?
//!                                                                v
//! Loader (store, sandbox, goplugin) <- pipeline (stages, single flight, stand-in) <- registry (one Supervised per plugin)
//!                                                                │ Ready      │ states
//!                                                                v            v
//! caller -> Handle (namespace, breaker, fair queue, deadline) -> Slot      watch channel
//!                      ^                                           │
//!                      └────────── what the end of the call says ──┘
//! ```
//!
//! Invariants
//! - A bad entry, a dead server, a broken plugin is that plugin's state and nobody else's. Nothing here fails as a whole.
//! - What serves goes on serving until something better is ready; only removing or disabling an entry stops it. A
//!   ConfigMap that is gone or cannot be read removes nothing.
//! - Grants are those of the newest entry that can be read: last-known-good means older bytes, never older grants.
//! - A call in flight ends on the version that it began on. A call that waits goes over to the new one.
//! - One deadline covers waiting and running. Slots come back whatever happens to the caller.
//! - A native plugin whose process ends is started again: at once the first time, then after growing pauses.
//! - States and retries use the injected clock; deadlines and breakers are real time.
//!
//! Not here: bytes (`rollcage-store`), execution and its limits (`rollcage-sandbox`, `rollcage-goplugin`), Kubernetes (`rollcage-controller`
//! reads the ConfigMaps and hands their data over).

mod admission;
mod breaker;
mod circuit;
pub mod config;
mod fair_queue;
mod handle;
pub mod loader;
mod monotonic;
mod native;
mod observe;
mod pipeline;
mod plugin_loader;
mod ports;
mod registry;
mod retry;
mod slot;
mod status;
mod supervised;
mod targets;
#[cfg(test)]
mod testing;

pub use circuit::{BreakerState, FIRST_PAUSE};
pub use config::{Bundled, ConfigFile, ConfigMap, ConfigMaps};
pub use loader::{Footprint, Loaded, Loader, Plugin, Port, Process, Progress, Runtime, Stage};
pub use monotonic::{Monotonic, SystemMonotonic};
pub use native::{NATIVE_CONTRACT, NativeHost};
pub use observe::{CallOutcome, CallReport, Observer, Unobserved};
pub use plugin_loader::{PluginLoader, Program};
pub use registry::{Options, Registry};
pub use retry::Retry;
pub use status::{Ended, InService, Inspection, PluginState, PluginStatus, Snapshot};
