//! How calls are run: instances fresh and warm, side by side, beside guests that take what they can.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_core::FaultKind;
use rollcage_sandbox::{Pool, Sandbox, WasmPlugin};
use serde_json::json;

use crate::{
    guest::{Blob, Guest},
    support::{Bench, call, config, fault, run},
    wasi::sleeper,
};

/// Answers how often `init` and `run` were called in its instance, as two digits.
fn counter() -> Guest {
    // The text follows the answer of 104 bytes.
    let answer = Blob::measurement(4096).phase(1).value("00");
    Guest::metric()
        .item(&answer.data())
        .item("(global $inits (mut i32) (i32.const 48)) (global $runs (mut i32) (i32.const 48))")
        .body(
            "init",
            "(global.set $inits (i32.add (global.get $inits) (i32.const 1))) (i32.const 1024)",
        )
        .body(
            "run",
            "(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
             (i32.store8 (i32.const 4200) (global.get $inits))
             (i32.store8 (i32.const 4201) (global.get $runs))
             (i32.const 4096)",
        )
}

async fn values(plugin: &Arc<WasmPlugin>, times: usize) -> Vec<String> {
    let mut values = Vec::new();
    for _ in 0..times {
        values.push(run(plugin, &call()).await.unwrap().value);
    }
    values
}

