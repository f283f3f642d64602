//! What routers are told in a pass, and what is made of their answers (spec 7.7).
//!
//! ```text
//! Rollout, ReplicaSets -> desired weight -> enough stable pods? -> RouterCalls, in their order -> each router
//!                                             no: routers keep what they have        |
//! weights of the status <- Verdict (go on, look again, hold) <- Verification <-------'
//! ```

use std::time::Duration;

use rollcage_api::rollout::{TrafficWeights, Verification, WeightDestination};
use serde_json::Value;

use super::{Canary, CurrentStep, ReplicaSet, ReplicaSets, clamp};

/// When weights are looked at again that were not there yet.
pub const VERIFY_AGAIN: Duration = Duration::from_secs(10);

/// What a router is told, or what is done before it is.
#[derive(Clone, Debug, PartialEq)]
pub enum RouterCall<'a> {
    /// No call: the canary Service selects stable pods from here on, whatever is available.
    CanaryServiceToStable,
    /// Routes of header and mirror steps go.
    RemoveManagedRoutes,
    /// A header route, as the step has it.
    SetHeaderRoute(&'a Value),
    /// A mirror route, as the step has it.
    SetMirrorRoute(&'a Value),
    /// The hashes of both sides, and what else gets traffic.
    UpdateHash,
    /// The canary's weight, and what else gets traffic.
    SetWeight,
    /// Whether the weights are there.
    VerifyWeight,
}

/// What all routers are told in a pass, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic<'a> {
    /// The canary's weight.
    pub weight: i32,
    /// Hash of the pods that are the canary's; empty without any.
    pub canary_hash: String,
    /// Hash of the pods that are stable; empty without any.
    pub stable_hash: String,
    /// What else gets traffic: an Experiment's pods.
    pub additional: Vec<WeightDestination>,
    /// What each router is told, in this order. An error ends the pass.
    pub calls: Vec<RouterCall<'a>>,
    /// Whether the routers of the pass were told weights: without enough stable pods they keep what they have.
    pub decided: bool,
}

/// What comes of a router's answer about its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The pass goes on.
    GoOn,
    /// The pass goes on, and another one follows after [`VERIFY_AGAIN`].
    Again,
    /// The pass ends with this error, and another one follows after [`VERIFY_AGAIN`].
    Hold(String),
}

/// An Experiment's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExperimentPods {
    /// Name of the template.
    pub name: String,
    /// Service that selects them.
    pub service: String,
    /// Their hash.
    pub hash: String,
}

impl<'a> Canary<'a> {
    /// What routers are told. `aborted` is whether the release is in this pass; `experiment` are the pods of the current
    /// Experiment while it runs.
    pub fn traffic(&self, sets: &ReplicaSets<'_>, aborted: bool, experiment: &[ExperimentPods]) -> Traffic<'a> {
        let hash = |set: Option<&ReplicaSet>| set.map_or("", |set| &set.hash).to_owned();
        let mut traffic = Traffic {
            weight: 0,
            canary_hash: hash(sets.new),
            stable_hash: hash(sets.stable),
            additional: Vec::new(),
            calls: Vec::new(),
            decided: false,
        };
        let current = self.current_step();
        let mut remove_routes = true;
        let no_pods = sets.new.is_none_or(|new| new.available == 0);
        if let Some(previous) = self.going_back_from(sets) {
            // The pods that still have traffic, not those that are wanted.
            traffic.weight = self.way_back(sets);
            previous.clone_into(&mut traffic.canary_hash);
            remove_routes = false;
        } else if self.is_promoted() {
        } else if aborted {
            traffic.weight = self.way_back(sets);
            if !self.strategy.dynamic_stable_scale || traffic.weight == 0 {
                traffic.calls.push(RouterCall::CanaryServiceToStable);
            }
        } else if no_pods {
            traffic.additional = self.experiments_traffic(experiment);
        } else if self.rollout.status.promote_full {
            traffic.weight = self.full_promotion(sets);
        } else {
            remove_routes = false;
            if let Some(current) = current {
                traffic.weight = self.weight_of_step(sets, current);
                traffic.additional = self.experiments_traffic(experiment);
            }
        }
        if remove_routes {
            traffic.calls.push(RouterCall::RemoveManagedRoutes);
        }
        if !self.can_carry(sets.stable, self.max_weight().saturating_sub(traffic.weight)) {
            return traffic;
        }
        traffic.decided = true;
        if let Some(step) = current.and_then(|current| current.step)
            && self.is_an_update()
        {
            traffic
                .calls
                .extend(step.set_header_route.as_ref().map(RouterCall::SetHeaderRoute));
            traffic
                .calls
                .extend(step.set_mirror_route.as_ref().map(RouterCall::SetMirrorRoute));
        }
        if no_pods && self.recorded_weights().is_some_and(|weights| weights.canary.weight > 0) {
            // Before the hash is one of pods that are not there.
            traffic.calls.push(RouterCall::SetWeight);
        }
        traffic
            .calls
            .extend([RouterCall::UpdateHash, RouterCall::SetWeight, RouterCall::VerifyWeight]);
        traffic
    }

    /// The weights of the last pass.
    pub(super) fn recorded_weights(&self) -> Option<&'a TrafficWeights> {
        self.rollout.status.canary.as_ref()?.weights.as_ref()
    }

