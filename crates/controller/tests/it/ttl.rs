//! Runs that ended are deleted when their time is over, by a timer.

use serde_json::json;

use crate::world::{World, at};

#[tokio::test]
async fn a_run_goes_when_its_time_is_over() {
    let world = World::new();
    world.plugins.serve("a/b");
    let metrics = json!([{"name": "m", "provider": {"plugin": {"a/b": {}}}}]);
    world
        .run(
            "r",
            json!({"metrics": metrics, "ttlStrategy": {"secondsAfterSuccess": 60, "secondsAfterCompletion": 5}}),
        )
        .await;
    assert_eq!(world.pass("r").await.requeue_at, Some(at(61)));
    world.advance(60);
    assert_eq!(world.pass("r").await.requeue_at, Some(at(61)), "after a restart too");
    assert!(world.object("r").is_some());
    world.advance(1);
    assert_eq!(world.pass("r").await.requeue_at, None);
    assert!(world.object("r").is_none());
}

/// Argo never deletes a run that ends early by an error.
#[tokio::test]
async fn a_run_that_was_wrong_goes_too() {
    let world = World::new();
    world
        .run(
            "r",
            json!({"metrics": [], "ttlStrategy": {"secondsAfterCompletion": 5}}),
        )
        .await;
    assert_eq!(world.pass("r").await.requeue_at, Some(at(6)));
    world.advance(6);
    world.pass("r").await;
    assert!(world.object("r").is_none());
}
