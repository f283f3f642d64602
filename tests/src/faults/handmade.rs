//! Components of a few lines of text.

use std::sync::Arc;

use rollcage_api::plugin::PluginKind;
use rollcage_core::{FaultKind, Phase};
use rollcage_wat_guest::{Blob, Guest, error};
use serde_json::json;

use super::{Act, Case};
use crate::{
    server::Server,
    wasi::{
        CONFIG_TEXT, with_clock, with_contract_http, with_environment, with_exit, with_folders, with_http,
        with_sockets, with_stdout,
    },
};

const SPIN: &str = "(loop $again (br $again)) unreachable";
const COMPUTING: &str = "the deadline passed while it was computing";
const SLEEPING: &str = "the deadline passed while it slept or waited for the host";
/// Real time that a component has which would never end.
const DEADLINE: u64 = 250;

/// A healthy metric provider.
pub fn healthy() -> Arc<[u8]> {
    let answer = Blob::measurement(4096).phase(1).value("1");
    Guest::metric()
        .item(&answer.data())
        .body("run", "(i32.const 4096)")
        .build()
}

/// One whose `run` spins.
pub fn spinner() -> Arc<[u8]> {
    Guest::metric().body("run", SPIN).build()
}

/// All of them. `server` is the one that some wait for.
pub fn cases(server: &Server) -> Vec<Case> {
    let mut cases = spinners();
    cases.extend(sleepers(server));
    cases.extend(gluttons());
    cases.extend(liars());
    cases.extend(trespassers());
    cases.extend(crashers());
    cases
}

fn spinners() -> Vec<Case> {
    use PluginKind::{MetricProvider, Step, TrafficRouter};
    let in_start = Guest::metric().item("(func $spin (loop $again (br $again))) (start $spin)");
    let in_init = Guest::metric().body("init", SPIN);
    let in_capabilities = Guest::router().body("capabilities", SPIN);
    let in_describe = Guest::metric().body("describe", SPIN);
    let mut cases = vec![
        Case::load(
            "spin when instantiated",
            in_start.build(),
            Phase::Init,
            FaultKind::Deadline,
            COMPUTING,
        ),
        Case::load(
            "spin in init",
            in_init.build(),
            Phase::Init,
            FaultKind::Deadline,
            COMPUTING,
        ),
        Case::load(
            "spin in capabilities",
            in_capabilities.build(),
            Phase::Call,
            FaultKind::Deadline,
            COMPUTING,
        )
        .of(TrafficRouter),
        Case::new(
            "spin in describe",
            in_describe.build(),
            Act::Describe,
            Phase::Call,
            FaultKind::Deadline,
            COMPUTING,
        ),
    ];
    let methods: [(PluginKind, &[&str]); 3] = [
        (
            MetricProvider,
            &["run", "resume", "terminate", "garbage-collect", "get-metadata"],
        ),
        (
            TrafficRouter,
            &[
                "update-hash",
                "set-weight",
                "set-header-route",
                "set-mirror-route",
                "verify-weight",
                "remove-managed-routes",
            ],
        ),
        (Step, &["run", "terminate", "abort"]),
    ];
    for (kind, methods) in methods {
        for method in methods {
            let guest = match kind {
                MetricProvider => Guest::metric(),
                TrafficRouter => Guest::router(),
                Step => Guest::step(),
            };
            let (name, act) = (format!("spin in {kind}'s {method}"), Act::Call(method, json!({})));
            let bytes = guest.body(method, SPIN).build();
            cases.push(Case::new(&name, bytes, act, Phase::Call, FaultKind::Deadline, COMPUTING).of(kind));
        }
    }
    cases.into_iter().map(|case| case.within(DEADLINE)).collect()
}

