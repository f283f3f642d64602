//! The `job` provider (spec 3.1, 4.1): a measurement is a Kubernetes Job, Successful when it is complete and Failed when it
//! failed. As Argo 1.10 does it, names, labels, annotations and messages included.
//!
//! ```text
//! Run        manifest (a name that is the same for the same measurement) -> created, or found again -> begun
//! Resume     ended (its conditions), else stuck (its pods), else looked at again later: next_look
//! Terminate  deleted; GarbageCollect: those of the measurements that go (forgotten) are
//! ```

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ContainerStatus, Pod},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{after, provider::JOB, result};

/// In a measurement's metadata: the Job's name.
const NAME: &str = "job-name";
/// In a measurement's metadata: the Job's namespace.
const NAMESPACE: &str = "job-namespace";

/// Label of Jobs and their pods: the run's uid.
const RUN_UID: &str = "analysisrun.argoproj.io/uid";
/// Annotation of Jobs: the run's name.
const RUN_NAME: &str = "analysisrun.argoproj.io/name";
/// Annotation of Jobs: the run's namespace.
const RUN_NAMESPACE: &str = "analysisrun.argoproj.io/namespace";
/// Annotation of Jobs: the metric's name.
const METRIC_NAME: &str = "analysisrun.argoproj.io/metric-name";

/// Longest name of a Job, which becomes a label of its pods.
const LONGEST_NAME: usize = 63;

/// Why a container that waits will wait for ever.
const HOPELESS: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/// What a metric says of its Jobs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct JobMetric {
    metadata: Option<Given>,
    spec: Option<Map<String, Value>>,
}

/// All that is taken of the metadata.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// The Job of a new measurement. The same measurement, begun again, has a Job of the same name.
pub fn manifest(run: &AnalysisRun, metric: &Metric) -> Result<Value, String> {
    let given = metric.provider.built_in.get(JOB).cloned().unwrap_or_default();
    let given: JobMetric = serde_json::from_value(given).map_err(|error| format!("provider.job: {error}"))?;
    let metadata = given.metadata.unwrap_or_default();
    let (uid, name, namespace) = identity(&run.metadata);
    let mut labels = metadata.labels.unwrap_or_default();
    labels.insert(RUN_UID.to_owned(), uid.to_owned());
    let mut annotations = metadata.annotations.unwrap_or_default();
    for (key, value) in [
        (RUN_NAME, name),
        (RUN_NAMESPACE, namespace),
        (METRIC_NAME, &metric.name),
    ] {
        annotations.insert(key.to_owned(), value.to_owned());
    }
    let mut spec = given.spec.unwrap_or_default();
    let template = object(&mut spec, "template")?;
    let pods = object(object(template, "metadata")?, "labels")?;
    pods.insert(RUN_UID.to_owned(), uid.into());
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run, &metric.name),
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            // Without `blockOwnerDeletion`: where that is watched over, it takes rights on finalizers of runs.
            "ownerReferences": [{
                "apiVersion": rollcage_api::API_VERSION, "kind": "AnalysisRun", "name": name, "uid": uid, "controller": true
            }],
        },
        "spec": spec,
    }))
}

/// A field that is an object; made where there is none.
fn object<'a>(of: &'a mut Map<String, Value>, field: &str) -> Result<&'a mut Map<String, Value>, String> {
    let found = of.entry(field).or_insert(Value::Null);
    if found.is_null() {
        *found = json!({});
    }
    found
        .as_object_mut()
        .ok_or_else(|| format!("provider.job: the pods' {field} is not an object"))
}

/// Uid, name and namespace.
fn identity(object: &ObjectMeta) -> (&str, &str, &str) {
    let [uid, name, namespace] =
        [&object.uid, &object.name, &object.namespace].map(|field| field.as_deref().unwrap_or_default());
    (uid, name, namespace)
}

