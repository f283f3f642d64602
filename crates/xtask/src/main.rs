//! `cargo xtask`: the front door. Everything that a fresh clone needs is set up on the way.
//!
//! ```text
//! plugins  every folder of examples/ ──> target/plugins/<folder>.wasm
//! test     plugins and peers, then format, clippy, docs and tests with warnings denied
//! helm     Helm (with Go) ──> target/helm, for the tests of deploy/
//! peers    the original's plugins and clients of several versions (with Go) ──> target/peers/<version>/
//! cluster  a real control plane (with Go) ──> target/controlplane, and one to play with
//! demo     plugins, then `rollcage dev examples/analysis` (release build)
//! bench    plugins, the original's client and a native plugin (with Go), then the benchmarks (release build);
//!          `cluster`: a control plane and both controllers instead
//! docs     rewrites the generated pages of docs/
//! ```

mod bench;
mod controlplane;
mod demo;
mod docs;
mod helm;
mod peers;
mod plugins;
mod process;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Sets up, builds, tests and shows Rollcage")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build every example plugin into target/plugins
    Plugins,
    /// Build the original's plugins and clients into target/peers, with Go
    Peers {
        /// Of every version, not only of those that every test run needs
        #[arg(long)]
        all: bool,
    },
    /// Build Helm into target/helm, with Go
    Helm,
    /// Run every check and test: format, clippy, docs, tests
    Test(test::Arguments),
    /// Start a real Kubernetes control plane to play with, until ctrl-c; built with Go
    Cluster {
        /// Build it, and the original's controller, and start nothing
        #[arg(long)]
        build: bool,
    },
    /// Play examples/analysis: plugins measure, AnalysisRuns reach their verdicts
    Demo {
        /// Passed on to `rollcage dev`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the benchmarks, or those named
    Bench {
        /// Names of benchmarks, and what to pass on to them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Rewrite the generated pages of docs/
    Docs,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Plugins => plugins::run().map(|_| ()),
        Task::Peers { all } => peers::versions(all).map(|_| ()),
        Task::Helm => helm::run().map(|_| ()),
        Task::Test(arguments) => test::run(&arguments),
        Task::Cluster { build: true } => controlplane::build().map(|_| ()),
        Task::Cluster { build: false } => controlplane::cluster(),
        Task::Demo { arguments } => demo::run(&arguments),
        Task::Bench { arguments } => bench::run(&arguments),
        Task::Docs => docs::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
