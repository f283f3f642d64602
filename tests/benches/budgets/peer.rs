//! The original: Argo's own client and a native plugin, built by `cargo xtask bench` out of `tests/peers/go`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
pub(crate) use rollcage_tests::measured::Measured;

/// The built programs.
pub(crate) struct Peer {
    folder: PathBuf,
}

impl Peer {
    /// Where it was built, if it could be.
    pub(crate) fn find() -> Option<Self> {
        let folder = env::var_os("ROLLCAGE_PEERS").map(PathBuf::from)?;
        Some(Self { folder })
    }

    /// The plugin: a native one, whatever kind it is started as.
    pub(crate) fn plugin(&self) -> PathBuf {
        self.folder.join("plugin")
    }

    /// One run of the client with a plugin process of its own, which measures an AnalysisRun.
    pub(crate) fn measure(&self, run: &Path, callers: usize, calls: usize) -> Result<Measured> {
        self.measure_call("-run", run, callers, calls)
    }

    /// The same for `-run` with an AnalysisRun, or for `-rollout` with a Rollout whose weight is set.
    pub(crate) fn measure_call(&self, call: &str, object: &Path, callers: usize, calls: usize) -> Result<Measured> {
        let mut client = Command::new(self.folder.join("client"));
        client
            .arg("-plugin")
            .arg(self.plugin())
            .arg(call)
            .arg(object)
            .args(["-callers", &callers.to_string()])
            .args(["-calls", &calls.to_string()])
            .args(["-warmup", &(calls / 10).max(1).to_string()]);
        measured(&mut client)
    }
}

/// What a process prints that measures.
pub(crate) fn measured(process: &mut Command) -> Result<Measured> {
    let name = process.get_program().to_owned();
    let output = process
        .output()
        .with_context(|| format!("cannot run {}", name.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        name.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    serde_json::from_slice(&output.stdout).context("the answer is no JSON")
}
