//! Without the definition, without rights, without an API server.

use std::time::Duration;

use rollcage_apiserver::{ApiError, Disturbance, Match, Verb};
use rollcage_core::PluginSource as _;

use super::bed::Bed;

const OBJECT: &str = "metric-provider.a.b";
const ENTRY: &str = "- {name: a/b, location: 'file:///ok'}";

#[tokio::test]
async fn plugins_serve_without_the_definition_and_it_may_come_later() {
    let bed = Bed::bare();
    let replica = bed.replica("rollcage-0", true);
    replica.configure(ENTRY);
    replica.registry.settled().await;
    assert!(replica.registry.metric_provider("a/b", "default").is_ok());
    tokio::time::sleep(Duration::from_millis(100)).await;
    bed.install();
    bed.until_condition(OBJECT, "Ready", "True Serving").await;
}

#[tokio::test]
async fn an_api_server_that_is_away_is_waited_for() {
    let bed = Bed::new();
    let replica = bed.replica("rollcage-0", true);
    let away = || Disturbance::Refuse(ApiError::new(503, "away"));
    let ours = Match::default().resource("rollcage.dev", "plugins");
    bed.server.disturb(ours.clone(), u32::MAX, away());
    replica.configure(ENTRY);
    replica.registry.settled().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    bed.server.calm();
    bed.until_condition(OBJECT, "Ready", "True Serving").await;

    // In the middle, with its watches.
    bed.server.disturb(ours, u32::MAX, away());
    bed.server.end_watches();
    replica.configure("- {name: a/b, location: 'http://down'}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bed.condition(OBJECT, "UpToDate"), "True UpToDate");
    bed.server.calm();
    bed.until_condition(OBJECT, "UpToDate", "False Degraded").await;
}

#[tokio::test]
async fn conflicts_and_lost_answers_are_survived() {
    let bed = Bed::new();
    let replica = bed.replica("rollcage-0", true);
    let patches = Match::verb(Verb::Patch).resource("rollcage.dev", "plugins");
    bed.server
        .disturb(patches.clone(), 3, Disturbance::Refuse(ApiError::new(409, "conflict")));
    bed.server
        .disturb(patches, 2, Disturbance::LoseAnswer(ApiError::new(500, "lost")));
    let creates = Match::verb(Verb::Create).resource("rollcage.dev", "plugins");
    bed.server
        .disturb(creates, 1, Disturbance::LoseAnswer(ApiError::new(504, "lost")));
    replica.configure(ENTRY);
    bed.until_condition(OBJECT, "Ready", "True Serving").await;
    bed.until_quiet().await;
    assert_eq!(bed.replicas(OBJECT), ["rollcage-0 Ready"]);
}

#[tokio::test]
async fn one_that_does_not_lead_writes_its_entry_and_nothing_else() {
    let bed = Bed::new();
    bed.entry("p", "a/b", "file:///ok").await;
    let replica = bed.replica("rollcage-0", false);
    replica.configure("- {name: a/other, location: 'file:///ok'}");
    bed.until("its entry is there", |bed| bed.replicas("p") == ["rollcage-0 Ready"])
        .await;
    bed.until_quiet().await;
    assert_eq!(bed.names(), ["p"], "mirrors are the leader's");
    let status = bed.status("p");
    assert_eq!(status.as_object().unwrap().keys().collect::<Vec<_>>(), ["replicas"]);
}
