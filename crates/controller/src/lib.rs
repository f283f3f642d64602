//! What runs in a cluster: AnalysisRuns to their verdicts, and a component inside the stock controller.
//!
//! ```text
//! the caller's queue -> analysis (one pass over one AnalysisRun) -> ports of rollcage-core (plugins), kube client
//!                        |-> events (core/v1 Events)   |-> guard (never act on what is older than our own write)
//! a plugin's host call -> cluster (Kubernetes objects and Secrets for plugins) <- connect (which cluster, which namespace)
//! the stock controller's call -> shim (a go-plugin server) -> ports of rollcage-registry
//! ```
//!
//! Invariants: decisions are `rollcage-core`'s; state is in Kubernetes objects alone; every write carries the version of
//! the object that it was decided on, and nothing newer is ever overwritten; a plugin is only ever asked through a port.
//! Watching, queueing and timing are the caller's: `rollcage dev` does it over an in-process API.

pub mod analysis;
pub mod cluster;
pub mod connect;
mod error;
mod events;
mod guard;
pub mod shim;

pub use analysis::{AnalysisReconciler, Outcome};
pub use error::{Doing, ReconcileError};
