//! The domain of Rollcage, pure: what a plugin is to its host, and what Argo's objects mean.
//!
//! ```text
//! AnalysisRun + clock -> analysis (what is due, what it amounts to) -> port (a plugin behind a trait) -> Measurement
//!                        |-> template, condition                      |-> fault (how a plugin failed)
//! ```
//!
//! Invariants: no I/O, no Kubernetes client, no WebAssembly, no clock of its own. Decisions are functions from state to
//! decision; time comes in as an argument. Everything that parses text from outside has a bound on size, depth and steps.

pub mod analysis;
pub mod call;
pub mod clock;
pub mod condition;
pub mod fault;
pub mod host;
pub mod limits;
pub mod port;
pub mod rollout;
pub mod secret;
pub mod template;

pub use call::{Call, CallUsage, Denial};
pub use fault::{CallError, Fault, FaultKind, Phase, PluginError, PluginErrorKind, PluginId};
pub use port::{MetricProvider, PluginSource, Step, TrafficRouter};
