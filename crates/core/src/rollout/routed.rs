//! How many pods there are to be when routers move the traffic (spec 7.8).

use rollcage_api::rollout::TrafficWeights;

use super::{Canary, Counts, ReplicaSets, Scale, clamp, whole};

/// Pods for a share of the traffic, rounded up.
pub(super) fn pods_of(canary: &Canary<'_>, weight: i32) -> i32 {
    let share = f64::from(weight) * f64::from(canary.replicas()) / f64::from(canary.max_weight());
    clamp(whole(share.ceil()))
}

impl Canary<'_> {
    /// `weights` are those that traffic goes by now.
    pub(super) fn routed_counts(&self, sets: &ReplicaSets<'_>, weights: Option<&TrafficWeights>) -> Counts {
        let (canary, weight) = match self.scale(sets) {
            Scale::Replicas(replicas) => (replicas, 0),
            Scale::Weight(weight) => (self.at_least(pods_of(self, weight)), weight),
        };
        if !self.strategy.dynamic_stable_scale {
            return Counts {
                canary,
                stable: self.replicas(),
            };
        }
        let mut canary = canary;
        let mut stable = pods_of(self, self.max_weight().saturating_sub(weight));
        if let Some(weights) = weights {
            // Pods stay as long as traffic goes to them, and come before it does.
            stable = stable.max(pods_of(self, weights.stable.weight));
            if self.rollout.status.abort {
                canary = canary.max(pods_of(self, weights.canary.weight));
            }
        }
        Counts {
            canary: self.at_least(canary),
            stable: self.at_least(stable),
        }
    }
}
