//! Watches, by hand and through kube's watcher.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt, reflector, watcher},
};
use rollcage_apiserver::{ApiServer, Lagged, Limits};
use serde_json::json;
use tokio::time::timeout;

use crate::{clock, start};

const SOON: Duration = Duration::from_secs(10);

fn map(name: &str, label: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"a": label}}})).unwrap()
}

fn told(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(map) => format!("+{}", map.metadata.name.as_deref().unwrap()),
        WatchEvent::Modified(map) => format!("~{}", map.metadata.name.as_deref().unwrap()),
        WatchEvent::Deleted(map) => format!("-{}", map.metadata.name.as_deref().unwrap()),
        WatchEvent::Bookmark(_) => "bookmark".into(),
        WatchEvent::Error(status) => format!("!{}", status.code),
    }
}

#[tokio::test]
async fn a_watch_tells_what_happened_since_its_version() {
    let (server, client) = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &map("before", "x")).await.unwrap();
    let from = server.revision().to_string();
    maps.create(&PostParams::default(), &map("a", "x")).await.unwrap();
    let watch = |labels: &str, from: &str| {
        let (maps, params, from) = (
            maps.clone(),
            WatchParams::default().labels(labels).timeout(20),
            from.to_owned(),
        );
        async move { maps.watch(&params, &from).await.unwrap().boxed() }
    };
    let mut all = watch("", &from).await;
    let mut some = watch("a=y", &from).await;
    let relabel = |value: &str| Patch::Merge(json!({"metadata": {"labels": {"a": value}}}));
    maps.patch("a", &PatchParams::default(), &relabel("y")).await.unwrap();
    maps.patch("a", &PatchParams::default(), &relabel("z")).await.unwrap();
    let other: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    other
        .create(&PostParams::default(), &map("elsewhere", "y"))
        .await
        .unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(told(&timeout(SOON, all.try_next()).await.unwrap().unwrap().unwrap()));
    }
    assert_eq!(seen, ["+a", "~a", "~a", "-a"]);
    // To a watch with a selector, an object that enters it is new and one that leaves it is gone.
    let entered = timeout(SOON, some.try_next()).await.unwrap().unwrap().unwrap();
    let left = timeout(SOON, some.try_next()).await.unwrap().unwrap().unwrap();
    assert_eq!([told(&entered), told(&left)], ["+a", "-a"]);
    let WatchEvent::Deleted(last) = left else { panic!() };
    assert_eq!(
        last.metadata.labels.unwrap()["a"],
        "y",
        "its last state inside the selection"
    );

    server.compact();
    let mut late = watch("", &from).await;
    assert_eq!(
        told(&timeout(SOON, late.try_next()).await.unwrap().unwrap().unwrap()),
        "!410"
    );
    server.end_watches();
    assert!(timeout(SOON, all.try_next()).await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn kubes_watcher_keeps_a_cache_through_broken_watches_and_lost_history() {
    let (server, client) = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &map("first", "x")).await.unwrap();
    for config in [
        watcher::Config::default().page_size(2),
        watcher::Config::default().streaming_lists(),
    ] {
        let (reader, writer) = reflector::store();
        let stream = watcher(maps.clone(), config)
            .default_backoff()
            .reflect(writer)
            .touched_objects();
        let task = tokio::spawn(stream.for_each(|_| async {}));
        let wait_for = |name: &'static str, there: bool| {
            let reader = reader.clone();
            async move {
                let found = || {
                    reader
                        .state()
                        .iter()
                        .any(|map| map.metadata.name.as_deref() == Some(name))
                };
                let until = async {
                    while found() != there {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                timeout(SOON, until).await.unwrap_or_else(|_| panic!("{name}: {there}"));
            }
        };
        wait_for("first", true).await;
        maps.create(&PostParams::default(), &map("second", "x")).await.unwrap();
        wait_for("second", true).await;
        // The connection ends, history is lost, and the world goes on.
        server.end_watches();
        maps.delete("second", &DeleteParams::default()).await.unwrap();
        maps.create(&PostParams::default(), &map("third", "x")).await.unwrap();
        server.compact();
        wait_for("third", true).await;
        wait_for("second", false).await;
        maps.delete("third", &DeleteParams::default()).await.unwrap();
        wait_for("third", false).await;
        task.abort();
    }
}

#[tokio::test]
async fn bookmarks_tell_how_far_the_world_is() {
    let limits = Limits {
        bookmark: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = ApiServer::with_limits(clock(), limits);
    let client = Client::new(server.service(), "default");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let from = server.revision();
    let mut watch = maps
        .watch(&WatchParams::default().timeout(20), &from.to_string())
        .await
        .unwrap()
        .boxed();
    // Something that this watch does not tell.
    let elsewhere: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    elsewhere.create(&PostParams::default(), &map("a", "x")).await.unwrap();
    loop {
        let WatchEvent::Bookmark(mark) = timeout(SOON, watch.try_next()).await.unwrap().unwrap().unwrap() else {
            panic!()
        };
        if mark.metadata.resource_version.parse::<u64>().unwrap() > from {
            break;
        }
    }
}

#[tokio::test]
async fn old_history_goes_by_number_and_by_size() {
    for limits in [
        Limits {
            history: 3,
            ..Limits::default()
        },
        Limits {
            history_bytes: 4096,
            ..Limits::default()
        },
    ] {
        let server = ApiServer::with_limits(clock(), limits);
        let maps: Api<ConfigMap> = Api::default_namespaced(Client::new(server.service(), "default"));
        let from = server.revision().to_string();
        let large = json!({"metadata": {"generateName": "m-"}, "data": {"x": "y".repeat(1500)}});
        for _ in 0..4 {
            maps.create(&PostParams::default(), &serde_json::from_value(large.clone()).unwrap())
                .await
                .unwrap();
        }
        let mut watch = maps
            .watch(&WatchParams::default().timeout(20), &from)
            .await
            .unwrap()
            .boxed();
        assert_eq!(
            told(&timeout(SOON, watch.try_next()).await.unwrap().unwrap().unwrap()),
            "!410"
        );
    }
}

#[tokio::test]
async fn a_subscriber_waits_for_changes_and_is_told_when_it_lagged() {
    let server = ApiServer::with_limits(
        clock(),
        Limits {
            unread: 3,
            ..Limits::default()
        },
    );
    let feed = server.subscribe();
    let waiting = tokio::spawn(async move { (feed.next().await.unwrap().name, feed) });
    tokio::task::yield_now().await;
    server.ensure_namespace("a");
    let (name, feed) = timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(name, "a");
    for index in 0..5 {
        server.ensure_namespace(&format!("n{index}"));
    }
    assert_eq!(feed.try_next().unwrap_err(), Lagged);
    server.ensure_namespace("b");
    assert_eq!(feed.drain().unwrap().last().unwrap().name, "b");
}
