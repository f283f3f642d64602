//! Every known way of going wrong, by a real Go plugin: each ends as a fault of that plugin, with its cause, in its time; a
//! plugin beside it does not notice; and nothing is left of it.
//!
//! They mostly wait, so those of one test run side by side.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use rollcage_api::plugin::PluginKind::{self, MetricProvider, Step, TrafficRouter};
use rollcage_core::{
    Call, CallError, Fault,
    FaultKind::{BadAnswer, Deadline, Exit, InitRefused, Memory, NotAPlugin, Output, Resources, WrongContract},
    Phase,
};
use rollcage_goplugin::{CallRules, Spec};
use rollcage_tests::peers::{Peers, Version};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    objects,
    support::{Ours, RULES, spec},
};

/// What may take time on a slow machine, and has nothing to wait for.
const SOON: Duration = Duration::from_secs(45);
/// How many plugins go wrong at the same time.
const SIDE_BY_SIDE: usize = 6;

/// One way of going wrong.
struct Row {
    /// What the plugin is told to do, see `tests/peers/v1.10.1/own/faults.go`.
    fault: &'static str,
    kind: PluginKind,
    phase: Phase,
    expected: rollcage_core::FaultKind,
    /// What the cause has to say.
    says: &'static str,
}

const fn row(
    fault: &'static str,
    kind: PluginKind,
    phase: Phase,
    expected: rollcage_core::FaultKind,
    says: &'static str,
) -> Row {
    Row {
        fault,
        kind,
        phase,
        expected,
        says,
    }
}

/// Before the first call.
const STARTS: &[Row] = &[
    row("silent", MetricProvider, Phase::Link, Deadline, "3s"),
    row(
        "exit-first",
        TrafficRouter,
        Phase::Link,
        Exit,
        "no licence for this machine",
    ),
    row(
        "panic-first",
        MetricProvider,
        Phase::Link,
        Exit,
        "boom before the handshake",
    ),
    row(
        "prints-first",
        TrafficRouter,
        Phase::Link,
        NotAPlugin,
        "starting my plugin v1.2.3",
    ),
    row("prints-half", MetricProvider, Phase::Link, NotAPlugin, "loading 1"),
    row("junk", TrafficRouter, Phase::Link, NotAPlugin, ""),
    row("core-version", MetricProvider, Phase::Link, WrongContract, "2"),
    row(
        "app-version",
        TrafficRouter,
        Phase::Link,
        WrongContract,
        "plugin version 2, client versions [1]",
    ),
    row("grpc", MetricProvider, Phase::Link, WrongContract, "grpc"),
    row("network-pipe", TrafficRouter, Phase::Link, WrongContract, "pipe"),
    row("no-socket", MetricProvider, Phase::Link, BadAnswer, "plugin.sock"),
    row(
        "other-name",
        TrafficRouter,
        Phase::Link,
        WrongContract,
        "RpcTrafficRouterPlugin",
    ),
    row(
        "other-name",
        MetricProvider,
        Phase::Link,
        WrongContract,
        "RpcMetricProviderPlugin",
    ),
    row("other-cookie", MetricProvider, Phase::Link, WrongContract, ""),
    row("hang-init", MetricProvider, Phase::Init, Deadline, ""),
    row("hang-init", TrafficRouter, Phase::Init, Deadline, ""),
    row("panic-init", MetricProvider, Phase::Init, Exit, "boom in InitPlugin"),
    row("panic-init", TrafficRouter, Phase::Init, Exit, "boom in InitPlugin"),
    row(
        "error-init",
        MetricProvider,
        Phase::Init,
        InitRefused,
        "no kubeconfig here",
    ),
    row(
        "error-init",
        TrafficRouter,
        Phase::Init,
        InitRefused,
        "no kubeconfig here",
    ),
];

/// In a call.
const CALLS: &[Row] = &[
    row("hang", MetricProvider, Phase::Call, Deadline, "3s"),
    row("hang", TrafficRouter, Phase::Call, Deadline, "3s"),
    row("panic", MetricProvider, Phase::Call, Exit, "boom in a method"),
    row("panic", TrafficRouter, Phase::Call, Exit, "boom in a method"),
    row(
        "panic-goroutine",
        MetricProvider,
        Phase::Call,
        Exit,
        "boom in a goroutine",
    ),
    row("exit", TrafficRouter, Phase::Call, Exit, "code 3"),
    row("kill", MetricProvider, Phase::Call, Exit, "SIGKILL"),
    row("stop", MetricProvider, Phase::Call, Deadline, "keep-alive"),
    row("half-reply", MetricProvider, Phase::Call, Exit, "SIGKILL"),
    row("large-reply", MetricProvider, Phase::Call, Output, ""),
    row("memory", MetricProvider, Phase::Call, Memory, ""),
    row("grandchild", TrafficRouter, Phase::Call, Exit, "code 3"),
];

