//! Limits that are in force, not only set.

use std::{fs, time::Duration};

use rollcage_core::{FaultKind, Phase};
use rollcage_goplugin::StartError;

use crate::{
    peer::{act, peer, start},
    support::{Case, SOON},
};

/// A plugin that starts more and more processes: counted and ended where no cgroup is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_are_counted() {
    let mut case = Case::script("while true; do sleep 600 & sleep 0.01; done");
    case.spec.cgroups = false;
    case.spec.limits.tasks = Some(20);
    let error = case.refused().await;
    assert!(error.to_string().contains("20 allowed"), "{error}");
    assert_eq!(error.kind(), FaultKind::Resources);
}

/// The same under a cgroup: the limit is never passed. Only where this host may make one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_are_limited_by_a_cgroup() {
    let mut case = Case::script(
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done; echo 'all started' >&2; exec sleep 600",
    );
    case.spec.limits.tasks = Some(5);
    case.spec.patience.start = Duration::from_secs(3);
    let launched = case.start().await.map(|plugin| plugin.task_limit().clone());
    let error = launched.expect_err("it is no plugin");
    case.nothing_is_left().await;
    // A shell that cannot fork gives up, or goes on trying; a count would have ended it as such.
    let counted = error.to_string().contains("5 allowed");
    if counted {
        eprintln!("skipped: no cgroup with a pids controller may be made here");
        return;
    }
    assert!(!error.to_string().contains("all started"), "{error}");
    let left = fs::read_dir("/sys/fs/cgroup/pids")
        .or_else(|_| fs::read_dir("/sys/fs/cgroup"))
        .map(|folder| {
            let own = format!("rollcage-plugin-{}-", std::process::id());
            folder
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(&own))
                .count()
        });
    // Other tests have theirs at this time.
    assert!(left.unwrap_or(0) < 20);
}

/// Memory, files and core dumps, as the process itself sees them.
#[tokio::test]
async fn limits_are_those_of_the_process() {
    let mut case =
        Case::script("cat /proc/self/limits >&2; ulimit -a >/dev/null; ls -l /proc/self/fd >&2; pwd >&2; exit 9");
    case.spec.limits.memory = Some(300 << 20);
    case.spec.limits.files = 77;
    let error = case.refused().await;
    assert!(matches!(&error, StartError::Exited { .. }), "{error}");
    let log = case.log.lock().unwrap();
    let words: Vec<String> = log
        .iter()
        .map(|record| record.message.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for expected in [
        "Max data size 314572800 314572800 bytes",
        "Max open files 77 77 files",
        "Max core file size 0 0 bytes",
    ] {
        assert!(words.iter().any(|line| line == expected), "{expected} in {words:#?}");
    }
    assert!(
        words.iter().any(|line| line.starts_with("Max cpu time unlimited")),
        "{words:#?}"
    );
    assert!(
        words.iter().any(|line| line.starts_with("Max address space unlimited")),
        "{words:#?}"
    );
    assert!(words.iter().any(|line| line.ends_with("/w")), "{words:#?}");
}

/// What the host has open without the close-on-exec flag does not reach a plugin.
#[tokio::test]
async fn descriptors_are_not_inherited() {
    use std::os::unix::process::CommandExt as _;

    // A shell passes descriptor 9 on; the launcher is what has to stop it.
    let mut launcher = std::process::Command::new("/bin/sh");
    let own = std::process::id().to_string();
    let launch = env!("CARGO_BIN_EXE_rollcage-launch");
    // The launcher's parent is the shell, which execs: this process again.
    let script = format!("exec 9</etc/passwd; exec {launch} {own} - 100 - - - - /bin/ls -l /proc/self/fd");
    let output = launcher.args(["-c", &script]).process_group(0).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("/proc/") && !text.contains("passwd"), "{text}");
}

/// Another user, with its own count of processes. Only root may.
#[tokio::test]
async fn another_user() {
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0) {
        eprintln!("skipped: only root may become another user");
        return;
    }
    // In a folder that the other user does not get into, as a host's cache is.
    let closed = tempfile::tempdir().unwrap();
    let program = closed.path().join("sh");
    fs::copy("/bin/sh", &program).unwrap();
    let mut case = Case::of(&program);
    case.spec.arguments = vec![
        "-c".into(),
        "id >&2; cat /proc/self/limits >&2; touch own; ls >&2; exit 9".into(),
    ];
    case.spec.identity = Some((54_321, 54_322));
    case.spec.cgroups = false;
    case.spec.limits.tasks = Some(33);
    // The folder is root's and closed to others.
    std::os::unix::fs::chown(case.folder.path(), Some(54_321), Some(54_322)).unwrap();
    let error = case.refused().await;
    let log = case.log.lock().unwrap();
    let all: Vec<&str> = log.iter().map(|record| record.message.as_str()).collect();
    assert!(
        all.iter()
            .any(|line| line.starts_with("uid=54321 gid=54322") && !line.contains("root")),
        "{error} {all:?}"
    );
    assert!(
        all.iter()
            .any(|line| line.split_whitespace().take(4).eq(["Max", "processes", "33", "33"])),
        "{all:?}"
    );
    assert!(all.contains(&"own"), "{all:?}");
}

/// Memory beyond the limit ends the plugin, not the host, and the fault says so.
#[tokio::test]
async fn memory_is_limited() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.limits.memory = Some(512 << 20);
    let (plugin, service) = start(&case).await;
    let error = act(&service, "memory", SOON).await.unwrap_err();
    let fault = plugin.fault(Phase::Call, &error).await;
    assert_eq!(fault.kind, FaultKind::Memory, "{fault}");
    case.nothing_is_left().await;
}