/// The run, the metric (as much of its name as there is room for), and the number of the measurement.
fn job_name(run: &AnalysisRun, metric: &str) -> String {
    let (uid, ..) = identity(&run.metadata);
    let number = result(run, metric).map_or(1, |result| i64::from(result.count) + i64::from(result.error) + 1);
    let room = LONGEST_NAME.saturating_sub(format!("{uid}..{number}").len());
    // Before another part of a name there has to be a letter or a digit.
    let cut = |name: &str, room: usize| match name.get(..name.floor_char_boundary(room)) {
        Some(part) if part.len() < name.len() => part.trim_end_matches(|c: char| !c.is_alphanumeric()).to_owned(),
        _ => name.to_owned(),
    };
    let mut part = cut(metric, room);
    // Two metrics that begin alike would share one Job, as they do in Argo.
    let mut names = run.spec.metrics.iter().map(|metric| metric.name.as_str());
    let is_shared = names.clone().any(|other| other != metric && cut(other, room) == part);
    if let Some(index) = names.position(|name| name == metric).filter(|_| is_shared) {
        let index = format!("-{index}");
        part = cut(metric, room.saturating_sub(index.len())) + &index;
    }
    format!("{uid}.{part}.{number}")
}

/// Whether the Job is one of this run.
pub fn is_of_run(job: &Job, run: &AnalysisRun) -> bool {
    let (uid, ..) = identity(&run.metadata);
    let mut owners = job.metadata.owner_references.iter().flatten();
    !uid.is_empty() && owners.any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// Whether the Job is one of this run and metric.
pub fn is_of_metric(job: &Job, run: &AnalysisRun, metric: &str) -> bool {
    let annotations = job.metadata.annotations.as_ref();
    is_of_run(job, run)
        && annotations
            .and_then(|all| all.get(METRIC_NAME))
            .is_some_and(|name| name == metric)
}

/// The measurement of a Job that was created `now`.
pub fn begun(job: &ObjectMeta, now: Timestamp) -> Measurement {
    let (_, name, namespace) = identity(job);
    Measurement {
        phase: AnalysisPhase::Running,
        metadata: BTreeMap::from([
            (NAME.to_owned(), name.to_owned()),
            (NAMESPACE.to_owned(), namespace.to_owned()),
        ]),
        // Short Jobs are seen to end soon.
        resume_at: Some(now),
        ..Measurement::default()
    }
}

/// Namespace and name of a measurement's Job.
pub fn reference<'a>(measurement: &'a Measurement, run: &'a AnalysisRun) -> Option<(&'a str, &'a str)> {
    let noted = |key: &str| measurement.metadata.get(key).filter(|noted| !noted.is_empty());
    let (.., namespace) = identity(&run.metadata);
    Some((noted(NAMESPACE).map_or(namespace, String::as_str), noted(NAME)?))
}

/// How a Job ended; `None` as long as it has not.
pub fn ended(job: &Job) -> Option<AnalysisPhase> {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut ends = conditions
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| match condition.type_.as_str() {
            "Complete" => Some(AnalysisPhase::Successful),
            "Failed" => Some(AnalysisPhase::Failed),
            _ => None,
        });
    ends.next_back()
}

/// Why a Job will never end: one of its pods has a container whose image cannot be had.
pub fn stuck(pods: &[Pod]) -> Option<String> {
    pods.iter().find_map(|pod| {
        let status = pod.status.as_ref()?;
        let init = status.init_container_statuses.iter().flatten();
        let container = init
            .chain(status.container_statuses.iter().flatten())
            .find_map(hopeless)?;
        let (_, pod, _) = identity(&pod.metadata);
        // The line's end is Argo's.
        Some(format!("Pod {pod}, {container}\n"))
    })
}

fn hopeless(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| HOPELESS.contains(reason))?;
    let message = waiting.message.as_deref().unwrap_or_default();
    Some(format!(
        "container {} has terminal error ({reason}): {message}",
        container.name
    ))
}

/// When to look at a Job again that has not ended: the longer it takes, the longer the pause.
pub fn next_look(measurement: &Measurement, now: Timestamp) -> Timestamp {
    let since = measurement.started_at.unwrap_or(now);
    let elapsed = now.duration_since(since).as_secs_f64().max(0.0);
    after(
        now,
        Duration::try_from_secs_f64((2.0 * elapsed).sqrt()).unwrap_or_default(),
    )
}

