//! Metrics that are measured with Jobs.

use std::sync::{Arc, atomic::Ordering};

use http::Method;
use jiff::Timestamp;
use rollcage_core::clock::Clock as _;
use serde_json::{Value, json};

use crate::world::{World, at};

/// A run of one metric with a Job.
fn spec(more: Value) -> Value {
    let mut spec = json!({
        "metrics": [{"name": "m", "count": 1, "provider": {"job": {
            "metadata": {"labels": {"team": "shop"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}
        }}}]
    });
    merge(&mut spec, more);
    spec
}

/// Fields of the spec; those of `metric` are the metric's.
fn merge(spec: &mut Value, more: Value) {
    let Value::Object(fields) = more else { return };
    for (name, value) in fields {
        if name == "metric" {
            let of_metric = value.as_object().unwrap().clone();
            spec["metrics"][0].as_object_mut().unwrap().extend(of_metric);
        } else {
            spec[name] = value;
        }
    }
}

fn jobs(world: &World) -> Vec<Arc<Value>> {
    let mut jobs = world.server.objects("batch/v1", "Job", "default");
    jobs.sort_by_key(|job| job["metadata"]["name"].to_string());
    jobs
}

fn name_of(job: &Value) -> &str {
    job["metadata"]["name"].as_str().unwrap()
}

/// As the Job controller would.
async fn end(world: &World, job: &str, condition: &str) {
    let status = json!({"status": {"conditions": [{"type": condition, "status": "True"}]}});
    set_status(world, &format!("/apis/batch/v1/namespaces/default/jobs/{job}"), &status).await;
}

async fn set_status(world: &World, path: &str, status: &Value) {
    let path = format!("{path}/status");
    let merge = "application/merge-patch+json";
    world.send(Method::PATCH, &path, merge, status).await;
}

fn measurement(world: &World, run: &str) -> Value {
    let status = world.status(run);
    let measurements = status["metricResults"][0]["measurements"].as_array().unwrap().clone();
    measurements.last().unwrap().clone()
}

#[tokio::test]
async fn a_job_that_completes_is_a_success_and_one_that_fails_a_failure() {
    for (condition, phase) in [("Complete", "Successful"), ("Failed", "Failed")] {
        let world = World::new();
        world.run("r", spec(json!({}))).await;
        world.pass("r").await;
        let jobs = jobs(&world);
        let uid = world.object("r").unwrap()["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned();
        let name = format!("{uid}.m.1");
        assert_eq!((jobs.len(), name_of(&jobs[0])), (1, name.as_str()));
        assert_eq!(
            jobs[0]["metadata"]["labels"],
            json!({"team": "shop", "analysisrun.argoproj.io/uid": uid})
        );
        assert_eq!(
            jobs[0]["metadata"]["annotations"],
            json!({
                "analysisrun.argoproj.io/name": "r", "analysisrun.argoproj.io/namespace": "default",
                "analysisrun.argoproj.io/metric-name": "m"
            })
        );
        let metadata = json!({"job-name": name, "job-namespace": "default"});
        assert_eq!(
            measurement(&world, "r"),
            json!({
                "phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "resumeAt": "2026-01-01T00:00:01Z",
                "metadata": metadata
            })
        );
        // It takes longer and longer until somebody looks again.
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let outcome = world.pass("r").await;
            let at = outcome.requeue_at.unwrap();
            pauses.push(at.duration_since(world.clock.now()).as_secs());
            world.clock.set(at);
        }
        assert!(pauses.is_sorted() && pauses[0] <= 1 && pauses[7] >= 6, "{pauses:?}");
        end(&world, &name, condition).await;
        world.pass("r").await;
        let ended = measurement(&world, "r");
        assert_eq!((&ended["phase"], &ended["metadata"]), (&json!(phase), &metadata));
        assert_eq!(ended["finishedAt"], json!(world.clock.now().to_string()));
        assert_eq!((&ended["message"], &ended["value"]), (&Value::Null, &Value::Null));
        assert_eq!(world.status("r")["phase"], phase);
        assert_eq!(crate::jobs::jobs(&world).len(), 1, "it stays for people to look at");
    }
}

#[tokio::test]
async fn a_suspended_job_goes_on_running() {
    let world = World::new();
    world.run("r", spec(json!({}))).await;
    world.pass("r").await;
    let name = name_of(&jobs(&world)[0]).to_owned();
    end(&world, &name, "Suspended").await;
    world.advance(60);
    world.pass("r").await;
    assert_eq!(measurement(&world, "r")["phase"], "Running");
}

#[tokio::test]
async fn arguments_are_filled_in_and_secrets_shown_to_the_job_alone() {
    let world = World::new();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"},
        // So short that it is a part of every name.
        "stringData": {"token": "1"}
    });
    world.create("/api/v1/namespaces/default/secrets", secret).await;
    let containers = json!([{"name": "c", "image": "{{args.image}}", "args": ["--token={{args.token}}"]}]);
    let args = json!([
        {"name": "image", "value": "check:7"},
        {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}
    ]);
    let job = json!({
        "metadata": {"annotations": {"image": "{{args.image}}"}},
        "spec": {"template": {"spec": {"containers": containers}}}
    });
    world
        .run(
            "r",
            json!({"args": args, "metrics": [{"name": "m", "provider": {"job": job}}]}),
        )
        .await;
    world.pass("r").await;
    let job = jobs(&world).remove(0);
    assert_eq!(
        job["spec"]["template"]["spec"]["containers"],
        json!([{"name": "c", "image": "check:7", "args": ["--token=1"]}])
    );
    assert_eq!(job["metadata"]["annotations"]["image"], "check:7");
    assert_eq!(measurement(&world, "r")["metadata"]["job-name"], name_of(&job));
    end(&world, name_of(&job), "Complete").await;
    world.play("r").await;
    assert_eq!(world.status("r")["phase"], "Successful");
}

