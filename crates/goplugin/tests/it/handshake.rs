//! First lines: those of plugins that work with some change, and those that end a start.

use std::fs;

use rollcage_goplugin::{LineError, StartError};

use crate::{
    alone::alone,
    peer::{act, peer, run, start},
    support::{Case, SOON},
};

/// A real plugin whose line is another: `UNIX` in it is its socket, `TCP` a port that leads there.
async fn connects(line: &str) {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.arguments = vec![format!("line={line}").into()];
    let (plugin, service) = start(&case).await;
    plugin.ping(SOON).await.unwrap();
    assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    drop(service);
    assert_eq!(plugin.quit().await.unwrap().killed, None);
    case.nothing_is_left().await;
}

async fn refused(script: &str) -> LineError {
    match Case::script(script).refused().await {
        StartError::Line { line, .. } => line,
        other => panic!("{other}"),
    }
}

async fn says(line: &str, words: &str) {
    // The process stays: it is killed, and nothing is left of it.
    let error = refused(&format!("echo '{line}'; sleep 600")).await;
    assert!(error.to_string().contains(words), "{error} should say {words}");
}

#[tokio::test]
async fn h01_a_line_with_a_socket() {
    connects("1|1|unix|UNIX|netrpc|\n").await;
}

#[tokio::test]
async fn h02_a_line_with_a_port() {
    connects("1|1|tcp|TCP|netrpc|\n").await;
}

#[tokio::test]
async fn h03_four_fields_are_net_rpc() {
    connects("1|1|unix|UNIX\n").await;
}

#[tokio::test]
async fn h04_blanks_around_the_line() {
    connects("  1|1|unix|UNIX|netrpc|\t \r\n").await;
}

#[tokio::test]
async fn h05_seven_fields_and_a_short_sixth() {
    connects("1|1|unix|UNIX|netrpc|short|true\n").await;
    connects(&format!("1|1|unix|UNIX|netrpc|{}|\n", "Q".repeat(50))).await;
}

#[tokio::test]
async fn h06_a_certificate_that_nobody_asked_for() {
    says(&format!("1|1|unix|/t/p|netrpc|{}", "Q".repeat(400)), "asks for TLS").await;
    says(&format!("1|1|unix|/t/p|netrpc|{}", "Q".repeat(51)), "asks for TLS").await;
}

#[tokio::test]
async fn h07_a_first_line_that_is_no_handshake() {
    for line in ["1|1|unix", "starting my plugin v1.2.3", "time=now level=info msg=hello"] {
        says(line, &format!("unrecognized remote plugin message: {line}")).await;
    }
}

#[tokio::test]
async fn h08_another_core_version() {
    says("2|1|unix|/t/p|netrpc|", "plugin version 2, core version 1").await;
    says("x|1|unix|/t/p|netrpc|", "the core protocol version \"x\" is no number").await;
}

#[tokio::test]
async fn h09_another_app_version() {
    says("1|2|unix|/t/p|netrpc|", "plugin version 2, client versions [1]").await;
    says("1|x|unix|/t/p|netrpc|", "the protocol version \"x\" is no number").await;
    // As a real one says it.
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.arguments = vec!["other-version".into()];
    let error = case.refused().await.to_string();
    assert!(error.contains("plugin version 2, client versions [1]"), "{error}");
}

#[tokio::test]
async fn h10_a_network_that_is_none() {
    says(
        "1|1|pipe|/t/p|netrpc|",
        "unknown address type \"pipe\" of address \"/t/p\"",
    )
    .await;
}

#[tokio::test]
async fn h11_grpc() {
    says(
        "1|1|unix|/t/p|grpc|",
        "unsupported plugin protocol \"grpc\", supported: [netrpc]",
    )
    .await;
}

#[test]
fn h17_a_first_line_without_end_or_sense() {
    alone(8 << 20, || {
        run(async {
            for (script, words) in [
                (
                    "head -c 1000000 /dev/zero | tr '\\0' x; sleep 600",
                    "more than 65536 bytes",
                ),
                ("head -c 100000000 /dev/zero; sleep 600", "more than 65536 bytes"),
                ("printf '1|1|unix|/t/\\0p|netrpc|\\n'; sleep 600", "is no text"),
                ("printf '1|1|unix|/t/\\377p|netrpc|\\n'; sleep 600", "is no text"),
            ] {
                let error = refused(script).await.to_string();
                assert!(
                    error.contains(words) && error.len() < 1000,
                    "{error} should say {words}"
                );
            }
        });
    });
}

#[tokio::test]
async fn h25_a_path_too_long_for_a_socket() {
    says(
        &format!("1|1|unix|/{}|netrpc|", "x".repeat(107)),
        "a socket's path has at most 107 bytes",
    )
    .await;
    // The folder that a plugin would be given: it is not even started.
    let mut case = Case::script("touch started; exit 0");
    let long = case.folder.path().join("y".repeat(100));
    fs::create_dir(&long).unwrap();
    case.spec.folder = Some(long);
    assert!(matches!(case.refused().await, StartError::SocketFolder { .. }));
}

#[tokio::test]
async fn addresses_elsewhere_are_refused() {
    says(
        "1|1|tcp|10.0.0.1:80|netrpc|",
        "a plugin listens on the loopback interface",
    )
    .await;
    says("1|1|tcp|localhost:80|netrpc|", "it should be IP:PORT").await;
    says("1|1|unix|plugin1|netrpc|", "a socket file has an absolute path").await;
}
