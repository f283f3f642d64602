//! Every limit, each beside the same call with only that limit lifted.

use rollcage_core::{CallError, Fault, FaultKind, Phase};
use rollcage_sandbox::{Ceilings, Sandbox};
use serde_json::{Value, json};

use crate::{
    guest::{Blob, Guest},
    support::{Bench, call, config, run},
    wasi::{sleeper, with_clock},
};

/// What an answer of zeros measures: nothing, which the condition of the tests cannot be evaluated on.
fn is_fine(result: &Result<rollcage_api::analysis::Measurement, CallError>) -> bool {
    result.is_ok()
}

/// The fault under `tight` limits; under `loose` ones the same call has to end well.
async fn twin(guest: &Guest, tight: Value, loose: Value) -> Fault {
    let fine = Bench::with(json!({"limits": loose})).run(guest).await;
    assert!(is_fine(&fine), "with the limit lifted: {fine:?}");
    Bench::with(json!({"limits": tight})).fault(guest).await
}

/// The same for what the machine gives.
async fn twin_ceiling(guest: &Guest, tight: impl FnOnce(&mut Ceilings), loose: impl FnOnce(&mut Ceilings)) -> Fault {
    let bench = |change: &dyn Fn(&mut Ceilings)| {
        let mut config = config();
        change(&mut config.ceilings);
        let mut bench = Bench::new();
        bench.sandbox = Sandbox::new(config).unwrap();
        bench
    };
    let changed = |change: Box<dyn FnOnce(&mut Ceilings) + '_>| {
        let mut ceilings = Ceilings::default();
        change(&mut ceilings);
        ceilings
    };
    let (tight, loose) = (changed(Box::new(tight)), changed(Box::new(loose)));
    let fine = bench(&|ceilings| *ceilings = loose).run(guest).await;
    assert!(is_fine(&fine), "with the ceiling lifted: {fine:?}");
    bench(&|ceilings| *ceilings = tight).fault(guest).await
}

fn is(fault: &Fault, phase: Phase, kind: FaultKind) {
    assert_eq!((fault.phase, fault.kind), (phase, kind), "{fault}");
    assert!(!fault.hint.is_empty(), "{fault}");
}

#[tokio::test]
async fn memory() {
    let grows = Guest::metric().body("run", "(drop (memory.grow (i32.const 200))) (i32.const 1024)");
    let fault = twin(&grows, json!({"memory": "1Mi"}), json!({})).await;
    is(&fault, Phase::Call, FaultKind::Memory);
    assert!(fault.cause.contains("limits.memory"), "{fault}");
    let begins_large = Guest::metric().memory("200");
    let fault = twin(&begins_large, json!({"memory": "1Mi"}), json!({})).await;
    is(&fault, Phase::Init, FaultKind::Memory);
}

#[tokio::test]
async fn memory_beyond_a_prepared_place() {
    let grows = Guest::metric().body(
        "run",
        "(if (i32.eq (memory.grow (i32.const 2400)) (i32.const -1)) (then unreachable)) (i32.const 1024)",
    );
    let fault = twin(&grows, json!({}), json!({"memory": "256Mi"})).await;
    is(&fault, Phase::Call, FaultKind::Memory);
}

#[tokio::test]
async fn a_memory_that_forbids_itself_to_grow_is_the_guests_own_matter() {
    let grows = Guest::metric().memory("1 2").body(
        "run",
        "(if (i32.ne (memory.grow (i32.const 5)) (i32.const -1)) (then unreachable)) (i32.const 1024)",
    );
    assert!(is_fine(&Bench::new().run(&grows).await));
}

#[tokio::test]
async fn tables() {
    let grows = Guest::metric().item("(table $table 1 funcref)").body(
        "run",
        "(drop (table.grow $table (ref.null func) (i32.const 60000))) (i32.const 1024)",
    );
    let fault = twin_ceiling(&grows, |_| {}, |ceilings| ceilings.table_elements = 100_000).await;
    is(&fault, Phase::Call, FaultKind::Table);
}

#[tokio::test]
async fn resources() {
    let plain = Guest::metric();
    let fault = twin_ceiling(&plain, |ceilings| ceilings.instances = 0, |_| {}).await;
    is(&fault, Phase::Init, FaultKind::Resources);
    let fault = twin_ceiling(&plain, |ceilings| ceilings.memories = 0, |_| {}).await;
    is(&fault, Phase::Init, FaultKind::Resources);
    let handles = with_clock(Guest::metric()).body(
        "run",
        "(local $n i32)
         (loop $again
           (drop (call $subscribe (i64.const 1000000000)))
           (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $n) (i32.const 500))))
         (i32.const 1024)",
    );
    let fault = twin_ceiling(&handles, |ceilings| ceilings.handles = 100, |_| {}).await;
    is(&fault, Phase::Call, FaultKind::Resources);
}

