//! Whole passes: scheduling, counters, verdicts, messages, Events, retention, wake-up and deletion.
//!
//! Runs are played from pass to pass by Rollcage's own decisions, and the original is asked about every pass of them. Times
//! of passes are half a second past the full one, so that nothing depends on whether an interval includes its last instant.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;
use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisRun, Measurement};
use rollcage_core::{
    analysis::{self, Action, Attempt, Begin, Decision, Event, Excess, Outcome, Plan, SecretData, Taken},
    secret::Masker,
};
use serde_json::{Value, json};

use super::{Case, assert_share, compare, one_of, percent, rng};

const RUNS: usize = 700;

/// Most passes of one run.
const PASSES: usize = 14;

#[derive(Clone, Debug)]
struct Pass {
    run: Value,
    now: Timestamp,
    secrets: Value,
    answers: Value,
}

impl Case for Pass {
    const OP: &'static str = "analysis.pass";

    fn request(&self) -> Value {
        json!({"run": self.run, "now": self.now.to_string(), "secrets": self.secrets, "answers": self.answers})
    }

    fn here(&self) -> Result<Value, String> {
        Ok(self.play())
    }

    /// Where there are two right answers, one of them.
    fn normal(mut original: Value) -> Value {
        let completed = is_completed(&original["status"]);
        original["wakeIn"] = match original["wakeIn"].as_f64() {
            // What a completed run waits for is its deletion, and what a run that just broke a limit waits for is at once.
            _ if completed || is_ending(&original["status"]) => Value::Null,
            Some(seconds) => seconds.ceil().into(),
            // Looked at again with all the others.
            None => 900.0.into(),
        };
        if let Some(calls) = original.get_mut("calls").and_then(Value::as_array_mut) {
            // Asked for more often here.
            calls.retain(|call| !call.as_str().is_some_and(|call| call.starts_with("get-metadata")));
        }
        original
    }
}

fn is_completed(status: &Value) -> bool {
    ["Successful", "Failed", "Error", "Inconclusive"]
        .iter()
        .any(|phase| status["phase"] == *phase)
}

fn is_ending(status: &Value) -> bool {
    let results = status["metricResults"].as_array();
    results.into_iter().flatten().any(|result| {
        result["dryRun"] != true
            && ["Failed", "Error", "Inconclusive"]
                .iter()
                .any(|phase| result["phase"] == *phase)
    })
}

impl Pass {
    fn play(&self) -> Value {
        let run: AnalysisRun = serde_json::from_value(self.run.clone()).expect("a run");
        let plan = match analysis::begin(&run, self.now) {
            Begin::Measure(plan) => plan,
            Begin::Ended(decision) => return self.told(&decision, &BTreeSet::new()),
            Begin::Completed { delete_at } => {
                let status = serde_json::to_value(&run.status).expect("a status is JSON");
                let deleted = delete_at.is_some_and(|at| at <= self.now);
                return json!({"status": status, "events": [], "calls": [], "wakeIn": Value::Null, "deleted": deleted});
            }
            Begin::Deleting => panic!("nobody deletes"),
        };
        let mut masker = Masker::default();
        if !plan.tasks.is_empty() {
            let secrets: BTreeMap<String, BTreeMap<String, String>> =
                serde_json::from_value(self.secrets.clone()).expect("secrets");
            let bytes = |data: BTreeMap<String, String>| -> SecretData {
                data.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()
            };
            let secrets = secrets.into_iter().map(|(name, data)| (name, bytes(data))).collect();
            match analysis::with_secrets(&run.spec.args, &secrets) {
                Ok(arguments) => masker = arguments.masker,
                Err(error) => {
                    let decision = analysis::unresolved(&run, &error.to_string(), self.now);
                    return self.told(&decision, &BTreeSet::new());
                }
            }
        }
        let mut calls = BTreeSet::new();
        let attempts: Vec<Attempt> = plan
            .tasks
            .iter()
            .map(|task| self.attempt(&run, &task.name, &task.action, &mut calls))
            .collect();
        let recorded = plan.record(&run, &attempts, &masker);
        let told = self.tell(&plan, &recorded, &mut calls);
        let decision = analysis::finish(recorded, &plan, &attempts, &told, self.now);
        self.told(&decision, &calls)
    }

