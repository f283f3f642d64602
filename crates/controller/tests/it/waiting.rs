//! Plugins that do not serve cost nobody a verdict.

use std::time::Duration;

use rollcage_api::analysis::AnalysisPhase;
use rollcage_core::{Fault, FaultKind, Phase};
use serde_json::{Value, json};

use crate::{
    plugins::{fault, id},
    world::{World, at},
};

fn down() -> Fault {
    fault("a/b", Phase::Fetch, FaultKind::Unreachable, "connection refused")
}

fn one(fields: Value) -> Value {
    let mut metric = json!({"name": "m", "provider": {"plugin": {"a/b": {}}}});
    metric
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"metrics": [metric]})
}

const MESSAGE: &str = "waiting since 2026-01-01T00:00:00Z for plugin a/b: fetch: connection refused (look into it); \
                       from 2026-01-01T00:05:00Z on every try counts as an error";

#[tokio::test]
async fn it_waits_and_goes_on_when_the_plugin_serves() {
    let world = World::new();
    world.plugins.take_away(down());
    world.run("r", one(json!({"interval": "1m", "count": 2}))).await;
    let outcome = world.pass("r").await;
    assert_eq!(outcome.waiting_for, [id("a/b")]);
    assert_eq!(
        (outcome.phase, outcome.requeue_at),
        (AnalysisPhase::Running, Some(at(300)))
    );
    assert_eq!(world.phases("r"), [("Running".to_owned(), MESSAGE.to_owned())]);
    assert_eq!(world.annotation("r"), r#"{"a/b":"2026-01-01T00:00:00Z"}"#);
    assert_eq!(world.events(), [format!("Warning PluginNotServing {MESSAGE}")]);

    // Another process, another cause: still the same wait, told once.
    world.advance(100);
    world.restart();
    world
        .plugins
        .take_away(fault("a/b", Phase::Verify, FaultKind::DigestMismatch, "other bytes"));
    assert_eq!(world.pass("r").await.requeue_at, Some(at(300)));
    assert!(
        world.phases("r")[0]
            .1
            .contains("since 2026-01-01T00:00:00Z for plugin a/b: verify: other bytes")
    );
    assert_eq!(world.events().len(), 1);

    let plugin = world.plugins.serve("a/b");
    let outcome = world.pass("r").await;
    assert!(outcome.waiting_for.is_empty());
    assert_eq!(world.phases("r")[0], ("Running".to_owned(), String::new()));
    assert_eq!(world.annotation("r"), Value::Null);
    assert_eq!(world.play("r").await.phase, AnalysisPhase::Successful);
    assert_eq!(world.elapsed(), 160);
    assert_eq!(world.status("r")["metricResults"][0]["error"], Value::Null);
    assert_eq!(plugin.methods(), ["run", "get-metadata", "run"]);
}

#[tokio::test]
async fn after_its_time_every_try_is_an_error() {
    let world = World::new();
    world.plugins.take_away(down());
    world.run("r", one(json!({"interval": "1m"}))).await;
    world.play("r").await;
    // Five tries, ten seconds apart, from the fifth minute on.
    assert_eq!(world.elapsed(), 340);
    let cause = "plugin a/b: fetch: connection refused (look into it)";
    let message = format!(
        r#"Metric "m" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): "Error Message: {cause}""#
    );
    assert_eq!(world.phases("r")[0], ("Error".to_owned(), message));
    assert_eq!(world.annotation("r"), Value::Null, "who ended waits for nobody");
}

/// Errors that were counted do not start the wait anew, a call that reached the plugin does.
#[tokio::test]
async fn patience_is_per_absence() {
    let world = World::new();
    world.plugins.take_away(down());
    world.run("r", one(json!({"interval": "1m"}))).await;
    world.pass("r").await;
    world.advance(300);
    world.pass("r").await;
    assert_eq!(world.status("r")["metricResults"][0]["error"], 1);
    assert_eq!(world.annotation("r"), r#"{"a/b":"2026-01-01T00:00:00Z"}"#);
    world.advance(5);
    world.pass("r").await;
    assert_eq!(
        world.annotation("r"),
        r#"{"a/b":"2026-01-01T00:00:00Z"}"#,
        "kept while nothing is due"
    );
    world.advance(5);
    world.pass("r").await;
    assert_eq!(world.status("r")["metricResults"][0]["error"], 2);
    world.plugins.serve("a/b");
    world.advance(10);
    world.pass("r").await;
    assert_eq!(world.annotation("r"), Value::Null);
    world.plugins.take_away(down());
    world.advance(60);
    let outcome = world.pass("r").await;
    assert_eq!(outcome.requeue_at, Some(at(380 + 300)));
    assert_eq!(world.annotation("r"), r#"{"a/b":"2026-01-01T00:06:20Z"}"#);
}

#[tokio::test]
async fn argo_s_behaviour_can_be_had() {
    let world = World::new();
    world.plugins.patience(Duration::ZERO);
    world.plugins.take_away(down());
    world.run("r", one(json!({}))).await;
    world.play("r").await;
    assert_eq!(world.elapsed(), 40);
    assert_eq!(world.phases("r")[0].0, "Error");
}

/// A measurement in flight stays as it is while its plugin is away.
#[tokio::test]
async fn a_measurement_in_flight_waits_too() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    plugin.then(json!({"phase": "Running", "metadata": {"job": "7"}, "resumeAt": "2026-01-01T00:00:20Z"}));
    world.run("r", one(json!({}))).await;
    world.pass("r").await;
    let before = world.status("r")["metricResults"].clone();
    world.plugins.take_away(down());
    world.advance(20);
    let outcome = world.pass("r").await;
    assert_eq!(outcome.requeue_at, Some(at(320)));
    assert_eq!(world.status("r")["metricResults"], before);
    let back = world.plugins.serve("a/b");
    world.play("r").await;
    assert_eq!(back.methods(), ["resume"]);
    assert_eq!(
        back.asked()[0].measurement.as_ref().unwrap()["metadata"],
        json!({"job": "7"})
    );
    assert_eq!(world.phases("r")[0].0, "Successful");
}

/// Nobody waits who is asked to end (design: terminate never waits).
#[tokio::test]
async fn ending_does_not_wait() {
    let world = World::new();
    world
        .plugins
        .serve("a/b")
        .then(json!({"phase": "Running", "metadata": {"job": "7"}}));
    world.run("r", one(json!({}))).await;
    world.pass("r").await;
    world.plugins.take_away(down());
    world.edit("r", json!({"spec": {"terminate": true}})).await;
    let outcome = world.pass("r").await;
    assert_eq!(outcome.phase, AnalysisPhase::Successful);
    assert!(outcome.waiting_for.is_empty());
    let last = &world.status("r")["metricResults"][0]["measurements"][0];
    assert_eq!(
        (&last["phase"], &last["metadata"]),
        (&json!("Error"), &json!({"job": "7"}))
    );
    assert_eq!(last["message"], "plugin a/b: fetch: connection refused (look into it)");
}

#[tokio::test]
async fn a_run_that_waits_can_be_ended() {
    let world = World::new();
    world.plugins.take_away(down());
    world.run("r", one(json!({}))).await;
    world.pass("r").await;
    world.edit("r", json!({"spec": {"terminate": true}})).await;
    assert_eq!(world.pass("r").await.phase, AnalysisPhase::Successful);
    assert_eq!(
        world.phases("r"),
        [("Successful".to_owned(), "Run Terminated".to_owned())]
    );
    assert_eq!(world.annotation("r"), Value::Null);
}

/// What serves is measured while what does not is waited for.
#[tokio::test]
async fn others_are_measured_meanwhile() {
    let world = World::new();
    world.plugins.take_away(down());
    let good = world.plugins.serve("a/good");
    world
        .run(
            "r",
            json!({"metrics": [
                {"name": "bad", "provider": {"plugin": {"a/b": {}}}},
                {"name": "good", "interval": "1m", "provider": {"plugin": {"a/good": {}}}}
            ]}),
        )
        .await;
    let outcome = world.pass("r").await;
    assert_eq!(
        (outcome.requeue_at, outcome.waiting_for),
        (Some(at(60)), vec![id("a/b")])
    );
    world.advance(60);
    world.pass("r").await;
    assert_eq!(good.methods(), ["run", "get-metadata", "run"]);
    assert_eq!(world.phases("r").len(), 2, "the metric that waits has no result");
}

/// A breaker or a full queue passes without anybody being told.
#[tokio::test]
async fn what_passes_by_itself_is_looked_at_again() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    for _ in 0..2 {
        plugin.then_err(fault("a/b", Phase::Call, FaultKind::BreakerOpen, "five traps in 30s").into());
    }
    world.run("r", one(json!({}))).await;
    let outcome = world.pass("r").await;
    assert_eq!((outcome.requeue_at, outcome.waiting_for.len()), (Some(at(10)), 1));
    let results = world.status("r")["metricResults"].clone();
    assert_eq!(results, Value::Null, "a call that was never made is no measurement");
    assert_eq!(world.play("r").await.phase, AnalysisPhase::Successful);
    assert_eq!(world.elapsed(), 10);
}

/// A namespace that may not use the plugin learns it at once: no wait would help.
#[tokio::test]
async fn a_refusal_is_an_error_at_once() {
    let world = World::new();
    world.plugins.take_away(fault(
        "a/b",
        Phase::Resolve,
        FaultKind::NotUsableHere,
        "not for namespace default",
    ));
    world.run("r", one(json!({"consecutiveErrorLimit": 0}))).await;
    world.play("r").await;
    assert_eq!(world.elapsed(), 0);
    assert!(
        world.phases("r")[0]
            .1
            .contains("plugin a/b: resolve: not for namespace default")
    );
}
