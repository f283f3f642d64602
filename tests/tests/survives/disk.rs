//! A full disk: a small one of its own, where that may be mounted.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rollcage_api::plugin::PluginKind;
use rollcage_core::{FaultKind, Phase, host::HostServices};
use rollcage_registry::PluginState;
use rollcage_sandbox::Compiler;
use rollcage_tests::stage::{Place, Stage, analysis_run, call, file, metric};
use serde_json::{Value, json};

use crate::origin::version;

const KIND: PluginKind = PluginKind::MetricProvider;

/// A small file system.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "rollcage-test"])
            .arg(&path);
        let mounted = mount
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: a full disk; file systems may not be mounted here");
            return None;
        }
        Some(Self(path))
    }

    /// Leaves room for this many bytes.
    fn fill(&self, room: usize) {
        let mut filler = File::create(self.0.join("filler")).unwrap();
        let page = vec![1; 4096];
        let mut written = 0_u64;
        let error = loop {
            match filler.write_all(&page) {
                Ok(()) => written += 4096,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        filler.set_len(written.saturating_sub(room as u64)).unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn stage(store: &Path, code: &Path) -> Stage {
    let place = Place {
        store: store.to_owned(),
        code: code.to_owned(),
        compiler: Compiler::child(env!("CARGO_BIN_EXE_rollcage-test-child"), ["compile".into()]),
    };
    Stage::open(&place, HostServices::without_cluster())
}

async fn answers(stage: &Stage) {
    let provider = stage.metric_provider("one");
    provider
        .run(&call(), &analysis_run(), &metric("any", &Value::Null))
        .await
        .unwrap();
}

/// Changes the entry to bytes that do not fit, and makes room again.
async fn outgrows(disk: &Disk, stage: &mut Stage, files: &Path, phase: Phase) {
    stage.entry(KIND, "one", &file(files, "one.wasm", &version(1, 0)), &json!({}));
    stage.load().await;
    assert_eq!(
        stage.status(KIND, "one").state,
        PluginState::Ready,
        "{:?}",
        stage.failure(KIND, "one")
    );
    let old = stage.status(KIND, "one").serving_digest.clone();

    disk.fill(4096);
    stage.entry(KIND, "one", &file(files, "two.wasm", &version(2, 300_000)), &json!({}));
    stage.load().await;
    let status = stage.status(KIND, "one");
    let fault = status.failure.as_deref().expect("it cannot load");
    assert_eq!((fault.phase, fault.kind), (phase, FaultKind::Storage), "{fault}");
    assert!(fault.cause.to_lowercase().contains("no space left"), "{fault}");
    assert!(!fault.hint.is_empty(), "{fault}");
    assert_eq!((status.state, &status.serving_digest), (PluginState::Degraded, &old));
    answers(stage).await;

    disk.empty();
    stage.entry(
        KIND,
        "one",
        &file(files, "two.wasm", &version(2, 300_000)),
        &json!({"args": ["again"]}),
    );
    tokio::time::timeout(Duration::from_mins(1), stage.load())
        .await
        .unwrap();
    assert_eq!(
        stage.status(KIND, "one").state,
        PluginState::Ready,
        "{:?}",
        stage.failure(KIND, "one")
    );
    answers(stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_full_disk_under_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path().join("disk")) else {
        return;
    };
    let mut stage = stage(&disk.0.join("store"), &folder.path().join("code"));
    outgrows(&disk, &mut stage, folder.path(), Phase::Fetch).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_a_full_disk_under_the_machine_code() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path().join("disk")) else {
        return;
    };
    let mut stage = stage(&folder.path().join("store"), &disk.0.join("code"));
    outgrows(&disk, &mut stage, folder.path(), Phase::Compile).await;
}