    fn attempt(&self, run: &AnalysisRun, metric: &str, action: &Action, calls: &mut BTreeSet<String>) -> Attempt {
        let answer = &self.answers[metric];
        let taken = if let Some(reason) = answer["notServing"].as_str() {
            Taken {
                measurement: analysis::failed(action, reason.to_owned(), self.now, self.now),
                metadata: None,
                absent_since: None,
            }
        } else {
            let method = match action {
                Action::Run => "run",
                Action::Resume(_) => "resume",
                Action::Terminate(_) => "terminate",
            };
            calls.insert(format!("{method} {metric}"));
            let measurement: Measurement =
                serde_json::from_value(answer["measurement"].clone()).expect("a measurement");
            let metadata = || serde_json::from_value(answer["metadata"].clone()).expect("metadata");
            Taken {
                measurement: analysis::answered(action, Ok(measurement), true, self.now, self.now),
                metadata: analysis::wants_metadata(run, metric).then(|| analysis::metadata(Ok(metadata()), true)),
                absent_since: None,
            }
        };
        Attempt {
            metric: metric.to_owned(),
            action: action.clone(),
            plugin: None,
            outcome: Outcome::Taken(taken),
        }
    }

    fn tell(&self, plan: &Plan, recorded: &AnalysisRun, calls: &mut BTreeSet<String>) -> Vec<Excess> {
        let mut told = plan.excess(recorded);
        told.retain(|excess| {
            let answer = &self.answers[excess.name.as_str()];
            if answer["notServing"].is_string() {
                return false;
            }
            calls.insert(format!("garbage-collect {} {}", excess.limit, excess.name));
            true
        });
        told
    }

    fn told(&self, decision: &Decision, calls: &BTreeSet<String>) -> Value {
        let mut status = serde_json::to_value(&decision.status).expect("a status is JSON");
        if let Some(results) = status.get_mut("metricResults").and_then(Value::as_array_mut) {
            results.sort_by_key(|result| result["name"].as_str().map(str::to_owned));
        }
        let event = |event: &Event| {
            let kind = if event.warning { "Warning" } else { "Normal" };
            format!("{kind} {} {}", event.reason, event.message)
        };
        let events: Vec<String> = decision.events.iter().map(event).collect();
        let wake = decision
            .wake_at
            .filter(|_| !is_completed(&status) && !is_ending(&status));
        let wake_in = wake.map(|at| at.duration_since(self.now).as_secs_f64().max(0.0).ceil());
        json!({"status": status, "events": events, "calls": calls, "wakeIn": wake_in, "deleted": false})
    }
}

fn maybe(rng: &mut Rng, metric: &mut Value, field: &str, values: &[Value]) {
    if percent(rng, 45) {
        metric[field] = one_of(rng, values).clone();
    }
}