    /// Whether the newest pods are the stable ones.
    pub(super) fn is_promoted(&self) -> bool {
        self.rollout.status.stable_rs == self.rollout.status.current_pod_hash
    }

    /// The hash of the pods that traffic comes back from, while the stable ones, which are the wanted ones again, are not
    /// all there.
    pub(super) fn going_back_from(&self, sets: &ReplicaSets<'_>) -> Option<&'a str> {
        self.routing()
            .filter(|_| self.strategy.dynamic_stable_scale && self.is_promoted())?;
        let previous = self.recorded_weights()?.canary.pod_template_hash.as_str();
        let new = sets.new?;
        (previous != new.hash && new.available < self.replicas()).then_some(previous)
    }

    /// The weight on the way back to stable pods: none, or with dynamicStableScale as far as they have come.
    fn way_back(&self, sets: &ReplicaSets<'_>) -> i32 {
        let (true, Some(stable), Some(_), true) = (
            self.strategy.dynamic_stable_scale,
            sets.stable,
            sets.new,
            self.replicas() != 0,
        ) else {
            return 0;
        };
        let max = self.max_weight();
        let desired = self.canary_weight(sets);
        let carried = self.weight_of_pods(stable.available);
        let expected = max.saturating_sub(carried).max(0);
        let Some(current) = self.recorded_weights().map(|weights| weights.canary.weight) else {
            return expected.max(desired);
        };
        if desired <= 0 {
            // Never up again because stable pods come and go.
            return expected.min(current);
        }
        if carried < max.saturating_sub(desired) {
            return current;
        }
        desired.min(current)
    }

    /// The weight that so many pods can carry.
    fn weight_of_pods(&self, pods: i32) -> i32 {
        let weight = i64::from(self.max_weight()) * i64::from(pods);
        clamp(weight.checked_div(self.replicas().into()).unwrap_or(0))
    }

    fn full_promotion(&self, sets: &ReplicaSets<'_>) -> i32 {
        if self.strategy.dynamic_stable_scale {
            return self.weight_of_pods(sets.new.map_or(0, |new| new.available));
        }
        self.recorded_weights().map_or(0, |weights| weights.canary.weight)
    }

    /// The weight of the step; that of the one before while its pods are not there.
    fn weight_of_step(&self, sets: &ReplicaSets<'_>, current: CurrentStep<'_>) -> i32 {
        if !self.at_counts(sets, None) {
            let before = current.index.checked_sub(1).filter(|before| *before >= 0);
            let steps = before.map(|before| self.steps_back_from(before));
            return steps
                .into_iter()
                .flatten()
                .find_map(|step| step.set_weight)
                .unwrap_or(0);
        }
        if i32::try_from(self.strategy.steps.len()) == Ok(current.index) {
            return self.max_weight();
        }
        self.set_weight()
    }

    /// Whether stable pods can carry so much.
    fn can_carry(&self, stable: Option<&ReplicaSet>, weight: i32) -> bool {
        let pods = i64::from(weight) * i64::from(self.replicas());
        let desired = clamp(pods.checked_div(self.max_weight().into()).unwrap_or(0));
        stable.is_some_and(|stable| stable.available >= desired || self.is_enough(Some(stable), desired))
    }

    /// Whether it has had another revision: the first one goes through no steps.
    fn is_an_update(&self) -> bool {
        i32::try_from(self.revision()).is_ok_and(|revision| revision > 1)
    }

    /// Traffic of an Experiment's pods, by the last experiment step up to the current one.
    fn experiments_traffic(&self, pods: &[ExperimentPods]) -> Vec<WeightDestination> {
        let Some(CurrentStep { index, step: Some(_) }) = self.current_step() else {
            return Vec::new();
        };
        let Some(step) = self.steps_back_from(index).find_map(|step| step.experiment.as_ref()) else {
            return Vec::new();
        };
        let templates = step.templates.as_deref().unwrap_or_default();
        let destination = |pods: &ExperimentPods| {
            let template = templates.iter().find(|template| template.name == pods.name)?;
            Some(WeightDestination {
                weight: template.weight?,
                service_name: pods.service.clone(),
                pod_template_hash: pods.hash.clone(),
            })
        };
        pods.iter().filter_map(destination).collect()
    }

    /// The weights as the status is to have them, once routers were told. What was verified before holds as long as nothing
    /// else changes.
    pub fn weights(&self, traffic: &Traffic<'_>) -> TrafficWeights {
        let extra = traffic
            .additional
            .iter()
            .fold(0_i32, |sum, other| sum.saturating_add(other.weight));
        let before = self.recorded_weights();
        let mut weights = TrafficWeights {
            canary: WeightDestination {
                weight: traffic.weight,
                service_name: self.strategy.canary_service.clone(),
                pod_template_hash: traffic.canary_hash.clone(),
            },
            stable: WeightDestination {
                weight: self.max_weight().saturating_sub(traffic.weight).saturating_sub(extra),
                service_name: self.strategy.stable_service.clone(),
                pod_template_hash: traffic.stable_hash.clone(),
            },
            additional: traffic.additional.clone(),
            ..TrafficWeights::default()
        };
        if let Some(before) = before.filter(|before| is_same(before, &weights)) {
            weights.verified = before.verified;
        }
        weights
    }

    /// The Event's text when weights are other ones than before.
    pub fn weights_changed(&self, weights: &TrafficWeights) -> Option<String> {
        let mut details = Vec::new();
        match self.recorded_weights() {
            None => details.push(format!("to {}", weights.canary.weight)),
            Some(before) if is_same(before, weights) => return None,
            Some(before) => {
                if before.canary.weight != weights.canary.weight {
                    details.push(format!("from {} to {}", before.canary.weight, weights.canary.weight));
                }
                if before.additional != weights.additional {
                    details.push(format!("additional: {}", destinations(&weights.additional)));
                }
            }
        }
        Some(format!("Traffic weight updated {}", details.join(", ")))
    }

    /// What comes of a router's answer. Where all traffic is to be the canary's nothing may go on before it is: old pods
    /// would go.
    pub fn verdict(&self, weight: i32, answer: Verification) -> Verdict {
        if answer != Verification::NotVerified {
            return Verdict::GoOn;
        }
        let index = self.rollout.status.current_step_index.unwrap_or(0);
        let in_steps = i32::try_from(self.strategy.steps.len()).is_ok_and(|count| count >= index);
        if weight == self.max_weight() && in_steps {
            return Verdict::Hold(format!("end of rollout, desired weight {weight} not yet verified"));
        }
        Verdict::Again
    }
}

fn is_same(a: &TrafficWeights, b: &TrafficWeights) -> bool {
    (&a.canary, &a.stable, &a.additional) == (&b.canary, &b.stable, &b.additional)
}

/// As Go prints a list of structs.
fn destinations(all: &[WeightDestination]) -> String {
    let each = |one: &WeightDestination| format!("{{{} {} {}}}", one.weight, one.service_name, one.pod_template_hash);
    format!("[{}]", all.iter().map(each).collect::<Vec<_>>().join(" "))
}

/// `status.canary.weights.verified` for an answer.
pub fn verified(answer: Verification) -> Option<bool> {
    match answer {
        Verification::Verified => Some(true),
        Verification::NotVerified => Some(false),
        Verification::NotImplemented => None,
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::rollout::Rollout;
    use serde_json::json;

    use super::*;

    fn rollout(canary: &Value, status: &Value) -> Rollout {
        let mut spec = json!({"canaryService": "c", "stableService": "s", "trafficRouting": {}, "steps": [
            {"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"setHeaderRoute": {"name": "h"}}]});
        let mut whole = json!({"stableRS": "stable", "currentPodHash": "canary", "currentStepIndex": 1});
        for (to, from) in [(&mut spec, canary), (&mut whole, status)] {
            for (name, value) in from.as_object().unwrap() {
                to[name] = value.clone();
            }
        }
        serde_json::from_value(
            json!({"metadata": {"annotations": {"rollout.argoproj.io/revision": "2"}},
            "spec": {"replicas": 10, "strategy": {"canary": spec}}, "status": whole}),
        )
        .unwrap()
    }

    fn set(hash: &str, pods: i32) -> ReplicaSet {
        ReplicaSet {
            name: hash.to_owned(),
            hash: hash.to_owned(),
            wanted: pods,
            replicas: pods,
            available: pods,
            ..ReplicaSet::default()
        }
    }

    fn weights(canary: i32) -> Value {
        json!({"canary": {"weight": canary, "podTemplateHash": "canary", "serviceName": "c"},
            "stable": {"weight": 100 - canary, "podTemplateHash": "stable", "serviceName": "s"}})
    }

    fn told(rollout: &Rollout, new: &ReplicaSet, stable: &ReplicaSet) -> (i32, String) {
        let sets = ReplicaSets {
            new: Some(new),
            stable: Some(stable),
            others: vec![],
        };
        let traffic = Canary::of(rollout).unwrap().traffic(&sets, rollout.status.abort, &[]);
        let letter = |call: &RouterCall<'_>| match call {
            RouterCall::CanaryServiceToStable => 'S',
            RouterCall::RemoveManagedRoutes => 'R',
            RouterCall::SetHeaderRoute(_) => 'H',
            RouterCall::SetMirrorRoute(_) => 'M',
            RouterCall::UpdateHash => 'u',
            RouterCall::SetWeight => 'w',
            RouterCall::VerifyWeight => 'v',
        };
        (traffic.weight, traffic.calls.iter().map(letter).collect())
    }

    #[test]
    fn each_state_has_its_weight() {
        let dynamic = json!({"dynamicStableScale": true});
        let plain = json!({});
        let promoted = json!({"stableRS": "canary"});
        for (canary, status, new, stable, weight, calls) in [
            (&plain, json!({}), 2, 10, 20, "uwv"),
            // Its pods are not there: the step before has none.
            (&plain, json!({"currentStepIndex": 0}), 1, 10, 0, "uwv"),
            (&plain, json!({"currentStepIndex": 2}), 2, 10, 20, "uwv"),
            (&plain, json!({"currentStepIndex": 2}), 6, 10, 60, "uwv"),
            (&plain, json!({"currentStepIndex": 3}), 6, 10, 60, "Huwv"),
            (&plain, json!({"currentStepIndex": 4}), 10, 10, 100, "uwv"),
            (&plain, json!({"currentStepIndex": 4}), 9, 10, 60, "uwv"),
            (&plain, json!({}), 0, 10, 0, "Ruwv"),
            (&plain, json!({"canary": {"weights": weights(20)}}), 0, 10, 0, "Rwuwv"),
            (&plain, json!({"abort": true}), 2, 10, 0, "SRuwv"),
            (
                &plain,
                json!({"promoteFull": true, "canary": {"weights": weights(20)}}),
                10,
                10,
                20,
                "Ruwv",
            ),
            (&dynamic, json!({"promoteFull": true}), 5, 5, 50, "Ruwv"),
            (&plain, promoted.clone(), 10, 10, 0, "Ruwv"),
            // Too few stable pods: routers keep what they have.
            (&plain, json!({}), 2, 7, 20, ""),
            (&plain, json!({"abort": true}), 2, 9, 0, "SR"),
            // Back as far as stable pods have come.
            (
                &dynamic,
                json!({"abort": true, "canary": {"weights": weights(60)}}),
                6,
                4,
                60,
                "Ruwv",
            ),
            (
                &dynamic,
                json!({"abort": true, "canary": {"weights": weights(60)}}),
                6,
                8,
                20,
                "Ruwv",
            ),
            (
                &dynamic,
                json!({"abort": true, "canary": {"weights": weights(20)}}),
                0,
                10,
                0,
                "SRwuwv",
            ),
            (
                &json!({"steps": []}),
                json!({"currentStepIndex": null}),
                10,
                10,
                0,
                "uwv",
            ),
        ] {
            let rollout = rollout(canary, &status);
            let found = told(&rollout, &set("canary", new), &set("stable", stable));
            assert_eq!(found, (weight, calls.to_owned()), "{canary} {status} {new} {stable}");
        }
    }

    #[test]
    fn weights_are_recorded_and_told() {
        let before = rollout(&json!({}), &json!({"canary": {"weights": weights(20)}}));
        let (new, stable) = (set("canary", 2), set("stable", 10));
        let sets = ReplicaSets {
            new: Some(&new),
            stable: Some(&stable),
            others: vec![],
        };
        let canary = Canary::of(&before).unwrap();
        let mut traffic = canary.traffic(&sets, false, &[]);
        let same = canary.weights(&traffic);
        assert_eq!((canary.weights_changed(&same), same.stable.weight), (None, 80));
        traffic.weight = 30;
        traffic.additional.push(WeightDestination {
            weight: 5,
            service_name: "e".to_owned(),
            pod_template_hash: "x".to_owned(),
        });
        let other = canary.weights(&traffic);
        assert_eq!((other.canary.weight, other.stable.weight), (30, 65));
        let text = "Traffic weight updated from 20 to 30, additional: [{5 e x}]";
        assert_eq!(canary.weights_changed(&other).as_deref(), Some(text));
        let first = rollout(&json!({}), &json!({}));
        let text = Canary::of(&first).unwrap().weights_changed(&same);
        assert_eq!(text.as_deref(), Some("Traffic weight updated to 20"));
    }

    #[test]
    fn nothing_goes_on_before_all_traffic_is_the_canarys() {
        let rollout = rollout(&json!({}), &json!({}));
        let canary = Canary::of(&rollout).unwrap();
        assert_eq!(canary.verdict(100, Verification::Verified), Verdict::GoOn);
        assert_eq!(canary.verdict(100, Verification::NotImplemented), Verdict::GoOn);
        assert_eq!(canary.verdict(20, Verification::NotVerified), Verdict::Again);
        let Verdict::Hold(text) = canary.verdict(100, Verification::NotVerified) else {
            panic!("it went on")
        };
        assert_eq!(text, "end of rollout, desired weight 100 not yet verified");
    }
}
