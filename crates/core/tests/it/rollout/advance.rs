//! The end of a pass: steps, pauses, promotion, abort, and new beginnings.

use fastrand::Rng;
use rollcage_api::rollout::RolloutStatus;
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
    with_conditions(rng, &mut request);
    if percent(rng, 40) {
        // The pass after a pass: often nothing changes any more, for a while or for too long.
        for _ in 0..2 {
            request["rollout"]["status"] = here(&request)["status"].clone();
        }
        let conditions = request["rollout"]["status"]["conditions"].as_array_mut();
        for condition in conditions.into_iter().flatten() {
            if condition["type"] == "Progressing" {
                condition["lastUpdateTime"] = ago(rng);
            }
        }
    }
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
    let mut events = canary.advance(&sets, &hash, &mut pauses, state, &mut next, now);
    "app=web".clone_into(&mut next.selector);
    events.extend(canary.conclude(&sets, &mut pauses, &mut next, now));
    let events: Vec<String> = events
        .iter()
        .map(|event| {
            let kind = if event.warning { "Warning" } else { "Normal" };
            format!("{kind} {} {}", event.reason, event.message)
        })
        .collect();
    let json = |status: &RolloutStatus| {
        let mut status = serde_json::to_value(status).expect("a status is JSON");
        status["blueGreen"] = json!({});
        status
    };
    let is_same = json(&next) == json(&rollout.status);
    let again = canary.look_again_at(&next, now).filter(|_| is_same);
    let again = again.map(|at| at.duration_since(now).as_secs());
    json!({"status": json(&next), "events": events, "pause": at_pause, "wakeIn": wake, "lookIn": again,
        "first": canary.paused_or_retried(now).as_ref().map(json)})
}

fn ago(rng: &mut Rng) -> Value {
    let all = [
        "2026-01-02T03:04:04Z",
        "2026-01-02T02:54:06Z",
        "2026-01-02T02:54:05Z",
        "2026-01-02T02:54:04Z",
        "2026-01-01T00:00:00Z",
    ];
    (*one_of(rng, &all)).into()
}

/// What was said of the release, and what can be.
fn with_conditions(rng: &mut Rng, request: &mut Value) {
    let mut conditions = Vec::new();
    for (kind, often, reasons) in [
        (
            "Progressing",
            85,
            &[
                "ReplicaSetUpdated",
                "NewReplicaSetAvailable",
                "ReplicaSetUpdated",
                "ProgressDeadlineExceeded",
                "RolloutAborted",
                "RolloutPaused",
            ][..],
        ),
        ("Healthy", 50, &["RolloutHealthy"][..]),
        ("Paused", 40, &["RolloutPaused"][..]),
        ("Completed", 60, &["RolloutCompleted"][..]),
        ("Available", 60, &["AvailableReason"][..]),
        ("InvalidSpec", 3, &["InvalidSpec"][..]),
        ("ReplicaFailure", 5, &["FailedCreate"][..]),
    ] {
        if percent(rng, often) {
            conditions.push(json!({"type": kind, "status": *one_of(rng, &["True", "False", "Unknown"]),
                "reason": *one_of(rng, reasons), "message": "before", "lastUpdateTime": ago(rng), "lastTransitionTime": ago(rng)}));
        }
    }
    let failing = format!("/{}", one_of(rng, &["new", "others/0"]));
    if percent(rng, 10)
        && let Some(set) = request.pointer_mut(&failing).filter(|set| set.is_object())
    {
        set["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "no quota", "lastTransitionTime": ago(rng)}]);
    }
    if percent(rng, 10)
        && let Some(set) = request.pointer_mut("/others/0")
    {
        set["metadata"]["annotations"]["scale-down-deadline"] = "2026-01-02T03:05:00Z".into();
    }
    let spec = &mut request["rollout"]["spec"];
    if percent(rng, 30) {
        spec["progressDeadlineSeconds"] = (*one_of(rng, &[0, 1, 599, 600, 601, 90000])).into();
    }
    if percent(rng, 40) {
        spec["progressDeadlineAbort"] = true.into();
    }
    if percent(rng, 8) {
        spec["restartAt"] = "2026-01-02T03:00:00Z".into();
    }
    let status = &mut request["rollout"]["status"];
    status["conditions"] = conditions.into();
    if percent(rng, 4) {
        status["restartedAt"] = (*one_of(rng, &["2026-01-02T03:00:00Z", "2026-01-02T03:00:01Z"])).into();
    }
    status["observedGeneration"] = (*one_of(rng, &["3", "3", "3", "3", "2", ""])).into();
    for name in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        if percent(rng, 50) {
            status[name] = rng.i32(0..14).into();
        }
    }
}

#[test]
fn releases_go_on_as_with_the_original() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES).map(|_| request(&mut rng)).collect();
    let answers = compare("rollout.advance", &requests, |request| Ok(here(request)))?;
    if let Some(answers) = answers {
        for event in [
            "RolloutStepCompleted",
            "RolloutCompleted",
            "SkipSteps",
            "RolloutNotCompleted",
            "Warning RolloutAborted",
            "RolloutPaused",
            "RolloutResumed",
            "timed out progressing",
        ] {
            let told = answers.iter().filter(|answer| {
                let events = answer.as_ref().map(|answer| answer["events"].to_string());
                events.is_ok_and(|events| events.contains(event))
            });
            assert!(told.count() * 200 > CASES, "{event} hardly ever");
        }
        for part in ["lookIn", "first"] {
            let told = answers.iter().flatten().filter(|answer| !answer[part].is_null());
            assert!(told.count() * 100 > CASES, "{part} hardly ever");
        }
        for phase in ["Healthy", "Degraded", "Progressing", "Paused"] {
            let is = answers
                .iter()
                .flatten()
                .filter(|answer| answer["status"]["phase"] == phase);
            assert!(is.count() * 200 > CASES, "{phase} hardly ever");
        }
    }
    Ok(())
}
