//! Against a real go-plugin server.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_core::{FaultKind, Phase};
use rollcage_gob::{Encoder, types, wire};
use rollcage_goplugin::{CallLimits, Client, DispenseError, Killed, NativePlugin, RpcError, StartError};
use tokio::time::timeout;

use crate::support::{Case, SOON, peer};

/// A plugin and its service; nothing where there is no Go.
macro_rules! started {
    ($case:ident, $plugin:ident, $service:ident) => {
        let Some(peer) = peer() else { return };
        let $case = Case::of(peer);
        let $plugin = $case.start().await.unwrap();
        let $service: Client = $plugin.dispense(CallLimits::default(), SOON).await.unwrap();
    };
}

/// A method from text to text.
async fn text(service: &Client, method: &str, what: &str, deadline: Duration) -> Result<String, RpcError> {
    let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::STRING, what, to);
    service
        .call(method, argument, |value| value.decode(types::STRING), deadline)
        .await
}

async fn act(service: &Client, what: &str, deadline: Duration) -> Result<String, RpcError> {
    text(service, "Plugin.Do", what, deadline).await
}

async fn slow(service: &Client, millis: u32, deadline: Duration) -> Result<u32, RpcError> {
    let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::UINT32, &millis, to);
    service
        .call("Plugin.Slow", argument, |value| value.decode(types::UINT32), deadline)
        .await
}

/// H01, N01, N08, L01, A: from the launch to an orderly end.
#[tokio::test]
async fn h01_l01_a_whole_life() {
    started!(case, plugin, service);
    plugin.ping(SOON).await.unwrap();
    // Argo's argument of methods that take none.
    let nothing = |encoder: &mut Encoder, to: &mut Vec<u8>| {
        encoder.nil_interface(to);
        Ok(())
    };
    let kind: Result<String, _> = service
        .call("Plugin.Type", nothing, |value| value.decode(types::STRING), SOON)
        .await;
    assert_eq!(kind.unwrap(), "peer");
    let init: Result<wire::RpcError, _> = service
        .call(
            "Plugin.InitPlugin",
            nothing,
            |value| value.decode(types::TYPES_RPC_ERROR),
            SOON,
        )
        .await;
    assert_eq!(init.unwrap().error_string, "");
    // H21: the line that ends Go's own host.
    let strange = r#"{"@level":3,"@message":null}"#;
    assert!(case.log.lock().unwrap().iter().any(|record| record.message == strange));
    drop(service);
    let exit = plugin.quit().await.unwrap();
    assert_eq!((exit.status.code(), exit.killed, exit.strays), (Some(0), None, 0));
    case.nothing_is_left().await;
}

/// N03, N04, N05, N11: errors of a server, and calls side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n03_n05_calls_and_errors() {
    started!(case, plugin, service);
    let error = act(&service, "error", SOON).await.unwrap_err();
    assert!(
        matches!(&error, RpcError::Server(text) if text == "no, says the plugin"),
        "{error}"
    );
    for (method, says) in [
        ("Plugin.Nothing", "rpc: can't find method Plugin.Nothing"),
        ("Other.Do", "rpc: can't find service Other.Do"),
        ("Do", "rpc: service/method request ill-formed: Do"),
    ] {
        let error = text(&service, method, "x", SOON).await.unwrap_err();
        assert_eq!(error.to_string(), says);
    }
    // A text where a number is expected.
    let error = text(&service, "Plugin.Slow", "x", SOON).await.unwrap_err();
    assert!(matches!(error, RpcError::Server(_)), "{error}");
    let service = Arc::new(service);
    let calls: Vec<_> = (0..1000_u32)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move { (n % 97, slow(&service, n % 97, SOON).await.unwrap()) })
        })
        .collect();
    for call in calls {
        let (asked, got) = call.await.unwrap();
        assert_eq!(asked, got);
    }
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// L06: a hang ends at its deadline; other calls are not affected, and the late answer is nobody's.
#[tokio::test]
async fn l06_a_hang_is_one_call() {
    started!(case, plugin, service);
    let (hung, fine) = tokio::join!(
        slow(&service, 700, Duration::from_millis(200)),
        slow(&service, 20, SOON)
    );
    assert!(matches!(hung, Err(RpcError::Deadline { .. })), "{hung:?}");
    assert_eq!(fine.unwrap(), 20);
    assert!(act(&service, "hang", Duration::from_millis(100)).await.is_err());
    // While the late answer comes.
    for n in 0..20 {
        assert_eq!(slow(&service, 50 + n, SOON).await.unwrap(), 50 + n);
    }
    plugin.ping(SOON).await.unwrap();
    let exit = plugin.quit().await.unwrap();
    assert_eq!(exit.killed, None);
    case.nothing_is_left().await;
}

