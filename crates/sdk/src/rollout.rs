//! The parts of a Rollout that routers and steps work with.

pub use crate::bindings::imports::rollcage::plugin::types::{PingPong, Rollout};

/// An empty Rollout of the usual maximum weight, for tests: `Rollout { name: "x".into(), ..Rollout::default() }`.
impl Default for Rollout {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            name: String::new(),
            uid: String::new(),
            labels: Vec::new(),
            annotations: Vec::new(),
            canary_service: String::new(),
            stable_service: String::new(),
            ping_pong: None,
            canary_hash: String::new(),
            stable_hash: String::new(),
            managed_routes: Vec::new(),
            max_weight: 100,
            step_index: None,
            aborted: false,
        }
    }
}
