//! Runs that reach their verdicts, with the times, messages, counters and Events of Argo (spec 4).

use std::sync::Arc;

use rollcage_api::analysis::AnalysisPhase;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::{
    plugins::{error, fault, measurement},
    world::{World, at},
};
use rollcage_core::{FaultKind, Phase, clock::Clock as _};

fn metric(name: &str, plugin: &str, fields: Value) -> Value {
    let mut metric = json!({"name": name, "provider": {"plugin": {plugin: {"query": "up"}}}});
    metric
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    metric
}

#[tokio::test]
async fn successful() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    plugin.says("ResolvedQuery", "up");
    plugin.then(json!({"phase": "Successful", "value": "0.5"}));
    world
        .run(
            "r",
            json!({"metrics": [metric("m", "a/b", json!({"interval": "30s", "count": 2, "initialDelay": "10s"}))]}),
        )
        .await;
    let first = world.pass("r").await;
    assert_eq!((first.phase, first.requeue_at), (AnalysisPhase::Running, Some(at(10))));
    assert_eq!(world.play("r").await.phase, AnalysisPhase::Successful);
    assert_eq!(world.elapsed(), 40);
    assert_eq!(
        world.status("r"),
        json!({
            "phase": "Successful", "startedAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:00:40Z",
            "runSummary": {"count": 1, "successful": 1}, "dryRunSummary": {},
            "metricResults": [{
                "name": "m", "phase": "Successful", "count": 2, "successful": 2, "consecutiveSuccess": 2,
                "metadata": {"ResolvedQuery": "up"},
                "measurements": [
                    {"phase": "Successful", "value": "0.5", "startedAt": "2026-01-01T00:00:10Z", "finishedAt": "2026-01-01T00:00:10Z"},
                    {"phase": "Successful", "value": "1", "startedAt": "2026-01-01T00:00:40Z", "finishedAt": "2026-01-01T00:00:40Z"}
                ]
            }]
        })
    );
    assert_eq!(
        world.events(),
        [
            "Normal MetricSuccessful Metric 'm' Completed. Result: Successful",
            "Normal AnalysisRunSuccessful Analysis Completed. Result: Successful"
        ]
    );
    assert_eq!(plugin.methods(), ["run", "get-metadata", "run"]);
    assert_eq!(
        plugin.asked()[0].metric["provider"],
        json!({"plugin": {"a/b": {"query": "up"}}})
    );
}

#[tokio::test]
async fn an_event_points_to_its_run() {
    let world = World::new();
    world.plugins.serve("a/b");
    world
        .run("r", json!({"metrics": [metric("m", "a/b", json!({}))]}))
        .await;
    world.play("r").await;
    let event = world.server.objects("v1", "Event", "default")[0].clone();
    assert_eq!(event["involvedObject"]["kind"], "AnalysisRun");
    assert_eq!(event["involvedObject"]["apiVersion"], "argoproj.io/v1alpha1");
    assert_eq!(
        event["involvedObject"]["uid"],
        world.object("r").unwrap()["metadata"]["uid"]
    );
    assert_eq!(event["source"]["component"], "rollouts-controller");
    assert_eq!(
        (&event["count"], &event["firstTimestamp"]),
        (&json!(1), &json!("2026-01-01T00:00:00Z"))
    );
}

/// A failing metric ends the run in the next pass, which terminates what is in flight (spec 4.6, 4.7).
#[tokio::test]
async fn failed() {
    let world = World::new();
    let bad = world.plugins.serve("a/bad");
    bad.then(json!({"phase": "Failed", "value": "0.1", "message": "too low"}));
    bad.then(json!({"phase": "Failed", "value": "0.2", "message": "too low"}));
    let slow = world.plugins.serve("a/slow");
    slow.then(json!({"phase": "Running", "metadata": {"job": "7"}, "resumeAt": "2026-01-01T01:00:00Z"}));
    slow.then(json!({"phase": "Successful", "message": "stopped"}));
    world
        .run(
            "r",
            json!({"metrics": [
                metric("rate", "a/bad", json!({"interval": "5s", "failureLimit": 1})),
                metric("job", "a/slow", json!({})),
                metric("later", "a/slow", json!({"initialDelay": "1h"}))
            ]}),
        )
        .await;
    world.play("r").await;
    assert_eq!(world.elapsed(), 5);
    let message = r#"Metric "rate" assessed Failed due to failed (2) > failureLimit (1): "Error Message: too low""#;
    assert_eq!(
        world.phases("r"),
        [
            ("Failed".into(), message.into()),
            ("Failed".into(), "too low".into()),
            ("Successful".into(), "Metric Terminated".into())
        ] as [(String, String); 3]
    );
    assert_eq!(slow.methods(), ["run", "get-metadata", "terminate"]);
    assert_eq!(
        slow.asked()[2].measurement.as_ref().unwrap()["metadata"],
        json!({"job": "7"})
    );
    assert_eq!(
        world.status("r")["runSummary"],
        json!({"count": 3, "failed": 1, "successful": 1})
    );
    assert_eq!(
        world.events(),
        [
            "Warning MetricFailed Metric 'rate' Completed. Result: Failed",
            "Normal MetricSuccessful Metric 'job' Completed. Result: Successful",
            "Warning AnalysisRunFailed Analysis Completed. Result: Failed"
        ]
    );
}

