//! Whole AnalysisRuns under a clock that jumps from wake-up to wake-up, with plugins that answer at random.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;
use rollcage_api::{
    analysis::{AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement},
    plugin::PluginKind,
};
use rollcage_core::{
    CallError, Fault, FaultKind, Phase, PluginError, PluginErrorKind, PluginId,
    analysis::{self, Absence, Attempt, Begin, Decision, Outcome, Plan, Taken, Task, Waiting},
    secret::Masker,
};
use serde_json::json;

/// Passes after which a run that has an end must have come to it.
const PASSES: usize = 2_000;

/// What a plugin does with one call.
#[derive(Clone, Debug)]
enum Does {
    Measures(AnalysisPhase),
    GoesOn { resume_after: Option<u32> },
    Errs,
    Traps,
    IsAway,
    IsBusy,
}

fn does() -> impl Strategy<Value = Does> {
    use AnalysisPhase::{Error, Failed, Inconclusive, Successful};
    prop_oneof![
        4 => Just(Does::Measures(Successful)),
        1 => prop::sample::select(vec![Failed, Inconclusive, Error]).prop_map(Does::Measures),
        3 => prop::option::of(prop::sample::select(vec![0, 300, 1_700, 90_000])).prop_map(|resume_after| Does::GoesOn { resume_after }),
        1 => Just(Does::Errs),
        1 => Just(Does::Traps),
        1 => Just(Does::IsAway),
        1 => Just(Does::IsBusy),
    ]
}

fn a_metric(index: usize) -> impl Strategy<Value = serde_json::Value> {
    let interval = prop::sample::select(vec!["1ms", "999ms", "1s", "1.5s", "30s", "1h"]);
    let delay = prop::option::of(prop::sample::select(vec!["0s", "10ms", "7s", "1h"]));
    (interval, 1..12_u32, delay, 0..3_u32, 0..3_u32).prop_map(move |(interval, extra, delay, failures, successes)| {
        let mut metric = json!({
            "name": format!("m{index}"), "interval": interval, "count": failures + successes + extra,
            "failureLimit": failures, "consecutiveSuccessLimit": successes, "inconclusiveLimit": 1,
            "provider": {"plugin": {format!("a/p{index}"): {}}}
        });
        if let (Some(delay), Some(fields)) = (delay, metric.as_object_mut()) {
            fields.insert("initialDelay".to_owned(), delay.into());
        }
        metric
    })
}

fn spec() -> impl Strategy<Value = serde_json::Value> {
    (
        a_metric(0),
        prop::option::of(a_metric(1)),
        prop::option::of(a_metric(2)),
        any::<bool>(),
    )
        .prop_map(|(first, second, third, dry)| {
            let metrics: Vec<_> = [Some(first), second, third].into_iter().flatten().collect();
            let rules = if dry { json!([{"metricName": "m0"}]) } else { json!([]) };
            json!({"metrics": metrics, "dryRun": rules, "ttlStrategy": {"secondsAfterCompletion": 9}})
        })
}

/// A plugin's answer to one task, as the controller makes an attempt of it.
fn attempt(run: &AnalysisRun, plan: &Plan, task: &Task, does: &Does, now: Timestamp) -> Attempt {
    let plugin = analysis::provider(&plan.metrics[task.index])
        .unwrap()
        .plugin()
        .unwrap()
        .plugin;
    let fault = |kind| Fault::new(&plugin, Phase::Call, kind, "cause", "hint");
    let answer = match does {
        Does::Measures(phase) => Ok(Measurement {
            phase: *phase,
            value: "1".into(),
            ..Measurement::default()
        }),
        Does::GoesOn { resume_after } => Ok(Measurement {
            phase: AnalysisPhase::Running,
            resume_at: resume_after.map(|millis| now + Duration::from_millis(u64::from(millis))),
            metadata: BTreeMap::from([("job".into(), "7".into())]),
            ..Measurement::default()
        }),
        Does::Errs => Err(CallError::Plugin(PluginError {
            kind: PluginErrorKind::Unavailable,
            message: "not now".into(),
            retry_after: None,
        })),
        Does::Traps => Err(fault(FaultKind::Trap).into()),
        Does::IsAway => Err(fault(FaultKind::Loading).into()),
        Does::IsBusy => Err(fault(FaultKind::QueueFull).into()),
    };
    let outcome = match answer {
        Err(CallError::Fault(fault)) if analysis::nothing_was_tried(&fault) => {
            let since = Waiting::of(run).since(&plugin);
            let absent_since = match analysis::absence(&fault, plan.terminating, since, Duration::from_mins(5), now) {
                Absence::Wait(patience) => Err(patience),
                Absence::Error(since) => Ok(Some(since)),
                Absence::Refused => Ok(None),
            };
            match absent_since {
                Err(patience) => Outcome::Waits(patience),
                Ok(absent_since) => Outcome::Taken(Taken {
                    measurement: analysis::failed(&task.action, fault.to_string(), now, now),
                    metadata: None,
                    absent_since,
                }),
            }
        }
        answer => Outcome::Taken(Taken {
            measurement: analysis::answered(&task.action, answer, false, now, now),
            metadata: None,
            absent_since: None,
        }),
    };
    Attempt {
        metric: task.name.clone(),
        action: task.action.clone(),
        plugin: Some(plugin),
        outcome,
    }
}

