//! What runs in a cluster: AnalysisRuns to their verdicts, and a component inside the stock controller.
//!
//! ```text
//! run (the controller's process) -> config (ConfigMaps to the registry), watch, queue (what is due), and
//! leader (who works) -> client (every request's rate, end and fence)
//! queue -> analysis (one pass over one AnalysisRun) -> ports of rollcage-core (plugins), kube client
//!                        |-> events (core/v1 Events)   |-> guard (never act on what is older than our own write)
//!                        |-> jobs (batch/v1 Jobs, which measure too)
//! a plugin's host call -> cluster (Kubernetes objects for plugins) <- connect (which cluster, which namespace)
//!                      -> secrets (those that entries name, each watched) -> cluster, where they cannot be watched
//! the configuration of a stock controller -> migrate (what would fail under ours, and what to do)
//! Plugin objects <-> plugins (entries in, states out) <-> registry
//! the stock controller's call -> shim (a go-plugin server) -> ports of rollcage-registry
//! ```
//!
//! Invariants: decisions are `rollcage-core`'s; state is in Kubernetes objects alone; every write carries the version of
//! the object that it was decided on, and nothing newer is ever overwritten; a plugin is only ever asked through a port.
//! Who drives the queue has the clock: `run` the machine's, `rollcage dev` a scenario's.

pub mod analysis;
pub mod client;
pub mod cluster;
pub mod config;
pub mod connect;
mod error;
mod events;
mod guard;
mod jobs;
pub mod leader;
pub mod metrics;
pub mod migrate;
pub mod plugins;
pub mod queue;
pub mod run;
pub mod secrets;
pub mod shim;
pub mod watch;

pub use analysis::{AnalysisReconciler, Outcome};
pub use error::{Doing, ReconcileError, told};
