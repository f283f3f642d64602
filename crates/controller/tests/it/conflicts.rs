//! Others write too: nothing of theirs is overwritten, and nothing measured is lost without need.

use std::sync::atomic::Ordering;

use rollcage_api::analysis::AnalysisPhase;
use serde_json::{Value, json};

use crate::{
    plugins::measurement,
    world::{World, at, edit},
};

fn spec() -> Value {
    json!({"metrics": [{"name": "m", "interval": "1m", "count": 3, "provider": {"plugin": {"a/b": {}}}}]})
}

/// A world in which the run is changed while its plugin is asked.
async fn changed_meanwhile(change: Value) -> World {
    let world = World::new();
    world.run("r", spec()).await;
    let client = world.client.clone();
    world.plugins.serve("a/b").then_do(move || {
        Box::pin(async move {
            edit(&client, "r", change).await;
            Ok(measurement(json!({"phase": "Successful", "value": "mine"})))
        })
    });
    world
}

#[tokio::test]
async fn a_label_does_not_cost_a_measurement() {
    let world = changed_meanwhile(json!({"metadata": {"labels": {"team": "x"}}})).await;
    let outcome = world.pass("r").await;
    assert_eq!(outcome.requeue_at, Some(at(60)));
    let object = world.object("r").unwrap();
    assert_eq!(object["metadata"]["labels"]["team"], "x");
    assert_eq!(object["status"]["metricResults"][0]["measurements"][0]["value"], "mine");
}

/// Whoever writes a message all the time would else keep a run from ever being measured, and have its plugin asked for ever.
#[tokio::test]
async fn a_status_without_records_does_not_cost_a_measurement() {
    let world = changed_meanwhile(json!({"status": {"message": "theirs", "runSummary": {"count": 7}}})).await;
    let outcome = world.pass("r").await;
    assert_eq!(outcome.requeue_at, Some(at(60)));
    let status = world.status("r");
    assert_eq!(
        status["metricResults"][0]["measurements"][0]["value"], "mine",
        "{status}"
    );
    assert_eq!(status["runSummary"]["count"], 1, "{status}");
}

/// The wish to end is seen in the same pass, and what was measured counts.
#[tokio::test]
async fn the_wish_to_end_is_seen() {
    let world = changed_meanwhile(json!({"spec": {"terminate": true}})).await;
    assert_eq!(world.pass("r").await.phase, AnalysisPhase::Successful);
    assert_eq!(world.phases("r")[0].1, "Run Terminated");
    assert_eq!(world.status("r")["metricResults"][0]["count"], 1);
}

/// Another controller measured in the same time: its result stands, ours is dropped.
#[tokio::test]
async fn another_s_status_is_not_overwritten() {
    let theirs = json!({
        "phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "runSummary": {"count": 1},
        "metricResults": [{
            "name": "m", "phase": "Running", "count": 1, "successful": 1, "consecutiveSuccess": 1,
            "measurements": [{"phase": "Successful", "value": "theirs", "finishedAt": "2026-01-01T00:00:00Z"}]
        }]
    });
    let world = changed_meanwhile(json!({"status": theirs})).await;
    let outcome = world.pass("r").await;
    assert_eq!(outcome.requeue_at, Some(at(0)), "looked at anew at once");
    assert_eq!(world.status("r"), theirs);
    assert!(world.events().is_empty());
    assert_eq!(world.pass("r").await.requeue_at, Some(at(60)));
}

#[tokio::test]
async fn other_metrics_are_other_work() {
    let world = changed_meanwhile(json!({"spec": {"metrics": [
        {"name": "m", "interval": "1m", "count": 1, "provider": {"plugin": {"a/other": {}}}}
    ]}}))
    .await;
    assert_eq!(world.pass("r").await.requeue_at, Some(at(0)));
    assert_eq!(world.object("r").unwrap()["status"], Value::Null);
}

/// The answer to a write is lost; the next look finds it done, nothing is measured twice.
#[tokio::test]
async fn a_lost_answer_is_no_lost_measurement() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    world.run("r", spec()).await;
    world.trouble.lose_answers.store(1, Ordering::SeqCst);
    let error = world.try_pass("r").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot write default/r");
    assert_eq!(world.pass("r").await.requeue_at, Some(at(60)));
    assert_eq!(plugin.methods(), ["run", "get-metadata"]);
}

/// An answer that is older than our own last write is not acted on.
#[tokio::test]
async fn the_past_is_not_acted_on() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    world.run("r", spec()).await;
    let past = world.object("r").unwrap();
    world.pass("r").await;
    *world.trouble.old_answer.lock().unwrap() = Some((*past).clone());
    let outcome = world.pass("r").await;
    assert_eq!(outcome.requeue_at.unwrap().duration_since(at(0)).as_millis(), 100);
    assert_eq!(plugin.methods(), ["run", "get-metadata"], "not measured twice");
}

#[tokio::test]
async fn a_run_that_is_deleted_meanwhile() {
    let world = World::new();
    world.run("r", spec()).await;
    let client = world.client.clone();
    world.plugins.serve("a/b").then_do(move || {
        Box::pin(async move {
            let path = "/apis/argoproj.io/v1alpha1/namespaces/default/analysisruns/r";
            let request = http::Request::delete(path).body(Vec::new()).unwrap();
            let _: Value = client.request(request).await.unwrap();
            Ok(measurement(json!({"phase": "Successful"})))
        })
    });
    assert_eq!(world.pass("r").await, rollcage_controller::Outcome::default());
    assert!(world.object("r").is_none());
}
