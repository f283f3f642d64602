//! Disturbances and records, for the tests of others.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use rollcage_apiserver::{ApiError, Disturbance, Match, Verb};
use serde_json::json;

use crate::{objects::refusal, start};

#[tokio::test]
async fn requests_are_refused_delayed_and_lost_as_asked() {
    let (server, client) = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
    let recorder = server.record();
    let creates = Match::verb(Verb::Create).resource("", "configmaps");
    server.disturb(
        creates.clone(),
        1,
        Disturbance::Refuse(ApiError::new(500, "out of order")),
    );
    assert_eq!(
        refusal(maps.create(&PostParams::default(), &map).await),
        (500, "InternalError".into())
    );
    server.disturb(
        creates,
        1,
        Disturbance::LoseAnswer(ApiError::new(504, "lost").retry_after(1)),
    );
    assert_eq!(
        refusal(maps.create(&PostParams::default(), &map).await),
        (504, "Timeout".into())
    );
    assert_eq!(
        refusal(maps.create(&PostParams::default(), &map).await),
        (409, "AlreadyExists".into()),
        "it was done"
    );

    let patches = Match::verb(Verb::Patch).name("a");
    server.disturb(patches.clone(), 2, Disturbance::Delay(Duration::from_millis(30)));
    server.disturb(patches, 1, Disturbance::Refuse(ApiError::new(409, "stale")));
    let start = Instant::now();
    let patch = Patch::Merge(json!({"data": {"k": "v"}}));
    assert_eq!(refusal(maps.patch("a", &PatchParams::default(), &patch).await).0, 409);
    maps.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60));
    server.disturb(
        Match::default(),
        u32::MAX,
        Disturbance::Refuse(ApiError::new(403, "closed")),
    );
    assert_eq!(refusal(maps.get("a").await).0, 403);
    server.calm();
    maps.get("a").await.unwrap();

    let records = recorder.take();
    let seen: Vec<_> = records.iter().map(|record| (record.verb, record.code)).collect();
    let expected = [
        (Verb::Create, 500),
        (Verb::Create, 504),
        (Verb::Create, 409),
        (Verb::Patch, 409),
        (Verb::Patch, 200),
        (Verb::Get, 403),
        (Verb::Get, 200),
    ];
    assert_eq!(seen, expected);
    assert_eq!(records[4].content_type, "application/merge-patch+json");
    assert_eq!(&records[4].body[..], br#"{"data":{"k":"v"}}"#);
    assert_eq!(records[4].uri, "/api/v1/namespaces/default/configmaps/a?");
}
