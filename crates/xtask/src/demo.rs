//! `cargo xtask demo`.

use anyhow::Result;

use crate::{
    plugins,
    process::{cargo, run as run_command},
};

/// Plays `examples/analysis` with a release build.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let plugins = plugins::run()?;
    run_command(
        cargo(&[
            "run",
            "--release",
            "--package",
            "rollcage-cli",
            "--",
            "dev",
            "examples/analysis",
        ])
        .args(arguments)
        .env(plugins::VARIABLE, plugins),
    )
}
