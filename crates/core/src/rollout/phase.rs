//! The state of a Rollout in one word, and why (spec 7.12).

use jiff::Timestamp;
use rollcage_api::rollout::{RolloutSpec, RolloutStatus};

use super::conditions::{ABORTED, TIMED_OUT};

/// Phase and message of a status that is about to be written.
pub(super) fn phase(spec: &RolloutSpec, status: &RolloutStatus) -> (String, String) {
    let (phase, message) = decide(spec, status);
    (phase.to_owned(), message)
}

fn decide(spec: &RolloutSpec, status: &RolloutStatus) -> (&'static str, String) {
    for condition in &status.conditions {
        if condition.kind == "InvalidSpec" {
            return ("Degraded", format!("InvalidSpec: {}", condition.message));
        }
        if condition.reason == ABORTED || condition.reason == TIMED_OUT {
            return ("Degraded", format!("{}: {}", condition.reason, condition.message));
        }
    }
    if spec.paused {
        return ("Paused", "manually paused".to_owned());
    }
    if let Some(pause) = status.pause_conditions.first() {
        return ("Paused", pause.reason.clone());
    }
    let restart = spec.restart_at.as_deref();
    let restarts = restart.is_some_and(|at| {
        let at: Option<Timestamp> = at.parse().ok();
        at.is_none() || at != status.restarted_at
    });
    let canary = spec.strategy.canary.as_ref();
    let is_basic = canary.is_some_and(|canary| canary.traffic_routing.is_none());
    let is_promoted = !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash;
    let waits_for = if restarts {
        "rollout is restarting"
    } else if status.updated_replicas < spec.replicas.unwrap_or(1) {
        "more replicas need to be updated"
    } else if status.available_replicas < status.updated_replicas {
        "updated replicas are still becoming available"
    } else if is_basic && status.replicas > status.updated_replicas {
        "old replicas are pending termination"
    } else if canary.is_some() && !is_promoted {
        "waiting for all steps to complete"
    } else {
        return ("Healthy", String::new());
    };
    ("Progressing", waits_for.to_owned())
}
