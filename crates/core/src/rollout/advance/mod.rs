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

/// An Event of the Rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutEvent {
    /// Whether its type is Warning and not Normal.
    pub warning: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl RolloutEvent {
    pub(super) fn normal(reason: &'static str, message: String) -> Self {
        Self {
            warning: false,
            reason,
            message,
        }
    }

    pub(super) fn warning(reason: &'static str, message: String) -> Self {
        Self {
            warning: true,
            reason,
            message,
        }
    }
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
                        warning: false,
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
            warning: false,
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
            warning: false,
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
mod tests;
