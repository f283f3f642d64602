//! `cargo xtask helm`: Helm, built with Go into `target/helm`, for the tests of `deploy/`.

use std::{fs, path::PathBuf, process::Command, time::Instant};

use anyhow::{Result, bail};

use crate::process::{is_ci, root, run as run_command};

/// Tells tests where it is.
pub(crate) const VARIABLE: &str = "ROLLCAGE_HELM";

const VERSION: &str = "v3.19.0";
/// The minor version of Kubernetes whose libraries it has: what it renders for where there is no cluster.
const KUBERNETES_MINOR: u32 = 34;

/// Built once for a version. `None` without Go, which is an error in CI only. From nothing this takes two minutes of both
/// processors.
pub(crate) fn run() -> Result<Option<PathBuf>> {
    let started = Instant::now();
    let out = root().join("target/helm");
    let program = out.join("helm");
    let stamp = out.join("stamp");
    let flags = flags();
    let inputs = format!("{VERSION}\n{flags}\n");
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|old| old == inputs) {
        return Ok(Some(program));
    }
    fs::create_dir_all(&out)?;
    eprintln!("target/helm: building");
    let mut go = Command::new("nice");
    go.args(["-n", "10", "go", "install", "-p", "2", "-trimpath"])
        .arg(format!("-ldflags={flags}"))
        .arg(format!("helm.sh/helm/v3/cmd/helm@{VERSION}"))
        .env("GOBIN", &out)
        .env("CGO_ENABLED", "0")
        // Not in this repository, whose modules are others'.
        .current_dir(&out);
    match run_command(&mut go) {
        Ok(()) => {
            fs::write(stamp, inputs)?;
            eprintln!("helm: {:.1} s", started.elapsed().as_secs_f64());
            Ok(Some(program))
        }
        Err(error) if is_ci() => bail!("deploy/ is not tested: {error:#}"),
        Err(error) => {
            eprintln!("skipped: deploy/ is not tested with Helm: {error:#}");
            Ok(None)
        }
    }
}

/// As Helm's own build has them: without, it takes every cluster for Kubernetes 1.20.
fn flags() -> String {
    let minor = |package| {
        let version = format!("helm.sh/helm/v3/pkg/{package}.k8sVersion");
        format!("-X {version}Major=1 -X {version}Minor={KUBERNETES_MINOR}")
    };
    let (chart, lint) = (minor("chartutil"), minor("lint/rules"));
    format!("-s -w -X helm.sh/helm/v3/internal/version.version={VERSION} {chart} {lint}")
}
