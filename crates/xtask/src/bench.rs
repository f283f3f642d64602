//! `cargo xtask bench`.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    controlplane, peers, plugins,
    process::{cargo, root, run as run_command},
};

/// The load beside the original controller: only when it is named.
const CLUSTER: &str = "cluster";

/// Tells the benchmark which controller is measured.
const PROGRAM: &str = "ROLLCAGE_PROGRAM";

/// Runs the benchmarks (`tests/benches/budgets`); `arguments` name some, and are passed on.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let plugins = plugins::run()?;
    if arguments.iter().any(|argument| argument == CLUSTER) {
        let Some(built) = controlplane::build()? else {
            bail!("the original controller, and a control plane for both, are built with Go: install it");
        };
        let program = ["build", "--release", "--package", "rollcage-cli", "--bin", "rollcage"];
        run_command(cargo(&program).env(plugins::VARIABLE, &plugins))?;
        let mut budgets = budgets(arguments);
        return run_command(
            budgets
                .env(controlplane::VARIABLE, built)
                .env(PROGRAM, root().join("target/release/rollcage")),
        );
    }
    let peers = peers::run()?;
    let mut budgets = budgets(arguments);
    budgets.env(plugins::VARIABLE, plugins);
    if let Some(peers) = peers {
        budgets.env(peers::VARIABLE, peers);
    }
    run_command(&mut budgets)
}

fn budgets(arguments: &[String]) -> Command {
    let mut command = cargo(&["bench", "--package", "rollcage-tests", "--bench", "budgets", "--"]);
    command.args(arguments);
    command
}