#[tokio::test]
async fn inconclusive() {
    let world = World::new();
    world
        .plugins
        .serve("a/b")
        .then(json!({"phase": "Inconclusive", "value": "0.3"}));
    world
        .run("r", json!({"metrics": [metric("m", "a/b", json!({}))]}))
        .await;
    world.play("r").await;
    let message = r#"Metric "m" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)"#;
    assert_eq!(world.phases("r")[0], ("Inconclusive".into(), message.into()));
    assert_eq!(
        world.events()[1],
        "Normal AnalysisRunInconclusive Analysis Completed. Result: Inconclusive"
    );
}

/// Four errors in a row are tolerated, ten seconds apart (spec 4.5).
#[tokio::test]
async fn errors() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    for _ in 0..4 {
        plugin.then_err(error("no answer"));
    }
    plugin.then_err(fault("a/b", Phase::Call, FaultKind::Trap, "unreachable executed").into());
    world
        .run(
            "r",
            json!({"metrics": [metric("m", "a/b", json!({"interval": "1m", "count": 9}))]}),
        )
        .await;
    world.play("r").await;
    assert_eq!(world.elapsed(), 40);
    let last = "plugin a/b: call: unreachable executed (look into it)";
    let message = format!(
        r#"Metric "m" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): "Error Message: {last}""#
    );
    assert_eq!(
        world.phases("r"),
        [("Error".into(), message), ("Error".to_owned(), last.to_owned())]
    );
    let measurements = &world.status("r")["metricResults"][0]["measurements"];
    assert_eq!(measurements[0]["message"], "failed to run via plugin: no answer");
    assert_eq!(measurements[4]["message"], last);
}

/// A success in between starts the count of errors anew.
#[tokio::test]
async fn errors_that_are_not_in_a_row() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    for _ in 0..2 {
        for _ in 0..4 {
            plugin.then_err(error("no answer"));
        }
        plugin.then(json!({"phase": "Successful"}));
    }
    world
        .run(
            "r",
            json!({"metrics": [metric("m", "a/b", json!({"interval": "1m", "count": 2}))]}),
        )
        .await;
    world.play("r").await;
    assert_eq!(world.phases("r")[0].0, "Successful");
    assert_eq!(world.status("r")["metricResults"][0]["error"], 8);
    assert_eq!(world.elapsed(), 40 + 60 + 40);
}

#[tokio::test]
async fn a_dry_run_decides_nothing() {
    let world = World::new();
    world.plugins.serve("a/bad").then(json!({"phase": "Failed"}));
    world.plugins.serve("a/good");
    world
        .run(
            "r",
            json!({
                "dryRun": [{"metricName": "^try"}],
                "metrics": [metric("try", "a/bad", json!({})), metric("real", "a/good", json!({"interval": "5s", "count": 2}))]
            }),
        )
        .await;
    world.play("r").await;
    let status = world.status("r");
    assert_eq!(status["phase"], "Successful");
    assert_eq!(status["dryRunSummary"], json!({"count": 1, "failed": 1}));
    assert_eq!(status["metricResults"][0]["dryRun"], true);
    assert_eq!(
        status["metricResults"][0]["message"],
        "Metric assessed Failed due to failed (1) > failureLimit (0)"
    );
}