#[tokio::test]
async fn a_measurement_that_was_not_stored_finds_its_job_again() {
    let world = World::new();
    world.run("r", spec(json!({}))).await;
    // The controller ends after it has created the Job.
    world.pass("r").await;
    let name = name_of(&jobs(&world)[0]).to_owned();
    world.edit("r", json!({"status": null})).await;
    world.restart();
    world.pass("r").await;
    assert_eq!(jobs(&world).len(), 1);
    assert_eq!(measurement(&world, "r")["metadata"]["job-name"], name);
    // The API server's answer gets lost.
    let world = World::new();
    world.trouble.lose_jobs.store(1, Ordering::SeqCst);
    world.run("r", spec(json!({}))).await;
    world.pass("r").await;
    assert_eq!(jobs(&world).len(), 1);
    assert_eq!(measurement(&world, "r")["phase"], "Running");
}

#[tokio::test]
async fn a_job_of_that_name_that_is_somebody_elses_is_left_alone() {
    let world = World::new();
    world.run("r", spec(json!({}))).await;
    let uid = world.object("r").unwrap()["metadata"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let theirs = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": format!("{uid}.m.1"), "namespace": "default"}
    });
    world.create("/apis/batch/v1/namespaces/default/jobs", theirs).await;
    world.pass("r").await;
    let told = measurement(&world, "r");
    assert_eq!(told["phase"], "Error");
    let message = format!("jobs.batch \"{uid}.m.1\" already exists");
    assert_eq!(told["message"], message);
    // Another try is another measurement.
    world.advance(10);
    world.pass("r").await;
    assert_eq!(measurement(&world, "r")["metadata"]["job-name"], format!("{uid}.m.2"));
}

#[tokio::test]
async fn what_is_refused_is_said_and_tried_again() {
    let world = World::new();
    // The first try, and the three that follow.
    world.trouble.no_jobs.store(4, Ordering::SeqCst);
    world.run("r", spec(json!({}))).await;
    world.pass("r").await;
    assert_eq!(
        measurement(&world, "r")["message"],
        "jobs.batch is forbidden: User \"rollcage\" cannot do that"
    );
    world.advance(10);
    world.pass("r").await;
    assert_eq!(measurement(&world, "r")["phase"], "Running");
    // Somebody deletes it.
    let name = name_of(&jobs(&world)[0]).to_owned();
    let path = format!("/apis/batch/v1/namespaces/default/jobs/{name}");
    world.send(Method::DELETE, &path, "application/json", &json!({})).await;
    world.advance(10);
    world.pass("r").await;
    let told = measurement(&world, "r");
    let said = format!("job.batch \"{name}\" not found");
    assert_eq!((&told["phase"], &told["message"]), (&json!("Error"), &json!(said)));
}

