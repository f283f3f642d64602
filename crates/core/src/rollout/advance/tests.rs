//! One pass after another.

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
