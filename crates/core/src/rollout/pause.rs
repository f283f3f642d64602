//! Pauses and aborts of a pass, and what the status has of them afterwards (spec 7.9, 7.10).

use jiff::{SignedDuration, Timestamp};
use rollcage_api::rollout::{PauseCondition, RolloutStatus};

use super::{Canary, CurrentStep, pause_seconds};

/// Reason of a pause that a step asks for.
pub const PAUSE_STEP: &str = "CanaryPauseStep";
/// Reason of a pause because an AnalysisRun has no verdict.
pub const INCONCLUSIVE_ANALYSIS: &str = "InconclusiveAnalysisRun";

/// What a pass decides about pauses and aborts, before the status is written.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    added: Vec<String>,
    removed: Vec<String>,
    cleared: bool,
    abort: Option<String>,
    no_abort: bool,
}

impl Pauses {
    /// As a pass begins: what is fully promoted is no longer aborted.
    pub fn of(canary: &Canary<'_>) -> Self {
        Self {
            no_abort: canary.is_promoted() && canary.rollout.status.abort,
            ..Self::default()
        }
    }

    /// Pauses the release for a reason, unless it is already.
    pub fn add(&mut self, reason: &str) {
        self.added.push(reason.to_owned());
    }

    /// Ends a pause.
    pub fn remove(&mut self, reason: &str) {
        self.removed.push(reason.to_owned());
    }

    /// Ends all of them.
    pub fn clear(&mut self) {
        self.cleared = true;
    }

    /// Aborts the release. The text says why, for people; it may be empty.
    pub fn abort(&mut self, message: &str) {
        self.abort = Some(message.to_owned());
    }

    /// Takes back an abort.
    pub fn remove_abort(&mut self) {
        self.no_abort = true;
    }

    /// Whether this pass paused the release.
    pub fn has_added(&self) -> bool {
        !self.added.is_empty()
    }

    /// Why this pass aborted the release.
    pub fn abort_message(&self) -> &str {
        self.abort.as_deref().unwrap_or_default()
    }

    /// Whether the release is aborted, as this pass sees it.
    pub fn is_aborted(&self, before: &RolloutStatus) -> bool {
        !self.no_abort && (self.abort.is_some() || before.abort)
    }

    /// Writes pauses and abort into the next status.
    pub fn apply(&self, before: &RolloutStatus, next: &mut RolloutStatus, now: Timestamp) {
        next.pause_conditions = Vec::new();
        next.controller_pause = false;
        next.abort = self.abort.is_some() || (before.abort && !self.no_abort);
        next.aborted_at = None;
        if next.abort {
            // The first time is kept: another one in every pass would be another pass.
            next.aborted_at = before.aborted_at.or(Some(now));
            return;
        }
        if self.cleared {
            return;
        }
        let stays = |condition: &&PauseCondition| !self.removed.contains(&condition.reason);
        let mut conditions: Vec<_> = before.pause_conditions.iter().filter(stays).cloned().collect();
        let mut paused = before.controller_pause;
        for reason in &self.added {
            if before
                .pause_conditions
                .iter()
                .all(|condition| condition.reason != *reason)
            {
                paused = true;
                conditions.push(PauseCondition {
                    reason: reason.clone(),
                    start_time: Some(now),
                    ..PauseCondition::default()
                });
            }
        }
        if !conditions.is_empty() {
            next.controller_pause = paused;
            next.pause_conditions = conditions;
        }
    }
}

/// What a pause step asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseStep {
    /// The release is at no pause.
    None,
    /// To pause now.
    Begin,
    /// To wait until then; without a time, for a person, or for the pass that sees that one has let it go on.
    Wait(Option<Timestamp>),
}

