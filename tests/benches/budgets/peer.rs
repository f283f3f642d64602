//! The original: Argo's own client and a native plugin, built by `cargo xtask bench` out of `tests/peers/go`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The built programs.
pub(crate) struct Peer {
    folder: PathBuf,
}

/// What the client measured.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) calls_per_second: f64,
    pub(crate) cpu_us_per_call: f64,
    #[serde(default)]
    pub(crate) plugin_rss_bytes: f64,
    #[serde(default)]
    pub(crate) start_ms: f64,
}

impl Peer {
    /// Where it was built, if it could be.
    pub(crate) fn find() -> Option<Self> {
        let folder = env::var_os("ROLLCAGE_PEERS").map(PathBuf::from)?;
        Some(Self { folder })
    }

    /// One run of the client with a plugin process of its own.
    pub(crate) fn measure(&self, run: &Path, callers: usize, calls: usize) -> Result<Measured> {
        let client = self.folder.join("client");
        let output = Command::new(&client)
            .arg("-plugin")
            .arg(self.folder.join("plugin"))
            .arg("-run")
            .arg(run)
            .args(["-callers", &callers.to_string()])
            .args(["-calls", &calls.to_string()])
            .args(["-warmup", &(calls / 10).max(1).to_string()])
            .output()
            .with_context(|| format!("cannot run {}", client.display()))?;
        ensure!(
            output.status.success(),
            "{}: {}",
            client.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        serde_json::from_slice(&output.stdout).context("the client's answer is no JSON")
    }
}
