//! What stands between a caller and a plugin.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_api::{rollout::Rollout, step::StepContext};
use rollcage_core::{Call, CallError, FaultKind, PluginId, PluginSource};
use rollcage_registry::{BreakerState, ConfigMap, ConfigMaps};

use crate::fake::{Bench, fault, map, run, until};

async fn bench(more: &str) -> Arc<Bench> {
    let bench = Arc::new(Bench::new());
    bench.world.site("file:///a", "aa");
    bench
        .configured(&format!("- {{name: x/a, location: 'file:///a', {more}}}"))
        .await;
    bench
}

#[tokio::test]
async fn namespaces_that_may_not_name_the_plugin_are_refused() {
    for (from, allowed) in [
        ("usableFrom: ['*']", true),
        ("usableFrom: [team]", true),
        ("usableFrom: [others, team]", true),
        ("usableFrom: [others]", false),
        ("usableFrom: []", false),
    ] {
        let bench = bench(from).await;
        let port = bench.registry.metric_provider("x/a", "team");
        assert_eq!(port.is_ok(), allowed, "{from}");
        if let Err(refused) = port {
            assert_eq!(refused.kind, FaultKind::NotUsableHere);
            assert!(
                !refused.kind.is_not_serving(),
                "the object's own mistake: waiting does not help"
            );
        }
    }
}

#[tokio::test]
async fn the_deadline_is_set_once_and_waiting_counts() {
    let bench = bench("limits: {deadline: 300ms, concurrency: 1}").await;
    let before = Instant::now();
    bench.call("x/a", "ok").await.unwrap();
    let call = bench.world.calls.lock().unwrap().pop().unwrap();
    let deadline = call.deadline.unwrap();
    assert!(deadline >= before + Duration::from_millis(300) && deadline < Instant::now() + Duration::from_millis(300));
    assert!(call.targets.is_some());
    assert_eq!(call.namespace, "team");

    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let blocker = port.clone();
    let blocker = tokio::spawn(async move { run(&*blocker, "wait").await });
    until("the slot is taken", || bench.world.begun.lock().unwrap().len() == 2).await;
    let before = Instant::now();
    let refused = fault(run(&*port, "ok").await.unwrap_err());
    assert_eq!(refused.kind, FaultKind::QueueDeadline);
    assert!(before.elapsed() >= Duration::from_millis(300));
    bench.world.release.notify_waiters();
    blocker.await.unwrap().unwrap();

    // A caller's own deadline is kept.
    let own = Instant::now() + Duration::from_secs(7);
    let call = Call {
        deadline: Some(own),
        ..Call::for_namespace("team")
    };
    let run = Arc::default();
    port.run(&call, &run, &rollcage_api::analysis::Metric::default())
        .await
        .unwrap();
    assert_eq!(bench.world.calls.lock().unwrap().pop().unwrap().deadline, Some(own));
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let bench = bench("limits: {concurrency: 1, queue: 0}").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let blocker = port.clone();
    let blocker = tokio::spawn(async move { run(&*blocker, "wait").await });
    until("the slot is taken", || bench.world.begun.lock().unwrap().len() == 1).await;
    let refused = fault(run(&*port, "ok").await.unwrap_err());
    assert_eq!(refused.kind, FaultKind::QueueFull);
    bench.world.release.notify_waiters();
    blocker.await.unwrap().unwrap();
    assert_eq!(run(&*port, "ok").await.unwrap(), "aa");
}

/// A second call while the first one is under way: with only the limit in its way lifted it ends otherwise.
#[tokio::test]
async fn concurrency_and_queue_have_their_twins() {
    for (limits, ends) in [
        ("{concurrency: 1, queue: 0}", Err(FaultKind::QueueFull)),
        ("{concurrency: 2, queue: 0}", Ok("aa")),
        ("{concurrency: 1, deadline: 300ms}", Err(FaultKind::QueueDeadline)),
        ("{concurrency: 2, deadline: 300ms}", Ok("aa")),
    ] {
        let bench = bench(&format!("limits: {limits}")).await;
        let port = bench.registry.metric_provider("x/a", "team").unwrap();
        let blocker = port.clone();
        let blocker = tokio::spawn(async move { run(&*blocker, "wait").await });
        until("the slot is taken", || bench.world.begun.lock().unwrap().len() == 1).await;
        let ended = run(&*port, "ok").await.map_err(|error| fault(error).kind);
        assert_eq!(ended, ends.map(str::to_owned), "{limits}");
        bench.world.release.notify_waiters();
        blocker.await.unwrap().ok();
    }
    // A place in the queue, and the first call comes to its end.
    let bench = bench("limits: {concurrency: 1, queue: 1}").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let (blocker, waiting) = (port.clone(), port.clone());
    let blocker = tokio::spawn(async move { run(&*blocker, "wait").await });
    until("the slot is taken", || bench.world.begun.lock().unwrap().len() == 1).await;
    let waiting = tokio::spawn(async move { run(&*waiting, "ok").await });
    tokio::task::yield_now().await;
    bench.world.release.notify_waiters();
    blocker.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "aa");
}

