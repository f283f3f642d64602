//! What routers are told, and what comes of their answers.

use fastrand::Rng;
use rollcage_api::rollout::{Verification, WeightDestination};
use rollcage_core::rollout::{Canary, ExperimentPods, RouterCall, VERIFY_AGAIN, Verdict, verified};
use serde_json::{Value, json};

use super::{
    CASES, compare,
    counts::Observed,
    generate::{percent, scene},
    seed,
    services::switch,
};

fn request(rng: &mut Rng) -> Value {
    let mut request = loop {
        let scene = scene(rng);
        if scene["rollout"]["spec"]["strategy"]["canary"]["trafficRouting"].is_object() {
            break scene;
        }
    };
    // The controller writes it before anything else.
    if request["rollout"]["spec"]["replicas"].is_null() {
        request["rollout"]["spec"]["replicas"] = 1.into();
    }
    if percent(rng, 40) {
        // As far as one comes when nothing is in the way.
        let replicas = request["rollout"]["spec"]["replicas"].clone();
        for (field, part) in [
            ("replicas", "spec"),
            ("replicas", "status"),
            ("availableReplicas", "status"),
        ] {
            if request["stable"].is_object() {
                request["stable"][part][field] = replicas.clone();
            }
        }
    }
    // One object is what it is in both places.
    if request["stable"]["metadata"]["name"] == request["new"]["metadata"]["name"] {
        request["new"] = request["stable"].clone();
    }
    if percent(rng, 40) {
        let phase = if percent(rng, 80) { "Running" } else { "Successful" };
        let status = |name: &str| {
            json!({"name": name, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "serviceName": format!("service-{name}"), "podTemplateHash": format!("hash-{name}")})
        };
        request["experiment"] = json!({"metadata": {"name": "e"}, "spec": {"templates": []},
            "status": {"phase": phase, "templateStatuses": [status("baseline"), status("canary"), status("gone")]}});
    }
    request["now"] = "2026-01-02T03:04:05Z".into();
    if percent(rng, 60) {
        request["verified"] = rng.bool().into();
    }
    if percent(rng, 10) {
        request["fails"] = "no connection".into();
    }
    request
}

fn destinations(all: &[WeightDestination]) -> String {
    let each = |one: &WeightDestination| format!("{{{} {} {}}}", one.weight, one.service_name, one.pod_template_hash);
    format!("[{}]", all.iter().map(each).collect::<Vec<_>>().join(" "))
}

fn here(request: &Value) -> Value {
    let observed = Observed::of(request);
    let sets = observed.sets();
    let canary = Canary::of(&observed.rollout).expect("a canary");
    let running = request["experiment"]["status"]["phase"] == "Running";
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pods: Vec<ExperimentPods> = request["experiment"]["status"]["templateStatuses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|_| running)
        .map(|status| ExperimentPods {
            name: text(&status["name"]),
            service: text(&status["serviceName"]),
            hash: text(&status["podTemplateHash"]),
        })
        .collect();
    let traffic = canary.traffic(&sets, observed.rollout.status.abort, &pods);
    let others = destinations(&traffic.additional);
    let mut events = Vec::new();
    let calls: Vec<String> = traffic
        .calls
        .iter()
        .filter_map(|call| {
            Some(match call {
                RouterCall::CanaryServiceToStable => {
                    let (call, event) = switch(&canary.aim_at_stable(&sets)?, "", true)?;
                    events.push(event);
                    call
                }
                RouterCall::RemoveManagedRoutes => "remove-managed-routes".to_owned(),
                RouterCall::SetHeaderRoute(route) => format!("set-header-route {}", text(&route["name"])),
                RouterCall::SetMirrorRoute(route) => format!("set-mirror-route {}", text(&route["name"])),
                RouterCall::UpdateHash => {
                    format!("update-hash {} {} {others}", traffic.canary_hash, traffic.stable_hash)
                }
                RouterCall::SetWeight => format!("set-weight {} {others}", traffic.weight),
                RouterCall::VerifyWeight => format!("verify-weight {} {others}", traffic.weight),
            })
        })
        .collect();
    let mut error = String::new();
    let mut wake = 0;
    let status = observed.rollout.status.canary.as_ref();
    let mut weights = status.and_then(|canary| canary.weights.clone());
    if traffic.decided {
        let mut new = canary.weights(&traffic);
        events.extend(
            canary
                .weights_changed(&new)
                .map(|text| format!("Normal TrafficWeightUpdated {text}")),
        );
        if let Some(fails) = request["fails"].as_str() {
            new.verified = None;
            events.push(format!("Warning WeightVerifyError Failed to verify weight: {fails}"));
        } else {
            let answer = match request["verified"].as_bool() {
                Some(true) => Verification::Verified,
                Some(false) => Verification::NotVerified,
                None => Verification::NotImplemented,
            };
            new.verified = verified(answer);
            let verdict = canary.verdict(traffic.weight, answer);
            if verdict != Verdict::GoOn {
                wake = VERIFY_AGAIN.as_secs();
            }
            if let Verdict::Hold(text) = verdict {
                error = text;
            }
        }
        weights = Some(new);
    }
    json!({"calls": calls, "events": events, "weights": weights, "error": error, "wakeIn": wake})
}

#[test]
fn routers_are_told_what_the_original_tells_them() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES).map(|_| request(&mut rng)).collect();
    let answers = compare("rollout.traffic", &requests, |request| Ok(here(request)))?;
    if let Some(answers) = answers {
        let told = answers.iter().filter(|answer| {
            let calls = answer.as_ref().ok().and_then(|answer| answer["calls"].as_array());
            calls.is_some_and(|calls| calls.len() > 2)
        });
        assert!(told.count() * 4 > CASES, "few stable ReplicaSets can carry the rest");
    }
    Ok(())
}
