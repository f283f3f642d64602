//! What is said of releases.

use rollcage_api::rollout::Rollout;
use serde_json::{Value, json};

use super::*;
use crate::rollout::{Failure, ReplicaSet};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn set(hash: &str, pods: i32) -> ReplicaSet {
    ReplicaSet {
        name: hash.to_owned(),
        hash: hash.to_owned(),
        wanted: pods,
        replicas: pods,
        ready: pods,
        available: pods,
        ..ReplicaSet::default()
    }
}

/// A release of two pods at its only step, `setWeight: 50`, with one new pod, 1000 seconds into 1970.
fn rollout(spec: &Value, status: &Value) -> Rollout {
    let mut object = json!({"metadata": {"generation": 3, "annotations": {"rollout.argoproj.io/revision": "7"}},
        "spec": {"replicas": 2, "strategy": {"canary": {"steps": [{"setWeight": 50}]}}},
        "status": {"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0, "replicas": 2, "updatedReplicas": 1,
            "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": "3"}});
    for (part, extra) in [("spec", spec), ("status", status)] {
        object[part]
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
    }
    serde_json::from_value(object).unwrap()
}

fn progressing(reason: &str, since: i64) -> Value {
    json!([{"type": "Progressing", "status": "True", "reason": reason, "message": "before",
        "lastUpdateTime": at(since).to_string(), "lastTransitionTime": at(1).to_string()}])
}

/// Phase with its message, the Progressing condition, and the Events.
fn concluded(rollout: &Rollout, new: &ReplicaSet, old: &ReplicaSet) -> (String, String, String) {
    let stable = if rollout.status.stable_rs == "new" { new } else { old };
    let sets = ReplicaSets {
        new: Some(new),
        stable: Some(stable),
        others: Vec::new(),
    };
    let canary = Canary::of(rollout).unwrap();
    let mut next = rollout.status.clone();
    let events = canary.conclude(&sets, &mut Pauses::of(&canary), &mut next, at(1000));
    let told = find(&next, PROGRESSING).map_or(String::new(), |told| {
        let times = [told.last_update_time, told.last_transition_time].map(|time| time.unwrap().as_second());
        format!("{} {} {times:?}", told.status, told.reason)
    });
    let events: Vec<&str> = events.iter().map(|event| event.reason).collect();
    (format!("{}: {}", next.phase, next.message), told, events.join(" "))
}

#[test]
fn progress_is_told_until_it_takes_too_long() {
    let healthy = json!({"stableRS": "new", "currentStepIndex": 1, "updatedReplicas": 2});
    let with = |status: &Value, reason: &str, since: i64| {
        let mut status = status.clone();
        status["conditions"] = progressing(reason, since);
        status
    };
    let none = json!({});
    let abort = json!({"progressDeadlineAbort": true});
    let more = "Progressing: more replicas need to be updated";
    let late = "Degraded: ProgressDeadlineExceeded: ReplicaSet \"new\" has timed out progressing.";
    let started = "RolloutNotCompleted";
    for (spec, status, new, phase, told, events) in [
        (&none, json!({}), 1, more, "", started),
        (
            &none,
            with(&none, "ReplicaSetUpdated", 500),
            1,
            more,
            "True ReplicaSetUpdated [500, 1]",
            started,
        ),
        // One pod more than before.
        (
            &none,
            with(&none, "ReplicaSetUpdated", 100),
            2,
            "Progressing: old replicas are pending termination",
            "True ReplicaSetUpdated [1000, 1]",
            started,
        ),
        (
            &none,
            with(&none, "ReplicaSetUpdated", 399),
            1,
            late,
            "False ProgressDeadlineExceeded [1000, 1000]",
            started,
        ),
        (
            &none,
            with(&none, "ReplicaSetUpdated", 400),
            1,
            more,
            "True ReplicaSetUpdated [400, 1]",
            started,
        ),
        (
            &none,
            with(&none, "RolloutPaused", 1),
            1,
            more,
            "True RolloutPaused [1, 1]",
            started,
        ),
        (
            &abort,
            with(&none, "ReplicaSetUpdated", 399),
            1,
            "Degraded: RolloutAborted: Rollout aborted update to revision 7: ReplicaSet \"new\" has timed out progressing.",
            "False RolloutAborted [1000, 1000]",
            "RolloutAborted RolloutAborted RolloutNotCompleted",
        ),
        (
            &json!({"paused": true}),
            with(&none, "ReplicaSetUpdated", 999),
            1,
            "Paused: manually paused",
            "True ReplicaSetUpdated [999, 1]",
            started,
        ),
        (
            &none,
            with(
                &json!({"pauseConditions": [{"reason": "CanaryPauseStep"}], "controllerPause": true}),
                "RolloutPaused",
                1,
            ),
            1,
            "Paused: CanaryPauseStep",
            "True RolloutPaused [1, 1]",
            started,
        ),
        (
            &none,
            with(&json!({"abort": true}), "ReplicaSetUpdated", 1),
            1,
            "Degraded: RolloutAborted: Rollout aborted update to revision 7",
            "False RolloutAborted [1000, 1000]",
            "RolloutAborted RolloutNotCompleted",
        ),
        (
            &none,
            with(&healthy, "ReplicaSetUpdated", 1),
            2,
            "Healthy: ",
            "True NewReplicaSetAvailable [1000, 1]",
            "",
        ),
    ] {
        let rollout = rollout(spec, &status);
        let promoted = rollout.status.stable_rs == "new";
        let found = concluded(&rollout, &set("new", new), &set("old", i32::from(!promoted)));
        assert_eq!(
            found,
            (phase.to_owned(), told.to_owned(), events.to_owned()),
            "{spec} {status}"
        );
    }
}

