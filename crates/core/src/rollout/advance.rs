//! The end of a pass: whether the step is done, the release is over, or all begins anew (spec 7.5, 7.9, 7.10).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rollcage_api::rollout::{CanaryStep, RolloutStatus, TrafficWeights};

use super::{Canary, CurrentStep, PAUSE_STEP, Pauses, ReplicaSets, is_within_window, step_hash};

/// What others say of the current step.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepState {
    /// Its AnalysisRun is Successful.
    pub analysis_successful: bool,
    /// Its Experiment is Successful.
    pub experiment_successful: bool,
    /// Its plugin is done.
    pub plugin_done: bool,
}

/// An Event of the Rollout, of type Normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutEvent {
    /// Why, in one word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Canary<'_> {
    /// Whether the template or the steps are others than those that the status is about: then nothing else is done in this
    /// pass, and all begins anew. `hash` is that of the new ReplicaSet, or of the template while there is none.
    pub fn has_changed(&self, hash: &str) -> bool {
        let status = &self.rollout.status;
        let steps = status.current_step_hash.is_empty() || status.current_step_hash != step_hash(self.rollout);
        steps || (!status.current_pod_hash.is_empty() && status.current_pod_hash != hash)
    }

    /// Whether the current step is done. If it says several things, the first of these decides.
    pub fn step_is_done(
        &self,
        sets: &ReplicaSets<'_>,
        weights: Option<&TrafficWeights>,
        state: StepState,
        now: Timestamp,
    ) -> bool {
        let Some(CurrentStep { step: Some(step), .. }) = self.current_step() else {
            return false;
        };
        if self.rollout.spec.paused {
            return false;
        }
        if step.pause.is_some() {
            return self.pause_is_over(now);
        }
        if step.set_canary_scale.is_some() {
            return self.at_counts(sets, weights);
        }
        if step.set_weight.is_some() {
            let refused = weights.is_some_and(|weights| weights.verified == Some(false));
            return self.at_counts(sets, weights) && !refused;
        }
        if step.experiment.is_some() {
            return state.experiment_successful;
        }
        if step.analysis.is_some() {
            return state.analysis_successful;
        }
        if step.set_header_route.is_some() || step.set_mirror_route.is_some() {
            return true;
        }
        step.plugin.is_some() && state.plugin_done
    }

    /// Why the new ReplicaSet is the stable one from now on, if it is.
    pub fn promotion(&self, sets: &ReplicaSets<'_>, pauses: &Pauses) -> Option<String> {
        let status = &self.rollout.status;
        if sets.stable.is_none() {
            return Some("Initial deploy".to_owned());
        }
        let new = sets.new?;
        let replicas = self.replicas();
        if pauses.is_aborted(status) || (new.available < replicas && !self.is_enough(Some(new), replicas)) {
            return None;
        }
        if status.promote_full {
            return Some("Full promotion requested".to_owned());
        }
        if is_within_window(self.rollout, sets) {
            return Some("Rollback within window".to_owned());
        }
        if status.stable_rs == new.hash {
            return Some("Fast rollback".to_owned());
        }
        let count = self.strategy.steps.len();
        let index = self.current_step().map(|current| current.index);
        let all = count == 0 || index.is_some_and(|index| usize::try_from(index) == Ok(count));
        all.then(|| format!("Completed all {count} canary steps"))
    }

    /// Moves the release on. `next` is the status as the rest of the pass has made it (weights, analyses, plugins), and has
    /// afterwards where the release is, its pauses and its abort; `hash` is that of the wanted pods.
    pub fn advance(
        &self,
        sets: &ReplicaSets<'_>,
        hash: &str,
        pauses: &mut Pauses,
        state: StepState,
        next: &mut RolloutStatus,
        now: Timestamp,
    ) -> Vec<RolloutEvent> {
        let before = &self.rollout.status;
        let count = i32::try_from(self.strategy.steps.len()).unwrap_or(i32::MAX);
        let end = (count > 0).then_some(count);
        hash.clone_into(&mut next.current_pod_hash);
        next.current_step_hash = step_hash(self.rollout);
        next.stable_rs.clone_from(&before.stable_rs);
        next.promote_full = before.promote_full && !hash.is_empty();
        let mut events = Vec::new();
        if self.has_changed(hash) {
            self.begin(sets, pauses, next, &mut events);
        } else {
            let skips = before.promote_full || is_within_window(self.rollout, sets);
            if skips {
                pauses.clear();
                pauses.remove_abort();
            }
            let current = self.current_step();
            let weights = next.canary.as_ref().and_then(|canary| canary.weights.clone());
            if let Some(reason) = self.promotion(sets, pauses) {
                next.current_step_index = end;
                self.promote(&reason, pauses, next, &mut events);
            } else if pauses.is_aborted(before) {
                let promoted = next.stable_rs == next.current_pod_hash;
                next.current_step_index = if promoted { end } else { end.map(|_| 0) };
            } else if skips {
                next.current_step_index = end;
            } else {
                next.current_step_index = current.map(|current| current.index);
                if let Some(CurrentStep {
                    index,
                    step: Some(step),
                }) = current
                    && self.step_is_done(sets, weights.as_ref(), state, now)
                {
                    let number = index.saturating_add(1);
                    next.current_step_index = Some(number);
                    if let Some(canary) = &mut next.canary {
                        canary.current_step_analysis_run_status = None;
                    }
                    events.push(RolloutEvent {
                        reason: "RolloutStepCompleted",
                        message: format!("Rollout step {number}/{count} completed ({})", describe(step)),
                    });
                    pauses.remove(PAUSE_STEP);
                }
            }
        }
        pauses.apply(before, next, now);
        events
    }

    /// A new release, or the way back to one that is there.
    fn begin(
        &self,
        sets: &ReplicaSets<'_>,
        pauses: &mut Pauses,
        next: &mut RolloutStatus,
        events: &mut Vec<RolloutEvent>,
    ) {
        pauses.clear();
        pauses.remove_abort();
        next.promote_full = false;
        if let Some(canary) = &mut next.canary {
            canary.current_step_analysis_run_status = None;
            canary.current_background_analysis_run_status = None;
            canary.rest.shift_remove("stepPluginStatuses");
        }
        let end = i32::try_from(self.strategy.steps.len()).ok().filter(|count| *count > 0);
        next.current_step_index = end.map(|_| 0);
        let (Some(new), Some(_)) = (sets.new, end) else {
            return;
        };
        let why = if self.rollout.status.stable_rs == new.hash {
            "Rollback to stable ReplicaSets"
        } else if new.wanted > 0 && is_within_window(self.rollout, sets) {
            "Rollback to active ReplicaSets within RollbackWindow"
        } else {
            return;
        };
        next.current_step_index = end;
        events.push(RolloutEvent {
            reason: "SkipSteps",
            message: why.to_owned(),
        });
    }

    fn promote(&self, reason: &str, pauses: &mut Pauses, next: &mut RolloutStatus, events: &mut Vec<RolloutEvent>) {
        pauses.clear();
        pauses.remove_abort();
        next.promote_full = false;
        if next.stable_rs == next.current_pod_hash {
            return;
        }
        if self.strategy.ping_pong.is_some() {
            let canary = next.canary.get_or_insert_default();
            let was_ping = canary.stable_ping_pong == "ping";
            if was_ping { "pong" } else { "ping" }.clone_into(&mut canary.stable_ping_pong);
        }
        next.stable_rs.clone_from(&next.current_pod_hash);
        let revision = self.revision();
        events.push(RolloutEvent {
            reason: "RolloutCompleted",
            message: format!(
                "Rollout completed update to revision {revision} ({}): {reason}",
                next.stable_rs
            ),
        });
    }
}

