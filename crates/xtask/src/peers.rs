//! `cargo xtask peers`: the original's side, built with Go out of `tests/peers`.
//!
//! ```text
//! tests/peers/<version>/go.mod ──> target/peers/<version>/  upstream's samples, and our own plugin
//! tests/peers/v1.10.1/host     ──> target/peers/v1.10.1/host  the original's clients
//! tests/peers/go               ──> target/peers/             what benchmarks compare with
//! ```

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::process::{is_ci, root, run as run_command};

/// Tells tests and benchmarks where the built peers are.
pub(crate) const VARIABLE: &str = "ROLLCAGE_PEERS";

/// The newest version has the sources of our own plugin, which are compiled against the others too.
const NEWEST: &str = "v1.10.1";
/// What every run of the tests has to do with: the oldest, the newest, and both generations of what lies between.
const USUAL: [&str; 4] = ["v1.5.1", "v1.7.2", "v1.9.2", NEWEST];
const OTHERS: [&str; 2] = ["v1.6.6", "v1.8.5"];
/// Steps came with 1.8.
const WITHOUT_STEPS: [&str; 3] = ["v1.5.1", "v1.6.6", "v1.7.2"];

/// What benchmarks compare with, built into `target/peers`; `None` without Go, which is an error in CI only. From nothing
/// this takes minutes; with Go's cache, a second.
pub(crate) fn run() -> Result<Option<PathBuf>> {
    let out = out()?;
    let mut go = Command::new("go");
    go.args(["build", "-buildvcs=false", "-o"])
        .arg(&out)
        .args(["./plugin", "./client"])
        .current_dir(root().join("tests/peers/go"));
    unless_go_is_missing(run_command(&mut go), out)
}

/// The peers of each version, built into `target/peers/<version>`. What has not changed is not built again, and Go is not
/// even asked.
pub(crate) fn versions(all: bool) -> Result<Option<PathBuf>> {
    let started = Instant::now();
    let out = out()?;
    let others: &[&str] = if all { &OTHERS } else { &[] };
    let built = USUAL
        .iter()
        .chain(others)
        .try_for_each(|version| build(version, &out.join(version)));
    eprintln!("peers: {:.1} s", started.elapsed().as_secs_f64());
    unless_go_is_missing(built, out)
}

fn out() -> Result<PathBuf> {
    let out = root().join("target/peers");
    fs::create_dir_all(&out)?;
    Ok(out)
}

fn unless_go_is_missing(built: Result<()>, out: PathBuf) -> Result<Option<PathBuf>> {
    match built {
        Ok(()) => Ok(Some(out)),
        Err(error) if is_ci() => bail!("not compared with Argo's own programs: {error:#}"),
        Err(error) => {
            eprintln!("skipped: not compared with Argo's own programs: {error:#}");
            Ok(None)
        }
    }
}

fn build(version: &str, out: &Path) -> Result<()> {
    let stamp = out.join("stamp");
    let inputs = inputs(version)?;
    if fs::read_to_string(&stamp).is_ok_and(|old| old == inputs) {
        return Ok(());
    }
    eprintln!("target/peers/{version}: building");
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out)?;
    // A long build beside other work: it yields, and takes two processors at most.
    let mut go = Command::new("nice");
    go.args(["-n", "10", "go", "build", "-p", "2"])
        .args(["-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(out);
    if version != NEWEST {
        go.arg(format!("-modfile=../{version}/go.mod"));
    }
    if WITHOUT_STEPS.contains(&version) {
        go.args(["-tags", "nostep"]);
    }
    go.args(["tool", "./own"]);
    if version == NEWEST {
        go.arg("./host");
    }
    run_command(go.current_dir(sources(NEWEST)))?;
    // Last: what was stopped half-way is built again.
    Ok(fs::write(stamp, inputs)?)
}

fn sources(version: &str) -> PathBuf {
    root().join("tests/peers").join(version)
}

/// All that a version's executables are made from, apart from Go and the modules, which `go.sum` names.
fn inputs(version: &str) -> Result<String> {
    let folder = sources(version);
    let mut files = vec![folder.join("go.mod"), folder.join("go.sum")];
    let packages: &[&str] = if version == NEWEST { &["own", "host"] } else { &["own"] };
    for package in packages {
        let mut sources = Vec::new();
        for entry in fs::read_dir(sources_of(package))? {
            sources.push(entry?.path());
        }
        sources.sort();
        files.extend(sources);
    }
    let mut inputs = String::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(root()).unwrap_or(&file);
        write!(inputs, "== {}\n{text}", name.display())?;
    }
    Ok(inputs)
}

fn sources_of(package: &str) -> PathBuf {
    sources(NEWEST).join(package)
}
