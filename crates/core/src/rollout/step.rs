//! Where a release is in its steps, and the weight and scale that hold there (spec 7.8).

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rollcage_api::{
    GoDuration,
    rollout::{CanaryStep, RolloutPause, SetCanaryScale},
};

use super::{AbortDelay, Canary, ReplicaSets, routed::pods_of};

/// Where a release is in its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurrentStep<'a> {
    /// Its index; that of the end is the number of steps, or more when steps have gone.
    pub index: i32,
    /// `None` behind the last one.
    pub step: Option<&'a CanaryStep>,
}

/// How many pods the canary is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// So many.
    Replicas(i32),
    /// A share of all, as a weight.
    Weight(i32),
}

impl<'a> Canary<'a> {
    /// `None` without steps.
    pub fn current_step(&self) -> Option<CurrentStep<'a>> {
        let steps = &self.strategy.steps;
        if steps.is_empty() {
            return None;
        }
        // Below zero is no step; it is a field that anybody may patch.
        let index = self.rollout.status.current_step_index.unwrap_or(0).max(0);
        let step = usize::try_from(index).ok().and_then(|at| steps.get(at));
        Some(CurrentStep { index, step })
    }

    /// Steps from the one at `index` back to the first.
    pub(super) fn steps_back_from(&self, index: i32) -> impl Iterator<Item = &'a CanaryStep> + use<'a> {
        let until = usize::try_from(index).map_or(0, |index| index.saturating_add(1));
        self.strategy.steps.iter().take(until).rev()
    }

    /// The weight that the steps so far amount to: none when aborted, all behind the last one.
    pub fn set_weight(&self) -> i32 {
        if self.rollout.status.abort {
            return 0;
        }
        match self.current_step() {
            Some(CurrentStep { index, step: Some(_) }) => self
                .steps_back_from(index)
                .find_map(|step| step.set_weight)
                .unwrap_or(0),
            _ => self.max_weight(),
        }
    }

    /// The weight that the canary's pods are counted by. An abort with dynamicStableScale goes back step by step, as far as
    /// stable pods have come back.
    pub fn canary_weight(&self, sets: &ReplicaSets<'_>) -> i32 {
        let (true, true, Some(new), Some(stable)) = (
            self.rollout.status.abort,
            self.strategy.dynamic_stable_scale,
            sets.new,
            sets.stable,
        ) else {
            return self.set_weight();
        };
        let missing = i64::from(self.replicas()) - i64::from(stable.available);
        let canary = if self.abort_delay().is_explicit() {
            missing
        } else {
            missing.max(new.available.into())
        };
        let lower = |weight: &i32| i64::from(pods_of(self, *weight)) < canary;
        self.strategy
            .steps
            .iter()
            .rev()
            .filter_map(|step| step.set_weight)
            .find(lower)
            .unwrap_or(0)
    }

    /// The setCanaryScale that holds, if one does.
    pub fn set_canary_scale(&self) -> Option<&'a SetCanaryScale> {
        self.routing()?;
        if self.rollout.status.abort && self.abort_delay() != AbortDelay::Forever {
            return None;
        }
        let current = self.current_step()?;
        current.step?;
        let scale = self
            .steps_back_from(current.index)
            .find_map(|step| step.set_canary_scale.as_ref())?;
        (!scale.match_traffic_weight).then_some(scale)
    }

    /// How many pods the canary is to have in the end of this step.
    pub fn scale(&self, sets: &ReplicaSets<'_>) -> Scale {
        let status = &self.rollout.status;
        if status.promote_full || status.stable_rs.is_empty() || status.current_pod_hash == status.stable_rs {
            return Scale::Weight(self.max_weight());
        }
        match self.set_canary_scale() {
            Some(SetCanaryScale {
                replicas: Some(replicas),
                ..
            }) => Scale::Replicas(*replicas),
            Some(SetCanaryScale {
                weight: Some(weight), ..
            }) => Scale::Weight(*weight),
            _ => Scale::Weight(self.canary_weight(sets)),
        }
    }
}