fn sleepers(server: &Server) -> Vec<Case> {
    let sleep = "(call $block (call $subscribe (i64.const 3600000000000))) (i32.const 1024)";
    let in_run = with_clock(Guest::metric()).body("run", sleep).build();
    let in_init = with_clock(Guest::metric()).body("init", sleep).build();
    let mut cases = vec![
        Case::run("sleep in run", in_run, FaultKind::HostDeadline, SLEEPING),
        Case::load("sleep in init", in_init, Phase::Init, FaultKind::HostDeadline, SLEEPING),
    ];
    let address = server.address.to_string();
    let waiting = format!("waited for {address}");
    let mut number = 0;
    let mut waits = |name: &str, guest: Guest, config: String| {
        number += 1;
        // Same code, other digest: the constant is never read.
        let guest = guest.item(&format!("(global $number i32 (i32.const {number}))"));
        let mut case = Case::run(name, guest.build(), FaultKind::HostDeadline, &waiting)
            .configured(json!(config))
            .with(json!({"permissions": {"http": [address]}}));
        case.waiting_for = Some(address.clone());
        cases.push(case);
    };
    let asks =
        || with_contract_http(Guest::metric()).body("run", &format!("(call $get {CONFIG_TEXT}) (i32.const 1024)"));
    waits("http that never answers", asks(), server.url("/silent"));
    waits("http that drips its body", asks(), server.url("/drip"));
    waits("http that drips headers", asks(), server.url("/headers"));
    let silent = with_http(Guest::metric())
        .item("(data (i32.const 4096) \"/silent\")")
        .body(
            "run",
            &format!("(call $ask {CONFIG_TEXT} (i32.const 4096) (i32.const 7)) drop drop (i32.const 1024)"),
        );
    waits("wasi:http that never answers", silent, address.clone());
    cases.into_iter().map(|case| case.within(DEADLINE)).collect()
}

fn gluttons() -> Vec<Case> {
    let recursion = "(func $deeper (param i32) (result i32)
        (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))";
    let recursing = "(drop (call $deeper (i32.const 0))) (i32.const 1024)";
    let shout = Blob::measurement(4096).phase(1).u32(8 + 36, 0).u32(8 + 40, 100 << 20);
    let list = Blob::measurement(4096)
        .phase(1)
        .u32(8 + 72, 16384)
        .u32(8 + 76, 2_000_000);
    let handles = "(loop $again (drop (call $subscribe (i64.const 1000000000))) (br $again)) unreachable";
    let line = "(call $log (i32.const 1) (i32.const 8192) (i32.const 100))";
    let spill = "(loop $again (call $write (call $stdout) (i32.const 8192) (i32.const 4000) (i32.const 4096))
        (br $again)) unreachable";
    let memories = (0..12)
        .map(|n| format!("(memory $m{n} 1)"))
        .collect::<Vec<_>>()
        .concat();
    let large = json!({"limits": {"memory": "256Mi"}});
    let run = |name: &str, guest: Guest, kind, cause: &str| Case::run(name, guest.build(), kind, cause);
    let load = |name: &str, guest: Guest, kind, cause: &str| Case::load(name, guest.build(), Phase::Init, kind, cause);
    vec![
        run(
            "memory without end",
            Guest::metric().body(
                "run",
                "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable",
            ),
            FaultKind::Memory,
            "more than limits.memory",
        ),
        load(
            "memory of 1 GiB from the start",
            Guest::metric().memory("16384"),
            FaultKind::Memory,
            "limits.memory",
        ),
        run(
            "a table without end",
            Guest::metric().item("(table $table 1 funcref)").body(
                "run",
                "(loop $again (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $again)) unreachable",
            ),
            FaultKind::Table,
            "elements, more than 50000",
        ),
        load(
            "a huge table from the start",
            Guest::metric().item("(table $table 9000000 funcref)"),
            FaultKind::Table,
            "it wanted a table of 9000000 elements",
        ),
        run(
            "recursion in run",
            Guest::metric().item(recursion).body("run", recursing),
            FaultKind::Stack,
            "the call stack is full",
        ),
        load(
            "recursion in init",
            Guest::metric().item(recursion).body("init", recursing),
            FaultKind::Stack,
            "the call stack is full",
        ),
        run(
            "an answer of 100 MiB",
            Guest::metric()
                .memory("1700")
                .item(&shout.data())
                .body("run", "(i32.const 4096)"),
            FaultKind::Output,
            "more than limits.output",
        )
        .with(large.clone()),
        run(
            "an answer of two million pairs",
            Guest::metric()
                .memory("600")
                .item(&list.data())
                .body("run", "(i32.const 4096)"),
            FaultKind::Output,
            "more than limits.output",
        )
        .with(large),
        run(
            "log without end",
            Guest::metric()
                .with_log()
                .body("run", &format!("(loop $again {line} (br $again)) unreachable")),
            FaultKind::Log,
            "limits.log",
        ),
        run(
            "standard output without end",
            with_stdout(Guest::metric()).body("run", spill),
            FaultKind::Log,
            "limits.log",
        ),
        run(
            "handles without end",
            with_clock(Guest::metric()).body("run", handles),
            FaultKind::Resources,
            "handle",
        ),
        load(
            "too many memories",
            Guest::metric().item(&memories),
            FaultKind::Resources,
            "memor",
        ),
        run(
            "too much to be told",
            Guest::metric().item("(global $told i32 (i32.const 1))"),
            FaultKind::Input,
            "limits.input",
        )
        .with(json!({"limits": {"input": 20}})),
    ]
}