/// Y04: ten megabytes there and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn y04_large_values() {
    started!(case, plugin, service);
    let large: String = (0..10_u32 << 20).map(|n| char::from(b' ' + (n % 89) as u8)).collect();
    let (echoed, pinged) = tokio::join!(text(&service, "Plugin.Echo", &large, SOON), plugin.ping(SOON));
    assert!(echoed.unwrap() == large);
    pinged.unwrap();
    // More than is allowed: this call's fault, and the next is fine.
    let limits = CallLimits {
        output: 1 << 20,
        input: 5 << 20,
    };
    let limited = plugin.dispense(limits, SOON).await.unwrap();
    let error = text(&limited, "Plugin.Echo", &large, SOON).await.unwrap_err();
    assert_eq!(error.kind(), FaultKind::Input, "{error}");
    let error = text(&limited, "Plugin.Echo", &large[..2 << 20], SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), FaultKind::Output, "{error}");
    assert_eq!(slow(&limited, 1, SOON).await.unwrap(), 1);
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// L04, L05: the process ends in a call. The fault says how.
#[tokio::test]
async fn l04_l05_crashes() {
    for (what, says) in [
        ("exit", "exited with code 3"),
        ("panic", "boom in a handler"),
        ("segfault", "SIGSEGV"),
        ("kill", "signal 9 (SIGKILL)"),
    ] {
        started!(case, plugin, service);
        let error = act(&service, what, SOON).await.unwrap_err();
        assert_eq!(error.to_string(), "unexpected EOF", "{what}");
        let fault = plugin.fault(Phase::Call, &error).await;
        assert_eq!(fault.kind, FaultKind::Exit, "{fault}");
        assert!(fault.to_string().contains(says), "{fault} should say {says}");
        let next = act(&service, "nothing", SOON).await.unwrap_err();
        assert!(matches!(next, RpcError::Shutdown | RpcError::Session(_)), "{next}");
        assert!(plugin.ping(SOON).await.is_err());
        assert!(timeout(SOON, plugin.ended()).await.unwrap().is_some());
        case.nothing_is_left().await;
    }
}

/// H18, H19, H20: a hundred megabytes in one line, by each way: nothing blocks, and calls go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h18_h19_h20_floods() {
    started!(case, plugin, service);
    for what in ["stdout", "stderr", "go-stdout"] {
        let (flooded, called) = tokio::join!(act(&service, what, SOON), slow(&service, 5, SOON));
        assert_eq!(flooded.unwrap(), "done", "{what}");
        assert_eq!(called.unwrap(), 5);
        plugin.ping(SOON).await.unwrap();
    }
    assert!(
        case.log
            .lock()
            .unwrap()
            .iter()
            .all(|record| record.message.len() < 5000)
    );
    let exit = plugin.quit().await.unwrap();
    assert_eq!(exit.killed, None);
    case.nothing_is_left().await;
}

/// L03: it answers `Quit` and stays.
#[tokio::test]
async fn l03_quit_is_ignored() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.arguments = vec!["leave-quit".into()];
    case.spec.patience.quit = Duration::from_millis(300);
    let plugin = case.start().await.unwrap();
    plugin.ping(SOON).await.unwrap();
    let exit = plugin.quit().await.unwrap();
    assert_eq!(exit.killed, Some(Killed::Quit));
    case.nothing_is_left().await;
}

/// L07: stopped as a whole: the keep-alive finds it.
#[tokio::test]
async fn l07_stopped() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.patience.keep_alive = Duration::from_millis(200);
    case.spec.patience.answer = Duration::from_millis(1500);
    let plugin = case.start().await.unwrap();
    let service: Client = plugin.dispense(CallLimits::default(), SOON).await.unwrap();
    let error = act(&service, "stop", SOON).await.unwrap_err();
    assert!(error.to_string().contains("keep-alive"), "{error}");
    assert_eq!(error.kind(), FaultKind::Deadline);
    let exit = timeout(SOON, plugin.ended()).await.unwrap().unwrap();
    assert_eq!(exit.killed, Some(Killed::GivenUp));
    case.nothing_is_left().await;
}

