//! One version after another, with calls running and waiting.

use std::sync::Arc;

use rollcage_core::{FaultKind, Phase, PluginSource};

use crate::fake::{Bench, fault, metric, run, until};

const OLD: &str = "- {name: x/a, location: 'file:///old', limits: {concurrency: 1}}";
const NEW: &str = "- {name: x/a, location: 'file:///new', limits: {concurrency: 1}}";

async fn bench() -> Arc<Bench> {
    let bench = Arc::new(Bench::new());
    bench.world.site("file:///old", "old");
    bench.world.site("file:///new", "new");
    bench.configured(OLD).await;
    bench
}

#[tokio::test]
async fn calls_in_flight_end_on_the_old_version_and_waiting_ones_go_over() {
    let bench = bench().await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let (first, second) = (port.clone(), port.clone());
    let first = tokio::spawn(async move { run(&*first, "wait").await });
    until("the first call runs", || bench.world.begun.lock().unwrap().len() == 1).await;
    let second = tokio::spawn(async move { run(&*second, "ok").await });
    // Give it time to get into the queue; the result is the same when it is late.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert!(!second.is_finished(), "the only slot is taken");
    bench.configured(NEW).await;
    assert_eq!(
        second.await.unwrap().unwrap(),
        "new",
        "while the old version still runs its call"
    );
    assert!(!first.is_finished());
    bench.world.release.notify_waiters();
    assert_eq!(first.await.unwrap().unwrap(), "old");
    assert_eq!(*bench.world.begun.lock().unwrap(), ["old", "new"]);
}

#[tokio::test]
async fn removal_sends_waiting_calls_away_and_lets_running_ones_end() {
    let bench = bench().await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let (first, second) = (port.clone(), port.clone());
    let first = tokio::spawn(async move { run(&*first, "wait").await });
    until("the first call runs", || bench.world.begun.lock().unwrap().len() == 1).await;
    let second = tokio::spawn(async move { run(&*second, "ok").await });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    bench.configured("").await;
    let refused = fault(second.await.unwrap().unwrap_err());
    assert_eq!(refused.kind, FaultKind::NotConfigured);
    bench.world.release.notify_waiters();
    assert_eq!(first.await.unwrap().unwrap(), "old");
}

#[tokio::test]
async fn a_call_that_comes_when_nothing_serves_any_more_was_not_tried() {
    let bench = bench().await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    bench.configured("").await;
    until("it is forgotten", || bench.world.kept(&metric("x/a")).is_none()).await;
    for (location, phase) in [("http://down/", Phase::Fetch), ("ftp://", Phase::Resolve)] {
        bench
            .configured(&format!("- {{name: x/a, location: '{location}'}}"))
            .await;
        let refused = fault(run(&*port, "ok").await.unwrap_err());
        assert_eq!(
            (refused.phase, refused.kind),
            (phase, FaultKind::Loading),
            "nothing was tried"
        );
        let refused = bench.registry.metric_provider("x/a", "team").unwrap_err();
        assert_ne!(
            refused.kind,
            FaultKind::Loading,
            "asked for anew, it is the load's own fault"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_versions_change() {
    let bench = bench().await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let port = port.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    let answer = run(&*port, "ok").await.unwrap();
                    assert!(answer == "old" || answer == "new");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..20 {
        bench.configured(NEW).await;
        bench.configured(OLD).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
}