/// A step in a few words.
pub fn describe(step: &CanaryStep) -> String {
    let name = |value: &serde_json::Value| {
        let name = value.get("name").and_then(serde_json::Value::as_str);
        name.unwrap_or_default().to_owned()
    };
    if let Some(weight) = step.set_weight {
        return format!("setWeight: {weight}");
    }
    if let Some(pause) = &step.pause {
        return match &pause.duration {
            None => "pause".to_owned(),
            Some(IntOrString::Int(seconds)) => format!("pause: {seconds}"),
            Some(IntOrString::String(duration)) => format!("pause: {duration}"),
        };
    }
    if step.experiment.is_some() {
        return "experiment".to_owned();
    }
    if step.analysis.is_some() {
        return "analysis".to_owned();
    }
    if let Some(scale) = &step.set_canary_scale {
        if let Some(weight) = scale.weight {
            return format!("setCanaryScale{{weight: {weight}}}");
        }
        if scale.match_traffic_weight {
            return "setCanaryScale{matchTrafficWeight: true}".to_owned();
        }
        if let Some(replicas) = scale.replicas {
            return format!("setCanaryScale{{replicas: {replicas}}}");
        }
    }
    if let Some(plugin) = &step.plugin {
        return format!("plugin: {}", plugin.name);
    }
    if let Some(route) = &step.set_header_route {
        return format!("setHeaderRoute: {}", name(route));
    }
    if let Some(route) = &step.set_mirror_route {
        return format!("setMirrorRoute: {}", name(route));
    }
    "invalid".to_owned()
}

#[cfg(test)]
mod tests {
    use rollcage_api::rollout::Rollout;
    use serde_json::{Value, json};

    use super::*;
    use crate::rollout::{INCONCLUSIVE_ANALYSIS, ReplicaSet};

    fn set(hash: &str, pods: i32) -> ReplicaSet {
        ReplicaSet {
            name: format!("web-{hash}"),
            hash: hash.to_owned(),
            wanted: pods,
            replicas: pods,
            available: pods,
            ..ReplicaSet::default()
        }
    }

