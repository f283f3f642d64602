//! `cargo xtask test`.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    plugins,
    process::{cargo, is_ci, run as run_command},
};

/// The examples' workspace, and where its native tests are built.
const EXAMPLES: [&str; 2] = ["--manifest-path", "examples/Cargo.toml"];
const EXAMPLES_TARGET: [&str; 2] = ["--target-dir", "target/examples"];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Print how long each phase took
    #[arg(long)]
    timings: bool,
    /// Run only the whole-system tests whose name contains this, and show what they print
    name: Option<String>,
}

/// Sets up, then runs every check and test; the first that fails ends it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut phases = Phases::default();
    let plugins = phases.run("plugins", plugins::run)?;
    if let Some(name) = &arguments.name {
        let tests = ["test", "--package", "rollcage-tests", "--", "--nocapture", name];
        phases.run("tests", || run_command(cargo(&tests).env(plugins::VARIABLE, &plugins)))?;
    } else {
        phases.run("go", go)?;
        phases.run("format", || {
            run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
            run_command(cargo(&["fmt", "--check"]).args(EXAMPLES))
        })?;
        phases.run("clippy", || {
            let deny = ["--all-targets", "--", "--deny", "warnings"];
            run_command(cargo(&["clippy", "--workspace"]).args(deny))?;
            let examples = ["clippy", "--workspace"];
            run_command(cargo(&examples).args(EXAMPLES).args(EXAMPLES_TARGET).args(deny))
        })?;
        phases.run("docs", || {
            let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
            run_command(cargo(&docs).env("RUSTDOCFLAGS", "--deny warnings"))
        })?;
        phases.run("tests", || {
            run_command(cargo(&["test", "--workspace"]).env(plugins::VARIABLE, &plugins))
        })?;
        phases.run("examples", || {
            run_command(cargo(&["test", "--workspace"]).args(EXAMPLES).args(EXAMPLES_TARGET))
        })?;
    }
    if arguments.timings {
        phases.print();
    }
    Ok(())
}

/// Go compiles the original's own code as an oracle: without it those tests are skipped, but never in CI.
fn go() -> Result<()> {
    let found = Command::new("go").arg("version").stdout(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ if is_ci() => bail!("go is not installed: tests against the original need it"),
        _ => {
            eprintln!("go is not installed: tests against the original are skipped");
            Ok(())
        }
    }
}

#[derive(Default)]
struct Phases(Vec<(&'static str, Duration)>);

impl Phases {
    fn run<R>(&mut self, name: &'static str, phase: impl FnOnce() -> Result<R>) -> Result<R> {
        eprintln!("== {name}");
        let started = Instant::now();
        let result = phase();
        self.0.push((name, started.elapsed()));
        result
    }

    fn print(&self) {
        eprintln!("== timings");
        for (name, time) in &self.0 {
            eprintln!("{name:>10} {:>8.1} s", time.as_secs_f64());
        }
    }
}