#[test]
fn a_failure_is_told_while_it_lasts() {
    let rollout = rollout(&json!({}), &json!({}));
    let canary = Canary::of(&rollout).unwrap();
    let failure = Failure {
        status: "True".to_owned(),
        since: Some(at(5)),
        reason: "FailedCreate".to_owned(),
        message: "no quota".to_owned(),
    };
    let new = ReplicaSet {
        failure: Some(failure),
        ..set("new", 1)
    };
    let mut next = rollout.status.clone();
    let mut sets = ReplicaSets {
        new: Some(&new),
        ..ReplicaSets::default()
    };
    canary.conclude(&sets, &mut Pauses::default(), &mut next, at(9));
    let told = find(&next, "ReplicaFailure").unwrap();
    assert_eq!(
        (told.message.as_str(), told.last_update_time),
        ("no quota", Some(at(5)))
    );
    sets.new = None;
    canary.conclude(&sets, &mut Pauses::default(), &mut next, at(9));
    assert_eq!(find(&next, "ReplicaFailure"), None);
}

#[test]
fn a_pause_and_a_retry_are_written_first() {
    let told = |spec: Value, status: Value| {
        let rollout = rollout(&spec, &status);
        let next = Canary::of(&rollout).unwrap().paused_or_retried(at(9));
        next.map(|next| {
            let all = next
                .conditions
                .iter()
                .map(|told| format!("{}={} {}", told.kind, told.status, told.reason));
            all.collect::<Vec<_>>().join(", ")
        })
    };
    let paused = "Progressing=Unknown RolloutPaused, Paused=True RolloutPaused";
    assert_eq!(told(json!({}), json!({})), None);
    assert_eq!(told(json!({"paused": true}), json!({})).as_deref(), Some(paused));
    let aborted = |abort: bool| json!({"abort": abort, "conditions": progressing(ABORTED, 1)});
    assert_eq!(told(json!({}), aborted(true)), None);
    assert_eq!(
        told(json!({}), aborted(false)).as_deref(),
        Some("Progressing=Unknown RolloutRetry")
    );
}

#[test]
fn it_is_looked_at_again_when_its_time_is_over() {
    let again = |status: Value| {
        let rollout = rollout(&json!({}), &status);
        let next = rollout.status.clone();
        let at = Canary::of(&rollout).unwrap().look_again_at(&next, at(1000));
        at.map(Timestamp::as_second)
    };
    assert_eq!(again(json!({})), None);
    assert_eq!(
        again(json!({"conditions": progressing("ReplicaSetUpdated", 500)})),
        Some(1101)
    );
    assert_eq!(
        again(json!({"conditions": progressing("ReplicaSetUpdated", 100)})),
        Some(1000)
    );
    assert_eq!(again(json!({"conditions": progressing(TIMED_OUT, 500)})), None);
    assert_eq!(
        again(json!({"abort": true, "conditions": progressing("ReplicaSetUpdated", 500)})),
        None
    );
}
