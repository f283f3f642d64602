//! The original's side of benchmarks: `tests/peers/go`, built with Go.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::process::{is_ci, root, run as run_command};

/// Tells benchmarks where the built peers are.
pub(crate) const VARIABLE: &str = "ROLLCAGE_PEERS";

/// Builds the peers into `target/peers` and gives that folder; `None` without Go, which is an error in CI only. From
/// nothing this takes minutes; with Go's cache, a second.
pub(crate) fn run() -> Result<Option<PathBuf>> {
    let out = root().join("target/peers");
    fs::create_dir_all(&out)?;
    let built = run_command(
        Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(&out)
            .args(["./plugin", "./client"])
            .current_dir(root().join("tests/peers/go")),
    );
    match built {
        Ok(()) => Ok(Some(out)),
        Err(error) if is_ci() => bail!("not compared with Argo's client: {error:#}"),
        Err(error) => {
            eprintln!("skipped: not compared with Argo's client: {error:#}");
            Ok(None)
        }
    }
}