/// Answers that the contract does not allow.
fn liars() -> Vec<Case> {
    let answer = Blob::measurement(4096);
    let here = "(i32.const 4096)";
    [
        (
            "a phase that does not exist",
            answer.clone().phase(9),
            here,
            "discriminant",
        ),
        (
            "an option that is neither",
            answer.clone().byte(8, 7),
            here,
            "discriminant",
        ),
        (
            "a result that is neither",
            answer.clone().byte(0, 2),
            here,
            "discriminant",
        ),
        (
            "a text that is no UTF-8",
            answer.clone().raw(8 + 36, b"\xff\xfe"),
            here,
            "utf-8",
        ),
        (
            "a text outside of memory",
            answer.clone().u32(8 + 36, 60_000).u32(8 + 40, 100_000),
            here,
            "out of bounds",
        ),
        (
            "a list outside of memory",
            answer.clone().u32(8 + 72, 60_000).u32(8 + 76, 10_000),
            here,
            "out of bounds",
        ),
        (
            "an answer outside of memory",
            answer.clone(),
            "(i32.const 65528)",
            "out of bounds",
        ),
        (
            "an answer that is not aligned",
            answer.clone(),
            "(i32.const 4097)",
            "not aligned",
        ),
        (
            "a time that is none",
            answer.clone().phase(0).resume_at("tomorrow"),
            here,
            "tomorrow",
        ),
    ]
    .into_iter()
    .map(|(name, answer, body, cause)| {
        let guest = Guest::metric().item(&answer.data()).body("run", body);
        Case::run(name, guest.build(), FaultKind::InvalidAnswer, cause)
    })
    .chain([{
        // result<outcome, error> whose state is no JSON.
        let broken = Blob::new(4096, 48).byte(24, 1).text(28, "{");
        let guest = Guest::step().item(&broken.data()).body("run", here);
        Case::run(
            "a state that is no JSON",
            guest.build(),
            FaultKind::InvalidAnswer,
            "state",
        )
        .of(PluginKind::Step)
    }])
    .collect()
}