/// L08, L09: what a plugin leaves behind holds nothing up, and goes with it.
#[tokio::test]
async fn l08_l09_grandchildren() {
    for (what, stray) in [("grandchild", 0), ("daemon", 1)] {
        started!(case, plugin, service);
        let pid = act(&service, what, SOON).await.unwrap();
        assert!(fs::exists(format!("/proc/{pid}")).unwrap());
        let began = Instant::now();
        let error = act(&service, "exit", SOON).await.unwrap_err();
        let fault = plugin.fault(Phase::Call, &error).await;
        assert!(fault.to_string().contains("exited with code 3"), "{fault}");
        let exit = timeout(SOON, plugin.ended()).await.unwrap().unwrap();
        // The cgroup, where there is one, ends daemons before they are looked for.
        assert!(exit.strays <= stray, "{what}: {exit:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        case.nothing_is_left().await;
    }
}

/// H09, H15, N04: other versions, cookies and names.
#[tokio::test]
async fn h09_h15_n04_another_plugin() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.arguments = vec!["other-version".into()];
    let error = case.refused().await;
    assert!(
        error.to_string().contains("plugin version 2, client versions [1]"),
        "{error}"
    );
    case.spec.arguments = vec!["other-cookie".into()];
    let error = case.refused().await;
    assert!(matches!(error, StartError::Cookie { .. }), "{error}");
    case.spec.arguments = vec!["other-name".into()];
    let plugin = case.start().await.unwrap();
    let error = plugin.dispense(CallLimits::default(), SOON).await.unwrap_err();
    assert!(
        matches!(&error, DispenseError::Call(RpcError::Server(text)) if text == "unknown plugin type: RpcMetricProviderPlugin"),
        "{error}"
    );
    assert_eq!(error.kind(), FaultKind::WrongContract);
    plugin.quit().await.unwrap();
    case.nothing_is_left().await;
}

/// H28, and what a plugin sees of its host.
#[tokio::test]
async fn h28_environment_and_surroundings() {
    started!(case, plugin, service);
    let environment = act(&service, "environment", SOON).await.unwrap();
    for expected in [
        "ARGO_ROLLOUTS_RPC_PLUGIN=metricprovider",
        "PLUGIN_PROTOCOL_VERSIONS=1",
        "PLUGIN_MIN_PORT=10000",
    ] {
        assert!(environment.lines().any(|line| line == expected), "{environment}");
    }
    assert!(!environment.contains("CARGO_"), "{environment}");
    let look = act(&service, "look", SOON).await.unwrap();
    assert!(
        look.lines()
            .any(|line| line.starts_with("work=") && line.ends_with("/w")),
        "{look}"
    );
    assert!(look.contains("0=/dev/null"), "{look}");
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// Memory beyond the limit ends the plugin, not the host, and the fault says so.
#[tokio::test]
async fn memory_is_limited() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.limits.memory = Some(512 << 20);
    let plugin = case.start().await.unwrap();
    let service: Client = plugin.dispense(CallLimits::default(), SOON).await.unwrap();
    let error = act(&service, "memory", SOON).await.unwrap_err();
    let fault = plugin.fault(Phase::Call, &error).await;
    assert_eq!(fault.kind, FaultKind::Memory, "{fault}");
    case.nothing_is_left().await;
}

/// H29, L11: many lives: nothing stays, and the line never comes before the socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l11_many_lives() {
    let Some(peer) = peer() else { return };
    let case = Case::of(peer);
    let life = async |how: usize| {
        let plugin: NativePlugin = case.start().await.unwrap();
        plugin.ping(SOON).await.unwrap();
        match how % 3 {
            0 => drop(plugin.quit().await.unwrap()),
            1 => drop(plugin.kill().await.unwrap()),
            _ => drop(plugin),
        }
    };
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    life(0).await;
    let before = open();
    for how in 0..50 {
        life(how).await;
    }
    case.nothing_is_left().await;
    // Other tests run beside this one and have theirs open.
    assert!(open() < before + 100, "{} of {before}", open());
}
