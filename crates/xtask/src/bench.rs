//! `cargo xtask bench`.

use anyhow::Result;

use crate::{
    plugins,
    process::{cargo, run as run_command},
};

/// Runs the benchmarks; `arguments` name some, or go on to them.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let plugins = plugins::run()?;
    run_command(
        cargo(&["bench", "--package", "rollcage-tests", "--"])
            .args(arguments)
            .env(plugins::VARIABLE, plugins),
    )
}
