//! Local runs for plugin authors: inspect, call, bench, build, new, and `dev`.
//!
//! ```text
//! FILE (+ entry, INPUT) -> workbench (store, sandbox) -> registry -> port -> call | bench
//! DIR of manifests      -> dev: apiserver + clock + registry + the controller's pass -> report
//! ```
//!
//! Invariants: a plugin runs here through the same store, registry and sandbox as in the controller; only the edges
//! differ (which API server, which clock, who answers HTTP). Nothing is printed here: reports are values.

pub mod bench;
pub mod build;
pub mod cache;
pub mod call;
pub mod dev;
pub mod error;
pub mod input;
pub mod inspect;
mod invoke;
mod kube_dir;
mod method;
pub mod new;
mod plugins;
pub mod session;
pub mod workbench;

pub use error::CommandError;
