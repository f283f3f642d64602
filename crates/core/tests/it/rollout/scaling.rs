//! What changes at the ReplicaSets in a pass, and what waits.

use fastrand::Rng;
use jiff::Timestamp;
use rollcage_api::rollout::TrafficWeights;
use rollcage_core::rollout::{Canary, Change, Pauses, SCALE_DOWN_ANNOTATION};
use serde_json::{Value, json};

use super::{
    CASES, compare,
    counts::Observed,
    generate::{one_of, percent, scene},
    seed,
};

pub(super) const NOW: &str = "2026-01-02T03:04:05Z";

const DEADLINES: &[&str] = &[
    "2026-01-02T03:04:15Z",
    "2026-01-02T03:04:15Z",
    "2026-01-02T03:04:35.5Z",
    "2026-01-02T04:10:05+01:00",
    "2026-01-02T04:04:05Z",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:00Z",
    "2026-01-01T00:00:00Z",
    "2026-01-02 03:09:05Z",
    "2026-01-02T03:09:05z",
    "2026-01-02T03:09:05+0000",
    "2026-01-02T03:09Z",
    "2026-01-02T03:09:05Z[UTC]",
    "soon",
    "",
];

/// What Services select, so many of them being there.
pub(super) fn services(rng: &mut Rng, often: u32) -> Value {
    let mut services = json!({});
    for name in ["canary", "stable", "ping", "pong"] {
        if percent(rng, often) {
            let hash = *one_of(rng, &["canary", "stable", "old-0", "old-1", ""]);
            services[name] = json!({"hash": hash, "managed": percent(rng, 80)});
        }
    }
    services
}

fn request(rng: &mut Rng) -> Value {
    let mut request = scene(rng);
    request["now"] = NOW.into();
    // The controller writes it before anything else.
    if request["rollout"]["spec"]["replicas"].is_null() {
        request["rollout"]["spec"]["replicas"] = 1.into();
    }
    let replicas = request["rollout"]["spec"]["replicas"].clone();
    let canary = &mut request["rollout"]["spec"]["strategy"]["canary"];
    if percent(rng, 8) {
        canary["abortScaleDownDelaySeconds"] = (*one_of(rng, &[900, 1000, -5, 30])).into();
    }
    if percent(rng, 8) {
        canary["scaleDownDelaySeconds"] = (*one_of(rng, &[900, 1000, -5, 30])).into();
    }
    let status = &mut request["rollout"]["status"];
    if percent(rng, 30) {
        status["abort"] = true.into();
    }
    if percent(rng, 4) {
        let reason = *one_of(rng, &["InconclusiveAnalysisRun", "CanaryPauseStep"]);
        status["pauseConditions"] = json!([{"reason": reason, "startTime": NOW}]);
    }
    let weights = status["canary"]["weights"].clone();
    if percent(rng, 20) {
        // The release has come to its end.
        status["stableRS"] = "canary".into();
        request["stable"] = request["new"].clone();
    }
    if percent(rng, 70) {
        request["weights"] = weights;
    }
    if percent(rng, 40) && request["stable"].is_object() {
        for (part, field) in [
            ("spec", "replicas"),
            ("status", "replicas"),
            ("status", "availableReplicas"),
        ] {
            request["stable"][part][field] = replicas.clone();
        }
        if request["stable"]["metadata"]["name"] == request["new"]["metadata"]["name"] {
            request["new"] = request["stable"].clone();
        }
    }
    for place in ["/new", "/stable", "/others/0", "/others/1"] {
        let Some(set) = request.pointer_mut(place).filter(|set| set.is_object()) else {
            continue;
        };
        let annotations = &mut set["metadata"]["annotations"];
        if percent(rng, 90) {
            let told = if percent(rng, 95) {
                replicas.to_string()
            } else {
                "77".to_owned()
            };
            annotations["rollout.argoproj.io/desired-replicas"] = told.into();
        }
        if percent(rng, if place.starts_with("/o") { 50 } else { 25 }) {
            annotations[SCALE_DOWN_ANNOTATION] = (*one_of(rng, DEADLINES)).into();
        }
    }
    // One object is what it is in both places.
    if request["stable"]["metadata"]["name"] == request["new"]["metadata"]["name"] {
        request["stable"] = request["new"].clone();
    }
    request["services"] = services(rng, 60);
    if percent(rng, 10) {
        request["abort"] = "a plugin failed".into();
    }
    request
}

fn here(request: &Value) -> Value {
    let observed = Observed::of(request);
    let sets = observed.sets();
    let canary = Canary::of(&observed.rollout).expect("a canary");
    let now: Timestamp = NOW.parse().expect("a time");
    let mut pauses = Pauses::of(&canary);
    if let Some(message) = request["abort"].as_str() {
        pauses.abort(message);
    }
    let weights: Option<TrafficWeights> = serde_json::from_value(request["weights"].clone()).expect("weights");
    let services = [&canary.strategy.canary_service, &canary.strategy.stable_service];
    let selected: Vec<&str> = services
        .into_iter()
        .filter_map(|name| request["services"].get(name)?["hash"].as_str())
        .collect();
    let scaling = canary.scaling(&sets, weights.as_ref(), &selected, &pauses, now);
    let mut kept: Vec<&String> = Vec::new();
    let (mut calls, mut events) = (Vec::new(), Vec::new());
    for change in &scaling.changes {
        match change {
            Change::Keep { name } => {
                kept.push(name);
                calls.push(format!("{name} keep {SCALE_DOWN_ANNOTATION}"));
            }
            Change::Later { name, deadline } => {
                calls.push(format!("{name} later {SCALE_DOWN_ANNOTATION} {deadline}"));
            }
            Change::Scale {
                name,
                to,
                desired,
                keep,
                event,
            } => {
                let set = sets.all().find(|set| set.name == *name).expect("it is there");
                let deadline = set.annotations.get(SCALE_DOWN_ANNOTATION);
                let deadline = deadline.filter(|_| !keep && !kept.contains(&name));
                let deadline = deadline.map_or("", String::as_str);
                calls.push(format!("{name} scale {to} of {desired} until {deadline:?}"));
                events.extend(
                    event
                        .iter()
                        .map(|event| format!("Normal {} {}", event.reason, event.message)),
                );
            }
        }
    }
    let wake = scaling.wake_at.map(|at| at.duration_since(now).as_secs_f64());
    // Later than this it is looked at anyway.
    let wake = wake.filter(|seconds| *seconds < 900.0);
    json!({"calls": calls, "events": events, "endsPass": scaling.ends_pass, "wakeIn": wake})
}

/// Whole numbers are written as Go writes them.
fn as_go(mut answer: Value) -> Value {
    if let Some(seconds) = answer["wakeIn"].as_f64().filter(|seconds| seconds.fract() == 0.0) {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        let seconds = seconds as i64;
        answer["wakeIn"] = seconds.into();
    }
    answer
}

#[test]
fn pods_come_and_go_as_with_the_original() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES).map(|_| request(&mut rng)).collect();
    let answers = compare("rollout.scaling", &requests, |request| Ok(as_go(here(request))))?;
    if let Some(answers) = answers {
        for (kind, least) in [(" keep ", 100), (" later ", 100), (" scale 0 ", 100), (" scale ", 2000)] {
            let told = answers
                .iter()
                .flatten()
                .filter(|answer| answer["calls"].to_string().contains(kind));
            assert!(told.count() > least, "{kind} hardly ever");
        }
    }
    Ok(())
}
