//! `cargo xtask test`.

use std::{
    io::{self, Write as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::{
    controlplane, helm, peers, plugins,
    process::{cargo, is_ci, root, run as run_command},
};

/// Workspaces of guests, built natively for their checks and tests.
const EXAMPLES: &str = "examples/Cargo.toml";
const GUESTS: [&str; 2] = [EXAMPLES, "tests/guests/Cargo.toml"];
const GUESTS_TARGET: &str = "target/examples";
/// The targets of `tests/Cargo.toml`.
const SYSTEM_TESTS: [&str; 7] = [CLUSTER, DEPLOY, "faults", "guards", "oracle", PEERS, "survives"];
/// The ones of them that need a real control plane: this, and `DEPLOY`.
const CLUSTER: &str = "cluster";
/// The one of them that needs what `peers` builds.
const PEERS: &str = "peers";
/// The one of them that needs what `helm` builds.
const DEPLOY: &str = "deploy";

/// Tests that wait for as long as other programs do, about a minute, by their target. Built with the others.
const SLOW: [&str; 2] = ["it", PEERS];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Print how long each phase took
    #[arg(long)]
    timings: bool,
    /// Test against the original's plugins of every version, not only of four
    #[arg(long)]
    all_peers: bool,
    /// Also run the tests that take many minutes, such as fifty ends of a controller
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Run only one of the whole-system tests (cluster, deploy, faults, guards, oracle, peers, survives), or those whose
    /// name contains this, and show what they print
    name: Option<String>,
}

/// Sets up, then runs every check and test; the first that fails ends it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut phases = Phases::default();
    let result = match &arguments.name {
        Some(name) => named(&mut phases, name, arguments.all_peers),
        None => all(&mut phases, arguments.all_peers, arguments.all),
    };
    if arguments.timings {
        phases.print();
    }
    result
}

fn named(phases: &mut Phases, name: &str, all_peers: bool) -> Result<()> {
    if name == CLUSTER || name == DEPLOY {
        phases.run("cluster", controlplane::build)?;
        // Cargo builds the program with the tests of its own package only.
        let build = ["build", "--workspace", "--bins", "--test", CLUSTER];
        phases.run("rollcage", || run_command(&mut cargo(&build)))?;
    }
    let plugins = phases.run("plugins", plugins::run)?;
    if name == PEERS {
        phases.run("peers", || peers::versions(all_peers))?;
    }
    if name == DEPLOY {
        phases.run("helm", helm::run)?;
    }
    // Features are those of the whole workspace, so that nothing is built twice.
    let mut tests = vec!["test", "--workspace"];
    let is_target = SYSTEM_TESTS.contains(&name);
    for target in SYSTEM_TESTS.into_iter().filter(|target| !is_target || *target == name) {
        tests.extend(["--test", target]);
    }
    tests.extend(["--", "--nocapture"]);
    tests.extend((!is_target).then_some(name));
    phases.run("tests", || run_command(cargo(&tests).env(plugins::VARIABLE, &plugins)))
}

fn all(phases: &mut Phases, all_peers: bool, long: bool) -> Result<()> {
    phases.run("format", || {
        run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
        in_guests(|manifest| run_command(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", manifest])))
    })?;
    phases.run("go", go)?;
    phases.run("prometheus", prometheus)?;
    let control_plane = controlplane::start_all()?;
    let plugins = phases.run("plugins", plugins::run)?;
    let peers = phases.run("peers", || peers::versions(all_peers))?;
    let helm = phases.run("helm", helm::run)?;
    phases.run("clippy", || {
        let deny = ["--all-targets", "--", "--deny", "warnings"];
        run_command(cargo(&["clippy", "--workspace"]).args(deny))?;
        in_guests(|manifest| run_command(guests("clippy", manifest).args(deny)))
    })?;
    phases.run("docs", || {
        // These pages are for those who work here, so they show private items, and may link to them.
        let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
        let flags = "--deny warnings --allow rustdoc::private_intra_doc_links";
        run_command(cargo(&docs).env("RUSTDOCFLAGS", flags))
    })?;
    let control_plane = phases.run("cluster", || control_plane.finish())?;
    phases.run("tests", || {
        let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
        tests.envs(control_plane.as_ref().map(|built| (controlplane::VARIABLE, built)));
        tests.env(plugins::VARIABLE, &plugins);
        tests.envs(peers.map(|peers| (peers::VARIABLE, peers)));
        tests.envs(helm.map(|helm| (helm::VARIABLE, helm)));
        run_command(&mut tests)
    })?;
    // Those that only wait do so beside others.
    let slow = SLOW.map(|target| thread::spawn(move || slow(target).output()));
    phases.run("examples", || {
        run_command(&mut guests("test", EXAMPLES))?;
        javascript()
    })?;
    phases.run("slow tests", || {
        for (target, running) in SLOW.into_iter().zip(slow) {
            let output = running
                .join()
                .map_err(|_| anyhow!("the thread of the slow tests panicked"))??;
            io::stdout().write_all(&output.stdout)?;
            if !output.status.success() {
                io::stderr().write_all(&output.stderr)?;
                bail!("the slow tests of `{target}` failed ({})", output.status);
            }
        }
        Ok(())
    })?;
    if long {
        phases.run("long tests", || {
            let mut tests = cargo(&["test", "--workspace", "--test", CLUSTER, "--", "--ignored", "long::"]);
            tests.envs(control_plane.map(|built| (controlplane::VARIABLE, built)));
            run_command(tests.env(plugins::VARIABLE, &plugins))
        })?;
    }
    Ok(())
}

fn slow(target: &str) -> Command {
    cargo(&["test", "--workspace", "--test", target, "--", "--ignored", "slow::"])
}

fn in_guests(check: impl Fn(&str) -> Result<()>) -> Result<()> {
    GUESTS.iter().try_for_each(|manifest| check(manifest))
}

fn guests(verb: &str, manifest: &str) -> Command {
    cargo(&[
        verb,
        "--workspace",
        "--manifest-path",
        manifest,
        "--target-dir",
        GUESTS_TARGET,
    ])
}

/// A real Prometheus answers the prometheus example's queries: Debian's package, installed where that is possible. In
/// continuous integration the test itself insists on it.
fn prometheus() -> Result<()> {
    let found = |program: &str| {
        let version = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    };
    if found("prometheus") {
        return Ok(());
    }
    let user = Command::new("id").arg("-u").output();
    let is_root = user.is_ok_and(|user| user.stdout == b"0\n");
    if !is_root || !found("apt-get") {
        eprintln!("prometheus is not installed: the test against it is skipped");
        return Ok(());
    }
    run_command(Command::new("apt-get").args(["update", "--quiet"]))?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends", "prometheus"];
    run_command(
        Command::new("apt-get")
            .args(install)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The tests of examples in JavaScript.
fn javascript() -> Result<()> {
    for entry in std::fs::read_dir(root().join("examples"))? {
        let folder = entry?.path();
        if folder.join("package.json").is_file() {
            run_command(Command::new("npm").args(["test", "--if-present"]).current_dir(folder))?;
        }
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