/// The same where the version has them.
const STEPS: &[Row] = &[
    row("hang", Step, Phase::Call, Deadline, "3s"),
    row("panic", Step, Phase::Call, Exit, "boom in a method"),
    row("exit", Step, Phase::Call, Exit, "code 3"),
];

/// A plugin with a fault in a folder of its own. Patience is short where waiting it out would prove no more.
fn faulty(version: &Version, kind: PluginKind, fault: &str) -> (tempfile::TempDir, Spec, CallRules) {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(kind, "test/own", &version.own(), folder.path());
    spec.arguments = vec!["-fault".into(), fault.into()];
    let mut rules = RULES;
    match fault {
        "silent" => spec.patience.start = Duration::from_secs(3),
        "hang-init" | "hang" => rules.deadline = Duration::from_secs(3),
        "stop" => {
            spec.patience.keep_alive = Duration::from_millis(500);
            spec.patience.answer = Duration::from_secs(3);
        }
        "memory" => spec.limits.memory = Some(512 << 20),
        "bomb" => spec.limits.tasks = Some(64),
        _ => {}
    }
    (folder, spec, rules)
}

/// A call of the kind's most usual method.
pub async fn ask(plugin: &Ours, kind: PluginKind, script: &Value) -> Result<Value, CallError> {
    let (method, input) = match kind {
        MetricProvider => ("run", json!({"analysisRun": {}, "metric": objects::metric(script)})),
        TrafficRouter => {
            let canary = json!({"trafficRouting": {"plugins": {"test/own": script}}});
            let rollout = json!({"spec": {"strategy": {"canary": canary}}});
            ("set-weight", json!({"rollout": rollout, "desiredWeight": 20}))
        }
        Step => (
            "run",
            json!({"rollout": {}, "context": {"pluginName": "test/own", "config": script}}),
        ),
    };
    plugin.answer(&Call::for_namespace("shop"), method, &input).await
}

fn assert_fault(row: &Row, version: &Version, fault: &Fault) {
    let at = format!("{} {:?} {}: {fault}", version.name, row.kind, row.fault);
    assert_eq!((fault.phase, fault.kind), (row.phase, row.expected), "{at}");
    assert!(fault.cause.contains(row.says), "{at} should say {:?}", row.says);
    assert_eq!(fault.plugin.name, "test/own", "{at}");
    assert!(!fault.hint.is_empty(), "{at}");
}

async fn start_fails(row: &Row, version: &Version) {
    let (folder, spec, rules) = faulty(version, row.kind, row.fault);
    let started = timeout(SOON, Ours::launch(folder, &spec, rules)).await.unwrap();
    let Err(fault) = started else {
        panic!("{} {}: it started", version.name, row.fault);
    };
    assert_fault(row, version, &fault);
}

async fn call_fails(row: &Row, version: &Version) {
    let (folder, spec, rules) = faulty(version, row.kind, row.fault);
    let plugin = Ours::launch(folder, &spec, rules).await.unwrap();
    let Err(CallError::Fault(fault)) = timeout(SOON, ask(&plugin, row.kind, &json!({}))).await.unwrap() else {
        panic!("{} {}: it answered", version.name, row.fault);
    };
    assert_fault(row, version, &fault);
    let mut ended = plugin.service.ended();
    match row.fault {
        // The process goes on: one call hangs, or answered too much.
        "hang" | "large-reply" => {
            let other = json!({"fault": "none"});
            let answer = timeout(SOON, ask(&plugin, row.kind, &other)).await.unwrap();
            answer.unwrap_or_else(|error| panic!("{} {}: {error}", version.name, row.fault));
            assert!(ended.borrow().is_none());
        }
        _ => {
            let ended = timeout(SOON, ended.wait_for(Option::is_some))
                .await
                .unwrap()
                .unwrap()
                .clone();
            assert!(ended.is_some());
        }
    }
    plugin.end().await;
}

