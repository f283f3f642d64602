//! What only waits, with the times that are in force where nobody sets any; all of it side by side.

use std::time::{Duration, Instant};

use rollcage_api::plugin::PluginKind::{MetricProvider, TrafficRouter};
use rollcage_core::{CallError, FaultKind::Deadline, Phase};
use rollcage_tests::peers::{Peers, Version};
use serde_json::json;

use crate::{
    faults::ask,
    support::{Ours, RULES, spec},
};

/// H14: go-plugin's minute without a line.
async fn silent(peers: &Peers) {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(MetricProvider, "test/own", &peers.newest().own(), folder.path());
    spec.arguments = vec!["-fault".into(), "silent".into()];
    let began = Instant::now();
    let Err(fault) = Ours::launch(folder, &spec, RULES).await else {
        panic!("it started");
    };
    assert_eq!((fault.phase, fault.kind), (Phase::Link, Deadline), "{fault}");
    assert!(began.elapsed() >= Duration::from_mins(1));
}

/// L07: the process is stopped in a call that would have time enough: its keep-alive is not answered. Go's host takes 40 s to
/// find out, and so do we.
async fn stopped(peers: &Peers) {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(TrafficRouter, "test/own", &peers.newest().own(), folder.path());
    spec.arguments = vec!["-fault".into(), "stop".into()];
    let mut rules = RULES;
    rules.deadline = Duration::from_mins(5);
    let plugin = Ours::launch(folder, &spec, rules).await.unwrap();
    let began = Instant::now();
    let Err(CallError::Fault(fault)) = ask(&plugin, TrafficRouter, &json!({})).await else {
        panic!("it answered");
    };
    assert_eq!(fault.kind, Deadline, "{fault}");
    assert!(fault.cause.contains("keep-alive"), "{fault}");
    // Long before the call's own deadline.
    assert!(began.elapsed() < Duration::from_mins(2));
    plugin.end().await;
}

/// Y02: a call of twenty seconds is legal, and then nobody says a word for longer than two keep-alives are apart.
async fn long_and_idle(version: &Version) {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(MetricProvider, "test/own", &version.own(), folder.path());
    let plugin = Ours::launch(folder, &spec, RULES).await.unwrap();
    let long = ask(&plugin, MetricProvider, &json!({"sleep": "20s"})).await;
    assert_eq!(long.unwrap()["measurement"]["value"], "1", "{}", version.name);
    tokio::time::sleep(Duration::from_secs(32)).await;
    ask(&plugin, MetricProvider, &json!({})).await.unwrap();
    plugin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for a minute"]
async fn h14_l07_y02_the_times_of_everyday() {
    let Some(peers) = Peers::find() else { return };
    tokio::join!(
        Box::pin(silent(&peers)),
        Box::pin(stopped(&peers)),
        Box::pin(long_and_idle(&peers.versions[0])),
        Box::pin(long_and_idle(peers.newest())),
    );
}