/// Instances are dropped in their own time.
async fn settled(plugin: &WasmPlugin, idle: usize) {
    for _ in 0..500 {
        if plugin.warm_instances() == idle {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} idle instances, not {idle}", plugin.warm_instances());
}

/// Bytes of memory that its instances hold, once those that are done are gone.
async fn holds(plugin: &WasmPlugin, pages: u64) {
    for _ in 0..500 {
        if plugin.memory() == pages * 65536 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} bytes, not {pages} pages", plugin.memory());
}

#[tokio::test]
async fn a_fresh_instance_remembers_nothing() {
    let plugin = Bench::new().metric(&counter()).await;
    assert_eq!(values(&plugin, 3).await, ["11", "11", "11"]);
    assert_eq!(plugin.warm_instances(), 0);
    holds(&plugin, 0).await;
}

/// Answers two digits: 0 or 1 whether everything that a guest can write to is as it was made, and what of it is not. Then
/// it writes to all of it: data, untouched memory (every `stride` bytes), grown memory, a table.
fn scribbler(stride: u32) -> Guest {
    let answer = Blob::measurement(4096).phase(1).value("00");
    Guest::metric()
        .memory("20")
        .item(&answer.data())
        .item("(data (i32.const 300000) \"as made\") (table $table 600 funcref)")
        .item("(func $any) (elem declare func $any)")
        .body(
            "run",
            &format!("(local $at i32) (local $grown i32) (local $wrong i32)
             (if (i64.ne (i64.load (i32.const 299999)) (i64.const 0x6564616d20736100)) (then (local.set $wrong (i32.const 1))))
             (local.set $at (i32.const 131072))
             (loop $look
               (if (i64.ne (i64.load offset=8 (local.get $at)) (i64.const 0)) (then (local.set $wrong (i32.const 2))))
               (i64.store offset=8 (local.get $at) (i64.const -1))
               (local.set $at (i32.add (local.get $at) (i32.const {stride})))
               (br_if $look (i32.lt_u (local.get $at) (i32.const 1310720))))
             (i64.store (i32.const 300000) (i64.const -1))
             (local.set $grown (i32.mul (memory.grow (i32.const 4)) (i32.const 65536)))
             (if (i32.ne (local.get $grown) (i32.const 1310720)) (then (local.set $wrong (i32.const 3))))
             (if (i64.ne (i64.load (local.get $grown)) (i64.const 0)) (then (local.set $wrong (i32.const 4))))
             (i64.store (local.get $grown) (i64.const -1))
             (if (i32.eqz (ref.is_null (table.get $table (i32.const 599)))) (then (local.set $wrong (i32.const 5))))
             (table.set $table (i32.const 599) (ref.func $any))
             (i32.store8 (i32.const 4200) (i32.add (i32.const 48) (i32.ne (local.get $wrong) (i32.const 0))))
             (i32.store8 (i32.const 4201) (i32.add (i32.const 48) (local.get $wrong)))
             (i32.const 4096)"),
        )
}

/// Places are reused, and what the last guest wrote is put back or given back: less than a place keeps, and more.
#[tokio::test]
async fn a_place_is_as_new_for_the_next_instance() {
    let mut config = config();
    config.pool = Pool {
        instances: 1,
        ..Pool::default()
    };
    let mut bench = Bench::new();
    bench.sandbox = Sandbox::new(config).unwrap();
    // Few pages; all of them; every other one, which are more stretches than the system tells at once.
    for stride in [65536, 4096, 8192] {
        let plugin = bench.metric(&scribbler(stride)).await;
        assert_eq!(values(&plugin, 4).await, ["00"; 4], "{stride}");
        // Another plugin gets what the first one left.
        let other = scribbler(stride).item("(global $other i32 (i32.const 1))");
        let other = bench.metric(&other).await;
        assert_eq!(values(&other, 4).await, ["00"; 4], "{stride}");
        assert_eq!(values(&plugin, 1).await, ["00"], "{stride}");
    }
    // Where an instance is kept, the same guest sees what it wrote.
    let warm = Bench::with(json!({"instances": {"mode": "warm"}}));
    let warm = warm.metric(&scribbler(4096)).await;
    assert_eq!(values(&warm, 1).await, ["00"]);
    settled(&warm, 1).await;
    assert_eq!(values(&warm, 1).await, ["15"]);
}

#[tokio::test]
async fn a_warm_instance_is_initialised_once_and_replaced_after_its_calls() {
    let bench = Bench::with(json!({"instances": {"mode": "warm", "max": 1, "calls": 3}}));
    let plugin = bench.metric(&counter()).await;
    let mut values = Vec::new();
    for served in [1, 1, 0, 1] {
        values.push(run(&plugin, &call()).await.unwrap().value);
        // Put away before the answer is given: the next call finds it.
        assert_eq!(plugin.warm_instances(), served);
        assert!(served == 0 || plugin.memory() >= 65536, "{}", plugin.memory());
    }
    assert_eq!(values, ["11", "12", "13", "11"]);
}

#[tokio::test]
async fn a_warm_instance_is_dropped_when_idle_and_after_a_fault() {
    let bench = Bench::with(json!({"instances": {"mode": "warm", "idle": "100ms"}}));
    let plugin = bench.metric(&counter()).await;
    run(&plugin, &call()).await.unwrap();
    settled(&plugin, 1).await;
    settled(&plugin, 0).await;

    // Traps on every second call of an instance.
    let guest = counter().body(
        "run",
        "(if (i32.eq (global.get $runs) (i32.const 49)) (then unreachable))
         (global.set $runs (i32.const 49)) (i32.const 4096)",
    );
    let bench = Bench::with(json!({"instances": {"mode": "warm"}}));
    let plugin = bench.metric(&guest).await;
    for _ in 0..2 {
        run(&plugin, &call()).await.unwrap();
        settled(&plugin, 1).await;
        assert_eq!(fault(run(&plugin, &call()).await).kind, FaultKind::Trap);
        settled(&plugin, 0).await;
    }
}

#[tokio::test]
async fn an_error_of_the_plugin_keeps_a_warm_instance() {
    let guest = counter()
        .item(&crate::guest::error(8192, 4, "not today", 8).data())
        .body("run", "(i32.const 8192)");
    let plugin = Bench::with(json!({"instances": {"mode": "warm"}})).metric(&guest).await;
    assert!(run(&plugin, &call()).await.is_err());
    settled(&plugin, 1).await;
}

#[tokio::test]
async fn more_calls_than_prepared_places() {
    let mut config = config();
    config.pool = Pool {
        instances: 1,
        ..Pool::default()
    };
    let mut bench = Bench::new();
    bench.sandbox = Sandbox::new(config).unwrap();
    let plugin = bench.metric(&sleeper("run", 100)).await;
    let calls = (0..6).map(|_| {
        let plugin = Arc::clone(&plugin);
        tokio::spawn(async move { run(&plugin, &call()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn eight_spinners_do_not_keep_others_from_answering() {
    let spinner = Guest::metric().body("run", "(loop $again (br $again)) unreachable");
    let deadline = Duration::from_millis(1500);
    let bench = Bench::with(json!({"limits": {"deadline": "1500ms"}}));
    let (spinner, healthy) = (bench.metric(&spinner).await, bench.metric(&counter()).await);
    let began = Instant::now();
    let spinners: Vec<_> = (0..8)
        .map(|_| {
            let spinner = Arc::clone(&spinner);
            tokio::spawn(async move { fault(run(&spinner, &call()).await).kind })
        })
        .collect();
    let mut answers = 0;
    while began.elapsed() < deadline {
        let mut call = call();
        call.deadline = Some(Instant::now() + Duration::from_secs(20));
        run(&healthy, &call).await.unwrap();
        answers += 1;
    }
    for spinner in spinners {
        assert_eq!(spinner.await.unwrap(), FaultKind::Deadline);
    }
    assert!(answers >= 10, "only {answers} answers in the meantime");
    assert!(began.elapsed() < deadline + Duration::from_secs(5));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_guest_along() {
    let bench = Bench::with(json!({"instances": {"mode": "warm"}}));
    let plugin = bench.metric(&sleeper("run", 60_000)).await;
    let gone = tokio::time::timeout(Duration::from_millis(100), run(&plugin, &call())).await;
    assert!(gone.is_err());
    assert_eq!(plugin.warm_instances(), 0);
    holds(&plugin, 0).await;
}

#[tokio::test]
async fn a_hundred_calls_at_once() {
    let plugin = Bench::new().metric(&counter()).await;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let plugin = Arc::clone(&plugin);
            tokio::spawn(async move { run(&plugin, &call()).await.unwrap().value })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "11");
    }
}
