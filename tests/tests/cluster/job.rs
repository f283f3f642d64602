//! Metrics that are measured with Jobs, whose pods run and end; and the original's Jobs beside ours.

use std::collections::BTreeSet;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use rollcage_tests::controlplane::{ControlPlane, Start, eventually, until};
use serde_json::{Value, json};

use crate::{kit::Site, stock::Original};

/// Who a Job and its pods belong to.
const RUN_UID: &str = "analysisrun.argoproj.io/uid";

/// A metric whose Jobs do this; `more` are further fields of the metric.
fn metric(name: &str, command: &[&str], more: Value) -> Value {
    let container = json!({"name": "check", "image": "check:1", "command": command});
    let mut metric = json!({
        "name": name, "count": 1, "provider": {"job": {
            "metadata": {"labels": {"team": "shop"}, "annotations": {"note": "n"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
        }}
    });
    if let Value::Object(more) = more {
        metric.as_object_mut().unwrap().extend(more);
    }
    metric
}

impl Site<'_> {
    async fn run_uid(&self, run: &str) -> String {
        self.runs.get(run).await.unwrap().metadata.uid.unwrap()
    }

    /// The Jobs of a run, sorted by name.
    async fn jobs_of(&self, run: &str) -> Vec<Job> {
        let jobs: Api<Job> = self.here.api();
        let of_run = ListParams::default().labels(&format!("{RUN_UID}={}", self.run_uid(run).await));
        let mut found = jobs.list(&of_run).await.unwrap().items;
        found.sort_by_key(|job| job.metadata.name.clone());
        found
    }

    async fn pods_of(&self, run: &str) -> Vec<Pod> {
        let pods: Api<Pod> = self.here.api();
        let of_run = ListParams::default().labels(&format!("{RUN_UID}={}", self.run_uid(run).await));
        pods.list(&of_run).await.unwrap().items
    }

    /// Whether a Job of the run has a pod.
    async fn is_active(&self, run: &str) -> bool {
        let jobs = self.jobs_of(run).await;
        let active = |job: &Job| job.status.as_ref().and_then(|status| status.active).unwrap_or(0);
        jobs.iter().any(|job| active(job) > 0)
    }

    async fn terminate(&self, run: &str) {
        let patch = Patch::Merge(json!({"spec": {"terminate": true}}));
        self.runs.patch(run, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The names of the Jobs without the run's part.
    async fn names(&self, run: &str) -> Vec<String> {
        let jobs = self.jobs_of(run).await.into_iter();
        jobs.map(|job| job.metadata.name.unwrap().split_once('.').unwrap().1.to_owned())
            .collect()
    }
}

fn names(wanted: &[&str]) -> Vec<String> {
    wanted.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn jobs_are_measurements_with_the_rights_that_ship() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "jobs").await;
    let here = &site.here;
    here.apply("{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {token: hunter2}}")
        .await;
    let mut told = metric("m", &["check", "--token={{args.token}}"], json!({}));
    told["provider"]["job"]["spec"]["template"]["metadata"] = json!({"labels": {"for": "{{args.for}}"}});
    let args = json!([
        {"name": "for", "value": "shop"},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}
    ]);
    site.run("good", &json!({"args": args, "metrics": [told]})).await;
    // What the API server says of this one quotes it.
    let mut wrong = metric("m", &["true"], json!({"consecutiveErrorLimit": 0}));
    wrong["provider"]["job"]["spec"]["template"]["spec"]["restartPolicy"] = json!("{{args.token}}");
    site.run("wrong", &json!({"args": args, "metrics": [wrong]})).await;
    site.run(
        "endless",
        &json!({"metrics": [metric("m", &["sleep", "infinity"], json!({}))]}),
    )
    .await;
    let often = json!({"count": 4, "interval": "1s"});
    let retention = json!([{"metricName": "m", "limit": 2}]);
    site.run(
        "often",
        &json!({"measurementRetention": retention, "metrics": [metric("m", &["true"], often)]}),
    )
    .await;
    let mut broken = metric("m", &["true"], json!({}));
    broken["provider"]["job"]["spec"]["template"]["spec"]["containers"][0]["image"] = json!("check:error");
    site.run("broken", &json!({"metrics": [broken]})).await;
    let mut controller = site.controller();

    let status = site.phase("good", "Successful").await;
    let (jobs, uid) = (site.jobs_of("good").await, site.run_uid("good").await);
    let measured = &status["metricResults"][0]["measurements"][0];
    assert_eq!(
        measured["metadata"],
        json!({"job-name": format!("{uid}.m.1"), "job-namespace": here.name})
    );
    let owners = jobs[0].metadata.owner_references.clone().unwrap();
    assert_eq!(
        (owners.len(), owners[0].kind.as_str(), owners[0].uid.as_str()),
        (1, "AnalysisRun", uid.as_str())
    );
    let pods = site.pods_of("good").await;
    let container = &pods[0].spec.as_ref().unwrap().containers[0];
    assert_eq!(container.command.as_ref().unwrap()[1], "--token=hunter2");
    assert_eq!(pods[0].metadata.labels.as_ref().unwrap()["for"], "shop");

    let status = site.phase("wrong", "Error").await;
    let message = status["metricResults"][0]["message"].as_str().unwrap();
    let said = "spec.template.spec.restartPolicy: Unsupported value: \"*****\"";
    assert!(message.contains(said), "{message}");

    until("it has a pod", async || site.is_active("endless").await).await;
    site.terminate("endless").await;
    let status = site.phase("endless", "Inconclusive").await;
    assert_eq!(
        status["metricResults"][0]["measurements"][0]["message"],
        "Metric Terminated"
    );
    until("its job and its pod are gone", async || {
        site.jobs_of("endless").await.is_empty() && site.pods_of("endless").await.is_empty()
    })
    .await;

    let status = site.phase("often", "Successful").await;
    assert_eq!(status["metricResults"][0]["successful"], 4, "{status}");
    until("the old jobs are gone", async || {
        site.names("often").await == names(&["m.3", "m.4"])
    })
    .await;

    // As a kubelet says it.
    let pod = eventually("its pod waits", async || {
        let mut pods = site.pods_of("broken").await;
        let pod = pods.pop()?;
        pod.status.as_ref()?.container_statuses.as_ref()?;
        Some(pod)
    })
    .await;
    let name = pod.metadata.name.unwrap();
    let mut statuses = json!(pod.status.unwrap().container_statuses);
    statuses[0]["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}});
    let pods: Api<Pod> = here.api();
    let patch = Patch::Merge(json!({"status": {"containerStatuses": statuses}}));
    pods.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
    let status = site.phase("broken", "Inconclusive").await;
    assert_eq!(
        status["metricResults"][0]["message"],
        format!("Pod {name}, container check has terminal error (ImagePullBackOff): no such image\n")
    );

    // A Job goes with its run.
    let params = DeleteParams::background();
    site.runs.delete("good", &params).await.unwrap();
    let jobs: Api<Job> = here.api();
    let of_run = ListParams::default().labels(&format!("{RUN_UID}={uid}"));
    until("its job is gone", async || {
        jobs.list(&of_run).await.unwrap().items.is_empty()
    })
    .await;
    assert_eq!(controller.terminate(), 0);
    assert!(!controller.log().contains("hunter2"), "{}", controller.log());
    let stored = json!(site.runs.list(&ListParams::default()).await.unwrap()).to_string();
    assert!(!stored.contains("hunter2"), "{stored}");
    let refused: Vec<_> = plane
        .audit()
        .into_iter()
        .filter(|entry| entry["user"]["username"] == site.account.user.as_str())
        .filter(|entry| entry["responseStatus"]["code"] == 403)
        .map(|entry| format!("{} {}", entry["verb"], entry["requestURI"]))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// A controller that is killed again and again goes on with the Jobs that there are.
#[tokio::test]
async fn killed_controllers_leave_no_jobs_behind() {
    const EACH: usize = 8;
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "killed").await;
    let twice = json!({"count": 2, "interval": "1s"});
    for index in 0..EACH {
        let spec = json!({"metrics": [metric("m", &["sleep", "1"], twice.clone())]});
        site.run(&format!("run-{index}"), &spec).await;
    }
    let lease = [
        "--leader-election-lease-duration",
        "3s",
        "--leader-election-renew-deadline",
        "2s",
    ];
    let retry = ["--leader-election-retry-period", "500ms"];
    let arguments = [&lease[..], &retry].concat();
    let start = Start {
        arguments: &arguments,
        ..Start::default()
    };
    let jobs: Api<Job> = site.here.api();
    for most in [1, EACH / 2, EACH + 2] {
        let mut controller = site.controller_with(&start);
        until("there are jobs", async || {
            jobs.list(&ListParams::default()).await.unwrap().items.len() >= most
        })
        .await;
        controller.kill();
    }
    let _controller = site.controller_with(&start);
    for index in 0..EACH {
        let run = format!("run-{index}");
        let status = site.phase(&run, "Successful").await;
        assert_eq!(status["metricResults"][0]["count"], 2, "{status}");
        assert_eq!(site.names(&run).await, ["m.1", "m.2"], "{status}");
    }
}

/// What both may be asked: the run's name, its metric, whether somebody terminates it, and how it ends.
fn cases() -> Vec<(&'static str, Value, bool, &'static str)> {
    let long = "a-metric-whose-name-is-longer-than-there-is-room";
    let one_error = json!({"consecutiveErrorLimit": 0});
    let mut deadline = metric("m", &["sleep", "infinity"], json!({}));
    deadline["provider"]["job"]["spec"]["activeDeadlineSeconds"] = json!(1);
    let mut refused = metric("m", &["true"], one_error.clone());
    refused["provider"]["job"]["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let mut nothing = metric("m", &["true"], one_error.clone());
    nothing["provider"]["job"] = json!({"spec": {"template": {"spec": {"containers": []}}}});
    let fails_twice = json!({"count": 3, "interval": "1s", "failureLimit": 1});
    vec![
        ("good", metric("m", &["true"], json!({})), false, "Successful"),
        (
            "twice",
            metric("m", &["true"], json!({"count": 2, "interval": "1s"})),
            false,
            "Successful",
        ),
        ("bad", metric("m", &["sh", "-c", "exit 3"], json!({})), false, "Failed"),
        (
            "tolerant",
            metric("m", &["sh", "-c", "exit 3"], fails_twice),
            false,
            "Failed",
        ),
        ("deadline", deadline, false, "Failed"),
        ("long", metric(long, &["true"], json!({})), false, "Successful"),
        ("refused", refused, false, "Error"),
        ("nothing", nothing, false, "Error"),
        ("no-name", metric("No_Name", &["true"], one_error), false, "Error"),
        (
            "terminated",
            metric("m", &["sleep", "infinity"], json!({})),
            true,
            "Inconclusive",
        ),
    ]
}

/// What must be the same of a run, whoever worked on it: its own names are replaced.
async fn seen(site: &Site<'_>, run: &str) -> Value {
    let uid = site.run_uid(run).await;
    let status = site.status(run).await;
    let result = &status["metricResults"][0];
    let measurements: Vec<Value> = result["measurements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|measurement| {
            let fields = ["phase", "value", "message", "metadata"];
            fields.iter().map(|field| measurement[*field].clone()).collect()
        })
        .collect();
    let jobs: Vec<Value> = site
        .jobs_of(run)
        .await
        .into_iter()
        .map(|job| {
            let (meta, spec) = (job.metadata, job.spec.unwrap());
            let pods = spec.template.metadata.unwrap().labels.unwrap();
            // Those that a newer original adds, and the Job controller's own.
            let pods: BTreeSet<String> = pods
                .into_keys()
                .filter(|key| key != RUN_UID && !key.contains("batch.kubernetes.io"))
                .collect();
            let owner = json!(meta.owner_references.unwrap()[0]);
            json!({
                "name": meta.name, "labels": meta.labels, "annotations": meta.annotations, "pods": pods,
                "backoffLimit": spec.backoff_limit, "owner": [owner["apiVersion"], owner["kind"], owner["controller"]],
            })
        })
        .collect();
    let seen = json!({
        "phase": status["phase"], "message": status["message"], "metric": result["phase"], "why": result["message"],
        "measurements": measurements, "jobs": jobs,
    });
    let text = seen
        .to_string()
        .replace(&uid, "UID")
        .replace(&format!("\"{run}\""), "\"RUN\"");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_originals_jobs_and_measurements_are_the_same() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "jobs-beside").await;
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let theirs = site.here.account("original", &everything, &json!([])).await;
    let instance = format!("{}-original", site.instance);
    let cases = cases();
    for (name, metric, ..) in &cases {
        let spec = json!({"metrics": [metric]});
        site.run(&format!("ours-{name}"), &spec).await;
        site.run_of(&instance, &format!("theirs-{name}"), &spec).await;
    }
    let original = Original::start(&theirs, &site.here.name, &instance, &[]);
    let controller = site.controller();
    for (name, _, terminated, phase) in &cases {
        let (ours, theirs) = (format!("ours-{name}"), format!("theirs-{name}"));
        if *terminated {
            for run in [&ours, &theirs] {
                until("it has a pod", async || site.is_active(run).await).await;
                site.terminate(run).await;
            }
            let ours = site.phase(&ours, phase).await;
            // Before 1.10 the original took it for a success.
            let theirs = site.phase(&theirs, "Successful").await;
            let of = |status: &Value, field: &str| status["metricResults"][0]["measurements"][0][field].clone();
            assert_eq!(of(&ours, "message"), of(&theirs, "message"));
            assert_eq!(
                (of(&ours, "phase"), of(&theirs, "phase")),
                (json!("Inconclusive"), json!("Successful"))
            );
            continue;
        }
        site.phase(&ours, phase).await;
        site.phase(&theirs, phase).await;
        assert_eq!(seen(&site, &ours).await, seen(&site, &theirs).await, "{name}");
    }
    drop((original, controller));
}