impl Canary<'_> {
    /// What the current step asks for if it is a pause.
    pub fn pause_step(&self) -> PauseStep {
        let status = &self.rollout.status;
        let step = self.current_step().and_then(|current| current.step);
        let (false, false, Some(pause)) = (
            self.rollout.spec.paused,
            status.promote_full,
            step.and_then(|step| step.pause.as_ref()),
        ) else {
            return PauseStep::None;
        };
        match self.pause_condition() {
            None if !status.controller_pause => PauseStep::Begin,
            None => PauseStep::Wait(None),
            Some(condition) => PauseStep::Wait(
                pause
                    .duration
                    .as_ref()
                    .map(|_| after(condition.start_time, pause_seconds(pause))),
            ),
        }
    }

    fn pause_condition(&self) -> Option<&PauseCondition> {
        let mut conditions = self.rollout.status.pause_conditions.iter();
        conditions.find(|condition| condition.reason == PAUSE_STEP)
    }

    /// Whether a pause is over: a person has let it go on, or its time has passed.
    pub(super) fn pause_is_over(&self, now: Timestamp) -> bool {
        let Some(CurrentStep { step: Some(step), .. }) = self.current_step() else {
            return false;
        };
        let Some(pause) = &step.pause else {
            return false;
        };
        match self.pause_condition() {
            None => self.rollout.status.controller_pause,
            Some(condition) => {
                let end = after(condition.start_time, pause_seconds(pause));
                pause.duration.is_some() && now > end
            }
        }
    }
}

/// A pause that began at no time began long ago.
fn after(start: Option<Timestamp>, seconds: i32) -> Timestamp {
    let start = start.unwrap_or(Timestamp::MIN);
    let seconds = SignedDuration::from_secs(seconds.into());
    start.saturating_add(seconds).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use rollcage_api::rollout::Rollout;
    use serde_json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_323_045 + second).unwrap()
    }

    fn status(value: Value) -> RolloutStatus {
        serde_json::from_value(value).unwrap()
    }

    fn paused() -> Value {
        json!({"controllerPause": true, "pauseConditions": [{"reason": PAUSE_STEP, "startTime": at(0).to_string()}]})
    }

    #[test]
    fn what_the_status_has_afterwards() {
        let other = json!({"reason": INCONCLUSIVE_ANALYSIS, "startTime": at(9).to_string()});
        for (before, change, after) in [
            (json!({}), (|_| ()) as fn(&mut Pauses), json!({})),
            (
                json!({}),
                |pauses| pauses.add(INCONCLUSIVE_ANALYSIS),
                json!({"controllerPause": true, "pauseConditions": [other]}),
            ),
            (paused(), |_| (), paused()),
            (paused(), |pauses| pauses.add(PAUSE_STEP), paused()),
            (paused(), |pauses| pauses.remove(PAUSE_STEP), json!({})),
            (paused(), Pauses::clear, json!({})),
            // A person has let it go on.
            (json!({"controllerPause": true}), |_| (), json!({})),
            (
                paused(),
                |pauses| pauses.abort("x"),
                json!({"abort": true, "abortedAt": at(9).to_string()}),
            ),
            (
                json!({"abort": true, "abortedAt": at(1).to_string()}),
                |_| (),
                json!({"abort": true, "abortedAt": at(1).to_string()}),
            ),
            (
                json!({"abort": true, "abortedAt": at(1).to_string()}),
                Pauses::remove_abort,
                json!({}),
            ),
        ] {
            let before = status(before);
            let mut pauses = Pauses::default();
            change(&mut pauses);
            let mut next = RolloutStatus::default();
            pauses.apply(&before, &mut next, at(9));
            assert_eq!(serde_json::to_value(&next).unwrap(), after, "{before:?}");
            assert_eq!(pauses.is_aborted(&before), next.abort);
        }
    }

    #[test]
    fn a_pause_ends_by_its_time_or_by_a_person() {
        for (pause, before, asks, over) in [
            (json!({}), json!({}), PauseStep::Begin, false),
            (json!({}), paused(), PauseStep::Wait(None), false),
            (json!({}), json!({"controllerPause": true}), PauseStep::Wait(None), true),
            (json!({"duration": 9}), paused(), PauseStep::Wait(Some(at(9))), false),
            (json!({"duration": "8s"}), paused(), PauseStep::Wait(Some(at(8))), true),
            (json!({"duration": 0}), json!({}), PauseStep::Begin, false),
        ] {
            let mut rollout: Rollout =
                serde_json::from_value(json!({"spec": {"strategy": {"canary": {"steps": [{"pause": pause}]}}}}))
                    .unwrap();
            rollout.status = status(before);
            let canary = Canary::of(&rollout).unwrap();
            assert_eq!(
                (canary.pause_step(), canary.pause_is_over(at(9))),
                (asks, over),
                "{pause}"
            );
        }
    }
}
