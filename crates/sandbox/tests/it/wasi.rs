//! The parts of WASI that tests import, and what guests find behind them.

use rollcage_api::plugin::PluginKind;
use rollcage_core::FaultKind;
use serde_json::json;

use crate::{
    guest::Guest,
    support::{Bench, call, run, usage},
};

const IO: &str = "package wasi:io@0.2.3;
interface error { resource error; }
interface poll {
    resource pollable { ready: func() -> bool; block: func(); }
    poll: func(in: list<borrow<pollable>>) -> list<u32>;
}
interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
}";

const CLOCKS: &str = "package wasi:clocks@0.2.3;
interface monotonic-clock {
    use wasi:io/poll@0.2.3.{pollable};
    now: func() -> u64;
    subscribe-duration: func(when: u64) -> pollable;
}";

const CLI: &str = "package wasi:cli@0.2.3;
interface exit { exit: func(status: result); }
interface environment { get-environment: func() -> list<tuple<string, string>>; }
interface stdout { use wasi:io/streams@0.2.3.{output-stream}; get-stdout: func() -> output-stream; }";

/// `$now`, `$subscribe`, `$ready`, `$block`, `$poll`.
pub fn with_clock(guest: Guest) -> Guest {
    guest
        .package(IO, "wasi:io/poll@0.2.3")
        .package(CLOCKS, "wasi:clocks/monotonic-clock@0.2.3")
        .import(r#"(import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))"#)
        .import(r#"(import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $subscribe (param i64) (result i32)))"#)
        .import(r#"(import "wasi:io/poll@0.2.3" "[method]pollable.ready" (func $ready (param i32) (result i32)))"#)
        .import(r#"(import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))"#)
        .import(r#"(import "wasi:io/poll@0.2.3" "poll" (func $poll (param i32 i32 i32)))"#)
}

/// A metric plugin that sleeps so many milliseconds in a function.
pub fn sleeper(function: &str, milliseconds: u64) -> Guest {
    let nanoseconds = milliseconds * 1_000_000;
    let body = format!("(call $block (call $subscribe (i64.const {nanoseconds}))) (i32.const 1024)");
    with_clock(Guest::metric()).body(function, &body)
}

#[tokio::test]
async fn ending_the_process_is_a_fault() {
    let guest = Guest::metric()
        .package(
            CLI.split("interface environment").next().unwrap(),
            "wasi:cli/exit@0.2.3",
        )
        .import(r#"(import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))"#)
        .body("run", "(call $exit (i32.const 1)) unreachable");
    let fault = Bench::new().fault(&guest).await;
    assert_eq!(
        (fault.kind, fault.cause.as_str()),
        (FaultKind::Exit, "it ended its process with status 1")
    );
}

#[tokio::test]
async fn standard_output_is_log_and_counts_as_such() {
    let text = "hello\\0aworld";
    let guest = Guest::metric()
        .package(IO, "wasi:io/streams@0.2.3")
        .package(CLI, "wasi:cli/stdout@0.2.3")
        .import(r#"(import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))"#)
        .import(
            r#"(import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
               (func $write (param i32 i32 i32 i32)))"#,
        )
        .item(&format!("(data (i32.const 4096) \"{text}\")"))
        .body(
            "run",
            "(call $write (call $stdout) (i32.const 4096) (i32.const 11) (i32.const 8192)) (i32.const 1024)",
        );
    let call = call();
    let _ = run(&Bench::new().metric(&guest).await, &call).await;
    let lines: Vec<_> = usage(&call).log.into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["hello", "world"]);
    let tight = Bench::with(json!({"limits": {"log": 10}}));
    assert_eq!(tight.fault(&guest).await.kind, FaultKind::Log);
}

#[tokio::test]
async fn the_environment_is_the_entrys_alone() {
    // Logs name and value of the first variable, and traps unless there is exactly one.
    let guest = Guest::metric()
        .with_log()
        .package(IO, "wasi:io/streams@0.2.3")
        .package(CLI, "wasi:cli/environment@0.2.3")
        .import(r#"(import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))"#)
        .body(
            "run",
            "(local $first i32)
             (call $environment (i32.const 8192))
             (if (i32.ne (i32.load (i32.const 8196)) (i32.const 1)) (then unreachable))
             (local.set $first (i32.load (i32.const 8192)))
             (call $log (i32.const 1) (i32.load (local.get $first)) (i32.load offset=4 (local.get $first)))
             (call $log (i32.const 1) (i32.load offset=8 (local.get $first)) (i32.load offset=12 (local.get $first)))
             (i32.const 1024)",
        );
    let call = call();
    let bench = Bench::with(json!({"env": {"LOG_LEVEL": "info"}}));
    let _ = run(&bench.metric(&guest).await, &call).await;
    let lines: Vec<_> = usage(&call).log.into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["LOG_LEVEL", "info"]);
    assert_eq!(Bench::new().fault(&guest).await.kind, FaultKind::Trap);
    // Asked what it is, it finds none at all.
    let describing = guest.body(
        "describe",
        "(call $environment (i32.const 8192)) (if (i32.load (i32.const 8196)) (then unreachable)) (i32.const 1024)",
    );
    bench
        .load(PluginKind::MetricProvider, &describing)
        .await
        .unwrap()
        .describe()
        .await
        .unwrap();
}