/// The measurements of a metric that go when only the newest `limit` are kept.
pub fn forgotten<'a>(run: &'a AnalysisRun, metric: &str, limit: usize) -> &'a [Measurement] {
    let measurements = result(run, metric).map_or(&[][..], |result| &result.measurements);
    let going = measurements.len().saturating_sub(limit);
    measurements.get(..going).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "6b1f7a52-9a3e-4c51-8f0e-0d6f3c2b1a90";

    fn run(metrics: &[&str], results: Value) -> AnalysisRun {
        let metrics: Vec<Value> = metrics.iter().map(|name| json!({"name": name})).collect();
        serde_json::from_value(json!({
            "metadata": {"name": "r", "namespace": "shop", "uid": UID},
            "spec": {"metrics": metrics}, "status": {"metricResults": results}
        }))
        .unwrap()
    }

    fn metric(name: &str, job: Value) -> Metric {
        serde_json::from_value(json!({"name": name, "provider": {"job": job}})).unwrap()
    }

    fn job(value: Value) -> Job {
        serde_json::from_value(value).unwrap()
    }

    fn measurement(value: Value) -> Measurement {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_job_is_the_runs_whatever_it_is_called_by_the_metric() {
        let given = json!({
            "metadata": {
                "name": "mine", "generateName": "mine-", "labels": {"team": "a", RUN_UID: "other"}, "annotations": null,
                "finalizers": ["a/b"]
            },
            "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never"}}}
        });
        assert_eq!(
            manifest(&run(&["m"], json!([])), &metric("m", given)).unwrap(),
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {
                    "name": format!("{UID}.m.1"), "namespace": "shop",
                    "labels": {"team": "a", RUN_UID: UID},
                    "annotations": {RUN_NAME: "r", RUN_NAMESPACE: "shop", METRIC_NAME: "m"},
                    "ownerReferences": [{
                        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "name": "r", "uid": UID, "controller": true
                    }]
                },
                "spec": {
                    "backoffLimit": 0,
                    "template": {"metadata": {"labels": {"app": "x", RUN_UID: UID}}, "spec": {"restartPolicy": "Never"}}
                }
            })
        );
        let bare = manifest(&run(&["m"], json!([])), &metric("m", json!({}))).unwrap();
        assert_eq!(
            bare["spec"],
            json!({"template": {"metadata": {"labels": {RUN_UID: UID}}}})
        );
    }

    #[test]
    fn what_is_no_job_is_named() {
        for (given, said) in [
            (
                json!({"metadata": {"labels": {"a": 1}}}),
                "provider.job: invalid type: integer `1`, expected a string",
            ),
            (
                json!({"spec": {"template": []}}),
                "provider.job: the pods' template is not an object",
            ),
            (
                json!("x"),
                "provider.job: invalid type: string \"x\", expected struct JobMetric",
            ),
        ] {
            assert_eq!(
                manifest(&run(&["m"], json!([])), &metric("m", given)).unwrap_err(),
                said
            );
        }
    }

    #[test]
    fn names_count_measurements_and_fit_into_a_label() {
        let long = "a-metric-whose-name-is-longer-than-there-is-room";
        let twin = "a-metric-whose-name-is-longer-than-anybody-needs";
        let accents = &"é".repeat(20);
        let dashes = "a-metric-whose-names-en-d-here";
        let counted = json!([{"name": "m", "count": 3, "error": 2}, {"name": long, "count": 99}]);
        for (metrics, name, wanted) in [
            (&["m"][..], "m", format!("{UID}.m.6")),
            (&["n"], "n", format!("{UID}.n.1")),
            (&[long], long, format!("{UID}.a-metric-whose-name-is.100")),
            (&[twin, long], long, format!("{UID}.a-metric-whose-name-1.100")),
            (&[twin, long], twin, format!("{UID}.a-metric-whose-name-is-0.1")),
            (&[accents], accents, format!("{UID}.{}.1", "é".repeat(12))),
            (&[dashes], dashes, format!("{UID}.a-metric-whose-names-en.1")),
        ] {
            let name = job_name(&run(metrics, counted.clone()), name);
            assert_eq!(name, wanted);
            assert!(name.len() <= LONGEST_NAME, "{name}");
        }
    }

    #[test]
    fn a_job_of_somebody_else_is_not_taken() {
        let owner = |uid: &str, controller: bool| json!({"apiVersion": "a/v1", "kind": "K", "name": "n", "uid": uid, "controller": controller});
        let run = run(&["m"], json!([]));
        for (owners, annotation, of_run, of_metric) in [
            (json!([owner(UID, true)]), "m", true, true),
            (json!([owner(UID, true)]), "n", true, false),
            (json!([owner(UID, false)]), "m", false, false),
            (json!([owner("x", true)]), "m", false, false),
            (json!(null), "m", false, false),
        ] {
            let job = job(json!({"metadata": {
                "labels": {RUN_UID: UID}, "annotations": {METRIC_NAME: annotation}, "ownerReferences": owners
            }}));
            assert_eq!(
                (is_of_run(&job, &run), is_of_metric(&job, &run, "m")),
                (of_run, of_metric)
            );
        }
    }

    #[test]
    fn conditions_say_how_a_job_ended() {
        for (conditions, wanted) in [
            (json!(null), None),
            (json!([["Suspended", "True"]]), None),
            (json!([["FailureTarget", "True"]]), None),
            (json!([["Complete", "False"]]), None),
            (
                json!([["SuccessCriteriaMet", "True"], ["Complete", "True"]]),
                Some(AnalysisPhase::Successful),
            ),
            (
                json!([["Suspended", "False"], ["Failed", "True"]]),
                Some(AnalysisPhase::Failed),
            ),
        ] {
            let conditions = conditions.as_array().map(|all| {
                let each = all.iter().map(|pair| json!({"type": pair[0], "status": pair[1]}));
                each.collect::<Vec<_>>()
            });
            assert_eq!(ended(&job(json!({"status": {"conditions": conditions}}))), wanted);
        }
        assert_eq!(ended(&Job::default()), None);
    }

    #[test]
    fn an_image_that_cannot_be_had_is_the_end() {
        let waiting = |name: &str, reason: &str| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "no such image"}}});
        let pod = |init: Value, containers: Value| -> Pod {
            let status = json!({"initContainerStatuses": init, "containerStatuses": containers});
            serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
        };
        let fine = pod(json!(null), json!([waiting("c", "ContainerCreating")]));
        assert_eq!(stuck(&[Pod::default(), fine.clone()]), None);
        for (pods, container, reason) in [
            (
                vec![fine, pod(json!([]), json!([waiting("c", "ImagePullBackOff")]))],
                "c",
                "ImagePullBackOff",
            ),
            (
                vec![pod(
                    json!([waiting("i", "InvalidImageName")]),
                    json!([waiting("c", "ErrImagePull")]),
                )],
                "i",
                "InvalidImageName",
            ),
        ] {
            let said = format!("Pod p, container {container} has terminal error ({reason}): no such image\n");
            assert_eq!(stuck(&pods), Some(said));
        }
    }

    #[test]
    fn the_longer_a_job_takes_the_longer_is_the_pause() {
        let running = measurement(json!({"phase": "Running", "startedAt": "2026-01-01T00:00:00Z"}));
        for (elapsed, pause) in [(0, 0.0), (2, 2.0), (50, 10.0), (7200, 120.0), (-5, 0.0)] {
            let now = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(elapsed);
            let found = next_look(&running, now).duration_since(now).as_secs_f64();
            assert!((found - pause).abs() < 0.001, "{elapsed}: {found}");
        }
    }

    #[test]
    fn a_measurement_knows_its_job() {
        let run = run(
            &["m"],
            json!([{"name": "m", "measurements": [{"phase": "Failed"}, {"phase": "Error"}, {"phase": "Running"}]}]),
        );
        for (metadata, wanted) in [
            (json!({"job-name": "j", "job-namespace": "n"}), Some(("n", "j"))),
            (json!({"job-name": "j"}), Some(("shop", "j"))),
            (json!({"job-name": "", "job-namespace": "n"}), None),
            (json!({}), None),
        ] {
            assert_eq!(reference(&measurement(json!({"metadata": metadata})), &run), wanted);
        }
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let meta = serde_json::from_value(json!({"name": "j", "namespace": "n"})).unwrap();
        assert_eq!(reference(&begun(&meta, now), &run), Some(("n", "j")));
        let phases = |limit| -> Vec<_> { forgotten(&run, "m", limit).iter().map(|each| each.phase).collect() };
        assert_eq!(phases(1), [AnalysisPhase::Failed, AnalysisPhase::Error]);
        assert_eq!((phases(3), phases(9)), (vec![], vec![]));
        assert_eq!(forgotten(&run, "other", 0), []);
    }
}