/// Seconds that a pause lasts: 0 when it says none, which is until a person ends it; -1 for a text that is no duration.
pub fn pause_seconds(pause: &RolloutPause) -> i32 {
    match &pause.duration {
        None => 0,
        Some(IntOrString::Int(seconds)) => *seconds,
        Some(IntOrString::String(text)) => text.parse().unwrap_or_else(|_| {
            let (sign, size) = text.strip_prefix('-').map_or((1, text.as_str()), |size| (-1, size));
            // One sign is enough.
            if sign < 0 && size.starts_with(['+', '-']) {
                return -1;
            }
            match size.parse::<GoDuration>() {
                Ok(duration) => i32::try_from(duration.0.as_secs()).map_or(i32::MAX, |seconds| sign * seconds),
                Err(_) => -1,
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::rollout::Rollout;
    use serde_json::{Value, json};

    use super::*;

    fn rollout(canary: &Value, status: &Value) -> Rollout {
        serde_json::from_value(json!({"spec": {"replicas": 10, "strategy": {"canary": canary}}, "status": status}))
            .unwrap()
    }

    #[test]
    fn the_last_weight_that_was_set_holds() {
        let steps =
            json!({"steps": [{"pause": {}}, {"setWeight": 20}, {"pause": {}}, {"setWeight": 0}, {"setWeight": 60}]});
        for (steps, status, weight) in [
            (&steps, json!({}), 0),
            (&steps, json!({"currentStepIndex": 0}), 0),
            (&steps, json!({"currentStepIndex": -3}), 0),
            (&steps, json!({"currentStepIndex": 1}), 20),
            (&steps, json!({"currentStepIndex": 2}), 20),
            (&steps, json!({"currentStepIndex": 3}), 0),
            (&steps, json!({"currentStepIndex": 4}), 60),
            (&steps, json!({"currentStepIndex": 5}), 100),
            (&steps, json!({"currentStepIndex": 99}), 100),
            (&steps, json!({"currentStepIndex": 4, "abort": true}), 0),
            (&json!({}), json!({}), 100),
            (&json!({"trafficRouting": {"maxTrafficWeight": 1000}}), json!({}), 1000),
        ] {
            let rollout = rollout(steps, &status);
            assert_eq!(Canary::of(&rollout).unwrap().set_weight(), weight, "{steps} {status}");
        }
    }

    #[test]
    fn a_set_scale_holds_until_it_is_to_match_the_traffic_again() {
        let steps = json!([{"setWeight": 10}, {"setCanaryScale": {"replicas": 3}}, {"setWeight": 20},
            {"setCanaryScale": {"weight": 50}}, {"setCanaryScale": {"matchTrafficWeight": true, "weight": 7}}, {"pause": {}}]);
        let routed = json!({"steps": steps, "trafficRouting": {}});
        let basic = json!({"steps": steps});
        let kept = json!({"steps": [{"setCanaryScale": {"replicas": 3}}], "trafficRouting": {},
            "abortScaleDownDelaySeconds": 0});
        let at = |index: i32| json!({"currentStepIndex": index, "stableRS": "a", "currentPodHash": "b"});
        let aborted = json!({"currentStepIndex": 0, "stableRS": "a", "currentPodHash": "b", "abort": true});
        for (canary, status, scale) in [
            (&routed, at(0), Scale::Weight(10)),
            (&routed, at(1), Scale::Replicas(3)),
            (&routed, at(2), Scale::Replicas(3)),
            (&routed, at(3), Scale::Weight(50)),
            (&routed, at(4), Scale::Weight(20)),
            (&routed, at(5), Scale::Weight(20)),
            (&routed, at(6), Scale::Weight(100)),
            (&basic, at(1), Scale::Weight(10)),
            (&kept, aborted.clone(), Scale::Replicas(3)),
            (&routed, aborted, Scale::Weight(0)),
            (&routed, json!({"currentPodHash": "b"}), Scale::Weight(100)),
            (
                &routed,
                json!({"stableRS": "b", "currentPodHash": "b"}),
                Scale::Weight(100),
            ),
            (
                &routed,
                json!({"stableRS": "a", "currentPodHash": "b", "promoteFull": true}),
                Scale::Weight(100),
            ),
        ] {
            let rollout = rollout(canary, &status);
            let found = Canary::of(&rollout).unwrap().scale(&ReplicaSets::default());
            assert_eq!(found, scale, "{canary} {status}");
        }
    }

    #[test]
    fn durations_of_pauses() {
        for (duration, seconds) in [
            (json!(null), 0),
            (json!(0), 0),
            (json!(90), 90),
            (json!(-5), -5),
            (json!("90"), 90),
            (json!("-5"), -5),
            (json!("1h30m"), 5400),
            (json!("1500ms"), 1),
            (json!("-90s"), -90),
            (json!("--5s"), -1),
            (json!("x"), -1),
            (json!(""), -1),
            (json!("1d"), -1),
        ] {
            let pause = serde_json::from_value(json!({"duration": duration})).unwrap();
            assert_eq!(pause_seconds(&pause), seconds, "{duration}");
        }
    }
}