/// What is left of a decision when it was stored and read again.
fn store(run: &mut AnalysisRun, decision: &Decision) {
    let stored = serde_json::to_string(&decision.status).unwrap();
    let read: AnalysisRunStatus = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, decision.status, "what is decided on is what will be read back");
    run.status = read;
    let annotation = decision.waiting.annotation();
    run.metadata.annotations =
        annotation.map(|waiting| BTreeMap::from([(analysis::WAITING_ANNOTATION.to_owned(), waiting)]));
}

/// Numbers that belong together, in every state.
fn check(run: &AnalysisRun) {
    for result in &run.status.metric_results {
        assert_eq!(
            result.count,
            result.successful + result.failed + result.inconclusive,
            "{result:?}"
        );
        assert!(result.consecutive_error <= result.error && result.consecutive_success <= result.successful);
        assert!(result.consecutive_error == 0 || result.consecutive_success == 0);
        assert!(result.measurements.len() <= 100, "an object does not grow for ever");
        let (last, earlier) = result.measurements.split_last().expect("a result has a measurement");
        assert!(earlier.iter().all(|measurement| measurement.phase.is_completed()));
        assert_eq!(last.phase.is_completed(), last.finished_at.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Every run with an end comes to it, by its own timers alone, without ever spinning at one moment.
    #[test]
    fn runs_end(spec in spec(), script in prop::collection::vec(does(), 0..40), fraction in 0..1_000_u32) {
        let mut run: AnalysisRun = serde_json::from_value(json!({"spec": spec})).unwrap();
        let mut script = script.into_iter();
        let mut now = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_millis(u64::from(fraction));
        let mut at_this_moment = 0;
        for pass in 0.. {
            prop_assert!(pass < PASSES, "never ends: {run:#?}");
            let plan = match analysis::begin(&run, now) {
                Begin::Measure(plan) => plan,
                Begin::Completed { delete_at } => {
                    let completed = run.status.completed_at.unwrap();
                    prop_assert_eq!(delete_at.map(|at| at.duration_since(completed).as_secs()), Some(10));
                    prop_assert_eq!(Waiting::of(&run), Waiting::default());
                    break;
                }
                other => panic!("a valid run: {other:?}"),
            };
            let attempts: Vec<Attempt> = plan
                .tasks
                .iter()
                .map(|task| attempt(&run, &plan, task, &script.next().unwrap_or(Does::Measures(AnalysisPhase::Successful)), now))
                .collect();
            let recorded = plan.record(&run, &attempts, &Masker::default());
            let told = plan.excess(&recorded);
            let decision = analysis::finish(recorded, &plan, &attempts, &told, now);
            let changed = decision.status != run.status;
            store(&mut run, &decision);
            check(&run);
            let wake = decision.wake_at.unwrap();
            if wake > now {
                now = wake;
                at_this_moment = 0;
            } else {
                at_this_moment += 1;
                prop_assert!(changed && at_this_moment < 3, "spins: {run:#?}");
            }
        }
    }

    /// Nothing that is stored makes a pass panic, and a second look at the same moment changes nothing.
    #[test]
    fn any_status_is_survived(
        spec in spec(),
        phases in prop::collection::vec(prop::sample::select(vec!["", "Pending", "Running", "Successful", "Failed", "Error", "Inconclusive", "?"]), 4),
        numbers in prop::collection::vec(any::<i32>(), 7),
        finished in prop::option::of(-4_000_000_000_000_i64..4_000_000_000_000),
        annotation in ".{0,20}",
    ) {
        let time = |second: i64| Timestamp::from_second(second.clamp(-60_000_000_000, 200_000_000_000)).unwrap().to_string();
        let mut run: AnalysisRun = serde_json::from_value(json!({
            "metadata": {"annotations": {analysis::WAITING_ANNOTATION: annotation}},
            "spec": spec,
            "status": {
                "phase": phases[0], "startedAt": finished.map(time),
                "metricResults": [{
                    "name": "m0", "phase": phases[1], "count": numbers[0], "failed": numbers[1], "inconclusive": numbers[2],
                    "error": numbers[3], "consecutiveError": numbers[4], "consecutiveSuccess": numbers[5],
                    "measurements": [{"phase": phases[2], "finishedAt": finished.map(time)}, {"phase": phases[3], "resumeAt": finished.map(time)}]
                }, {"name": "gone", "phase": phases[3]}]
            }
        })).unwrap();
        let now = "2026-01-01T00:00:00.3Z".parse().unwrap();
        if let Begin::Measure(plan) = analysis::begin(&run, now) {
            let decision = analysis::finish(run.clone(), &plan, &[], &[], now);
            store(&mut run, &decision);
            if let Begin::Measure(plan) = analysis::begin(&run, now) && !analysis::is_terminating(&run) {
                let again = analysis::finish(run.clone(), &plan, &[], &[], now);
                prop_assert_eq!(again.status, run.status);
                prop_assert!(again.events.is_empty());
            }
        }
    }
}

/// The plugin that a run waits for is known by its name alone.
#[test]
fn waiting_is_by_plugin() {
    let id = |name: &str| PluginId {
        kind: PluginKind::MetricProvider,
        name: name.to_owned(),
    };
    let run: AnalysisRun = serde_json::from_value(json!({
        "metadata": {"annotations": {analysis::WAITING_ANNOTATION: r#"{"a/b":"2026-01-01T00:00:00Z"}"#}}
    }))
    .unwrap();
    let waiting = Waiting::of(&run);
    assert!(waiting.since(&id("a/b")).is_some() && waiting.since(&id("a/c")).is_none());
}
