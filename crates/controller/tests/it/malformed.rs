//! Objects that cannot be worked on: each says why, and holds nobody back.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn what_cannot_be_read_says_where() {
    let world = World::new();
    world.plugins.serve("a/b");
    world
        .run("bad", json!({"metrics": [{"name": "m", "count": [1]}]}))
        .await;
    world
        .run(
            "good",
            json!({"metrics": [{"name": "m", "provider": {"plugin": {"a/b": {}}}}]}),
        )
        .await;
    let outcome = world.pass("bad").await;
    assert!(outcome.phase.is_completed() && outcome.requeue_at.is_none());
    assert_eq!(
        world.status("bad"),
        json!({
            "phase": "Error", "completedAt": "2026-01-01T00:00:00Z",
            "message": "AnalysisRun is malformed: spec.metrics[0].count: invalid type: sequence, expected IntOrString"
        })
    );
    assert_eq!(
        world.events(),
        ["Warning AnalysisRunError Analysis Completed. Result: Error"]
    );
    let revision = world.server.revision();
    world.pass("bad").await;
    assert_eq!(world.server.revision(), revision, "said once");
    world.play("good").await;
    assert_eq!(world.phases("good")[0].0, "Successful");
}

/// Spec 3.1 and 4.2; that there is a time of completion is ours.
#[tokio::test]
async fn what_is_invalid_ends() {
    let plugin = json!({"plugin": {"a/b": {}}});
    for (spec, message) in [
        (json!({"metrics": []}), "Analysis spec invalid: no metrics specified"),
        (
            json!({"metrics": [{"name": "m", "count": 2, "provider": plugin}]}),
            "Analysis spec invalid: metrics[0]: interval must be specified when count > 1",
        ),
        (
            json!({"metrics": [{"name": "m", "provider": plugin}], "dryRun": [{"metricName": "*"}]}),
            "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        ),
        (
            json!({"metrics": [{"name": "{{args.x}}", "provider": plugin}]}),
            "Unable to resolve metric arguments: failed to resolve {{args.x}}",
        ),
        (
            json!({"metrics": [{"name": "m", "provider": plugin}], "args": [{"name": "x"}]}),
            "Unable to resolve metric arguments: argument \"x\" was not supplied",
        ),
    ] {
        let world = World::new();
        let asked = world.plugins.serve("a/b");
        world.run("r", spec).await;
        world.pass("r").await;
        assert_eq!(
            world.status("r"),
            json!({"phase": "Error", "message": message, "completedAt": "2026-01-01T00:00:00Z"})
        );
        assert_eq!(
            world.events(),
            ["Warning AnalysisRunError Analysis Completed. Result: Error"]
        );
        assert!(asked.asked().is_empty());
    }
}

/// Objects that nobody can work on, each with what becomes of it.
fn bad() -> Vec<(&'static str, Value, &'static str)> {
    let plugin = json!({"plugin": {"a/b": {}}});
    // So large that not one measurement fits beside it.
    let full = "x".repeat((1536 << 10) - 700);
    vec![
        (
            "wrong-type",
            json!({"metrics": [{"name": "m", "count": [1]}]}),
            "AnalysisRun is malformed: spec.metrics[0].count: invalid type: sequence, expected IntOrString",
        ),
        (
            "no-object",
            json!("metrics"),
            "AnalysisRun is malformed: spec: invalid type: this has to be an object",
        ),
        (
            "unknown-fields",
            json!({"metric": [{"name": "m"}], "unheardOf": {"of": [1]}}),
            "Analysis spec invalid: no metrics specified",
        ),
        (
            "unknown-provider",
            json!({"metrics": [{"name": "m", "provider": {"unheardOf": {}}}]}),
            "Analysis spec invalid: metrics[0]: no provider specified",
        ),
        (
            // 1.4 MB, and a thousand times as much when it is filled in.
            "large",
            json!({
                "args": [{"name": "a", "value": "x".repeat(1_400_000)}],
                "metrics": [{"name": "m", "successCondition": "{{args.a}}".repeat(1_000), "provider": plugin}]
            }),
            "Unable to resolve metric arguments: filled in, the metrics are larger than 8388608 bytes",
        ),
        (
            "full",
            json!({"metrics": [{"name": "m", "provider": {"plugin": {"a/b": {"text": full}}}}]}),
            "",
        ),
    ]
}

/// One hundred good ones beside bad ones: these come to their ends when they would alone.
#[tokio::test]
async fn bad_ones_hold_nobody_back() {
    let world = World::new();
    world.plugins.serve("a/b");
    let good: Vec<String> = (0..100).map(|n| format!("good-{n}")).collect();
    let bad = bad();
    let mut names = Vec::new();
    for (n, name) in good.iter().enumerate() {
        if let Some((bad, spec, _)) = bad.get(n / 10).filter(|_| n % 10 == 0) {
            world.run(bad, spec.clone()).await;
            names.push((*bad).to_owned());
        }
        let metric = json!({"name": "m", "interval": "10s", "count": 2, "provider": {"plugin": {"a/b": {}}}});
        world.run(name, json!({"metrics": [metric]})).await;
        names.push(name.clone());
    }
    for _ in 0..2 {
        let outcomes = join_all(names.iter().map(|name| world.try_pass(name))).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        world.advance(10);
    }
    for name in &good {
        let status = world.status(name);
        assert_eq!(
            (&status["phase"], &status["completedAt"]),
            (&json!("Successful"), &json!("2026-01-01T00:00:10Z")),
            "{name}"
        );
    }
    for (name, _, message) in &bad {
        let about = world.events_about(name);
        if message.is_empty() {
            assert_eq!(world.object(name).unwrap()["status"], Value::Null);
            let text = "Warning AnalysisRunError AnalysisRun is too large: what was measured cannot be stored in it";
            assert!(
                about.iter().all(|event| event.starts_with(text)) && !about.is_empty(),
                "{about:?}"
            );
            continue;
        }
        assert_eq!(world.phases(name)[0], ("Error".to_owned(), (*message).to_owned()));
        assert_eq!(
            about,
            ["Warning AnalysisRunError Analysis Completed. Result: Error"],
            "{name}"
        );
    }
}

/// What is measured does not fit any more: the run ends instead of measuring for ever.
#[tokio::test]
async fn a_run_that_grows_too_large_ends() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    for _ in 0..3 {
        plugin.then(json!({"phase": "Successful", "value": "v".repeat(10_000)}));
    }
    let text = "x".repeat((1536 << 10) - 15_000);
    let metric = json!({"name": "m", "interval": "10s", "count": 3, "provider": {"plugin": {"a/b": {"text": text}}}});
    world.run("r", json!({"metrics": [metric]})).await;
    world.play("r").await;
    assert_eq!(
        world.phases("r"),
        [(
            "Error".to_owned(),
            "AnalysisRun is too large: what was measured cannot be stored in it; make its spec and metadata smaller, or \
             keep fewer measurements (measurementRetention)"
                .to_owned()
        )]
    );
    assert_eq!(world.status("r")["completedAt"], "2026-01-01T00:00:10Z");
    assert_eq!(
        world.events(),
        ["Warning AnalysisRunError Analysis Completed. Result: Error"]
    );
}