/// Those that want what they were not granted, and trap when they do not get it.
fn trespassers() -> Vec<Case> {
    let trap_on_error = "(if (i32.load8_u (i32.const 8192)) (then unreachable)) (i32.const 1024)";
    let http = with_contract_http(Guest::metric()).body("run", &format!("(call $get {CONFIG_TEXT}) {trap_on_error}"));
    let kubernetes = Guest::metric()
        .import(
            r#"(import "rollcage:plugin/kubernetes@0.1.0" "get"
               (func $object (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
        )
        .item("(data (i32.const 4096) \"v1Secretkube-systemadmin\")")
        .body(
            "run",
            &format!(
                "(call $object (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 2) (i32.const 4098) (i32.const 6)
                   (i32.const 4104) (i32.const 11) (i32.const 4115) (i32.const 5) (i32.const 8192)) {trap_on_error}"
            ),
        );
    let secret = Guest::metric()
        .import(r#"(import "rollcage:plugin/secrets@0.1.0" "get" (func $secret (param i32 i32 i32)))"#)
        .item("(data (i32.const 4096) \"admin\")")
        .body(
            "run",
            &format!("(call $secret (i32.const 4096) (i32.const 5) (i32.const 8192)) {trap_on_error}"),
        );
    let wasi_http = with_http(Guest::metric()).body(
        "run",
        &format!("(call $ask {CONFIG_TEXT} (i32.const 0) (i32.const 0)) drop (if (then unreachable)) (i32.const 1024)"),
    );
    let sockets = with_sockets(Guest::metric())
        .item("(data (i32.const 4096) \"localhost\")")
        .body(
            "run",
            &format!("(call $resolve (call $network) (i32.const 4096) (i32.const 9) (i32.const 8192)) {trap_on_error}"),
        );
    let none = "(if (i32.eqz (i32.load (i32.const 8196))) (then unreachable)) (i32.const 1024)";
    let folders = with_folders(Guest::metric()).body("run", &format!("(call $folders (i32.const 8192)) {none}"));
    let environment =
        with_environment(Guest::metric()).body("run", &format!("(call $environment (i32.const 8192)) {none}"));
    // An error of the kind denied, after a denial.
    let says_so = Guest::metric()
        .import(r#"(import "rollcage:plugin/secrets@0.1.0" "get" (func $secret (param i32 i32 i32)))"#)
        .item("(data (i32.const 8000) \"token\")")
        .item(&error(4096, 2, "not allowed", 8).data())
        .body(
            "run",
            "(call $secret (i32.const 8000) (i32.const 5) (i32.const 8192)) (i32.const 4096)",
        );
    let denied = |name: &str, guest: Guest, cause: &str| Case::run(name, guest.build(), FaultKind::Denied, cause);
    let nothing = |name: &str, guest: Guest| Case::run(name, guest.build(), FaultKind::Trap, "unreachable");
    vec![
        denied("http, not granted", http, "http: ").configured(json!("http://10.1.2.3:8080/")),
        denied(
            "kubernetes, not granted",
            kubernetes,
            "kubernetes: get secrets kube-system/admin",
        ),
        denied("a secret, not granted", secret, "secrets: admin"),
        denied("a denial that is passed on", says_so, "not allowed"),
        denied("wasi:http, not granted", wasi_http, "http: ").configured(json!("10.1.2.3:8080")),
        nothing("sockets, which refuse", sockets),
        nothing("folders, of which there are none", folders),
        nothing("the environment, which is empty", environment),
    ]
}

fn crashers() -> Vec<Case> {
    let one = |name: &str, body: &str, kind, cause: &str| {
        Case::run(name, Guest::metric().body("run", body).build(), kind, cause)
    };
    let exits =
        |status: u32| with_exit(Guest::metric()).body("run", &format!("(call $exit (i32.const {status})) unreachable"));
    let refuses = |kind, text: &str| {
        Guest::metric()
            .item(&error(4096, kind, text, 4).data())
            .body("init", "(i32.const 4096)")
    };
    let indirect = Guest::metric()
        .item("(table $table 1 funcref) (type $nothing (func))")
        .body(
            "run",
            "(call_indirect $table (type $nothing) (i32.const 0)) (i32.const 1024)",
        );
    vec![
        one("unreachable", "unreachable", FaultKind::Trap, "unreachable"),
        one(
            "division by zero",
            "(drop (i32.div_u (i32.const 1) (i32.const 0))) (i32.const 1024)",
            FaultKind::Trap,
            "integer divide by zero",
        ),
        one(
            "integer overflow",
            "(drop (i32.div_s (i32.const -2147483648) (i32.const -1))) (i32.const 1024)",
            FaultKind::Trap,
            "integer overflow",
        ),
        one(
            "a number that is no integer",
            "(drop (i32.trunc_f64_s (f64.const nan))) (i32.const 1024)",
            FaultKind::Trap,
            "invalid conversion to integer",
        ),
        one(
            "memory that is not there",
            "(i32.load (i32.const 9000000))",
            FaultKind::Trap,
            "out of bounds memory access",
        ),
        Case::run(
            "a function that is not there",
            indirect.build(),
            FaultKind::Trap,
            "uninitialized element",
        ),
        Case::run(
            "exit, badly",
            exits(1).build(),
            FaultKind::Exit,
            "it ended its process with status 1",
        ),
        Case::run(
            "exit, well",
            exits(0).build(),
            FaultKind::Exit,
            "it ended its process with status 0",
        ),
        Case::load(
            "a refusal of its own",
            refuses(0, "--address is missing").build(),
            Phase::Init,
            FaultKind::InitRefused,
            "--address is missing",
        ),
        Case::load(
            "an internal error in init",
            refuses(4, "out of luck").build(),
            Phase::Init,
            FaultKind::InitRefused,
            "out of luck",
        ),
        Case::load(
            "unreachable in init",
            Guest::metric().body("init", "unreachable").build(),
            Phase::Init,
            FaultKind::Trap,
            "unreachable",
        ),
    ]
}
