//! The `rollcage` command: arguments in, exit code and text or JSON out. What it does is in `rollcage-harness`.

mod args;
mod bundled;
mod commands;
mod output;
mod progress;
mod render;

use std::process::ExitCode;

use args::{Cli, Command, ControllerArgs, LogFormat};
use clap::Parser;
use output::Out;
use rollcage_goplugin::server::HclogFormat;
use rollcage_harness::CommandError;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Not in the command line that people see, and read before it: a plugin's own arguments follow.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == rollcage_goplugin::LAUNCH) {
        return rollcage_goplugin::launcher_main(arguments);
    }
    let cli = Cli::parse();
    // Another provider can only have been installed by this process, and it would do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Command::Compile { args } = cli.command {
        return rollcage_sandbox::compiler_main(args.into_iter());
    }
    log(&cli.command);
    let out = Out::new(cli.output);
    let ended = runtime().and_then(|runtime| runtime.block_on(commands::run(cli, out)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Logs go to standard error: for people, for what collects them in a cluster, or, in a shim, for the controller that has
/// started it.
fn log(command: &Command) {
    let default = match command {
        Command::Shim(_) => "info".to_owned(),
        Command::Controller(args) => args.log_filter(),
        _ => "error".to_owned(),
    };
    let filter = EnvFilter::try_from_env("ROLLCAGE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match command {
        Command::Shim(_) => subscriber.event_format(HclogFormat).init(),
        Command::Controller(ControllerArgs {
            logformat: LogFormat::Json,
            ..
        }) => subscriber.json().flatten_event(true).init(),
        Command::Controller(_) => subscriber.with_ansi(false).init(),
        _ => subscriber.init(),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::usage(format!("no threads can be started: {error}"), "raise the process limit"))
}