    /// Three steps of four pods; the new ReplicaSet has as many pods as are given. What comes of it is the step, the stable
    /// pods, whether it is aborted or paused, and the Events.
    fn passed(status: &Value, new: i32, change: fn(&mut Pauses)) -> (i32, String, bool, bool, String) {
        let steps = json!([{"setWeight": 50}, {"pause": {}}, {"plugin": {"name": "a/b"}}]);
        let mut rollout: Rollout = serde_json::from_value(json!({
            "metadata": {"annotations": {"rollout.argoproj.io/revision": "7"}},
            "spec": {"replicas": 4, "strategy": {"canary": {"steps": steps, "trafficRouting": {},
                "pingPong": {"pingService": "a", "pongService": "b"}}}},
            "status": status}))
        .unwrap();
        if rollout.status.current_step_hash.is_empty() {
            rollout.status.current_step_hash = step_hash(&rollout);
        }
        let (new, stable) = (set("new", new), set("old", 4));
        let sets = ReplicaSets {
            new: Some(&new),
            stable: (!rollout.status.stable_rs.is_empty()).then_some(&stable),
            others: Vec::new(),
        };
        let canary = Canary::of(&rollout).unwrap();
        let mut pauses = Pauses::of(&canary);
        change(&mut pauses);
        let state = StepState {
            plugin_done: true,
            ..StepState::default()
        };
        let mut next = rollout.status.clone();
        let events = canary.advance(&sets, "new", &mut pauses, state, &mut next, Timestamp::UNIX_EPOCH);
        let events: Vec<String> = events.into_iter().map(|event| event.message).collect();
        (
            next.current_step_index.unwrap_or(-1),
            next.stable_rs,
            next.abort,
            next.controller_pause,
            events.join("; "),
        )
    }

    #[test]
    fn a_pass_goes_one_step_on_or_to_an_end() {
        let at = |index: i32| json!({"currentStepIndex": index, "stableRS": "old", "currentPodHash": "new"});
        let with = |mut status: Value, name: &str, value: Value| {
            status[name] = value;
            status
        };
        let none: fn(&mut Pauses) = |_| ();
        let paused = json!([{"reason": PAUSE_STEP, "startTime": "1970-01-01T00:00:00Z"}]);
        let completed = |reason: &str| format!("Rollout completed update to revision 7 (new): {reason}");
        for (status, new, change, index, stable, abort, pause, events) in [
            (at(0), 1, none, 0, "old", false, false, String::new()),
            (
                at(0),
                2,
                none,
                1,
                "old",
                false,
                false,
                "Rollout step 1/3 completed (setWeight: 50)".to_owned(),
            ),
            (
                with(at(0), "abort", true.into()),
                2,
                none,
                0,
                "old",
                true,
                false,
                String::new(),
            ),
            (
                at(1),
                2,
                |pauses| pauses.add(PAUSE_STEP),
                1,
                "old",
                false,
                true,
                String::new(),
            ),
            (
                with(with(at(1), "controllerPause", true.into()), "pauseConditions", paused),
                2,
                none,
                1,
                "old",
                false,
                true,
                String::new(),
            ),
            (
                with(at(1), "controllerPause", true.into()),
                2,
                none,
                2,
                "old",
                false,
                false,
                "Rollout step 2/3 completed (pause)".to_owned(),
            ),
            (
                at(2),
                2,
                none,
                3,
                "old",
                false,
                false,
                "Rollout step 3/3 completed (plugin: a/b)".to_owned(),
            ),
            (
                at(2),
                2,
                |pauses| pauses.abort("x"),
                0,
                "old",
                true,
                false,
                String::new(),
            ),
            (
                at(0),
                2,
                |pauses| pauses.add(INCONCLUSIVE_ANALYSIS),
                1,
                "old",
                false,
                true,
                "Rollout step 1/3 completed (setWeight: 50)".to_owned(),
            ),
            (at(3), 3, none, 3, "old", false, false, String::new()),
            (
                at(3),
                4,
                none,
                3,
                "new",
                false,
                false,
                completed("Completed all 3 canary steps"),
            ),
            (
                with(at(1), "promoteFull", true.into()),
                2,
                none,
                3,
                "old",
                false,
                false,
                String::new(),
            ),
            (
                with(at(1), "promoteFull", true.into()),
                4,
                none,
                3,
                "new",
                false,
                false,
                completed("Full promotion requested"),
            ),
            (
                json!({"currentStepIndex": 1, "currentPodHash": "new"}),
                0,
                none,
                3,
                "new",
                false,
                false,
                completed("Initial deploy"),
            ),
            // Another template, and other steps.
            (
                with(at(2), "currentPodHash", "old".into()),
                2,
                none,
                0,
                "old",
                false,
                false,
                String::new(),
            ),
            (
                with(at(2), "currentStepHash", "x".into()),
                2,
                none,
                0,
                "old",
                false,
                false,
                String::new(),
            ),
            (
                with(with(at(2), "currentPodHash", "old".into()), "stableRS", "new".into()),
                2,
                none,
                3,
                "new",
                false,
                false,
                "Rollback to stable ReplicaSets".to_owned(),
            ),
        ] {
            let found = passed(&status, new, change);
            assert_eq!(
                found,
                (index, stable.to_owned(), abort, pause, events),
                "{status} {new}"
            );
        }
    }
}