/// Does `others` while a plugin that is well is called all the time, and always answers.
async fn beside(version: &Version, others: impl Future<Output = ()>) {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(MetricProvider, "test/own", &version.own(), folder.path());
    let well = Ours::launch(folder, &spec, RULES).await.unwrap();
    let answers = AtomicUsize::new(0);
    let asking = async {
        loop {
            ask(&well, MetricProvider, &json!({})).await.unwrap();
            answers.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = others => {}
        () = asking => {}
    }
    ask(&well, MetricProvider, &json!({})).await.unwrap();
    assert!(answers.into_inner() > 0);
    well.end().await;
}

/// The newest version, and the oldest: other generations of go-plugin and of what is below it.
fn versions(peers: &Peers) -> [&Version; 2] {
    [&peers.versions[0], peers.newest()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_start() {
    let Some(peers) = Peers::find() else { return };
    let rows = versions(&peers)
        .into_iter()
        .flat_map(|version| STARTS.iter().map(move |row| start_fails(row, version)));
    let all = stream::iter(rows.collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
    beside(peers.newest(), all.for_each(async |()| ())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer() {
    let Some(peers) = Peers::find() else { return };
    let rows = versions(&peers).into_iter().flat_map(|version| {
        let steps: &[Row] = if version.has_steps() { STEPS } else { &[] };
        CALLS.iter().chain(steps).map(move |row| call_fails(row, version))
    });
    let all = stream::iter(rows.collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
    beside(peers.newest(), all.for_each(async |()| ())).await;
}

/// What would end or block the original, and is nothing to us: the calls are answered, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l06_h18_h19_h21_odd_but_well() {
    let Some(peers) = Peers::find() else { return };
    let odd = ["bad-level", "long-line", "stdout-flood", "endless-stderr"];
    let plugins = versions(&peers).into_iter().flat_map(|version| {
        odd.into_iter().map(move |fault| async move {
            let (folder, spec, rules) = faulty(version, MetricProvider, fault);
            let plugin = Ours::launch(folder, &spec, rules).await.unwrap();
            for _ in 0..4 {
                let answer = timeout(SOON, ask(&plugin, MetricProvider, &json!({}))).await.unwrap();
                let answer = answer.unwrap_or_else(|error| panic!("{} {fault}: {error}", version.name));
                assert_eq!(answer["measurement"]["value"], "1");
            }
            plugin.end().await;
        })
    });
    let slow = async {
        let (folder, spec, rules) = faulty(peers.newest(), TrafficRouter, "none");
        let plugin = Ours::launch(folder, &spec, rules).await.unwrap();
        ask(&plugin, TrafficRouter, &json!({"sleep": "5s"})).await.unwrap();
        plugin.end().await;
    };
    let all = stream::iter(plugins.collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
    let others = async {
        tokio::join!(all.for_each(async |()| ()), slow);
    };
    Box::pin(beside(peers.newest(), others)).await;
}

/// Three calls that hang: the process is replaced, for what hangs in it never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l06_repeated_hangs_end_the_process() {
    let Some(peers) = Peers::find() else { return };
    let (folder, spec, _) = faulty(peers.newest(), MetricProvider, "hang");
    let rules = CallRules {
        deadline: Duration::from_millis(500),
        ..RULES
    };
    let plugin = Ours::launch(folder, &spec, rules).await.unwrap();
    for _ in 0..3 {
        let Err(CallError::Fault(fault)) = ask(&plugin, MetricProvider, &json!({})).await else {
            panic!("it answered");
        };
        assert_eq!(fault.kind, Deadline, "{fault}");
    }
    let mut ended = plugin.service.ended();
    let fault = timeout(SOON, ended.wait_for(Option::is_some))
        .await
        .unwrap()
        .unwrap()
        .clone();
    let fault = fault.unwrap();
    assert_eq!(fault.kind, Deadline, "{fault}");
    assert!(fault.cause.contains("replaced"), "{fault}");
    plugin.end().await;
}

/// Two hundred lives, each with its call, ended in four ways, by a host that does nothing else: it has as many descriptors and
/// threads as before, no children, and nothing in its folder.
#[test]
fn l11_two_hundred_lives_leave_nothing() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let lives = Command::new(env!("CARGO_BIN_EXE_rollcage-test-child"))
        .arg("lives")
        .args([&peers.newest().own(), folder.path()])
        .args(["200"])
        .output()
        .unwrap();
    assert!(lives.status.success(), "{}", String::from_utf8_lossy(&lives.stderr));
    let told: Value = serde_json::from_slice(&lives.stdout).unwrap();
    assert_eq!(told["lives"], 200, "{told}");
    assert_eq!(told["after"]["descriptors"], told["before"]["descriptors"], "{told}");
    assert_eq!(told["after"]["children"], json!([]), "{told}");
    assert_eq!(told["after"]["left"], json!([]), "{told}");
    // A thread for blocking work may come and go.
    let threads = |when: &str| told[when]["threads"].as_u64().unwrap();
    assert!(threads("after") <= threads("before") + 2, "{told}");
    // What an allocator keeps is not two hundred times anything.
    let memory = |when: &str| told[when]["residentKib"].as_u64().unwrap();
    assert!(memory("after") < memory("before") + (20 << 10), "{told}");
}

/// A fork bomb. Where no cgroup may be made, the host counts and ends all of it; this works as root too, whom
/// `RLIMIT_NPROC` does not bind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l09_a_fork_bomb() {
    let Some(peers) = Peers::find() else { return };
    let counted = async {
        let (folder, mut spec, rules) = faulty(peers.newest(), MetricProvider, "bomb");
        spec.cgroups = false;
        let row = row("bomb", MetricProvider, Phase::Link, Resources, "64 allowed");
        let Err(fault) = timeout(SOON, Ours::launch(folder, &spec, rules)).await.unwrap() else {
            panic!("it started");
        };
        assert_fault(&row, peers.newest(), &fault);
    };
    Box::pin(beside(peers.newest(), counted)).await;
    let limited = async {
        let (folder, mut spec, rules) = faulty(peers.newest(), MetricProvider, "bomb");
        spec.patience.start = Duration::from_secs(5);
        let Err(fault) = timeout(SOON, Ours::launch(folder, &spec, rules)).await.unwrap() else {
            panic!("it started");
        };
        // Under a cgroup the limit is never passed: it is silent, or gives up.
        assert!(matches!(fault.kind, Resources | Deadline | Exit), "{fault}");
    };
    Box::pin(beside(peers.newest(), limited)).await;
}

/// L03, by dropping the plugin: it has its two seconds, and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l03_quit_is_ignored() {
    let Some(peers) = Peers::find() else { return };
    let plugins = versions(&peers).map(|version| async move {
        let (folder, spec, rules) = faulty(version, MetricProvider, "ignores-quit");
        let plugin = Ours::launch(folder, &spec, rules).await.unwrap();
        ask(&plugin, MetricProvider, &json!({})).await.unwrap();
        plugin.end().await;
    });
    stream::iter(plugins).buffer_unordered(2).for_each(async |()| ()).await;
}

/// A plugin of another kind than configured, and a file that is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h15_h16_another_kind_and_no_program() {
    let Some(peers) = Peers::find() else { return };
    for version in &peers.versions {
        let folder = tempfile::tempdir().unwrap();
        let spec = spec(
            TrafficRouter,
            "test/own",
            &version.sample(MetricProvider),
            folder.path(),
        );
        let Err(fault) = Ours::launch(folder, &spec, RULES).await else {
            panic!("it started");
        };
        assert_eq!(fault.kind, WrongContract, "{}: {fault}", version.name);
    }
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    fs::write(&page, "<html>404 Not Found</html>").unwrap();
    fs::set_permissions(&page, fs::Permissions::from_mode(0o755)).unwrap();
    let spec = spec(MetricProvider, "test/own", &page, folder.path());
    let Err(fault) = Ours::launch(folder, &spec, RULES).await else {
        panic!("it started");
    };
    assert_eq!((fault.phase, fault.kind), (Phase::Link, NotAPlugin), "{fault}");
}

/// go-plugin's own examples: plugins of other programs, one of them over gRPC.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h11_h15_n04_plugins_of_other_programs() {
    let Some(peers) = Peers::find() else { return };
    for (example, their_cookie, says) in [
        ("plugin", None, "This binary is a plugin"),
        ("plugin", Some("hello"), "unknown plugin type: RpcMetricProviderPlugin"),
        ("plugin-go-grpc", Some("hello"), "grpc"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec(
            MetricProvider,
            "test/own",
            &peers.newest().example(example),
            folder.path(),
        );
        spec.env
            .extend(their_cookie.map(|cookie| ("BASIC_PLUGIN".to_owned(), cookie.to_owned())));
        let Err(fault) = Ours::launch(folder, &spec, RULES).await else {
            panic!("{example} started");
        };
        assert_eq!(
            (fault.phase, fault.kind),
            (Phase::Link, WrongContract),
            "{example}: {fault}"
        );
        assert!(fault.cause.contains(says), "{example}: {fault}");
    }
}