#[tokio::test]
async fn stack() {
    let recurses = Guest::metric()
        .item(
            "(func $deeper (param i32) (result i32)
               (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
                 (else (i32.add (i32.const 1) (call $deeper (i32.sub (local.get 0) (i32.const 1)))))))",
        )
        .body("run", "(drop (call $deeper (i32.const 20000))) (i32.const 1024)");
    let fault = twin_ceiling(
        &recurses,
        |ceilings| ceilings.stack = 128 << 10,
        |ceilings| ceilings.stack = 4 << 20,
    )
    .await;
    is(&fault, Phase::Call, FaultKind::Stack);
    assert!(
        fault.backtrace.iter().any(|name| name == "deeper"),
        "{:?}",
        fault.backtrace
    );
}

#[tokio::test]
async fn input() {
    let fault = twin(&Guest::metric(), json!({"input": 50}), json!({})).await;
    is(&fault, Phase::Call, FaultKind::Input);
    let subject = Guest::metric()
        .import(r#"(import "rollcage:plugin/subject@0.1.0" "object" (func $object (param i32)))"#)
        .body("run", "(call $object (i32.const 8192)) (i32.const 1024)");
    let fault = twin(&subject, json!({"input": 200}), json!({})).await;
    is(&fault, Phase::Call, FaultKind::Input);
}

#[tokio::test]
async fn output_of_an_answer() {
    let answer = Blob::measurement(4096).phase(1).value(&"x".repeat(5000));
    let guest = Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)");
    let fault = twin(&guest, json!({"output": "4Ki"}), json!({})).await;
    is(&fault, Phase::Call, FaultKind::Output);
}

#[tokio::test]
async fn output_is_summed_over_a_call() {
    // Each line is small; together, and with the answer, they are not.
    let lines = "(call $log (i32.const 0) (i32.const 8192) (i32.const 900))".repeat(5);
    let answer = Blob::measurement(4096).phase(1).value(&"x".repeat(900));
    let guest = Guest::metric()
        .with_log()
        .item(&answer.data())
        .body("run", &format!("{lines} (i32.const 4096)"));
    let fault = twin(&guest, json!({"output": 5000}), json!({"output": 6000})).await;
    is(&fault, Phase::Call, FaultKind::Output);
}

#[tokio::test]
async fn log() {
    let guest = Guest::metric().with_log().body(
        "run",
        "(local $n i32)
         (loop $again
           (call $log (i32.const 1) (i32.const 8192) (i32.const 100))
           (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
         (i32.const 1024)",
    );
    let fault = twin(&guest, json!({}), json!({"log": "1Mi"})).await;
    is(&fault, Phase::Call, FaultKind::Log);
}

/// Counts to a number.
fn computes(steps: u64) -> Guest {
    let compute = format!(
        "(func $compute (local $n i64)
           (loop $again
             (local.set $n (i64.add (local.get $n) (i64.const 1)))
             (br_if $again (i64.lt_u (local.get $n) (i64.const {steps})))))"
    );
    Guest::metric()
        .item(&compute)
        .body("run", "(call $compute) (i32.const 1024)")
}

#[tokio::test]
async fn guests_that_compute_share_a_thread() {
    let mut config = crate::support::config();
    config.threads = std::num::NonZeroUsize::MIN;
    let bench = Bench {
        sandbox: rollcage_sandbox::Sandbox::new(config).unwrap(),
        ..Bench::with(json!({"limits": {"deadline": "20s"}}))
    };
    let short = bench.metric(&computes(200_000_000)).await;
    let long = bench.metric(&computes(u64::MAX)).await;
    let calls = [(&short, 0), (&long, 20), (&long, 40)].map(|(plugin, begins_after)| {
        let plugin = std::sync::Arc::clone(plugin);
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(begins_after)).await;
            run(&plugin, &call()).await
        })
    });
    let [short, one, two] = calls;
    assert!(short.await.unwrap().is_ok());
    assert!(
        !one.is_finished() && !two.is_finished(),
        "the short one waited for the end of a long one"
    );
    one.abort();
    two.abort();
}

#[tokio::test]
async fn deadline_of_a_guest_that_computes() {
    let computes = computes(1_000_000_000);
    let fault = twin(&computes, json!({"deadline": "200ms"}), json!({})).await;
    is(&fault, Phase::Call, FaultKind::Deadline);
    for function in ["init", "run"] {
        let spins = Guest::metric().body(function, "(loop $again (br $again)) unreachable");
        let fault = Bench::with(json!({"limits": {"deadline": "300ms"}}))
            .fault(&spins)
            .await;
        let phase = if function == "init" { Phase::Init } else { Phase::Call };
        is(&fault, phase, FaultKind::Deadline);
    }
    let spins_at_once = Guest::metric().item("(func $spin (loop $again (br $again))) (start $spin)");
    let fault = Bench::with(json!({"limits": {"deadline": "300ms"}}))
        .fault(&spins_at_once)
        .await;
    is(&fault, Phase::Init, FaultKind::Deadline);
}

