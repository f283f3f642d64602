//! Canary Rollouts as Argo Rollouts understands them (spec 7): functions from what is observed to a decision.
//!
//! ```text
//! ReplicaSets of the API -> ReplicaSet (what is decided by) -> classify, by hash -> ReplicaSets (new, stable, others)
//!                                                               revision: which one, and the way back without steps
//! Rollout -> Canary -> limits   (replicas, maximum weight, surge, delays: the defaults)
//!               |---> step     (where it is, the weight and the scale that hold there)
//!               |---> basic    \
//!               |---> routed    } how many pods each ReplicaSet is to have
//!               |---> counts   /  and whether it has them
//!               |---> traffic  (what routers are told, and what comes of their answers)
//!               |---> services (which pods Services select)
//!               |---> scaling  (which ReplicaSet changes in this pass, and which waits)
//!               `---> pause, advance (whether the step is done, the release is over, or all begins anew)
//!                    `-> conditions, phase (what is said of it) -> next status
//! ```
//!
//! Invariants: nothing here calls anybody or reads a clock; objects are the only state, so any replica can take over
//! between any two passes. No number in an object makes it panic: what Go would wrap around is cut off instead.
//!
//! Every rule is held against the original's own code (`tests/it/rollout`).

mod advance;
mod basic;
mod classify;
mod conditions;
mod counts;
mod hash;
mod limits;
mod pause;
mod phase;
mod replica_set;
mod revision;
mod routed;
mod scaling;
mod services;
mod step;
mod traffic;

use rollcage_api::rollout::{CanaryStrategy, Rollout, TrafficRouting};

pub use advance::{RolloutEvent, StepState, describe};
pub use classify::same_template;
pub use counts::Counts;
pub use hash::{pod_template_hash, step_hash};
pub use limits::AbortDelay;
pub use pause::{INCONCLUSIVE_ANALYSIS, PAUSE_STEP, PauseStep, Pauses};
pub use replica_set::{
    DESIRED_REPLICAS_ANNOTATION, Failure, HASH_LABEL, REVISION_ANNOTATION, ReplicaSet, ReplicaSets,
    SCALE_DOWN_ANNOTATION, Totals,
};
pub use revision::{Revised, is_within_window, max_revision, revise};
pub use scaling::{Change, Scaling};
pub use services::{Aim, Switch};
pub use step::{CurrentStep, Scale, pause_seconds};
pub use traffic::{ExperimentPods, RouterCall, Traffic, VERIFY_AGAIN, Verdict, verified};

/// A Rollout whose strategy is canary, and what is to be said of it.
#[derive(Clone, Copy, Debug)]
pub struct Canary<'a> {
    /// The whole Rollout.
    pub rollout: &'a Rollout,
    /// Its strategy.
    pub strategy: &'a CanaryStrategy,
}

impl<'a> Canary<'a> {
    /// `None` for another strategy.
    pub fn of(rollout: &'a Rollout) -> Option<Self> {
        let strategy = rollout.spec.strategy.canary.as_ref()?;
        Some(Self { rollout, strategy })
    }

    /// Who moves traffic, if anybody does.
    pub fn routing(&self) -> Option<&'a TrafficRouting> {
        self.strategy.traffic_routing.as_ref()
    }
}

/// As many as a pod count of Kubernetes can be.
fn clamp(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// A whole number that came out of floating point, as the original calculates.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and the ends are cut off")]
fn whole(number: f64) -> i64 {
    number as i64
}
