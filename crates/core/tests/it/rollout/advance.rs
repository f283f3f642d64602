//! The end of a pass: steps, pauses, promotion, abort, and new beginnings.

use fastrand::Rng;
use rollcage_core::rollout::{Canary, PAUSE_STEP, PauseStep, Pauses, StepState, pod_template_hash, step_hash};
use serde_json::{Value, json};

use super::{
    CASES, compare,
    counts::Observed,
    generate::{one_of, percent, scene},
    seed,
};

const NOW: &str = "2026-01-02T03:04:05Z";

fn request(rng: &mut Rng) -> Value {
    let mut request = scene(rng);
    request["now"] = NOW.into();
    let rollout: rollcage_api::rollout::Rollout =
        serde_json::from_value(request["rollout"].clone()).expect("a Rollout");
    let status = &mut request["rollout"]["status"];
    if percent(rng, 88) {
        status["currentStepHash"] = step_hash(&rollout).into();
    } else if rng.bool() {
        status["currentStepHash"] = "other".into();
    }
    if percent(rng, 5) {
        status["currentPodHash"] = (*one_of(rng, &["", "old-0", "stable"])).into();
    }
    if percent(rng, 35) {
        status["controllerPause"] = percent(rng, 90).into();
        let mut conditions = Vec::new();
        for reason in [PAUSE_STEP, "InconclusiveAnalysisRun"] {
            if percent(rng, 60) {
                let time = *one_of(
                    rng,
                    &["2026-01-02T03:04:05Z", "2026-01-02T03:03:05Z", "2026-01-02T02:00:00Z"],
                );
                conditions.push(json!({"reason": reason, "startTime": time}));
            }
        }
        status["pauseConditions"] = conditions.into();
    }
    if status["abort"] == true && percent(rng, 80) {
        status["abortedAt"] = "2026-01-02T03:00:00Z".into();
    }
    if percent(rng, 20) {
        status["canary"]["stablePingPong"] = (*one_of(rng, &["ping", "pong"])).into();
    }
    if percent(rng, 20) {
        for name in ["currentStepAnalysisRunStatus", "currentBackgroundAnalysisRunStatus"] {
            status["canary"][name] = json!({"name": "run", "status": "Running"});
        }
        status["canary"]["stepPluginStatuses"] = json!([{"index": 0, "name": "a/b", "operation": "Run"}]);
    }
    if percent(rng, 50) {
        let phase = *one_of(rng, &["Successful", "Running", "Failed", "Inconclusive"]);
        request["experiment"] =
            json!({"metadata": {"name": "e"}, "spec": {"templates": []}, "status": {"phase": phase}});
        request["analysis"] = json!({"metadata": {"name": "r"}, "spec": {"metrics": []}, "status": {"phase": phase}});
    }
    request["pluginDone"] = rng.bool().into();
    match rng.u32(..12) {
        0 => request["abort"] = (*one_of(rng, &["", "a plugin failed"])).into(),
        1 => request["pause"] = "InconclusiveAnalysisRun".into(),
        _ => {}
    }
    request
}

/// Pauses and weights are decided by a pass; the rest of a status goes along.
fn here(request: &Value) -> Value {
    let observed = Observed::of(request);
    let sets = observed.sets();
    let rollout = &observed.rollout;
    let canary = Canary::of(rollout).expect("a canary");
    let now = NOW.parse().expect("a time");
    let hash = match sets.new {
        Some(new) => new.hash.clone(),
        None => pod_template_hash(rollout.spec.template.as_ref(), rollout.status.collision_count),
    };
    let mut pauses = Pauses::of(&canary);
    let (mut at_pause, mut wake) = (false, 0);
    if let Some(message) = request["abort"].as_str() {
        pauses.abort(message);
    }
    if let Some(reason) = request["pause"].as_str() {
        pauses.add(reason);
    } else if !canary.has_changed(&hash) {
        let step = canary.pause_step();
        at_pause = step != PauseStep::None;
        match step {
            PauseStep::Begin => pauses.add(PAUSE_STEP),
            PauseStep::Wait(Some(until)) => {
                // Later than this it is looked at anyway.
                let seconds = until.duration_since(now).as_secs();
                wake = if (1..900).contains(&seconds) { seconds } else { 0 };
            }
            _ => {}
        }
    }
    let is = |object: &str| request[object]["status"]["phase"] == "Successful";
    let state = StepState {
        analysis_successful: is("analysis"),
        experiment_successful: is("experiment"),
        plugin_done: request["pluginDone"] == true,
    };
    let mut next = rollout.status.clone();
    let events = canary.advance(&sets, &hash, &mut pauses, state, &mut next, now);
    let counts = sets.totals();
    next.replicas = counts.replicas;
    next.hpa_replicas = counts.replicas;
    next.ready_replicas = counts.ready;
    next.available_replicas = counts.available;
    next.updated_replicas = sets.new.map_or(0, |new| new.replicas);
    next.selector = "app=web".to_owned();
    let events: Vec<String> = events
        .iter()
        .map(|event| format!("Normal {} {}", event.reason, event.message))
        .collect();
    let mut status = serde_json::to_value(&next).expect("a status is JSON");
    status["blueGreen"] = json!({});
    json!({"status": status, "events": events, "pause": at_pause, "wakeIn": wake})
}

#[test]
fn releases_go_on_as_with_the_original() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES).map(|_| request(&mut rng)).collect();
    let answers = compare("rollout.advance", &requests, |request| Ok(here(request)))?;
    if let Some(answers) = answers {
        for event in ["RolloutStepCompleted", "RolloutCompleted", "SkipSteps"] {
            let told = answers.iter().filter(|answer| {
                let events = answer.as_ref().map(|answer| answer["events"].to_string());
                events.is_ok_and(|events| events.contains(event))
            });
            assert!(told.count() * 200 > CASES, "{event} hardly ever");
        }
    }
    Ok(())
}
