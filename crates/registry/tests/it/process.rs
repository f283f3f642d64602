//! Plugins that run in processes of their own, which end.

use std::time::Duration;

use jiff::SignedDuration;
use rollcage_core::{FaultKind, Phase, PluginSource};
use rollcage_registry::PluginState;

use crate::fake::{Bench, metric, until};

const A: &str = "- {name: x/a, location: 'file:///a'}\n- {name: x/b, location: 'file:///b'}\n";

async fn bench() -> Bench {
    let bench = Bench::new();
    for (location, digest) in [("file:///a", "aa"), ("file:///b", "bb")] {
        bench.world.site(location, digest);
    }
    bench.world.change("file:///a", |site| site.process = true);
    bench.configured(A).await;
    bench.world.take_log();
    bench
}

/// The process ends, and the registry has noticed.
async fn end(bench: &Bench, exits: u32) {
    bench.world.end_process(&metric("x/a"));
    until("the end is noticed", || bench.status("x/a").exits == exits).await;
    bench.registry.settled().await;
}

#[tokio::test]
async fn l13_the_first_end_costs_a_start_and_nothing_is_fetched_for_it() {
    let bench = bench().await;
    end(&bench, 1).await;
    assert_eq!(bench.line("x/a"), "Ready aa");
    assert_eq!(bench.world.take_log(), ["init x/a aa"]);
    let last = bench.status("x/a").last_exit.clone().unwrap();
    assert_eq!((last.kind, last.cause.as_str()), (FaultKind::Exit, "told to end"));
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "aa");
    assert_eq!(bench.line("x/b"), "Ready bb");
    assert_eq!(bench.status("x/b").exits, 0);
}

#[tokio::test]
async fn l04_one_that_ends_again_and_again_waits_longer_and_longer() {
    let bench = bench().await;
    end(&bench, 1).await;
    let mut before = SignedDuration::ZERO;
    for exits in 2..6 {
        end(&bench, exits).await;
        assert_eq!(bench.line("x/a"), "Unavailable - call/exit");
        let refused = bench.registry.metric_provider("x/a", "team").unwrap_err();
        assert_eq!((refused.phase, refused.kind), (Phase::Call, FaultKind::Exit));
        let status = bench.status("x/a");
        let pause = status.retry_at.unwrap().duration_since(status.since);
        assert!(pause > before + before / 2, "{pause} after {before}");
        before = pause;
        bench.clock.set(status.retry_at.unwrap());
        assert!(bench.registry.retry_due());
        bench.registry.settled().await;
        assert_eq!(bench.line("x/a"), "Ready aa");
    }
    // One that has lived for a while begins anew.
    bench.monotonic.pass(Duration::from_mins(2));
    end(&bench, 6).await;
    assert_eq!(bench.line("x/a"), "Ready aa");
}

#[tokio::test]
async fn l12_a_start_that_fails_is_a_load_that_fails_and_the_next_one_begins_at_the_location() {
    let bench = bench().await;
    bench.world.change("file:///a", |site| {
        site.fails = Some((Phase::Init, FaultKind::InitRefused));
    });
    // It served last, and would be let pass as such.
    bench.world.keep(&metric("x/a"), "older");
    end(&bench, 1).await;
    let status = bench.status("x/a");
    assert_eq!(status.failure.as_ref().unwrap().kind, FaultKind::InitRefused);
    assert_eq!(status.last_exit.as_ref().unwrap().kind, FaultKind::Exit);
    assert!(matches!(status.state, PluginState::Unavailable), "{:?}", status.state);
    bench.world.site("file:///a", "newer");
    bench.clock.set(bench.registry.next_retry().unwrap());
    bench.registry.retry_due();
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready newer");
}

#[tokio::test]
async fn the_end_of_a_version_that_was_replaced_is_nobodys() {
    let bench = bench().await;
    bench.configured("- {name: x/a, location: 'file:///b'}\n").await;
    bench.world.end_process(&metric("x/a"));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(bench.line("x/a"), "Ready bb");
    assert_eq!(bench.status("x/a").exits, 0);
}
