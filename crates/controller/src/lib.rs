//! Kubernetes loops: AnalysisRuns to their verdicts.
//!
//! ```text
//! the caller's queue -> analysis (one pass over one AnalysisRun) -> ports of rollcage-core (plugins), kube client
//!                        |-> events (core/v1 Events)   |-> guard (never act on what is older than our own write)
//! a plugin's host call -> cluster (Kubernetes objects and Secrets for plugins)
//! ```
//!
//! Invariants: decisions are `rollcage-core`'s; state is in Kubernetes objects alone; every write carries the version of
//! the object that it was decided on, and nothing newer is ever overwritten; a plugin is only ever asked through a port.
//! Watching, queueing and timing are the caller's: `rollcage dev` does it over an in-process API.

pub mod analysis;
pub mod cluster;
mod error;
mod events;
mod guard;

pub use analysis::{AnalysisReconciler, Outcome};
pub use error::{Doing, ReconcileError};
