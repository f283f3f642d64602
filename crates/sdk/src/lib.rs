//! What the author of a plugin in Rust imports: one trait a kind, one macro line, and the host's services.
//!
//! ```no_run
//! use rollcage_sdk::{
//!     Error, export_step,
//!     step::{Context, Outcome, Rollout, Step},
//! };
//!
//! #[derive(Default)]
//! struct Hello;
//!
//! impl Step for Hello {
//!     fn run(&self, rollout: &Rollout, _context: &Context) -> Result<Outcome, Error> {
//!         rollcage_sdk::info!("hello, {}", rollout.name);
//!         Ok(Outcome::successful())
//!     }
//! }
//!
//! export_step!(Hello);
//! # fn main() {}
//! ```
//!
//! ```text
//! host ── init, run ... ──> generated exports ──> Component<_, T> ──> the author's T: MetricProvider | TrafficRouter | Step
//! host <── http, kubernetes, secrets, evaluate, log ── modules here <──┘      (under `cargo test`: testing::Host instead)
//! ```
//!
//! - A plugin is a `cdylib` for `wasm32-unknown-unknown`. It imports only the interfaces that it calls, and the host
//!   grants each of them by the plugin's entry.
//! - The same code compiles for the author's machine, where [`testing::Host`] stands in for the host: plugins are tested
//!   with plain `cargo test`.
//! - Everything that the contract says (`wit/`) holds; this crate only makes it pleasant. Types of the contract are
//!   re-exported, not wrapped, except [`Error`].
//!
//! It does not offer what the contract does not: no threads, no files, no sockets.

pub mod bindings;
pub mod config;
pub mod duration;
pub mod env;
mod error;
pub mod evaluate;
mod host;
pub mod http;
mod instance;
pub mod kubernetes;
pub mod log;
pub mod metric;
mod rollout;
pub mod router;
pub mod secrets;
pub mod step;
pub mod subject;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;

pub use bindings::imports::rollcage::plugin::types::{KubernetesRule, Pair, Wants};
pub use error::Error;
pub use instance::{Component, Package};

impl Pair {
    /// A name and its value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}
