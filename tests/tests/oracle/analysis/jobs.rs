//! Jobs of metrics: how they look, what their state means, and what is asked of them next.

use fastrand::Rng;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement};
use rollcage_core::analysis::job;
use serde_json::{Value, json};

use super::{Case, compare, one_of, percent, rng};

const CASES: usize = 3_000;
const NAMESPACE: &str = "shop";
const NOW: &str = "2026-01-01T10:00:00Z";

#[derive(Debug)]
struct Ask(Value);

impl Case for Ask {
    const OP: &'static str = "analysis.job";

    fn request(&self) -> Value {
        self.0.clone()
    }

    /// What the provider does, but for the requests.
    fn here(&self) -> Result<Value, String> {
        let of = |field: &str| self.0[field].clone();
        let run: AnalysisRun = serde_json::from_value(of("run")).expect("a run");
        let mut measurement: Measurement = serde_json::from_value(of("measurement")).expect("a measurement");
        let now = NOW.parse().expect("a time");
        let mut created = Vec::new();
        if self.0["method"] == "run" {
            let mut job = job::manifest(&run, &run.spec.metrics[0])?;
            let metadata = serde_json::from_value(job["metadata"].clone()).expect("metadata");
            measurement = Measurement {
                started_at: Some(now),
                ..job::begun(&metadata, now)
            };
            for field in ["apiVersion", "kind"] {
                job.as_object_mut().expect("an object").shift_remove(field);
            }
            created.push(without_nothing(job));
        } else {
            resume(&run, &mut measurement, &self.0);
        }
        Ok(json!({"measurement": measurement, "created": created}))
    }

    fn normal(mut original: Value) -> Value {
        let created = original["created"].as_array().cloned().unwrap_or_default();
        let created: Vec<Value> = created
            .into_iter()
            .map(|mut job| {
                // A row of the page on compatibility.
                let owner = job["metadata"]["ownerReferences"][0].as_object_mut().expect("an owner");
                assert_eq!(owner.shift_remove("blockOwnerDeletion"), Some(json!(true)));
                without_nothing(job)
            })
            .collect();
        json!({"measurement": original["measurement"].take(), "created": created})
    }
}

fn resume(run: &AnalysisRun, measurement: &mut Measurement, request: &Value) {
    let now = NOW.parse().expect("a time");
    let jobs: Vec<k8s_openapi::api::batch::v1::Job> = serde_json::from_value(request["jobs"].clone()).expect("jobs");
    let pods: Vec<_> = serde_json::from_value(request["pods"].clone()).expect("pods");
    let place = job::reference(measurement, run).map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    let mut failed = |message: String| {
        measurement.phase = AnalysisPhase::Error;
        measurement.message = message;
        measurement.finished_at = Some(now);
    };
    let Some((namespace, name)) = place else {
        return failed("job metadata reference missing".to_owned());
    };
    assert_eq!(namespace, NAMESPACE);
    let Some(job) = jobs.iter().find(|job| job.metadata.name.as_ref() == Some(&name)) else {
        return failed(format!("job.batch \"{name}\" not found"));
    };
    if let Some(phase) = job::ended(job) {
        measurement.phase = phase;
    } else if let Some(message) = job::stuck(&pods) {
        measurement.phase = AnalysisPhase::Inconclusive;
        measurement.message = message;
    } else {
        measurement.resume_at = Some(job::next_look(measurement, now));
        return;
    }
    measurement.finished_at = Some(now);
}

/// Without what Go writes of fields that are not set.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().map(|(name, value)| (name, without_nothing(value)));
            let is_nothing = |value: &Value| value.is_null() || value == &json!({}) || value == &json!([]);
            kept.filter(|(_, value)| !is_nothing(value)).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nothing).collect(),
        other => other,
    }
}

fn word(rng: &mut Rng, longest: usize) -> String {
    let length = rng.usize(1..=longest);
    std::iter::repeat_with(|| *one_of(rng, &['a', 'b', 'z', '0', '9', '-', '.', 'A', '_']))
        .take(length)
        .collect()
}

fn pairs(rng: &mut Rng) -> Value {
    let count = rng.usize(0..3);
    let mut pairs = serde_json::Map::new();
    for _ in 0..count {
        pairs.insert(word(rng, 5), word(rng, 5).into());
    }
    if percent(rng, 10) {
        pairs.insert("analysisrun.argoproj.io/uid".to_owned(), "mine".into());
    }
    pairs.into()
}

