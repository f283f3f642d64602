//! Rollouts and their ReplicaSets as they may be in the middle of anything.

use fastrand::Rng;
use serde_json::{Value, json};

pub(super) fn percent(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

pub(super) fn one_of<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

fn share_or_number(rng: &mut Rng) -> Value {
    match rng.u32(..12) {
        0..5 => rng.i32(0..6).into(),
        5..9 => format!("{}%", rng.i32(0..=100)).into(),
        9 => rng.i32(0..60).to_string().into(),
        10 => json!("25%"),
        _ => (*one_of(rng, &["x", "", "%", "1.5%", "-20%", "%10", "+7%", "200%", "١"])).into(),
    }
}

/// One step of any kind, and now and then two at once.
pub(super) fn step(rng: &mut Rng, max: i32) -> Value {
    let mut step = json!({});
    for _ in 0..if percent(rng, 5) { 2 } else { 1 } {
        match rng.u32(..20) {
            0..8 => step["setWeight"] = rng.i32(0..=max).into(),
            8..11 => {
                step["pause"] = match rng.u32(..5) {
                    0 => json!({}),
                    1 => json!({"duration": rng.i32(0..600)}),
                    2 => json!({"duration": rng.i32(0..600).to_string()}),
                    3 => {
                        json!({"duration": *one_of(rng, &["0s", "30s", "1h30m", "1.5m", "1500ms", "-5s", "1d", "", "1e3s"])})
                    }
                    _ => json!({"duration": "10s"}),
                };
            }
            11..15 => {
                step["setCanaryScale"] = match rng.u32(..4) {
                    0 => json!({"replicas": rng.i32(0..12)}),
                    1 => json!({"weight": rng.i32(0..=max)}),
                    2 => json!({"matchTrafficWeight": true}),
                    _ => {
                        json!({"weight": rng.i32(0..=max), "replicas": rng.i32(0..12), "matchTrafficWeight": rng.bool()})
                    }
                };
            }
            15 => step["analysis"] = json!({"templates": [{"templateName": "t"}]}),
            16 => {
                step["experiment"] = json!({"duration": "1m", "templates": [
                    {"name": "baseline", "specRef": "stable", "weight": rng.i32(0..20)},
                    {"name": "canary", "specRef": "canary"}]});
            }
            17 => {
                step["setHeaderRoute"] =
                    json!({"name": "h", "match": [{"headerName": "a", "headerValue": {"exact": "b"}}]});
            }
            18 => step["setMirrorRoute"] = json!({"name": "m", "percentage": 5}),
            _ => step["plugin"] = json!({"name": "a/b", "config": {"n": 1}}),
        }
    }
    step
}

/// A Rollout in the middle of anything, its hashes being `stable` and `canary`.
pub(super) fn rollout(rng: &mut Rng) -> Value {
    let routed = percent(rng, 55);
    let max = if routed && percent(rng, 20) {
        *one_of(rng, &[1, 7, 99, 1000])
    } else {
        100
    };
    let mut canary = json!({});
    let steps: Vec<Value> = (0..if percent(rng, 8) { 0 } else { rng.usize(1..7) })
        .map(|_| step(rng, max))
        .collect();
    let count = i32::try_from(steps.len()).expect("few");
    if count > 0 {
        canary["steps"] = steps.into();
    }
    if routed {
        canary["trafficRouting"] = json!({"plugins": {"a/b": {"x": 1}}});
        if max != 100 || percent(rng, 5) {
            canary["trafficRouting"]["maxTrafficWeight"] = max.into();
        }
        canary["canaryService"] = "canary".into();
        canary["stableService"] = "stable".into();
    }
    for name in ["maxSurge", "maxUnavailable"] {
        if percent(rng, 60) {
            canary[name] = share_or_number(rng);
        }
    }
    for (name, often) in [
        ("minPodsPerReplicaSet", 20),
        ("abortScaleDownDelaySeconds", 25),
        ("scaleDownDelaySeconds", 25),
        ("scaleDownDelayRevisionLimit", 20),
    ] {
        if percent(rng, often) {
            canary[name] = rng.i32(0..5).into();
        }
    }
    if percent(rng, 30) {
        canary["dynamicStableScale"] = true.into();
    }
    if percent(rng, 25) {
        let kind = *one_of(rng, &["Percent", "Pods"]);
        let most = if kind == "Pods" { 8 } else { 110 };
        canary["replicaProgressThreshold"] = json!({"type": kind, "value": rng.i32(-2..most)});
    }
    if percent(rng, 10) {
        canary["pingPong"] = json!({"pingService": "ping", "pongService": "pong"});
    }
    let mut spec = json!({"strategy": {"canary": canary}, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:2"}]}}});
    if percent(rng, 95) {
        spec["replicas"] = if percent(rng, 90) {
            rng.i32(0..12)
        } else {
            rng.i32(0..3000)
        }
        .into();
    }
    if percent(rng, 8) {
        spec["paused"] = true.into();
    }
    if percent(rng, 20) {
        spec["rollbackWindow"] = json!({"revisions": rng.i32(0..4)});
    }
    let mut status = json!({"currentPodHash": "canary", "canary": {}});
    match rng.u32(..10) {
        0 => {}
        1 => status["stableRS"] = "canary".into(),
        _ => status["stableRS"] = "stable".into(),
    }
    if percent(rng, 95) && count > 0 {
        let most = count + i32::from(percent(rng, 5));
        status["currentStepIndex"] = rng.i32(0..=most).into();
    }
    for (name, often) in [("abort", 20), ("promoteFull", 8), ("controllerPause", 15)] {
        if percent(rng, often) {
            status[name] = true.into();
        }
    }
    if routed && percent(rng, 70) {
        let weight = rng.i32(0..=max);
        let hash = if percent(rng, 85) { "canary" } else { "old-1" };
        let mut weights = json!({"canary": {"weight": weight, "serviceName": "canary", "podTemplateHash": hash},
            "stable": {"weight": max - weight, "serviceName": "stable", "podTemplateHash": "stable"}});
        if percent(rng, 30) {
            weights["verified"] = rng.bool().into();
        }
        status["canary"]["weights"] = weights;
    }
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop", "generation": 3,
            "annotations": {"rollout.argoproj.io/revision": rng.i32(1..4).to_string()}},
        "spec": spec, "status": status})
}

