//! `cargo xtask plugins`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use rollcage_toolchain::{Job, Language, Toolchain};

use crate::process::root;

/// Tells tests where the built plugins are.
pub(crate) const VARIABLE: &str = "ROLLCAGE_PLUGINS";

/// Builds every example into `target/plugins` and gives that folder.
pub(crate) fn run() -> Result<PathBuf> {
    let started = Instant::now();
    let out = root().join("target/plugins");
    let toolchain = Toolchain::new().with_target_dir(root().join("target/guests"));
    for built in toolchain.build_all(&jobs(&out)?)? {
        let state = if built.changed { "built" } else { "up to date" };
        let out = built.out.strip_prefix(root()).unwrap_or(&built.out);
        eprintln!("{}: {state} ({}, {} bytes)", out.display(), built.language, built.size);
    }
    eprintln!("plugins: {:.1} s", started.elapsed().as_secs_f64());
    Ok(out)
}

/// One job for every folder of `examples`, and for every misbehaving guest of the tests (to `faults/`).
fn jobs(out: &Path) -> Result<Vec<Job>> {
    let mut jobs = jobs_of(&root().join("examples"), out)?;
    jobs.extend(jobs_of(&root().join("tests/guests"), &out.join("faults"))?);
    Ok(jobs)
}

/// One job for every folder that holds a package.
fn jobs_of(folder: &Path, out: &Path) -> Result<Vec<Job>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if Language::of(&path).is_some() {
            folders.push(path);
        }
    }
    folders.sort();
    let jobs = folders.into_iter().filter_map(|source| {
        let name = source.file_name()?.to_str()?;
        Some(Job {
            out: out.join(format!("{name}.wasm")),
            source: source.clone(),
        })
    });
    Ok(jobs.collect())
}