#[tokio::test]
async fn cancelled_calls_and_panics_give_their_slots_back() {
    let bench = bench("limits: {concurrency: 2}").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    for _ in 0..5 {
        let hanging = port.clone();
        let hanging = tokio::spawn(async move { run(&*hanging, "hang").await });
        tokio::task::yield_now().await;
        hanging.abort();
        let _ = hanging.await;
        let panicked = fault(run(&*port, "panic").await.unwrap_err());
        assert_eq!(panicked.kind, FaultKind::Host);
        assert!(panicked.cause.contains("told to panic"), "{panicked}");
    }
    let (one, two) = tokio::join!(run(&*port, "ok"), run(&*port, "ok"));
    assert_eq!((one.unwrap(), two.unwrap()), ("aa".to_owned(), "aa".to_owned()));
    assert_eq!(
        bench.status("x/a").breaker,
        BreakerState::Closed,
        "neither is the plugin's doing"
    );
}

#[tokio::test]
async fn a_call_that_never_ends_is_given_up_after_its_deadline() {
    let bench = bench("limits: {deadline: 20ms}").await;
    let given_up = fault(bench.call("x/a", "hang").await.unwrap_err());
    assert_eq!(given_up.kind, FaultKind::Deadline);
}

#[tokio::test]
async fn five_traps_open_the_breaker_and_a_probe_closes_it() {
    let bench = bench("").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let watch = bench.registry.watch();
    for _ in 0..5 {
        // What the plugin itself answers, and what the caller did, does not count.
        assert!(matches!(run(&*port, "typed").await, Err(CallError::Plugin(_))));
        assert_eq!(fault(run(&*port, "input").await.unwrap_err()).kind, FaultKind::Input);
        assert_eq!(fault(run(&*port, "trap").await.unwrap_err()).kind, FaultKind::Trap);
    }
    let tried = bench.world.begun.lock().unwrap().len();
    let open = fault(run(&*port, "ok").await.unwrap_err());
    assert_eq!(open.kind, FaultKind::BreakerOpen);
    let refused = bench.registry.metric_provider("x/a", "team").unwrap_err();
    assert_eq!(refused.kind, FaultKind::BreakerOpen);
    assert_eq!(bench.world.begun.lock().unwrap().len(), tried, "nothing was tried");
    let status = bench.status("x/a");
    assert_eq!(status.breaker, BreakerState::Open);
    assert_eq!(status.last_fault.as_ref().unwrap().kind, FaultKind::Trap);
    assert!(watch.has_changed().unwrap(), "those who wait are woken");

    bench.monotonic.pass(Duration::from_secs(1));
    assert_eq!(
        fault(run(&*port, "trap").await.unwrap_err()).kind,
        FaultKind::Trap,
        "the probe"
    );
    bench.monotonic.pass(Duration::from_millis(1999));
    assert_eq!(fault(run(&*port, "ok").await.unwrap_err()).kind, FaultKind::BreakerOpen);
    bench.monotonic.pass(Duration::from_millis(1));
    assert!(bench.registry.metric_provider("x/a", "team").is_ok());
    // While the probe runs, others are refused; a cancelled probe leaves the way open.
    let probe = port.clone();
    let probe = tokio::spawn(async move { run(&*probe, "hang").await });
    tokio::task::yield_now().await;
    assert_eq!(fault(run(&*port, "ok").await.unwrap_err()).kind, FaultKind::BreakerOpen);
    probe.abort();
    let _ = probe.await;
    assert_eq!(run(&*port, "ok").await.unwrap(), "aa");
    assert_eq!(bench.status("x/a").breaker, BreakerState::Closed);
}

