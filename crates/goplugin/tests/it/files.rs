//! Executables that are none.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rollcage_core::FaultKind;
use rollcage_goplugin::{LaunchStep, StartError};

use crate::{
    peer::{peer, start},
    support::Case,
};

/// Files that cannot be run, apart; and no trace of the failure at the next try.
#[tokio::test]
async fn h16_files_that_cannot_be_run() {
    let kind = async |case: &Case| match case.refused().await {
        error @ StartError::Exec { .. } => error.kind(),
        other => panic!("{other}"),
    };
    let mut case = Case::script("echo 1");
    let path = case.spec.executable.clone();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kind(&case).await, FaultKind::Denied);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&path, "\x7fELF no such thing").unwrap();
    assert_eq!(kind(&case).await, FaultKind::NotAPlugin);
    fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    assert_eq!(kind(&case).await, FaultKind::NotFound);
    fs::write(&path, "#!/bin/sh\nexit 5\n").unwrap();
    assert!(matches!(case.refused().await, StartError::Exited { .. }));
    fs::remove_file(&path).unwrap();
    assert_eq!(kind(&case).await, FaultKind::NotFound);
    let Some(peer) = peer() else { return };
    fs::copy(peer, &path).unwrap();
    case.spec.executable = path;
    let (plugin, _service) = start(&case).await;
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// A launcher that was given nonsense, and one that may not become another user.
#[tokio::test]
async fn launch_steps_are_told_apart() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rollcage-launch"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("rollcage-launcher|order|0|"));
    let mut case = Case::script("exit 0");
    if is_root() {
        return;
    }
    case.spec.identity = Some((0, 0));
    match case.refused().await {
        StartError::Launch { step, .. } => assert_eq!(step, LaunchStep::Identity),
        other => panic!("{other}"),
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
