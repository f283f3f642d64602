//! Several who want the same, and those who no longer want it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rollcage_core::host::NoCluster;
use rollcage_store::Stage;
use tokio::time::sleep;

use crate::support::*;

#[tokio::test]
async fn the_same_bytes_are_fetched_once_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = Arc::new(component(5, 600_000));
    let body = Arc::clone(&bytes);
    let slow = Server::start(move |mut exchange| {
        let bytes = Arc::clone(&body);
        async move {
            exchange
                .send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len()))
                .await?;
            for part in bytes.chunks(100_000) {
                exchange.send(part).await?;
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        }
    })
    .await;
    for entry in [entry(&slow.url("/")), pinned(&slow.url("/pinned"), &bytes)] {
        // Each round begins with an empty cache.
        let _ = std::fs::remove_dir_all(folder.path().join("blobs/sha256"));
        std::fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        let before = slow.hits();
        let fetches = (0..8).map(|number| {
            let (store, entry) = (&store, &entry);
            async move {
                let steps = Mutex::new(Vec::new());
                let report = |transfer| steps.lock().unwrap().push(transfer);
                let id = named(&format!("example/{number}"));
                let fetched = store.fetch_with(&id, entry, &NoCluster, &report).await.unwrap();
                (fetched, steps.into_inner().unwrap())
            }
        });
        for (fetched, steps) in futures::future::join_all(fetches).await {
            assert_eq!(&*fetched.bytes, &**bytes);
            assert!(
                steps
                    .iter()
                    .any(|step| step.stage == Stage::Fetching && step.received > 0),
                "{steps:?}"
            );
            assert!(
                steps.iter().all(|step| step.total == Some(bytes.len() as u64)),
                "{steps:?}"
            );
        }
        assert_eq!(slow.hits() - before, 1);
    }
}

#[tokio::test]
async fn one_broken_mirror_does_not_break_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = component(6, 1000);
    let good = Server::of(bytes.clone()).await;
    let broken = Server::start(|exchange| async move {
        sleep(Duration::from_millis(50)).await;
        exchange.answer("404 Not Found", &[], b"").await
    })
    .await;
    let (broken_entry, good_entry) = (pinned(&broken.url("/"), &bytes), pinned(&good.url("/"), &bytes));
    // The second waits for the first one's download, sees it fail, and asks its own server.
    let second = async {
        while broken.hits() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        fetch(&store, &good_entry).await
    };
    let (first, second) = tokio::join!(fetch(&store, &broken_entry), second);
    assert!(first.unwrap_err().contains("404"));
    assert_eq!(&*second.unwrap().bytes, &*bytes);
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let server = Server::start(|mut exchange| async move {
        exchange
            .send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            .await?;
        exchange.send(component(1, 400_000)).await?;
        sleep(Duration::from_mins(1)).await;
        Ok(())
    })
    .await;
    let entry = entry(&server.url("/"));
    let cancelled = tokio::time::timeout(Duration::from_millis(300), fetch(&store, &entry)).await;
    assert!(cancelled.is_err());
    assert_eq!(blobs(folder.path()), [""; 0]);
}