#[tokio::test]
async fn a_pod_whose_image_cannot_be_had_is_the_end_of_it() {
    let world = World::new();
    world.run("r", spec(json!({}))).await;
    world.pass("r").await;
    let name = name_of(&jobs(&world)[0]).to_owned();
    // What the Job controller does.
    let selector = json!({"spec": {"selector": {"matchLabels": {"batch.kubernetes.io/job-name": name}}}});
    let path = format!("/apis/batch/v1/namespaces/default/jobs/{name}");
    world
        .send(Method::PATCH, &path, "application/merge-patch+json", &selector)
        .await;
    for (pod, job) in [("other", "another"), ("mine", name.as_str())] {
        let labels = json!({"batch.kubernetes.io/job-name": job});
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": "default", "labels": labels}
        });
        world.create("/api/v1/namespaces/default/pods", object).await;
    }
    let waits = |reason: &str| {
        let state = json!({"waiting": {"reason": reason, "message": "no such image"}});
        json!({"status": {"containerStatuses": [
            {"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}
        ]}})
    };
    let of = |pod: &str| format!("/api/v1/namespaces/default/pods/{pod}");
    set_status(&world, &of("other"), &waits("ErrImagePull")).await;
    set_status(&world, &of("mine"), &waits("ContainerCreating")).await;
    world.advance(1);
    world.pass("r").await;
    assert_eq!(measurement(&world, "r")["phase"], "Running");
    set_status(&world, &of("mine"), &waits("ImagePullBackOff")).await;
    world.play("r").await;
    let message = "Pod mine, container c has terminal error (ImagePullBackOff): no such image\n";
    assert_eq!(
        world.phases("r"),
        [
            (
                "Inconclusive".to_owned(),
                format!(
                    "Metric \"m\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0): \"Error Message: {message}\""
                )
            ),
            ("Inconclusive".to_owned(), message.to_owned())
        ]
    );
}

#[tokio::test]
async fn a_run_that_is_terminated_deletes_its_job() {
    let world = World::new();
    world.run("r", spec(json!({}))).await;
    world.pass("r").await;
    world.edit("r", json!({"spec": {"terminate": true}})).await;
    world.play("r").await;
    assert_eq!(jobs(&world), []);
    let ended = measurement(&world, "r");
    assert_eq!(
        (&ended["phase"], &ended["message"]),
        (&json!("Inconclusive"), &json!("Metric Terminated"))
    );
    assert_eq!(world.status("r")["phase"], "Inconclusive");
}

#[tokio::test]
async fn a_status_leads_to_no_job_of_others() {
    let world = World::new();
    let other = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
    world.create("/api/v1/namespaces", other).await;
    for (namespace, name) in [("default", "theirs"), ("other", "theirs")] {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": namespace}});
        let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        world.create(&path, job).await;
        let run = format!("r-{namespace}");
        world.run(&run, spec(json!({"terminate": true}))).await;
        let status = json!({"status": {"phase": "Running", "metricResults": [{"name": "m", "phase": "Running", "measurements": [
            {"phase": "Running", "metadata": {"job-name": name, "job-namespace": namespace}}
        ]}]}});
        world.edit(&run, status).await;
        world.play(&run).await;
        assert_eq!(
            measurement(&world, &run)["message"],
            format!("job {namespace}/theirs does not belong to this AnalysisRun")
        );
    }
    let left = |namespace: &str| world.server.objects("batch/v1", "Job", namespace).len();
    assert_eq!((left("default"), left("other")), (1, 1));
}

#[tokio::test]
async fn jobs_go_with_their_measurements() {
    let world = World::new();
    let often = json!({"count": 0, "interval": "10s"});
    let mut spec = spec(json!({
        "measurementRetention": [{"metricName": ".*", "limit": 2}], "metric": often
    }));
    // Another metric has Jobs of its own, which this one does not count.
    let mut slow = spec["metrics"][0].clone();
    slow["name"] = json!("slow");
    spec["metrics"].as_array_mut().unwrap().push(slow);
    world.run("r", spec).await;
    world.pass("r").await;
    for number in 1..=5 {
        let name = jobs(&world)
            .iter()
            .map(|job| name_of(job).to_owned())
            .find(|name| name.ends_with(&format!(".m.{number}")));
        end(&world, &name.unwrap(), "Complete").await;
        // Its end is seen, then the next one begins.
        world.advance(30);
        world.pass("r").await;
        world.advance(30);
        world.pass("r").await;
    }
    let left: Vec<String> = jobs(&world)
        .iter()
        .map(|job| name_of(job).split_once('.').unwrap().1.to_owned())
        .collect();
    assert_eq!(left, ["m.5", "m.6", "slow.1"]);
    let kept = world.status("r")["metricResults"][0]["measurements"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(kept, 2);
}

/// When a Job takes its time nothing is asked for in between.
#[tokio::test]
async fn an_hour_is_few_looks() {
    let world = World::new();
    world.run("r", spec(json!({}))).await;
    world.pass("r").await;
    let mut looks = 0;
    while world.elapsed() < 3600 {
        let at: Timestamp = world.pass("r").await.requeue_at.unwrap();
        world.clock.set(at.max(world.clock.now()));
        looks += 1;
    }
    assert!((60..200).contains(&looks), "{looks}");
    assert!(world.clock.now() < at(3700));
}