fn a_job(rng: &mut Rng) -> Value {
    let mut metadata = json!({});
    for field in ["labels", "annotations"] {
        if percent(rng, 50) {
            metadata[field] = pairs(rng);
        }
    }
    for field in ["name", "generateName", "namespace"] {
        if percent(rng, 10) {
            metadata[field] = "mine".into();
        }
    }
    let mut spec = json!({"template": {"spec": {
        "restartPolicy": *one_of(rng, &["Never", "OnFailure", "Always"]),
        "containers": [{"name": "c", "image": word(rng, 9), "args": [word(rng, 9)]}],
    }}});
    if percent(rng, 40) {
        spec["backoffLimit"] = rng.i32(0..9).into();
    }
    if percent(rng, 30) {
        spec["activeDeadlineSeconds"] = rng.i64(1..900).into();
    }
    if percent(rng, 30) {
        spec["template"]["metadata"] = json!({"labels": pairs(rng), "annotations": pairs(rng)});
    }
    let mut job = json!({"spec": spec});
    if percent(rng, 70) {
        job["metadata"] = metadata;
    }
    job
}

fn run(rng: &mut Rng) -> Value {
    // Where the original cuts a name is told apart on the page on compatibility.
    let name = word(rng, 60).replace(['-', '.', '_'], "x");
    let metric = json!({"name": name, "provider": {"job": a_job(rng)}});
    let mut results = json!([]);
    if percent(rng, 60) {
        results =
            json!([{"name": metric["name"], "phase": "Running", "count": rng.i32(0..2000), "error": rng.i32(0..3)}]);
    }
    json!({
        "metadata": {"name": word(rng, 20), "namespace": NAMESPACE, "uid": "6b1f7a52-9a3e-4c51-8f0e-0d6f3c2b1a90"},
        "spec": {"metrics": [metric]}, "status": {"phase": "Running", "metricResults": results},
    })
}

fn conditions(rng: &mut Rng) -> Value {
    let kinds = ["Suspended", "FailureTarget", "SuccessCriteriaMet", "Complete", "Failed"];
    let count = rng.usize(0..3);
    std::iter::repeat_with(|| json!({"type": *one_of(rng, &kinds), "status": "True"}))
        .take(count)
        .collect()
}

fn pod(rng: &mut Rng) -> Value {
    let reasons = [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ContainerCreating",
        "CrashLoopBackOff",
    ];
    let containers = |rng: &mut Rng| -> Value {
        let count = rng.usize(0..3);
        std::iter::repeat_with(|| {
            let state = match rng.u32(0..3) {
                0 => json!({}),
                1 => json!({"running": {}}),
                _ => json!({"waiting": {"reason": *one_of(rng, &reasons), "message": word(rng, 9)}}),
            };
            json!({"name": word(rng, 5), "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state})
        })
        .take(count)
        .collect()
    };
    let status = json!({"initContainerStatuses": containers(rng), "containerStatuses": containers(rng)});
    json!({"metadata": {"name": word(rng, 9), "namespace": NAMESPACE, "labels": {"job": "j"}}, "status": status})
}

fn in_flight(rng: &mut Rng) -> Value {
    let ago = match rng.u32(0..3) {
        0 => rng.i64(0..5),
        1 => rng.i64(0..600),
        _ => rng.i64(0..36_000),
    };
    let now: jiff::Timestamp = NOW.parse().expect("a time");
    let metadata = match rng.u32(0..20) {
        0 => json!({}),
        1 => json!({"job-name": ""}),
        2 => json!({"job-name": "gone", "job-namespace": NAMESPACE}),
        3..8 => json!({"job-name": "j"}),
        _ => json!({"job-name": "j", "job-namespace": NAMESPACE}),
    };
    let started = now - jiff::SignedDuration::from_secs(ago);
    json!({"phase": "Running", "startedAt": started.to_string(), "metadata": metadata})
}

#[test]
fn jobs_look_and_mean_the_same() -> anyhow::Result<()> {
    let mut rng = rng()?;
    let cases: Vec<Ask> = std::iter::repeat_with(|| {
        let run = run(&mut rng);
        if rng.bool() {
            return Ask(json!({"method": "run", "run": run, "now": NOW, "measurement": {"phase": ""}}));
        }
        let pods: Vec<Value> = (0..rng.usize(0..3)).map(|_| pod(&mut rng)).collect();
        let there = json!([{
            "metadata": {"name": "j", "namespace": NAMESPACE}, "spec": {"selector": {"matchLabels": {"job": "j"}}, "template": {}},
            "status": {"conditions": conditions(&mut rng)}
        }]);
        Ask(json!({
            "method": "resume", "run": run, "now": NOW, "measurement": in_flight(&mut rng), "jobs": there, "pods": pods
        }))
    })
    .take(CASES)
    .collect();
    let Some(answers) = compare(&cases)? else { return Ok(()) };
    // They are about something.
    for phase in ["Running", "Successful", "Failed", "Inconclusive", "Error"] {
        let has =
            |answer: &&Result<Value, String>| matches!(answer, Ok(answer) if answer["measurement"]["phase"] == phase);
        assert!(answers.iter().filter(has).count() * 100 > CASES, "{phase}");
    }
    Ok(())
}
