//! Local runs for plugin authors: inspect, call, test, bench, build, new, and `dev`.
//!
//! ```text
//! FILE (+ entry, INPUT) -> workbench (store, sandbox) -> registry -> port -> call | test | bench
//! cases.yaml            -> cases: surroundings (objects, HTTP answers, clock) a case -> call -> verdict -> report
//! ConfigMaps, a cluster -> migrate: what their locations have -> the controller's findings
//! DIR of manifests      -> dev: apiserver + clock + registry + the controller's pass -> report
//! ```
//!
//! Invariants: a plugin (component or native executable) runs here through the same store, registry and sandbox as in the controller; only the edges
//! differ (which API server, which clock, who answers HTTP). Nothing is printed here: reports are values.

pub mod answers;
pub mod bench;
pub mod build;
pub mod cache;
pub mod call;
pub mod cases;
mod clock;
pub mod dev;
pub mod error;
mod files;
pub mod input;
pub mod inspect;
mod invoke;
mod manifests;
mod matching;
mod method;
pub mod migrate;
mod native;
pub mod new;
mod plugins;
pub mod recording;
pub mod schema;
pub mod session;
mod surroundings;
pub mod workbench;

pub use error::CommandError;
