//! Children of plugins, and children of hosts.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rollcage_core::Phase;
use tokio::time::timeout;

use crate::{
    peer::{act, peer, run, start, started},
    support::{Case, SOON},
};

/// Starts a process that outlives the plugin, and lets the plugin end.
async fn left_behind(what: &str, strays: usize) {
    started!(case, plugin, service);
    let pid = act(&service, what, SOON).await.unwrap();
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    let began = Instant::now();
    let error = act(&service, "exit", SOON).await.unwrap_err();
    let fault = plugin.fault(Phase::Call, &error).await;
    assert!(fault.to_string().contains("exited with code 3"), "{fault}");
    let exit = timeout(SOON, plugin.ended()).await.unwrap().unwrap();
    // The cgroup, where there is one, ends daemons before they are looked for.
    assert!(exit.strays <= strays, "{what}: {exit:?}");
    // Its child sleeps for minutes.
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(plugin.kill().await, Some(exit));
    case.nothing_is_left().await;
    assert!(!fs::exists(format!("/proc/{pid}/exe")).unwrap());
}

#[tokio::test]
async fn l08_a_child_holds_its_output() {
    left_behind("grandchild", 0).await;
}

#[tokio::test]
async fn l09_a_daemon_of_a_plugin() {
    left_behind("daemon", 1).await;
}

/// Children and daemons go with the plugin; dropping it is enough.
#[tokio::test]
async fn l09_children_and_daemons() {
    let script = "sleep 601 & setsid sleep 602 & (setsid sh -c 'sleep 603 & exec sleep 604' &) ; ";
    let mut case = Case::script(&format!("{script} echo nonsense; exec sleep 600"));
    case.refused().await;
    // And without any chance for the host to do it in order.
    fs::write(&case.spec.executable, format!("#!/bin/sh\n{script} exec sleep 600\n")).unwrap();
    case.spec.patience.start = SOON;
    assert!(timeout(Duration::from_millis(700), case.start()).await.is_err());
    case.nothing_is_left().await;
}

/// Set in the process that plays the host.
const HOST: &str = "ROLLCAGE_TEST_HOST";

/// A host that is killed without a word: its plugins are, too.
#[test]
fn l10_a_plugin_ends_with_its_host() {
    let Some(peer) = peer() else { return };
    if let Ok(folder) = env::var(HOST) {
        run(async {
            let mut case = Case::of(peer);
            case.spec.folder = Some(folder.into());
            let (plugin, _service) = start(&case).await;
            println!("plugin {}", plugin.pid());
            std::future::pending::<()>().await;
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut host = Command::new(env::current_exe().unwrap())
        .args(["offspring::l10_a_plugin_ends_with_its_host", "--exact", "--nocapture"])
        .env(HOST, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = BufReader::new(host.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().split_once("plugin ")?.1.parse::<u32>().ok())
        .unwrap();
    let runs = || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty());
    assert!(runs());
    // SIGKILL.
    host.kill().unwrap();
    host.wait().unwrap();
    let began = Instant::now();
    while runs() {
        assert!(began.elapsed() < SOON, "process {pid} outlives its host");
        std::thread::sleep(Duration::from_millis(10));
    }
}