fn spec(rng: &mut Rng) -> Value {
    let metrics: Vec<Value> = (0..=rng.usize(..3))
        .map(|index| {
            let mut metric = json!({"name": format!("m{index}"), "provider": {"plugin": {"a/b": {"q": "{{args.q}}"}}}});
            if percent(rng, 85) {
                metric["interval"] = (*one_of(rng, &["1s", "5s", "10s", "1m"])).into();
            }
            maybe(
                rng,
                &mut metric,
                "count",
                &[
                    json!(0),
                    json!(1),
                    json!(2),
                    json!(3),
                    json!("4"),
                    json!("{{args.n}}"),
                    json!(6),
                    json!(-1),
                ],
            );
            maybe(
                rng,
                &mut metric,
                "failureLimit",
                &[json!(0), json!(1), json!("2"), json!(-1)],
            );
            maybe(
                rng,
                &mut metric,
                "consecutiveSuccessLimit",
                &[json!(0), json!(1), json!(2), json!("3")],
            );
            maybe(rng, &mut metric, "inconclusiveLimit", &[json!(0), json!(1), json!(2)]);
            maybe(
                rng,
                &mut metric,
                "consecutiveErrorLimit",
                &[json!(0), json!(1), json!("2")],
            );
            if index > 0 && percent(rng, 25) {
                metric["initialDelay"] = (*one_of(rng, &["0s", "7s", "30s"])).into();
            }
            metric
        })
        .collect();
    let mut spec = json!({"metrics": metrics, "args": [{"name": "q", "value": "up"}, {"name": "n", "value": "5"}]});
    if percent(rng, 25) {
        spec["dryRun"] = json!([{"metricName": one_of(rng, &["m0", ".*", "m[01]"])}]);
    }
    if percent(rng, 50) {
        spec["measurementRetention"] = json!([{"metricName": ".*", "limit": rng.i32(0..4)}]);
    }
    if percent(rng, 40) {
        spec["ttlStrategy"] = json!({});
        for field in ["secondsAfterCompletion", "secondsAfterSuccess", "secondsAfterFailure"] {
            if percent(rng, 50) {
                spec["ttlStrategy"][field] = rng.i32(0..20).into();
            }
        }
    }
    if percent(rng, 50) {
        let from = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        spec["args"]
            .as_array_mut()
            .expect("arguments")
            .push(json!({"name": "token", "valueFrom": from}));
    }
    if percent(rng, 1) {
        spec["args"]
            .as_array_mut()
            .expect("arguments")
            .push(json!({"name": "none"}));
    }
    spec
}

/// Hardly ever one that cannot be worked on: those are compared by themselves.
fn workable(rng: &mut Rng) -> Value {
    loop {
        let spec = spec(rng);
        let run: AnalysisRun = serde_json::from_value(json!({"spec": spec})).expect("a run");
        if matches!(analysis::begin(&run, Timestamp::UNIX_EPOCH), Begin::Measure(_)) || percent(rng, 1) {
            return spec;
        }
    }
}

