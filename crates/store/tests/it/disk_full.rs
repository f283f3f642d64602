//! A disk that is full, and one that can only be read.
//!
//! A file system of its own is mounted in a name space of its own (`unshare`), and this program is started in it with a
//! role. Where that is not permitted, a limit on the size of files takes the full disk's place, and a folder without
//! write permission that of the read-only one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rollcage_core::{FaultKind, host::NoCluster};
use rollcage_store::{Digest, Store};

use crate::support::*;

const FOLDER: &str = "ROLLCAGE_STORE_TEST_FOLDER";

/// Runs a role after a shell script has prepared its surroundings.
fn run(role: &str, script: &str, folder: &Path, in_name_space: bool) -> Output {
    let script = format!("set -e\n{script}\nexec \"$@\"");
    let program = env::current_exe().unwrap();
    let mut command = if in_name_space {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command
        .args(["-c", &script, "sh"])
        .arg(program)
        .args(["--exact", role, "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .output()
        .unwrap()
}

fn can_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs none {}", folder.path().display());
    let args = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    Command::new("unshare")
        .args(args)
        .output()
        .is_ok_and(|output| output.status.success())
}

fn assert_passed(output: &Output) {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}\n{stderr}"
    );
}

/// What a role works with; `None` when somebody runs the ignored tests without one.
fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

fn local(bytes: &[u8]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.wasm");
    fs::write(&path, bytes).unwrap();
    let location = format!("file://{}", path.display());
    (folder, location)
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let role = "disk_full::fills_the_disk";
    if can_mount() {
        let script = format!("mount -t tmpfs -o size=512k none {}", folder.path().display());
        assert_passed(&run(role, &script, folder.path(), true));
    } else {
        eprintln!("mounting is not permitted: a limit on the size of files stands for the full disk");
        // The shell counts in blocks of 512 bytes or 1 KiB.
        assert_passed(&run(role, "trap '' XFSZ; ulimit -f 300", folder.path(), false));
    }
}

#[tokio::test]
#[ignore = "a role, not a test"]
async fn fills_the_disk() {
    let Some(folder) = folder() else {
        return;
    };
    let store = open(&folder);
    let small = component(1, 100_000);
    let (_kept, location) = local(&small);
    let fetched = fetch(&store, &entry(&location)).await.unwrap();
    store.remember(&id(), &location, &fetched).await.unwrap();
    drop(fetched);
    let large = component(2, 2 << 20);
    let (_kept, other) = local(&large);
    let fault = store
        .fetch(&named("example/other"), &entry(&other), &NoCluster)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Storage, "{fault}");
    assert!(
        fault.cause.contains("no space left on device") || fault.cause.contains("file too large"),
        "{fault}"
    );
    assert!(fault.hint.starts_with("make room on that volume"), "{fault}");
    // What was there is there, nothing else is, and it still works.
    assert_eq!(blobs(&folder), [Digest::of(&small).hex()]);
    let good = store.last_known_good(&id()).await.unwrap();
    assert_eq!(&*store.read(&id(), &good.digest).await.unwrap().unwrap().bytes, &*small);
    let (_kept, third) = local(&component(3, 90_000));
    fetch(&store, &entry(&third)).await.unwrap();
}

#[test]
fn a_full_disk_gives_up_what_is_not_needed() {
    if !can_mount() {
        eprintln!("skipped: mounting is not permitted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size=512k none {}", folder.path().display());
    assert_passed(&run(
        "disk_full::needs_the_room_of_others",
        &script,
        folder.path(),
        true,
    ));
}

#[tokio::test]
#[ignore = "a role, not a test"]
async fn needs_the_room_of_others() {
    let Some(folder) = folder() else {
        return;
    };
    let store = open(&folder);
    for seed in 0..6 {
        let bytes = component(seed, 200_000);
        let (_kept, location) = local(&bytes);
        assert_eq!(
            &*fetch(&store, &entry(&location)).await.unwrap().bytes,
            &*bytes,
            "{seed}"
        );
    }
}

#[test]
fn a_read_only_folder_serves_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cache");
    let bytes = component(1, 1000);
    let (_kept, location) = local(&bytes);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&root);
        let fetched = fetch(&store, &entry(&location)).await.unwrap();
        store.remember(&id(), &location, &fetched).await.unwrap();
    });
    let role = "disk_full::works_with_a_read_only_folder";
    if can_mount() {
        let path = root.display();
        let script = format!("mount --bind {path} {path}; mount -o remount,bind,ro {path}");
        assert_passed(&run(role, &script, &root, true));
    } else if rustix::process::geteuid().is_root() {
        eprintln!("skipped: mounting is not permitted, and permissions do not stop root");
    } else {
        assert_passed(&run(role, &format!("chmod -R a-w {}", root.display()), &root, false));
        assert!(
            Command::new("chmod")
                .args(["-R", "u+w"])
                .arg(&root)
                .status()
                .unwrap()
                .success()
        );
    }
}

#[tokio::test]
#[ignore = "a role, not a test"]
async fn works_with_a_read_only_folder() {
    let Some(folder) = folder() else {
        return;
    };
    let store = open(&folder);
    let good = store.last_known_good(&id()).await.unwrap();
    let fetched = store.read(&id(), &good.digest).await.unwrap().unwrap();
    assert_eq!(*fetched.bytes, component(1, 1000));
    let (_kept, location) = local(&component(2, 1000));
    let fault = store.fetch(&id(), &entry(&location), &NoCluster).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Storage);
    assert!(
        fault.cause.contains("cannot write into") && fault.hint.contains("has to be writable"),
        "{fault}"
    );
    let fault = store.remember(&id(), &location, &fetched).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Storage, "{fault}");
    let empty = Store::open(folder.join("new"), config()).unwrap_err();
    assert!(empty.to_string().contains("cannot be used"), "{empty}");
}
