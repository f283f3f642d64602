//! What changes, and what waits.

use proptest::prelude::*;
use rollcage_api::rollout::Rollout;
use serde_json::{Value, json};

use super::*;
use crate::rollout::SCALE_DOWN_ANNOTATION;

fn set(hash: &str, pods: i32, revision: i32, deadline: Option<&str>) -> ReplicaSet {
    let mut set = ReplicaSet {
        name: hash.to_owned(),
        hash: hash.to_owned(),
        wanted: pods,
        replicas: pods,
        available: pods,
        ..ReplicaSet::default()
    };
    let mut annotate = |name: &str, value: &str| set.annotations.insert(name.to_owned(), value.to_owned());
    annotate(DESIRED_REPLICAS_ANNOTATION, "10");
    annotate("rollout.argoproj.io/revision", &revision.to_string());
    deadline.map(|deadline| annotate(SCALE_DOWN_ANNOTATION, deadline));
    set
}

/// Of ten pods, half of the traffic being the canary's.
fn rollout(canary: &Value, status: &Value) -> Rollout {
    let mut canary = canary.clone();
    canary["steps"] = json!([{"setWeight": 50}, {"pause": {}}]);
    let mut status = status.clone();
    status["currentPodHash"] = "new".into();
    if status["stableRS"].is_null() {
        status["stableRS"] = "stable".into();
    }
    let spec = json!({"replicas": 10, "strategy": {"canary": canary}});
    serde_json::from_value(json!({"spec": spec, "status": status})).unwrap()
}

/// The changes in short, at 100 seconds of 1970.
fn changes(rollout: &Rollout, new: &ReplicaSet, stable: &ReplicaSet, others: &[ReplicaSet]) -> (String, i64) {
    let sets = ReplicaSets {
        new: Some(new),
        stable: Some(if rollout.status.stable_rs == "new" { new } else { stable }),
        others: others.iter().collect(),
    };
    let canary = Canary::of(rollout).unwrap();
    let now = Timestamp::from_second(100).unwrap();
    let scaling = canary.scaling(&sets, None, &["held"], &Pauses::of(&canary), now);
    let short = |change: &Change| match change {
        Change::Keep { name } => format!("keep {name}"),
        Change::Later { name, deadline } => format!("{name} at {}", &deadline[14..]),
        Change::Scale { name, to, keep, .. } => format!("{name}={to}{}", if *keep { " keep" } else { "" }),
    };
    let changes: Vec<String> = scaling.changes.iter().map(short).collect();
    let end = if scaling.ends_pass { "." } else { "" };
    let wake = scaling.wake_at.map_or(-1, Timestamp::as_second);
    (format!("{}{end}", changes.join(", ")), wake)
}

const LATER: Option<&str> = Some("1970-01-01T00:02:00Z");
const PAST: Option<&str> = Some("1970-01-01T00:01:40Z");

#[test]
fn new_pods_outlive_an_abort() {
    let (routed, aborted) = (json!({"trafficRouting": {}}), json!({"abort": true}));
    let with = |extra: Value| {
        let mut canary = routed.clone();
        canary
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        canary
    };
    let long = Some("1970-01-01T05:00:00Z");
    for (canary, status, stable, deadline, expected, wake) in [
        (routed.clone(), json!({}), 10, LATER, "keep new", -1),
        (routed.clone(), aborted.clone(), 10, None, "new at 02:10Z", -1),
        (
            with(json!({"abortScaleDownDelaySeconds": 5})),
            aborted.clone(),
            10,
            None,
            "new at 01:45Z",
            -1,
        ),
        // Stable pods have to be there first.
        (routed.clone(), aborted.clone(), 9, None, "stable=10.", -1),
        (routed.clone(), aborted.clone(), 10, LATER, "", 120),
        (routed.clone(), aborted.clone(), 10, long, "", 18000),
        (routed.clone(), aborted.clone(), 10, PAST, "new=0.", -1),
        (routed.clone(), aborted.clone(), 10, Some("soon"), "new=0.", -1),
        (
            with(json!({"abortScaleDownDelaySeconds": 0})),
            aborted.clone(),
            10,
            None,
            "new=0.",
            -1,
        ),
        (json!({}), aborted.clone(), 5, None, "stable=8.", -1),
        (
            routed.clone(),
            json!({"abort": true, "pauseConditions": [{"reason": "InconclusiveAnalysisRun"}]}),
            9,
            None,
            "",
            -1,
        ),
        // What has come to its end is not aborted.
        (
            routed.clone(),
            json!({"abort": true, "stableRS": "new"}),
            0,
            LATER,
            "keep new, new=10.",
            -1,
        ),
    ] {
        let rollout = rollout(&canary, &status);
        let found = changes(
            &rollout,
            &set("new", 5, 2, deadline),
            &set("stable", stable, 1, None),
            &[],
        );
        assert_eq!(
            found,
            (expected.to_owned(), wake),
            "{canary} {status} {stable} {deadline:?}"
        );
    }
}

