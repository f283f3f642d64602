//! `cargo xtask bench`.

use anyhow::Result;

use crate::{
    peers, plugins,
    process::{cargo, run as run_command},
};

/// Runs the benchmarks (`tests/benches/budgets`); `arguments` name some, and are passed on.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let plugins = plugins::run()?;
    let peers = peers::run()?;
    let bench = ["bench", "--package", "rollcage-tests", "--bench", "budgets", "--"];
    let mut budgets = cargo(&bench);
    budgets.args(arguments).env(plugins::VARIABLE, plugins);
    if let Some(peers) = peers {
        budgets.env(peers::VARIABLE, peers);
    }
    run_command(&mut budgets)
}