/// What is known of a run that nobody here made.
fn any_status(rng: &mut Rng, now: Timestamp) -> Value {
    let at = |rng: &mut Rng| seconds(now - Duration::from_secs(rng.u64(..30)));
    let phases = [
        "Running",
        "Running",
        "Running",
        "",
        "Pending",
        "Successful",
        "Failed",
        "Error",
        "Inconclusive",
    ];
    let results: Vec<Value> = (0..rng.usize(..3))
        .map(|index| {
            let mut result = json!({"name": format!("m{index}"), "phase": one_of(rng, &phases), "metadata": {"query": "up"}});
            for field in ["successful", "failed", "inconclusive", "error", "consecutiveError", "consecutiveSuccess", "count"] {
                result[field] = rng.i32(0..4).into();
            }
            if percent(rng, 20) {
                result["dryRun"] = true.into();
            }
            let mut measurements: Vec<Value> = (0..rng.usize(..4))
                .map(|_| json!({"phase": one_of(rng, &phases[5..]), "startedAt": at(rng), "finishedAt": at(rng), "value": "0"}))
                .collect();
            if percent(rng, 30) {
                measurements.push(json!({"phase": "Running", "startedAt": at(rng), "metadata": {"job": "1"}}));
            }
            result["measurements"] = measurements.into();
            result
        })
        .collect();
    json!({"phase": one_of(rng, &["Running", "Running", "Pending", "", "Successful", "Failed"]), "startedAt": at(rng), "metricResults": results})
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn answer(rng: &mut Rng, now: Timestamp, known: bool) -> Value {
    let phase = match rng.u32(..20) {
        0..10 => "Successful",
        10..13 => "Failed",
        13 => "Inconclusive",
        14..16 => "Error",
        _ => "Running",
    };
    let mut measurement = json!({"phase": phase, "startedAt": seconds(now), "value": rng.u32(..100).to_string()});
    if percent(rng, 40) {
        measurement["message"] = (*one_of(
            rng,
            &["too slow", "token hunter2 refused", " ", "line\nline", "\"quoted\""],
        ))
        .into();
    }
    if percent(rng, 20) {
        measurement["metadata"] = json!({"job": "7"});
    }
    if phase == "Running" && percent(rng, 50) {
        measurement["resumeAt"] = seconds(now + Duration::from_secs(rng.u64(2..20))).into();
    }
    if phase != "Running" && percent(rng, 30) {
        measurement["finishedAt"] = seconds(now).into();
    }
    let mut answer = json!({"measurement": measurement, "metadata": {"query": "up"}});
    if known && percent(rng, 4) {
        answer["notServing"] = "no such plugin".into();
    }
    answer
}

/// The passes of one run.
fn story(rng: &mut Rng, passes: &mut Vec<Pass>) {
    let mut now: Timestamp = "2026-01-01T00:00:00.5Z".parse().expect("a time");
    let mut run = json!({"metadata": {"name": "r", "namespace": "default"}, "spec": workable(rng)});
    if percent(rng, 25) {
        run["status"] = any_status(rng, now);
    }
    let key = if percent(rng, 1) { "other" } else { "k" };
    let secrets = json!({"s": {key: "hunter2"}});
    let mut after_the_end = 0;
    for _ in 0..PASSES {
        if percent(rng, 4) {
            run["spec"]["terminate"] = true.into();
        }
        let known = |name: &str| {
            let results = run["status"]["metricResults"].as_array();
            results.is_some_and(|results| results.iter().any(|result| result["name"] == name))
        };
        let answers: serde_json::Map<String, Value> = ["m0", "m1", "m2"]
            .iter()
            .map(|name| ((*name).to_owned(), answer(rng, now, known(name))))
            .collect();
        let pass = Pass {
            run: run.clone(),
            now,
            secrets: secrets.clone(),
            answers: answers.into(),
        };
        let here = pass.play();
        passes.push(pass);
        run["status"] = here["status"].clone();
        after_the_end += usize::from(is_completed(&run["status"]));
        if after_the_end > 2 {
            return;
        }
        let wake = here["wakeIn"].as_f64().filter(|seconds| *seconds < 100.0);
        now += match wake {
            Some(seconds) if percent(rng, 60) => Duration::from_secs_f64(seconds),
            _ => Duration::from_secs(rng.u64(..12)),
        };
    }
}

#[test]
fn passes() -> anyhow::Result<()> {
    let mut rng = rng()?;
    let mut passes = Vec::new();
    for _ in 0..RUNS {
        story(&mut rng, &mut passes);
    }
    let Some(answers) = compare(&passes)? else {
        return Ok(());
    };
    let answers: Vec<Value> = answers
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(anyhow::Error::msg)?;
    let share = |what: &str, one: &dyn Fn(&Value) -> bool| {
        assert_share(
            answers.iter().filter(|answer| one(answer)).count(),
            answers.len(),
            1,
            what,
        );
    };
    for phase in ["Successful", "Failed", "Error", "Inconclusive"] {
        share(phase, &|answer| answer["status"]["phase"] == phase);
    }
    for method in ["run", "resume", "terminate", "garbage-collect"] {
        let called = |answer: &Value| answer["calls"].to_string().contains(&format!("\"{method} "));
        share(method, &called);
    }
    for text in [
        "> failureLimit",
        "> inconclusiveLimit",
        "> consecutiveErrorLimit",
        "*****",
        "Run Terminated",
        "Metric assessed",
    ] {
        share(text, &|answer| answer.to_string().contains(text));
    }
    share("are deleted", &|answer| answer["deleted"] == true);
    Ok(())
}
