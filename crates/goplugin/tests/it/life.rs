//! Orderly and less orderly ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use rollcage_gob::{Encoder, types, wire};
use rollcage_goplugin::Killed;

use crate::{
    peer::{act, peer, start, started},
    served::served,
    support::{Case, SOON},
};

#[tokio::test]
async fn l01_it_quits_when_asked() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    // It takes its time.
    case.spec.arguments = vec!["leave-late".into()];
    let (plugin, service) = start(&case).await;
    drop(service);
    let exit = plugin.quit().await.unwrap();
    assert_eq!((exit.status.code(), exit.killed, exit.strays), (Some(0), None, 0));
    case.nothing_is_left().await;
}

#[tokio::test]
async fn l02_it_quits_without_an_answer() {
    let (case, plugin, stream) = served("while [ ! -e \"$SOCKET.quit\" ]; do sleep 0.02; done; exit 0", &[]).await;
    let end = async {
        // What comes is the question; the end of the connection is all it gets.
        stream.readable().await.unwrap();
        drop(stream);
        fs::write(case.folder.path().join("socket.quit"), "").unwrap();
    };
    let (exit, ()) = tokio::join!(plugin.quit(), end);
    let exit = exit.unwrap();
    assert_eq!((exit.status.code(), exit.killed), (Some(0), None));
    case.nothing_is_left().await;
}

#[tokio::test]
async fn l03_it_answers_and_stays() {
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

/// The error is the answer, and the plugin stays: what to do about it is the registry's to decide, which starts it anew.
#[tokio::test]
async fn l12_its_init_fails() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    let said = "no credentials: größe \"x\"";
    case.spec.env.insert("PEER_INIT_ERROR".to_owned(), said.to_owned());
    let (plugin, service) = start(&case).await;
    for _ in 0..2 {
        let nothing = |encoder: &mut Encoder, to: &mut Vec<u8>| {
            encoder.nil_interface(to);
            Ok(())
        };
        let init: wire::RpcError = service
            .call(
                "Plugin.InitPlugin",
                nothing,
                |value| value.decode(types::TYPES_RPC_ERROR),
                SOON,
            )
            .await
            .unwrap();
        assert_eq!(init.error_string, said);
    }
    assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    plugin.quit().await.unwrap();
    case.nothing_is_left().await;
}

/// A plugin that somebody else has started, and two hosts that come one after the other.
#[tokio::test]
async fn l14_two_hosts_of_one_plugin() {
    let Some(peer) = peer() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut plugin = Command::new(peer)
        .env("ARGO_ROLLOUTS_RPC_PLUGIN", "metricprovider")
        .env("PLUGIN_PROTOCOL_VERSIONS", "1")
        .env("PLUGIN_UNIX_SOCKET_DIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(plugin.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    for _ in 0..2 {
        // This one only says where the other is.
        let case = Case::script(&format!("echo '{}'; exec sleep 600", line.trim()));
        let (host, service) = start(&case).await;
        host.ping(SOON).await.unwrap();
        assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
        host.kill().await.unwrap();
        case.nothing_is_left().await;
    }
    assert!(plugin.try_wait().unwrap().is_none(), "it ended with its first host");
    plugin.kill().unwrap();
    plugin.wait().unwrap();
}

#[tokio::test]
async fn l15_killed_more_than_once() {
    // By itself, by somebody else, and then by its host: the first end is the one that counts.
    for (what, code) in [("exit", Some(3)), ("kill", None)] {
        started!(case, plugin, service);
        act(&service, what, SOON).await.unwrap_err();
        let first = plugin.ended().await.unwrap();
        assert_eq!((first.status.code(), first.killed), (code, None));
        assert_eq!(plugin.ended().await, Some(first));
        assert_eq!(plugin.kill().await, Some(first));
        assert_eq!(plugin.quit().await, Some(first));
        assert_eq!(plugin.kill().await, Some(first));
        case.nothing_is_left().await;
    }
    started!(case, plugin, service);
    act(&service, "exit", SOON).await.unwrap_err();
    assert_eq!(plugin.quit().await.unwrap().status.code(), Some(3));
    case.nothing_is_left().await;
    // Two at once, and its own end besides.
    started!(other, plugin, service);
    let (died, one, two) = tokio::join!(act(&service, "exit", SOON), plugin.kill(), plugin.kill());
    assert!(died.is_err());
    assert!(one.is_some() && one == two, "{one:?} {two:?}");
    other.nothing_is_left().await;
}
