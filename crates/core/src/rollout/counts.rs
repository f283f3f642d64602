//! How many pods new and stable ReplicaSet are to have, and whether they have them (spec 7.8).

use rollcage_api::rollout::{ReplicaProgressThreshold, TrafficWeights};

use super::{Canary, ReplicaSet, ReplicaSets};

/// Shares are compared as floating point numbers.
const SAME: f64 = 1e-10;

/// Pods that the ReplicaSets are to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The new one.
    pub canary: i32,
    /// The stable one; of no meaning when there is none, or it is the new one.
    pub stable: i32,
}

impl Canary<'_> {
    /// Pods that the ReplicaSets are to have. `weights` are those that traffic goes by: what was recorded for the stable
    /// ReplicaSet, which follows one pass later, and what this pass made of it for the new one.
    pub fn counts(&self, sets: &ReplicaSets<'_>, weights: Option<&TrafficWeights>) -> Counts {
        if self.routing().is_some() {
            self.routed_counts(sets, weights)
        } else {
            self.basic_counts(sets)
        }
    }

    /// Whether the pods that this step wants are there.
    pub fn at_counts(&self, sets: &ReplicaSets<'_>, weights: Option<&TrafficWeights>) -> bool {
        let counts = self.counts(sets, weights);
        let basic = self.routing().is_none();
        let stable_moves = !basic && self.strategy.dynamic_stable_scale;
        let stable = || {
            sets.stable
                .is_some_and(|set| set.wanted == counts.stable && set.replicas == counts.stable)
        };
        self.is_enough(sets.new, counts.canary)
            && (stable_moves || stable())
            // Here every pod gets traffic, those of old revisions too.
            && (!basic || sets.others.iter().map(|set| i64::from(set.available)).sum::<i64>() == 0)
    }

    /// Whether a ReplicaSet has as many available pods of those that it is to have as the Rollout wants to see.
    pub fn is_enough(&self, set: Option<&ReplicaSet>, desired: i32) -> bool {
        let Some(set) = set else {
            return false;
        };
        match &self.strategy.replica_progress_threshold {
            Some(ReplicaProgressThreshold { kind, value, .. }) if *value >= 0 => {
                if kind != "Percent" {
                    return set.available >= *value;
                }
                let share = f64::from(set.available) / f64::from(desired) * 100.0;
                desired == 0 || share >= f64::from(*value) || (share - f64::from(*value)).abs() <= SAME
            }
            _ => set.wanted == desired && set.available == desired,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rollcage_api::rollout::Rollout;
    use serde_json::{Value, json};

    use super::*;

    fn set(name: &str, wanted: i32, available: i32) -> ReplicaSet {
        ReplicaSet {
            name: name.to_owned(),
            wanted,
            replicas: wanted,
            available,
            ..ReplicaSet::default()
        }
    }

    fn rollout(replicas: i32, canary: &Value, status: &Value) -> Rollout {
        let mut status = status.clone();
        for (field, value) in [("stableRS", "stable"), ("currentPodHash", "canary")] {
            status[field] = value.into();
        }
        let spec = json!({"replicas": replicas, "strategy": {"canary": canary}});
        serde_json::from_value(json!({"spec": spec, "status": status})).unwrap()
    }

    /// `(wanted, available)` of canary, stable and an old ReplicaSet.
    fn counts(rollout: &Rollout, canary: (i32, i32), stable: (i32, i32), old: (i32, i32)) -> (i32, i32) {
        let (new, stable, old) = (
            set("canary", canary.0, canary.1),
            set("stable", stable.0, stable.1),
            set("old", old.0, old.1),
        );
        let sets = ReplicaSets {
            new: Some(&new),
            stable: Some(&stable),
            others: vec![&old],
        };
        let weights = rollout
            .status
            .canary
            .as_ref()
            .and_then(|canary| canary.weights.as_ref());
        let counts = Canary::of(rollout).unwrap().counts(&sets, weights);
        (counts.canary, counts.stable)
    }

    #[test]
    fn pods_share_the_traffic() {
        let steps = |weight: i32, surge: Value, unavailable: Value| json!({"steps": [{"setWeight": weight}, {"pause": {}}], "maxSurge": surge, "maxUnavailable": unavailable});
        // replicas, weight, surge, unavailable; canary, stable, old; what comes of it
        for (replicas, weight, surge, unavailable, canary, stable, old, becomes) in [
            (10, 10, 1, 0, (0, 0), (10, 10), (0, 0), (1, 10)),
            (10, 10, 1, 0, (1, 1), (10, 10), (0, 0), (1, 9)),
            (10, 10, 0, 1, (0, 0), (10, 10), (0, 0), (0, 9)),
            (10, 10, 0, 1, (0, 0), (9, 9), (0, 0), (1, 9)),
            (10, 30, 3, 0, (0, 0), (10, 10), (0, 0), (3, 10)),
            (10, 30, 3, 0, (3, 0), (10, 10), (0, 0), (3, 10)),
            (1, 50, 1, 0, (0, 0), (1, 1), (0, 0), (1, 1)),
            (1, 5, 0, 1, (0, 0), (1, 1), (0, 0), (0, 1)),
            (4, 50, 1, 0, (2, 2), (2, 2), (1, 1), (2, 2)),
            // Old ones go before new ones come.
            (4, 50, 1, 0, (0, 0), (4, 4), (1, 1), (0, 4)),
            // A canary that never gets ready gives way.
            (4, 0, 1, 0, (2, 0), (3, 3), (0, 0), (1, 3)),
            (0, 50, 1, 0, (2, 2), (3, 3), (0, 0), (0, 1)),
        ] {
            let canary_spec = steps(weight, surge.into(), unavailable.into());
            let rollout = rollout(replicas, &canary_spec, &json!({"currentStepIndex": 1}));
            let found = counts(&rollout, canary, stable, old);
            assert_eq!(found, becomes, "{replicas} {canary_spec} {canary:?} {stable:?} {old:?}");
        }
    }

    #[test]
    fn routers_share_the_traffic() {
        let routed = |extra: Value| {
            let mut canary =
                json!({"steps": [{"setWeight": 25}, {"pause": {}}], "trafficRouting": {"plugins": {"a/b": {}}}});
            for (name, value) in extra.as_object().unwrap() {
                canary[name] = value.clone();
            }
            canary
        };
        let weights = |canary: i32| {
            json!({"canary": {"weights": {"canary": {"weight": canary}, "stable": {"weight": 100 - canary}}},
            "currentStepIndex": 1})
        };
        let mut aborted = weights(40);
        aborted["abort"] = true.into();
        for (canary, status, becomes) in [
            (routed(json!({})), weights(0), (3, 10)),
            (routed(json!({"minPodsPerReplicaSet": 5})), weights(0), (5, 10)),
            (routed(json!({"minPodsPerReplicaSet": 50})), weights(0), (10, 10)),
            // Stable pods go when their traffic has gone.
            (routed(json!({"dynamicStableScale": true})), weights(0), (3, 10)),
            (routed(json!({"dynamicStableScale": true})), weights(25), (3, 8)),
            (
                routed(json!({"dynamicStableScale": true, "minPodsPerReplicaSet": 9})),
                weights(25),
                (9, 9),
            ),
            // Traffic before pods on the way back as well.
            (routed(json!({"dynamicStableScale": true})), aborted, (4, 10)),
            (
                routed(
                    json!({"steps": [{"setCanaryScale": {"replicas": 1}}, {"setWeight": 50}], "minPodsPerReplicaSet": 4}),
                ),
                weights(0),
                (1, 10),
            ),
            (
                routed(json!({"steps": [{"setCanaryScale": {"weight": 31}}, {"setWeight": 50}]})),
                weights(0),
                (4, 10),
            ),
        ] {
            let rollout = rollout(10, &canary, &status);
            let found = counts(&rollout, (3, 3), (8, 8), (0, 0));
            assert_eq!(found, becomes, "{canary} {status}");
        }
    }

    #[test]
    fn enough_is_all_or_what_the_threshold_says() {
        let threshold = |kind: &str, value: i32| json!({"replicaProgressThreshold": {"type": kind, "value": value}});
        for (canary, wanted, available, desired, enough) in [
            (json!({}), 4, 4, 4, true),
            (json!({}), 5, 4, 4, false),
            (json!({}), 4, 3, 4, false),
            (threshold("Percent", 50), 4, 2, 4, true),
            (threshold("Percent", 51), 4, 2, 4, false),
            (threshold("Percent", 33), 3, 1, 3, true),
            (threshold("Percent", 90), 4, 0, 0, true),
            (threshold("Percent", -1), 4, 2, 4, false),
            (threshold("Pods", 2), 4, 2, 4, true),
            (threshold("Pods", 3), 4, 2, 4, false),
            (threshold("Pods", 0), 4, 0, 4, true),
        ] {
            let rollout = rollout(4, &canary, &json!({}));
            let found = Canary::of(&rollout)
                .unwrap()
                .is_enough(Some(&set("canary", wanted, available)), desired);
            assert_eq!(found, enough, "{canary} {wanted} {available} {desired}");
        }
        let rollout = rollout(4, &json!({}), &json!({}));
        assert!(!Canary::of(&rollout).unwrap().is_enough(None, 0));
    }

    proptest! {
        /// Whatever is there: never more than may be, unless there already are, and never fewer than have to be.
        #[test]
        fn a_basic_release_stays_within_its_limits(
            replicas in 1..40i32, weight in 0..=100i32, surge in 0..5i32, unavailable in 0..5i32,
            canary in 0..40i32, stable in 0..40i32, ready in (0..=100i32, 0..=100i32),
        ) {
            prop_assume!(surge + unavailable > 0);
            let spec = json!({"steps": [{"setWeight": weight}, {"pause": {}}], "maxSurge": surge, "maxUnavailable": unavailable});
            let rollout = rollout(replicas, &spec, &json!({"currentStepIndex": 1}));
            let available = (canary * ready.0 / 100, stable * ready.1 / 100);
            let found = counts(&rollout, (canary, available.0), (stable, available.1), (0, 0));
            let before = canary + stable;
            prop_assert!(found.0 + found.1 <= (replicas + surge).max(before));
            prop_assert!(found.0 >= 0 && found.1 >= 0);
            let staying = found.0.min(available.0) + found.1.min(available.1);
            let least = (replicas - unavailable.min(replicas)).min(available.0 + available.1);
            // Pods of the side that shrinks may be such as never get available, and go all the same.
            if available == (canary, stable) {
                prop_assert!(staying >= least, "{found:?} leaves {staying} of {least}");
            }
        }

        /// With all pods available, passes come to rest, and there the step is done.
        #[test]
        fn a_basic_release_comes_to_rest(
            replicas in 1..30i32, weight in 0..=100i32, surge in 0..4i32, unavailable in 0..4i32, start in 0..30i32,
        ) {
            prop_assume!(surge + unavailable > 0);
            let spec = json!({"steps": [{"setWeight": weight}, {"pause": {}}], "maxSurge": surge, "maxUnavailable": unavailable});
            let rollout = rollout(replicas, &spec, &json!({"currentStepIndex": 1}));
            let mut now = (start, replicas);
            for _ in 0..200 {
                let next = counts(&rollout, (now.0, now.0), (now.1, now.1), (0, 0));
                if next == now {
                    break;
                }
                now = next;
            }
            prop_assert_eq!(counts(&rollout, (now.0, now.0), (now.1, now.1), (0, 0)), now);
            prop_assert!(now.0 + now.1 >= replicas - unavailable && now.0 + now.1 <= replicas + surge.max(1));
        }

        /// No number makes it panic.
        #[test]
        fn any_number_is_survived(
            numbers in proptest::collection::vec(prop_oneof![Just(i32::MIN), Just(i32::MAX), Just(0), any::<i32>()], 12),
            routed: bool, dynamic: bool,
        ) {
            let mut spec = json!({"steps": [{"setWeight": numbers[0]}, {"setCanaryScale": {"weight": numbers[1]}}, {"pause": {}}],
                "maxSurge": numbers[2], "maxUnavailable": numbers[3].to_string(), "minPodsPerReplicaSet": numbers[4],
                "dynamicStableScale": dynamic});
            if routed {
                spec["trafficRouting"] = json!({"maxTrafficWeight": numbers[5]});
            }
            let weights = json!({"canary": {"weight": numbers[9]}, "stable": {"weight": numbers[10]}});
            let status = json!({"currentStepIndex": numbers[11] % 4, "abort": dynamic, "canary": {"weights": weights}});
            let rollout = rollout(numbers[6], &spec, &status);
            counts(&rollout, (numbers[7], numbers[8]), (numbers[8], numbers[7]), (numbers[9], numbers[10]));
        }
    }
}
