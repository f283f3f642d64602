//! Guests and the clock, real and virtual.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rollcage_core::{FaultKind, clock::Clock};
use serde_json::json;

use crate::{
    guest::Guest,
    support::{Bench, call, run},
    wasi::{sleeper, with_clock},
};

/// A clock that only sleeping guests move.
#[derive(Debug)]
struct Virtual(Mutex<Timestamp>);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn skip_to(&self, until: Timestamp) -> bool {
        let mut now = self.0.lock().unwrap();
        *now = until.max(*now);
        true
    }
}

fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn virtual_bench(limits: serde_json::Value) -> (Bench, Arc<Virtual>) {
    let clock = Arc::new(Virtual(Mutex::new(start())));
    let mut bench = Bench::with(limits);
    bench.host.clock = clock.clone();
    (bench, clock)
}

#[tokio::test]
async fn a_sleep_moves_a_virtual_clock_and_takes_no_time() {
    let (bench, clock) = virtual_bench(json!({}));
    let plugin = bench.metric(&sleeper("run", 3_600_000)).await;
    let began = Instant::now();
    let measurement = run(&plugin, &call()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(clock.now().duration_since(start()), SignedDuration::from_hours(1));
    assert_eq!(measurement.started_at, Some(start()));
    assert_eq!(measurement.finished_at, Some(clock.now()));
}

#[tokio::test]
async fn of_several_sleeps_the_first_ends() {
    // Waits for 2 h, 1 h and 1 h; traps unless the last two are over, the first is not, and an hour has passed.
    let hour = 3_600_000_000_000_u64;
    let body = format!(
        "(local $began i64)
         (local.set $began (call $now))
         (i32.store (i32.const 8192) (call $subscribe (i64.const {})))
         (i32.store (i32.const 8196) (call $subscribe (i64.const {hour})))
         (i32.store (i32.const 8200) (call $subscribe (i64.const {hour})))
         (if (call $ready (i32.load (i32.const 8196))) (then unreachable))
         (call $poll (i32.const 8192) (i32.const 3) (i32.const 8300))
         (if (i32.ne (i32.load (i32.const 8304)) (i32.const 2)) (then unreachable))
         (if (i32.ne (i32.load (i32.load (i32.const 8300))) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load offset=4 (i32.load (i32.const 8300))) (i32.const 2)) (then unreachable))
         (if (call $ready (i32.load (i32.const 8192))) (then unreachable))
         (if (i64.ne (i64.sub (call $now) (local.get $began)) (i64.const {hour})) (then unreachable))
         (i32.const 1024)",
        2 * hour
    );
    let (bench, clock) = virtual_bench(json!({}));
    bench
        .run(&with_clock(Guest::metric()).body("run", &body))
        .await
        .unwrap();
    assert_eq!(clock.now().duration_since(start()), SignedDuration::from_hours(1));
}

#[tokio::test]
async fn a_real_sleep_takes_its_time() {
    let plugin = Bench::new().metric(&sleeper("run", 200)).await;
    let began = Instant::now();
    run(&plugin, &call()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_virtual_clock_does_not_lift_the_deadline() {
    // Sleeps an hour again and again.
    let guest = with_clock(Guest::metric()).body(
        "run",
        "(loop $again (call $block (call $subscribe (i64.const 3600000000000))) (br $again)) unreachable",
    );
    let mut bench = virtual_bench(json!({"limits": {"deadline": "100ms"}})).0;
    bench.entry.limits.memory = None;
    let fault = bench.fault(&guest).await;
    assert!(
        // It may also run out of handles before, because it never drops any.
        matches!(
            fault.kind,
            FaultKind::Deadline | FaultKind::HostDeadline | FaultKind::Resources
        ),
        "{fault}"
    );
}
