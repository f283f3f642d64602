//! `argoproj.io/v1alpha1` objects, `rollcage.dev/v1alpha1` objects and plugin configuration as they look on the wire.
//!
//! ```text
//! YAML or JSON text -> yaml (Go's meaning of YAML) -> analysis | rollout | plugin | plugin_object -> the same text back, nothing lost
//! ```
//!
//! Invariants: a type here reads what Argo Rollouts writes and writes what Argo Rollouts reads; fields that this crate
//! does not know are kept where an object is handed on. No I/O, no client, no decisions: those are `rollcage-core`'s.

pub mod analysis;
pub mod duration;
pub mod plugin;
pub mod plugin_object;
pub mod quantity;
pub mod rollout;
pub mod step;
pub mod template;
pub mod yaml;

pub use duration::GoDuration;
pub use quantity::ByteSize;

/// API group of every object that Argo Rollouts owns.
pub const GROUP: &str = "argoproj.io";
/// The only version of [`GROUP`].
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every object in [`GROUP`].
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
