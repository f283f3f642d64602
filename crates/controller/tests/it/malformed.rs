//! Objects that cannot be worked on: each says why, and holds nobody back.

use serde_json::json;

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
