//! What the status says of a release's state after a pass (spec 7.12).
//!
//! ```text
//! too long without progress -> abort -> pauses and abort -> conditions -> phase
//! ```

use jiff::{SignedDuration, Timestamp};
use rollcage_api::rollout::{RolloutCondition, RolloutStatus};

use super::{Canary, Pauses, ReplicaSets, RolloutEvent, phase::phase};

pub(super) const ABORTED: &str = "RolloutAborted";
pub(super) const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PROGRESSING: &str = "Progressing";
const PAUSED: &str = "RolloutPaused";
const COMPLETED: &str = "RolloutCompleted";

fn condition(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> RolloutCondition {
    RolloutCondition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        last_update_time: Some(now),
        last_transition_time: Some(now),
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..RolloutCondition::default()
    }
}

fn find<'s>(status: &'s RolloutStatus, kind: &str) -> Option<&'s RolloutCondition> {
    status.conditions.iter().find(|condition| condition.kind == kind)
}

fn remove(status: &mut RolloutStatus, kind: &str) {
    status.conditions.retain(|condition| condition.kind != kind);
}

/// Whether it is another one than before: another text alone is not.
fn set(status: &mut RolloutStatus, mut new: RolloutCondition) -> bool {
    if let Some(old) = find(status, &new.kind).filter(|old| old.status == new.status) {
        if old.reason == new.reason {
            return false;
        }
        new.last_transition_time = old.last_transition_time;
    }
    remove(status, &new.kind);
    status.conditions.push(new);
    true
}

fn is_completed(status: &RolloutStatus) -> bool {
    !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash
}