/// A ReplicaSet of about so many pods.
pub(super) fn replica_set(rng: &mut Rng, hash: &str, replicas: i64) -> Value {
    let wanted = match rng.u32(..6) {
        0 => 0,
        1 => replicas,
        2 => replicas / 2,
        3 => replicas + rng.i64(0..3),
        _ => rng.i64(0..=replicas),
    };
    let there = if percent(rng, 70) {
        wanted
    } else {
        rng.i64(0..=wanted + 2)
    };
    let available = if percent(rng, 60) { there } else { rng.i64(0..=there) };
    let mut annotations = json!({});
    if percent(rng, 95) {
        annotations["rollout.argoproj.io/revision"] = rng.i32(1..9).to_string().into();
    }
    json!({"metadata": {"name": format!("web-{hash}"), "namespace": "shop", "uid": format!("uid-{hash}"),
            "creationTimestamp": format!("2026-01-01T00:00:{:02}Z", rng.u32(..60)),
            "labels": {"app": "web", "rollouts-pod-template-hash": hash}, "annotations": annotations},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
        "status": {"replicas": there, "readyReplicas": available, "availableReplicas": available}})
}

/// A Rollout and its ReplicaSets, which are told by what they are to it.
pub(super) fn scene(rng: &mut Rng) -> Value {
    let rollout = rollout(rng);
    let replicas = rollout["spec"]["replicas"].as_i64().unwrap_or(1);
    let new = if percent(rng, 93) {
        replica_set(rng, "canary", replicas)
    } else {
        Value::Null
    };
    let stable = match rollout["status"]["stableRS"].as_str() {
        Some("canary") => new.clone(),
        Some(_) if percent(rng, 95) => replica_set(rng, "stable", replicas),
        _ => Value::Null,
    };
    let others: Vec<Value> = (0..rng.usize(..4).saturating_sub(1))
        .map(|at| {
            let most = if percent(rng, 60) { 0 } else { replicas };
            replica_set(rng, &format!("old-{at}"), most)
        })
        .collect();
    json!({"rollout": rollout, "new": new, "stable": stable, "others": others})
}
