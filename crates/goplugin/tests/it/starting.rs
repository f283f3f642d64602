//! From the launch to the connection: what a plugin is given, and how it fails before it is one.

use std::time::Duration;

use rollcage_api::plugin::PluginKind;
use rollcage_core::{FaultKind, PluginId};
use rollcage_goplugin::{CallLimits, DispenseError, EnvironmentPolicy, RpcError, StartError};
use tokio::net::UnixListener;

use crate::{
    peer::{act, peer, started},
    support::{Case, SOON},
};

/// It ends without a line, and the error says how. Long before its patience is over.
async fn ends(script: &str, says: &str) {
    let mut case = Case::script(script);
    case.spec.patience.start = Duration::from_mins(10);
    let error = case.refused().await;
    assert!(matches!(error, StartError::Exited { .. }), "{error}");
    assert!(error.to_string().contains(says), "{error} should say {says}");
}

#[tokio::test]
async fn h12_an_exit_before_the_line() {
    for code in [0, 1] {
        ends(
            &format!("echo 'cannot reach the moon' >&2; exit {code}"),
            &format!("exited with code {code}; on standard error: cannot reach the moon"),
        )
        .await;
    }
    // A child holds the pipes.
    ends("sleep 600 & exit 4", "exited with code 4").await;
}

#[tokio::test]
async fn h13_a_signal_before_the_line() {
    ends(
        "echo last words >&2; kill -SEGV $$",
        "ended by signal 11 (SIGSEGV); on standard error: last words",
    )
    .await;
    ends("kill -KILL $$", "ended by signal 9 (SIGKILL)").await;
}

#[tokio::test]
async fn h14_no_line_at_all() {
    let mut silent = Case::script("sleep 600 & echo waiting >&2; sleep 600");
    silent.spec.patience.start = Duration::from_millis(500);
    let error = silent.refused().await;
    assert!(
        matches!(&error, StartError::Silent { stderr, .. } if stderr == "waiting"),
        "{error}"
    );
    assert_eq!(error.kind(), FaultKind::Deadline);
    // Or no more of it: the line has to end.
    let mut half = Case::script("printf '1|1|unix|'; sleep 600");
    half.spec.patience.start = Duration::from_millis(500);
    assert!(matches!(half.refused().await, StartError::Silent { .. }));
    // It need not wait for that where nothing can come.
    let closed = Case::script("exec >&-; sleep 600").refused().await;
    assert!(closed.to_string().contains("closed its standard output"), "{closed}");
}

#[tokio::test]
async fn h15_another_kind_of_plugin() {
    let help = Case::script("echo 'This binary is a plugin. These are not meant' >&2; exit 1");
    let error = help.refused().await;
    assert!(matches!(error, StartError::Cookie { .. }), "{error}");
    let fault = error.fault(&PluginId {
        kind: PluginKind::Step,
        name: "a/b".into(),
    });
    assert_eq!(fault.kind, FaultKind::WrongContract);
    assert!(fault.hint.contains("which key"), "{fault}");
    // As a real one says it.
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.arguments = vec!["other-cookie".into()];
    let error = case.refused().await;
    assert!(matches!(error, StartError::Cookie { .. }), "{error}");
}

#[tokio::test]
async fn n04_an_unknown_plugin_name() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
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

#[tokio::test]
async fn h26_nobody_listens() {
    async fn refused(script: &str, at: &str) {
        let mut case = Case::script(script);
        let socket = case.folder.path().join("socket");
        case.spec
            .env
            .insert("SOCKET".to_owned(), socket.to_string_lossy().into_owned());
        // A file of a socket that nobody has any more.
        drop(UnixListener::bind(&socket).unwrap());
        let error = case.refused().await;
        assert!(matches!(error, StartError::Connect { .. }), "{at}: {error}");
    }
    refused(
        "echo \"1|1|unix|$SOCKET|netrpc|\"; sleep 600",
        "a socket without listener",
    )
    .await;
    refused(
        "rm $SOCKET; echo \"1|1|unix|$SOCKET|netrpc|\"; sleep 600",
        "a file that is gone",
    )
    .await;
    refused("echo '1|1|tcp|127.0.0.1:1|netrpc|'; sleep 600", "a port that is closed").await;
}

#[tokio::test]
async fn h28_environment_and_surroundings() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    for (name, value) in [
        ("ARGO_ROLLOUTS_RPC_PLUGIN", "step"),
        ("PLUGIN_PROTOCOL_VERSIONS", "9"),
        ("PLUGIN_CLIENT_CERT", "x"),
        ("OWN", "value"),
    ] {
        case.spec.env.insert(name.to_owned(), value.to_owned());
    }
    let (plugin, service) = crate::peer::start(&case).await;
    let environment = act(&service, "environment", SOON).await.unwrap();
    let path = format!("PATH={}", std::env::var("PATH").unwrap());
    for expected in [
        "ARGO_ROLLOUTS_RPC_PLUGIN=metricprovider",
        "PLUGIN_PROTOCOL_VERSIONS=1",
        "PLUGIN_MIN_PORT=10000",
        "PLUGIN_MAX_PORT=25000",
        "OWN=value",
        &path,
    ] {
        let times = environment.lines().filter(|line| *line == expected).count();
        assert_eq!(times, 1, "{expected} in {environment}");
    }
    for absent in ["CARGO_", "PLUGIN_CLIENT_CERT", "=9", "=step"] {
        assert!(!environment.contains(absent), "{environment}");
    }
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

#[tokio::test]
async fn y01_streams_without_data_are_enough_for_a_server() {
    started!(case, plugin, service);
    // Nothing was ever sent on the two streams between, and Dispense was answered.
    assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    plugin.quit().await.unwrap();
    case.nothing_is_left().await;
}

#[tokio::test]
async fn switched_off() {
    let mut case = Case::script("exit 0");
    case.spec.environment = EnvironmentPolicy::Off;
    assert!(matches!(case.refused().await, StartError::Off));
}

#[tokio::test]
async fn l15_given_up_while_it_starts() {
    // Whatever the moment, nothing is left.
    for millis in [0, 1, 3, 10, 30, 100, 300] {
        let case = Case::script("sleep 601 & sleep 600");
        let start = tokio::time::timeout(Duration::from_millis(millis), case.start()).await;
        assert!(start.is_err());
        case.nothing_is_left().await;
    }
}