impl Canary<'_> {
    /// Ends a pass: counts pods, aborts a release that takes too long and may not, and writes pauses, conditions and phase.
    pub fn conclude(
        &self,
        sets: &ReplicaSets<'_>,
        pauses: &mut Pauses,
        next: &mut RolloutStatus,
        now: Timestamp,
    ) -> Vec<RolloutEvent> {
        let before = &self.rollout.status;
        let totals = sets.totals();
        next.replicas = totals.replicas;
        next.hpa_replicas = totals.replicas;
        next.ready_replicas = totals.ready;
        next.available_replicas = totals.available;
        next.updated_replicas = sets.new.map_or(0, |new| new.replicas);
        next.observed_generation = self.generation();
        next.conditions.clone_from(&before.conditions);
        // Nobody comes here with one that is invalid.
        remove(next, "InvalidSpec");
        let mut events = Vec::new();
        if self.is_late(sets, pauses, next, now) {
            let message = self.timed_out(sets);
            pauses.abort(&message);
            events.push(RolloutEvent::warning(ABORTED, message));
        }
        pauses.apply(before, next, now);
        self.conditions(sets, pauses, next, now, &mut events);
        (next.phase, next.message) = phase(&self.rollout.spec, next);
        let (was_paused, is_paused) = (!before.pause_conditions.is_empty(), !next.pause_conditions.is_empty());
        if let (false, Some(pause)) = (was_paused, next.pause_conditions.first()) {
            events.push(RolloutEvent::normal(
                PAUSED,
                format!("Rollout is paused ({})", pause.reason),
            ));
        } else if was_paused && !is_paused && next.aborted_at.is_none() {
            events.push(RolloutEvent::normal("RolloutResumed", "Rollout is resumed".to_owned()));
        }
        events
    }

    /// The status of a Rollout whose pause or retry its conditions do not tell yet: it is written before anything else.
    pub fn paused_or_retried(&self, now: Timestamp) -> Option<RolloutStatus> {
        let before = &self.rollout.status;
        let reason = find(before, PROGRESSING).map_or("", |condition| &condition.reason);
        let aborted = reason == ABORTED;
        let is_paused = !before.pause_conditions.is_empty() || self.rollout.spec.paused;
        let mut next = before.clone();
        let mut changes = Vec::new();
        if is_paused != (reason == PAUSED) && !aborted && !is_completed(before) {
            changes.push(if is_paused {
                condition(PROGRESSING, "Unknown", PAUSED, "Rollout is paused", now)
            } else {
                condition(PROGRESSING, "Unknown", "RolloutResumed", "Rollout is resumed", now)
            });
        }
        if !before.abort && aborted {
            changes.push(condition(
                PROGRESSING,
                "Unknown",
                "RolloutRetry",
                "Retrying Rollout after abort",
                now,
            ));
        }
        if is_paused != self.tells_pause() && !aborted {
            let status = if is_paused { "True" } else { "False" };
            changes.push(condition("Paused", status, PAUSED, "Rollout is paused", now));
        }
        if changes.is_empty() {
            return None;
        }
        for change in changes {
            set(&mut next, change);
        }
        next.observed_generation = self.generation();
        (next.phase, next.message) = phase(&self.rollout.spec, &next);
        Some(next)
    }

    /// When to look again for progress after a pass that changed nothing.
    pub fn look_again_at(&self, next: &RolloutStatus, now: Timestamp) -> Option<Timestamp> {
        const SECOND: SignedDuration = SignedDuration::from_secs(1);
        let before = &self.rollout.status;
        let progressing = find(before, PROGRESSING)?;
        let is_paused = !before.pause_conditions.is_empty() || self.rollout.spec.paused;
        if self.is_healthy(next)
            || progressing.reason == TIMED_OUT
            || is_paused
            || before.abort
            || self.may_take_forever()
        {
            return None;
        }
        let end = self.deadline_of(progressing);
        if end.duration_since(now) < SECOND {
            return Some(now);
        }
        Some(end.saturating_add(SECOND).unwrap_or(end))
    }

    fn generation(&self) -> String {
        self.rollout.metadata.generation.unwrap_or(0).to_string()
    }

    fn tells_pause(&self) -> bool {
        find(&self.rollout.status, "Paused").is_some_and(|condition| condition.status == "True")
    }

    fn is_healthy(&self, next: &RolloutStatus) -> bool {
        let replicas = self.replicas();
        let steps = self.strategy.steps.len();
        let all_steps = steps == 0
            || next
                .current_step_index
                .is_none_or(|index| usize::try_from(index) == Ok(steps));
        all_steps
            && is_completed(next)
            && next.replicas == replicas
            && next.updated_replicas == replicas
            && next.available_replicas == replicas
            && self.rollout.status.observed_generation == self.generation()
    }

    fn has_progressed(&self, next: &RolloutStatus) -> bool {
        let before = &self.rollout.status;
        let old = |status: &RolloutStatus| i64::from(status.replicas) - i64::from(status.updated_replicas);
        let steps = next.current_step_index.zip(before.current_step_index);
        next.stable_rs != before.stable_rs
            || steps.is_some_and(|(next, before)| next != before)
            || next.current_step_hash != before.current_step_hash
            || next.updated_replicas != before.updated_replicas
            || old(next) < old(before)
            || next.ready_replicas > before.ready_replicas
            || next.available_replicas > before.available_replicas
    }

    /// Whether nobody can say how long this may take.
    fn may_take_forever(&self) -> bool {
        let step = self.current_step().and_then(|current| current.step);
        let waits =
            step.is_some_and(|step| step.experiment.is_some() || step.analysis.is_some() || step.pause.is_some());
        waits || self.tells_pause()
    }

    fn deadline_of(&self, progressing: &RolloutCondition) -> Timestamp {
        let from = progressing.last_update_time.unwrap_or(Timestamp::MIN);
        let seconds = SignedDuration::from_secs(self.progress_deadline().into());
        from.saturating_add(seconds).unwrap_or(from)
    }

    fn has_timed_out(&self, sets: &ReplicaSets<'_>, status: &RolloutStatus, now: Timestamp) -> bool {
        if self.may_take_forever() || sets.others.iter().any(|set| set.has_deadline()) {
            return false;
        }
        find(status, PROGRESSING).is_some_and(|condition| match condition.reason.as_str() {
            ABORTED | PAUSED => false,
            TIMED_OUT => true,
            _ => self.deadline_of(condition) < now,
        })
    }

    /// Whether a release is to be aborted because it takes too long.
    fn is_late(&self, sets: &ReplicaSets<'_>, pauses: &Pauses, next: &RolloutStatus, now: Timestamp) -> bool {
        let before = &self.rollout.status;
        self.rollout.spec.progress_deadline_abort
            && !pauses.is_aborted(before)
            && !is_completed(next)
            && !self.has_progressed(next)
            && self.has_timed_out(sets, before, now)
    }

    fn timed_out(&self, sets: &ReplicaSets<'_>) -> String {
        format!("{} has timed out progressing.", self.subject(sets))
    }

    /// Whom conditions are about.
    fn subject(&self, sets: &ReplicaSets<'_>) -> String {
        match sets.new {
            Some(new) => format!("ReplicaSet {:?}", new.name),
            None => format!(
                "Rollout {:?}",
                self.rollout.metadata.name.as_deref().unwrap_or_default()
            ),
        }
    }

    fn conditions(
        &self,
        sets: &ReplicaSets<'_>,
        pauses: &Pauses,
        next: &mut RolloutStatus,
        now: Timestamp,
        events: &mut Vec<RolloutEvent>,
    ) {
        let before = &self.rollout.status;
        let is_paused = !next.pause_conditions.is_empty() || self.rollout.spec.paused;
        let is_healthy = self.is_healthy(next);
        let mut fell_ill = false;
        if !is_paused && is_healthy {
            set(
                next,
                condition("Healthy", "True", "RolloutHealthy", "Rollout is healthy", now),
            );
        } else if find(before, "Healthy").is_some() {
            fell_ill = set(
                next,
                condition("Healthy", "False", "RolloutHealthy", "Rollout is not healthy", now),
            );
        }
        if pauses.is_aborted(before) {
            let mut message = format!("Rollout aborted update to revision {}", self.revision());
            if !pauses.abort_message().is_empty() {
                message = format!("{message}: {}", pauses.abort_message());
            }
            if set(next, condition(PROGRESSING, "False", ABORTED, &message, now)) {
                events.push(RolloutEvent::warning(ABORTED, message));
            }
        } else {
            self.progress(sets, next, fell_ill, now);
        }
        let (status, message) = if i64::from(sets.totals().available) >= i64::from(self.replicas()) {
            ("True", "Rollout has minimum availability")
        } else {
            ("False", "Rollout does not have minimum availability")
        };
        set(next, condition("Available", status, "AvailableReason", message, now));
        match sets.all().find_map(|set| set.failure.as_ref()) {
            Some(failure) => {
                let mut told = condition(
                    "ReplicaFailure",
                    &failure.status,
                    &failure.reason,
                    &failure.message,
                    now,
                );
                told.last_update_time = failure.since;
                told.last_transition_time = failure.since;
                set(next, told);
            }
            None => remove(next, "ReplicaFailure"),
        }
        if is_completed(next) {
            set(next, condition("Completed", "True", COMPLETED, COMPLETED, now));
        } else if set(next, condition("Completed", "False", COMPLETED, COMPLETED, now)) {
            let revision = self.revision();
            events.push(RolloutEvent::normal(
                "RolloutNotCompleted",
                format!(
                    "Rollout not completed, started update to revision {revision} ({})",
                    next.current_pod_hash
                ),
            ));
        }
    }

    /// The condition that tells of progress, of a release that is not aborted.
    fn progress(&self, sets: &ReplicaSets<'_>, next: &mut RolloutStatus, fell_ill: bool, now: Timestamp) {
        if self.is_healthy(next) {
            let name = sets.new.map_or("", |new| &new.name);
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            set(
                next,
                condition(PROGRESSING, "True", "NewReplicaSetAvailable", &message, now),
            );
        } else if fell_ill || self.has_progressed(next) {
            let (reason, message) = if fell_ill && next.stable_rs == next.current_pod_hash {
                (
                    "ReplicaSetNotAvailable",
                    "Rollout does not have minimum availability".to_owned(),
                )
            } else {
                ("ReplicaSetUpdated", format!("{} is progressing.", self.subject(sets)))
            };
            let mut progressing = condition(PROGRESSING, "True", reason, &message, now);
            // Each sign of progress counts, not the first one alone.
            if let Some(old) = find(&self.rollout.status, PROGRESSING) {
                if old.status == "True" {
                    progressing.last_transition_time = old.last_transition_time;
                }
                remove(next, PROGRESSING);
            }
            set(next, progressing);
        } else if self.has_timed_out(sets, next, now) {
            set(
                next,
                condition(PROGRESSING, "False", TIMED_OUT, &self.timed_out(sets), now),
            );
        }
    }
}

#[cfg(test)]
mod tests;
