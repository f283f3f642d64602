//! Numbers of a Rollout, and what holds where it says nothing (spec 3.2).

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Canary, clamp, whole};

/// Of maxSurge and maxUnavailable. A text is a share, with or without its sign.
const QUARTER: &str = "25";

/// Seconds that pods outlive their traffic.
const DELAY: i32 = 30;

/// How long canary pods outlive an abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortDelay {
    /// They are not scaled down: `abortScaleDownDelaySeconds: 0`.
    Forever,
    /// So long.
    For {
        /// The time; below zero it has passed already.
        delay: SignedDuration,
        /// Whether the Rollout says so.
        explicit: bool,
    },
}

impl AbortDelay {
    /// Whether the Rollout says so, and that they go.
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::For { explicit: true, .. })
    }
}

impl Canary<'_> {
    /// Pods wanted.
    pub fn replicas(&self) -> i32 {
        self.rollout.spec.replicas.unwrap_or(1)
    }

    /// What weights are parts of.
    pub fn max_weight(&self) -> i32 {
        self.routing()
            .and_then(|routing| routing.max_traffic_weight)
            .unwrap_or(100)
    }

    /// Pods that may be too many.
    pub fn max_surge(&self) -> i32 {
        self.fence_posts().0
    }

    /// Pods that may be missing.
    pub fn max_unavailable(&self) -> i32 {
        match self.replicas() {
            0 => 0,
            replicas => self.fence_posts().1.min(replicas),
        }
    }

    /// Surge and unavailable pods. A text that is no number is told by validation, and leaves neither.
    fn fence_posts(&self) -> (i32, i32) {
        let resolve = |given: Option<&IntOrString>, up| self.share_or_number(given, up);
        let surge = resolve(self.strategy.max_surge.as_ref(), true);
        let unavailable = resolve(self.strategy.max_unavailable.as_ref(), false);
        match (surge, unavailable) {
            // A share of few pods may be none, and then nothing would ever move.
            (Some(0), Some(0)) => (0, 1),
            (Some(surge), Some(unavailable)) => (surge, unavailable),
            _ => (0, 0),
        }
    }

    fn share_or_number(&self, given: Option<&IntOrString>, up: bool) -> Option<i32> {
        let text = match given {
            Some(IntOrString::Int(number)) => return Some(*number),
            Some(IntOrString::String(text)) => text.as_str(),
            None => QUARTER,
        };
        let share: i32 = text.replace('%', "").parse().ok()?;
        let pods = f64::from(share) * f64::from(self.replicas()) / 100.0;
        Some(clamp(whole(if up { pods.ceil() } else { pods.floor() })))
    }

    /// Seconds without progress that are too many.
    pub fn progress_deadline(&self) -> i32 {
        self.rollout.spec.progress_deadline_seconds.unwrap_or(600)
    }

    /// How long old pods outlive the switch to new ones.
    pub fn scale_down_delay(&self) -> SignedDuration {
        if self.routing().is_none() {
            return SignedDuration::ZERO;
        }
        seconds(self.strategy.scale_down_delay_seconds.unwrap_or(DELAY))
    }

    /// How long canary pods outlive an abort.
    pub fn abort_delay(&self) -> AbortDelay {
        let given = self.strategy.abort_scale_down_delay_seconds;
        match (self.routing(), given) {
            (None, _) => AbortDelay::For {
                delay: SignedDuration::ZERO,
                explicit: false,
            },
            (Some(_), Some(0)) => AbortDelay::Forever,
            (Some(_), given) => AbortDelay::For {
                delay: seconds(given.unwrap_or(DELAY)),
                explicit: given.is_some(),
            },
        }
    }

    /// As many pods as a ReplicaSet has to have if it has any.
    pub(super) fn at_least(&self, pods: i32) -> i32 {
        match (pods, self.routing(), self.strategy.min_pods_per_replica_set) {
            (0, _, _) | (_, None, _) | (_, _, None) => pods,
            // More than there are to be would be cut again, and raised again.
            (pods, Some(_), Some(least)) => pods.max(least.min(self.replicas())),
        }
    }
}

fn seconds(seconds: i32) -> SignedDuration {
    SignedDuration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use rollcage_api::rollout::Rollout;
    use serde_json::{Value, json};

    use super::*;

    fn with<T>(replicas: i32, canary: &Value, of: impl Fn(Canary<'_>) -> T) -> T {
        let rollout: Rollout =
            serde_json::from_value(json!({"spec": {"replicas": replicas, "strategy": {"canary": canary}}})).unwrap();
        of(Canary::of(&rollout).unwrap())
    }

    #[test]
    fn surge_is_rounded_up_and_unavailable_down() {
        for (replicas, canary, surge, unavailable) in [
            (10, json!({}), 3, 2),
            (1, json!({}), 1, 0),
            (0, json!({}), 0, 0),
            (10, json!({"maxSurge": 3, "maxUnavailable": 4}), 3, 4),
            (10, json!({"maxSurge": "15%", "maxUnavailable": "15%"}), 2, 1),
            (10, json!({"maxSurge": "1", "maxUnavailable": "1"}), 1, 0),
            (3, json!({"maxSurge": 0, "maxUnavailable": "10%"}), 0, 1),
            (3, json!({"maxSurge": 0, "maxUnavailable": 9}), 0, 3),
            (3, json!({"maxSurge": "x", "maxUnavailable": 2}), 0, 0),
            (
                3,
                json!({"maxSurge": "2147483647", "maxUnavailable": "%9%"}),
                64_424_510,
                0,
            ),
        ] {
            let found = with(replicas, &canary, |canary| {
                (canary.max_surge(), canary.max_unavailable())
            });
            assert_eq!(found, (surge, unavailable), "{replicas} {canary}");
        }
    }

    #[test]
    fn delays_are_for_those_who_route_traffic() {
        let delays = |canary: Value| {
            with(1, &canary, |canary| {
                (canary.scale_down_delay().as_secs(), canary.abort_delay())
            })
        };
        let wait = |seconds, explicit| AbortDelay::For {
            delay: SignedDuration::from_secs(seconds),
            explicit,
        };
        assert_eq!(delays(json!({"abortScaleDownDelaySeconds": 5})), (0, wait(0, false)));
        assert_eq!(delays(json!({"trafficRouting": {}})), (30, wait(30, false)));
        let given = json!({"trafficRouting": {}, "abortScaleDownDelaySeconds": 5, "scaleDownDelaySeconds": 6});
        assert_eq!(delays(given), (6, wait(5, true)));
        let never = json!({"trafficRouting": {}, "abortScaleDownDelaySeconds": 0});
        assert_eq!(delays(never), (30, AbortDelay::Forever));
    }
}