#[test]
fn old_pods_outlive_their_traffic() {
    let (new, stable) = (set("new", 10, 9, None), set("stable", 10, 1, None));
    let old = |hash: &str, revision, deadline| set(hash, 4, revision, deadline);
    let promoted = json!({"stableRS": "new"});
    let weights = json!({"stableRS": "new", "canary": {"weights": {"stable": {"podTemplateHash": "a"}}}});
    for (canary, status, others, expected, wake) in [
        (json!({}), &promoted, vec![old("a", 3, None)], "a at 02:10Z", 130),
        (
            json!({"scaleDownDelaySeconds": 0}),
            &promoted,
            vec![old("a", 3, None)],
            "",
            100,
        ),
        (
            json!({"scaleDownDelaySeconds": 7}),
            &promoted,
            vec![old("a", 3, None)],
            "a at 01:47Z",
            107,
        ),
        (
            json!({}),
            &promoted,
            vec![old("a", 3, LATER), old("b", 4, PAST)],
            "b=0 keep.",
            120,
        ),
        (json!({}), &promoted, vec![old("a", 3, Some("soon"))], "a=0 keep.", -1),
        (json!({}), &promoted, vec![old("held", 3, PAST)], "", -1),
        (json!({}), &weights, vec![old("a", 3, PAST)], "", -1),
        (
            json!({"dynamicStableScale": true}),
            &promoted,
            vec![old("a", 3, None)],
            "a=0.",
            -1,
        ),
        // The newest wait.
        (
            json!({"scaleDownDelayRevisionLimit": 1}),
            &promoted,
            vec![old("a", 3, LATER), old("b", 4, LATER), old("c", 2, None)],
            "a=0 keep, c=0.",
            120,
        ),
        // In the middle of a release it is another one that did not come to its end.
        (
            json!({}),
            &json!({"currentStepIndex": 1}),
            vec![old("a", 3, None)],
            "a=0.",
            -1,
        ),
        (
            json!({}),
            &json!({"currentStepIndex": 1}),
            vec![old("a", 3, LATER)],
            "",
            120,
        ),
    ] {
        let mut canary = canary;
        canary["trafficRouting"] = json!({});
        let rollout = rollout(&canary, status);
        let new = if rollout.status.stable_rs == "new" {
            new.clone()
        } else {
            set("new", 5, 9, None)
        };
        let found = changes(&rollout, &new, &stable, &others);
        assert_eq!(found, (expected.to_owned(), wake), "{canary} {status} {others:?}");
    }
}

#[test]
fn pods_that_do_not_serve_go_first() {
    let rollout = rollout(
        &json!({"maxUnavailable": 1, "maxSurge": 0}),
        &json!({"stableRS": "new"}),
    );
    let (new, stable) = (set("new", 10, 9, None), set("stable", 0, 1, None));
    let with = |available, new_available| {
        let mut old = set("a", 4, 3, None);
        old.available = available;
        let new = ReplicaSet {
            available: new_available,
            ..new.clone()
        };
        changes(&rollout, &new, &stable, &[old]).0
    };
    assert_eq!(with(3, 10), "a=3, a=0.");
    assert_eq!(with(4, 6), "a=3.");
    assert_eq!(with(3, 5), "a=3", "too few are there");
    assert_eq!(with(5, 10), "", "it is on its way to fewer");
}

proptest! {
    #[test]
    fn any_number_is_survived(numbers in proptest::collection::vec(any::<i32>(), 12), routed: bool, abort: bool) {
        let mut canary = json!({"scaleDownDelaySeconds": numbers[0], "abortScaleDownDelaySeconds": numbers[1],
            "scaleDownDelayRevisionLimit": numbers[2], "maxUnavailable": numbers[3]});
        if routed {
            canary["trafficRouting"] = json!({});
        }
        let mut rollout = rollout(&canary, &json!({"abort": abort, "currentStepIndex": numbers[4]}));
        rollout.spec.replicas = Some(numbers[5]);
        let sized = |hash, at: usize| ReplicaSet { available: numbers[at + 1], ..set(hash, numbers[at], 1, LATER) };
        changes(&rollout, &sized("new", 6), &sized("stable", 8), &[sized("old", 10)]);
    }

    /// Without a router every pod serves, and only those that can be spared go.
    #[test]
    fn enough_pods_stay(new in 0..14, stable in 0..14, old in proptest::collection::vec(1..9, 1..4)) {
        let rollout = rollout(&json!({"maxUnavailable": 2}), &json!({}));
        let others: Vec<ReplicaSet> =
            (1..).zip(&old).map(|(revision, pods)| set(&format!("old-{revision}"), *pods, revision, None)).collect();
        let (new, stable) = (set("new", new, 9, None), set("stable", stable, 8, None));
        let sets = ReplicaSets { new: Some(&new), stable: Some(&stable), others: others.iter().collect() };
        let canary = Canary::of(&rollout).unwrap();
        let before = sets.totals().available;
        let scaling = canary.scaling(&sets, None, &[], &Pauses::default(), Timestamp::UNIX_EPOCH);
        let gone: i32 = scaling.changes.iter().map(|change| match change {
            Change::Scale { name, to, .. } => sets.all().find(|set| set.name == *name).map_or(0, |set| (set.wanted - to).max(0)),
            _ => 0,
        }).sum();
        prop_assert!(gone == 0 || before - gone >= 8, "{before} {scaling:?}");
    }
}

#[test]
fn times_are_read_as_they_are_written() {
    for (text, seconds) in [
        ("1970-01-01T00:01:40Z", Some(100)),
        ("1970-01-01T01:01:40.9+01:00", Some(100)),
        ("1970-01-01 00:01:40Z", None),
        ("1970-01-01T00:01Z", None),
        ("1970-01-01T00:01:40z", None),
        ("1970-01-01T00:01:40+0000", None),
        ("1970-01-01T00:01:40Z[UTC]", None),
        ("", None),
    ] {
        assert_eq!(rfc3339(text).map(Timestamp::as_second), seconds, "{text}");
    }
}