/// What a plugin notes in metadata comes back when the measurement goes on, at its time.
#[tokio::test]
async fn a_measurement_goes_on() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    plugin.then(json!({"phase": "Running", "metadata": {"job": "7"}, "resumeAt": "2026-01-01T00:00:20Z"}));
    plugin.then(json!({"phase": "Running", "metadata": {"job": "7", "step": "2"}, "resumeAt": "2026-01-01T00:00:50Z"}));
    plugin.then(json!({"phase": "Successful", "value": "done"}));
    world
        .run("r", json!({"metrics": [metric("m", "a/b", json!({}))]}))
        .await;
    world.play("r").await;
    assert_eq!(world.elapsed(), 50);
    assert_eq!(plugin.methods(), ["run", "get-metadata", "resume", "resume"]);
    let given: Vec<_> = plugin.asked()[2..]
        .iter()
        .map(|asked| asked.measurement.as_ref().unwrap()["metadata"].clone())
        .collect();
    assert_eq!(given, [json!({"job": "7"}), json!({"job": "7", "step": "2"})]);
    let measurements = &world.status("r")["metricResults"][0]["measurements"];
    assert_eq!(
        *measurements,
        json!([{"phase": "Successful", "value": "done", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:50Z"}])
    );
}

#[tokio::test]
async fn a_run_that_is_asked_to_end() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    plugin.then(json!({"phase": "Successful", "value": "1"}));
    plugin.then(json!({"phase": "Running", "resumeAt": "2026-01-01T01:00:00Z"}));
    plugin.then(json!({"phase": "Inconclusive", "message": "halfway"}));
    world
        .run(
            "r",
            json!({"metrics": [
                metric("open", "a/b", json!({"interval": "1m"})),
                metric("job", "a/b", json!({"inconclusiveLimit": 1})),
                metric("later", "a/b", json!({"initialDelay": "1h"}))
            ]}),
        )
        .await;
    world.pass("r").await;
    world.advance(7);
    world.edit("r", json!({"spec": {"terminate": true}})).await;
    world.play("r").await;
    assert_eq!(world.elapsed(), 7);
    assert_eq!(
        world.phases("r"),
        [
            ("Successful".into(), "Run Terminated".into()),
            ("Successful".into(), String::new()),
            ("Successful".into(), "Metric Terminated".into())
        ] as [(String, String); 3]
    );
    assert_eq!(world.status("r")["completedAt"], "2026-01-01T00:00:07Z");
}

/// All due metrics are asked at the same time: neither of these answers before both were asked.
#[tokio::test]
async fn metrics_are_asked_side_by_side() {
    let world = World::new();
    let both = Arc::new(Barrier::new(2));
    for name in ["a/one", "a/two"] {
        let both = both.clone();
        world.plugins.serve(name).then_do(move || {
            Box::pin(async move {
                both.wait().await;
                Ok(measurement(json!({"phase": "Successful"})))
            })
        });
    }
    world
        .run(
            "r",
            json!({"metrics": [metric("1", "a/one", json!({})), metric("2", "a/two", json!({}))]}),
        )
        .await;
    world.play("r").await;
    assert_eq!(world.phases("r")[0].0, "Successful");
    let names: Vec<_> = world.status("r")["metricResults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].clone())
        .collect();
    assert_eq!(names, ["1", "2"]);
}

/// Nothing but the object is state: a new process in every pass comes to the same end.
#[tokio::test]
async fn any_process_can_take_over() {
    let mut ends = Vec::new();
    for restarts in [false, true] {
        let world = World::new();
        let plugin = world.plugins.serve("a/b");
        plugin.then(json!({"phase": "Running", "metadata": {"job": "7"}, "resumeAt": "2026-01-01T00:00:20Z"}));
        plugin.then(json!({"phase": "Failed"}));
        plugin.then_err(error("no"));
        world
            .run(
                "r",
                json!({"metrics": [metric("m", "a/b", json!({"interval": "9s", "count": 3, "failureLimit": 1}))]}),
            )
            .await;
        loop {
            if restarts {
                world.restart();
            }
            let outcome = world.pass("r").await;
            if outcome.phase.is_completed() {
                break;
            }
            world.clock.set(outcome.requeue_at.unwrap().max(world.clock.now()));
        }
        ends.push((world.status("r"), world.events(), world.elapsed()));
    }
    assert_eq!(ends[0].0["phase"], "Successful");
    assert_eq!(ends[0], ends[1]);
}

/// A second pass at the same moment has nothing to do, and writes nothing.
#[tokio::test]
async fn nothing_new_is_not_written() {
    let world = World::new();
    world.plugins.serve("a/b");
    world
        .run("r", json!({"metrics": [metric("m", "a/b", json!({"interval": "1m"}))]}))
        .await;
    let first = world.pass("r").await;
    let revision = world.server.revision();
    assert_eq!(world.pass("r").await, first);
    assert_eq!(world.server.revision(), revision);
    let patch = &world.trouble.patches.lock().unwrap()[0];
    assert_eq!(
        patch.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["status", "metadata"]
    );
    assert_eq!(
        patch["metadata"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["resourceVersion"]
    );
}

#[tokio::test]
async fn a_run_that_does_not_exist() {
    let world = World::new();
    assert_eq!(world.pass("nobody").await, rollcage_controller::Outcome::default());
}