#[tokio::test]
async fn the_entry_s_breaker_is_used() {
    let bench = bench("breaker: {faults: 2, window: 10s, maxPause: 1s}").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let _ = run(&*port, "trap").await;
    bench.monotonic.pass(Duration::from_secs(11));
    let _ = run(&*port, "trap").await;
    assert_eq!(
        run(&*port, "ok").await.unwrap(),
        "aa",
        "the first fault has left the window"
    );
    let _ = run(&*port, "trap").await;
    for _ in 0..3 {
        assert_eq!(fault(run(&*port, "ok").await.unwrap_err()).kind, FaultKind::BreakerOpen);
        bench.monotonic.pass(Duration::from_secs(1));
        assert_eq!(fault(run(&*port, "trap").await.unwrap_err()).kind, FaultKind::Trap);
    }
}

#[tokio::test]
async fn waiting_for_a_server_in_vain_pauses_the_server_and_not_the_plugin() {
    let bench = bench("").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    for _ in 0..10 {
        let slow = fault(run(&*port, "slow-server").await.unwrap_err());
        assert_eq!(slow.kind, FaultKind::HostDeadline);
    }
    assert_eq!(bench.status("x/a").breaker, BreakerState::Closed);
    assert_eq!(run(&*port, "ok").await.unwrap(), "aa");
    let gate = bench.world.calls.lock().unwrap().pop().unwrap().targets.unwrap();
    assert!(gate.admit("slow:80").is_err());
    assert!(gate.admit("quick:80").is_ok());
    bench.monotonic.pass(Duration::from_secs(1));
    assert!(gate.admit("slow:80").is_ok());
    gate.answered("slow:80");
    assert!(gate.admit("slow:80").is_ok());
}

#[tokio::test]
async fn a_new_version_begins_with_a_closed_breaker() {
    let bench = bench("").await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    for _ in 0..5 {
        let _ = run(&*port, "trap").await;
    }
    assert_eq!(fault(run(&*port, "ok").await.unwrap_err()).kind, FaultKind::BreakerOpen);
    bench.world.site("file:///b", "bb");
    bench.configured("- {name: x/a, location: 'file:///b'}").await;
    assert_eq!(run(&*port, "ok").await.unwrap(), "bb");
}

#[tokio::test]
async fn namespaces_share_the_slots() {
    let bench = bench("limits: {concurrency: 4}").await;
    let flood = bench.registry.metric_provider("x/a", "flood").unwrap();
    let mut calls: Vec<_> = (0..20)
        .map(|_| {
            let flood = flood.clone();
            tokio::spawn(async move { run(&*flood, "wait").await })
        })
        .collect();
    until("all slots are taken", || bench.world.begun.lock().unwrap().len() == 4).await;
    let quiet = bench.registry.metric_provider("x/a", "quiet").unwrap();
    let quiet = tokio::spawn(async move { run(&*quiet, "ok").await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!quiet.is_finished());
    // One slot comes back: it is quiet's, although sixteen others waited longer.
    calls.remove(0).abort();
    tokio::time::timeout(Duration::from_secs(10), quiet)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let namespaces: Vec<_> = bench
        .world
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|call| call.namespace.clone())
        .collect();
    assert_eq!(namespaces[4], "quiet");
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn steps_have_ports_and_policies_too() {
    let bench = Bench::new();
    bench.world.site("file:///s", "ss");
    let entry = "- {name: x/s, location: 'file:///s', unavailable: {after: 0s, action: abort}}";
    bench.registry.configure(&ConfigMaps {
        argo: map("stepPlugins", entry),
        rollcage: ConfigMap::Absent,
    });
    bench.registry.settled().await;
    let step = bench.registry.step("x/s", "team").unwrap();
    let call = Call::for_namespace("team");
    let rollout = Arc::new(Rollout::default());
    let result = step.run(&call, &rollout, &StepContext::default()).await.unwrap();
    assert_eq!(result.message, "ss");
    let id = |name: &str| PluginId {
        kind: rollcage_api::plugin::PluginKind::Step,
        name: name.into(),
    };
    assert!(bench.registry.unavailable_policy(&id("x/s")).after.0.is_zero());
    assert_eq!(
        bench.registry.unavailable_policy(&id("x/unknown")).after.0,
        Duration::from_mins(5)
    );
    assert!(bench.registry.metric_provider("x/s", "team").is_err(), "another kind");
    assert!(bench.registry.traffic_router("x/s", "team").is_err());
}
