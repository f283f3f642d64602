use serde_json::{Value, json};

use super::*;

/// Every field that is typed, and beside each of them one that nobody knows.
fn full() -> Value {
    serde_json::from_str(include_str!("full.json")).unwrap()
}

#[test]
fn what_was_read_is_written_again() {
    for written in [
        full(),
        json!({"metadata": {}, "spec": {"strategy": {}}, "status": {}}),
        json!({"metadata": {}, "spec": {"strategy": {"canary": {}, "blueGreen": {"x": 1}}}, "status": {"canary": {}}}),
    ] {
        let rollout: Rollout = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&rollout).unwrap(), written);
    }
}

#[test]
fn null_is_what_is_absent() {
    let mut nulls = full();
    let canary = |rollout: &mut Value| rollout["spec"]["strategy"]["canary"].take();
    for name in [
        "replicas",
        "selector",
        "template",
        "workloadRef",
        "minReadySeconds",
        "paused",
        "restartAt",
    ] {
        nulls["spec"][name] = Value::Null;
    }
    for name in [
        "pauseConditions",
        "controllerPause",
        "currentStepIndex",
        "conditions",
        "phase",
        "replicas",
        "abortedAt",
    ] {
        nulls["status"][name] = Value::Null;
    }
    let mut strategy = canary(&mut nulls);
    for name in [
        "steps",
        "maxSurge",
        "dynamicStableScale",
        "minPodsPerReplicaSet",
        "trafficRouting",
        "pingPong",
    ] {
        strategy[name] = Value::Null;
    }
    nulls["spec"]["strategy"]["canary"] = strategy;
    let rollout: Rollout = serde_json::from_value(nulls).unwrap();
    assert_eq!(rollout.spec.replicas, None);
    assert!(!rollout.status.controller_pause && rollout.status.pause_conditions.is_empty());
    assert!(rollout.spec.strategy.canary.unwrap().steps.is_empty());
}
