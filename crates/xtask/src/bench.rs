//! `cargo xtask bench`.

use anyhow::Result;

use crate::{
    plugins,
    process::{cargo, run as run_command},
};

/// Runs the benchmarks: what a call costs (`calls`), and how late faults end (`faults`). Without a name all of them; what
/// follows the name goes to the benchmark.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let plugins = plugins::run()?;
    let (name, rest) = arguments
        .split_first()
        .map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    if name != "faults" {
        let rest = if name == "calls" { rest } else { arguments };
        run_command(cargo(&["bench", "--package", "rollcage-sandbox", "--"]).args(rest))?;
    }
    if name == "faults" || name.is_empty() {
        let faults = [
            "run",
            "--release",
            "--package",
            "rollcage-tests",
            "--example",
            "faults",
            "--",
        ];
        run_command(cargo(&faults).args(rest).env(plugins::VARIABLE, plugins))?;
    }
    Ok(())
}