#[tokio::test]
async fn deadline_of_a_guest_that_waits() {
    let fault = twin(&sleeper("run", 1000), json!({"deadline": "300ms"}), json!({})).await;
    is(&fault, Phase::Call, FaultKind::HostDeadline);
    let fault = twin(&sleeper("init", 1000), json!({"deadline": "300ms"}), json!({})).await;
    is(&fault, Phase::Init, FaultKind::HostDeadline);
}

#[tokio::test]
async fn a_deadline_that_passed_in_the_queue() {
    let plugin = Bench::new().metric(&Guest::metric()).await;
    let mut call = call();
    call.deadline = std::time::Instant::now().checked_sub(std::time::Duration::from_millis(1));
    let fault = crate::support::fault(run(&plugin, &call).await);
    is(&fault, Phase::Call, FaultKind::QueueDeadline);
}

#[tokio::test]
async fn traps_name_the_guests_functions() {
    let guest = Guest::metric()
        .item("(func $_ZN7nothing4here17h0123456789abcdefE unreachable)")
        .body("run", "(call $_ZN7nothing4here17h0123456789abcdefE) (i32.const 1024)");
    let fault = Bench::new().fault(&guest).await;
    is(&fault, Phase::Call, FaultKind::Trap);
    assert_eq!(fault.cause, "wasm `unreachable` instruction executed");
    assert_eq!(fault.backtrace, ["nothing::here", "run"]);
}

#[tokio::test]
async fn a_trap_tells_what_the_guest_said_last() {
    let text = "panicked at src/lib.rs:7:5: nothing to divide by";
    let guest = Guest::metric()
        .with_log()
        .item(&format!("(data (i32.const 4096) \"{text}\")"))
        .body(
            "run",
            &format!(
                "(call $log (i32.const 3) (i32.const 4096) (i32.const {})) unreachable",
                text.len()
            ),
        );
    let fault = Bench::new().fault(&guest).await;
    assert_eq!(fault.cause, format!("wasm `unreachable` instruction executed: {text}"));
}

#[tokio::test]
async fn a_stack_in_linear_memory_that_runs_out() {
    // As compiled languages do it: the stack grows down to 0 and beyond.
    let guest = Guest::metric()
        .item(
            "(global $sp (mut i32) (i32.const 4096))
             (func $deeper (param i32) (result i32)
               (global.set $sp (i32.sub (global.get $sp) (i32.const 64)))
               (i32.store (global.get $sp) (local.get 0))
               (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))",
        )
        .body("run", "(drop (call $deeper (i32.const 0))) (i32.const 1024)");
    is(&Bench::new().fault(&guest).await, Phase::Call, FaultKind::Stack);
    let stray = Guest::metric().body("run", "(i32.store (i32.const -16) (i32.const 1)) (i32.const 1024)");
    is(&Bench::new().fault(&stray).await, Phase::Call, FaultKind::Trap);
}

#[tokio::test]
async fn answers_that_the_contract_does_not_allow() {
    let answer = Blob::measurement(4096);
    for (what, answer, body) in [
        (
            "a phase that does not exist",
            answer.clone().phase(9),
            "(i32.const 4096)",
        ),
        (
            "an option that is neither",
            answer.clone().byte(8, 7),
            "(i32.const 4096)",
        ),
        (
            "a result that is neither",
            answer.clone().byte(0, 2),
            "(i32.const 4096)",
        ),
        (
            "a text that is no UTF-8",
            answer.clone().raw(8 + 36, b"\xff\xfe"),
            "(i32.const 4096)",
        ),
        (
            "a text outside of memory",
            answer.clone().u32(8 + 36, 60_000).u32(8 + 40, 100_000),
            "(i32.const 4096)",
        ),
        (
            "a list outside of memory",
            answer.clone().u32(8 + 72, 60_000).u32(8 + 76, 10_000),
            "(i32.const 4096)",
        ),
        ("an answer outside of memory", answer.clone(), "(i32.const 65530)"),
        ("an answer that is not aligned", answer.clone(), "(i32.const 4097)"),
        (
            "a time that is none",
            answer.clone().phase(0).resume_at("tomorrow"),
            "(i32.const 4096)",
        ),
    ] {
        let guest = Guest::metric().item(&answer.data()).body("run", body);
        let fault = Bench::new().fault(&guest).await;
        assert_eq!(fault.kind, FaultKind::InvalidAnswer, "{what}: {fault}");
    }
    let refuses_memory = Guest::metric().item("").body("run", "(i32.const 1024)");
    assert!(is_fine(&Bench::new().run(&refuses_memory).await));
}
