//! Events that are written while passes go on.

use std::{sync::Arc, time::Duration};

use http::Request;
use kube::{Client, client::Body};
use rollcage_api::analysis::AnalysisPhase;
use rollcage_controller::AnalysisReconciler;
use serde_json::json;
use tokio::sync::Semaphore;
use tower::{Service as _, service_fn};

use crate::world::World;

#[tokio::test]
async fn no_pass_waits_for_events() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    let metric = json!({"name": "m", "count": 1, "provider": {"plugin": {"a/b": {}}}});
    let names = ["a", "b", "c"];
    for name in names {
        plugin.then(json!({"phase": "Successful", "value": "1"}));
        world.run(name, json!({"metrics": [metric]})).await;
    }
    // An API server that has no time for Events.
    let gate = Arc::new(Semaphore::new(0));
    let (server, closed) = (world.server.clone(), gate.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (mut api, closed) = (server.service(), closed.clone());
        async move {
            closed.acquire().await.unwrap().forget();
            api.call(request).await
        }
    });
    let reconciler = AnalysisReconciler::new(world.client.clone(), world.plugins.clone(), world.clock.clone())
        .with_clients(world.client.clone(), Client::new(service, "default"));
    for name in names {
        let outcome = reconciler.reconcile("default", name).await.unwrap();
        assert_eq!(outcome.phase, AnalysisPhase::Successful);
    }
    assert!(world.events().is_empty());
    let early = tokio::time::timeout(Duration::from_millis(50), reconciler.events_written()).await;
    assert!(early.is_err(), "three runs have Events to write");
    gate.add_permits(6);
    reconciler.events_written().await;
    for name in names {
        assert_eq!(
            world.events_about(name),
            [
                "Normal MetricSuccessful Metric 'm' Completed. Result: Successful",
                "Normal AnalysisRunSuccessful Analysis Completed. Result: Successful"
            ]
        );
    }
}
