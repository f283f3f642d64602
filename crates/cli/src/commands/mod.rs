//! From arguments to options of the harness, and from its reports to the output.

mod controller;
mod dev;
mod migrate;
mod plugin;
mod plugins;
mod shim;
mod test;

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use rollcage_goplugin::EnvironmentPolicy;
use rollcage_harness::{CommandError, cache::CacheDir, recording::Tape, workbench::Workbench};

use crate::{
    args::{Cli, Command, NativeArgs, NativePolicy, PluginCommand, TapeArgs},
    bundled::bundle,
    output::{Out, note},
};

/// Does what the command line says.
pub async fn run(cli: Cli, out: Out) -> Result<(), CommandError> {
    let cache_dir = cli.cache_dir.clone();
    match cli.command {
        Command::Controller(args) => controller::run(args, cache_dir).await,
        Command::Dev(args) => {
            let native = args.native;
            at_workbench(cache_dir, &native, async |tools| dev::run(args, tools, out).await).await
        }
        Command::Plugin(PluginCommand::New(args)) => plugin::new(&args, out),
        Command::Plugin(PluginCommand::Build(args)) => plugin::build(args, out).await,
        Command::Plugin(PluginCommand::Precompile(args)) => {
            let native = NativeArgs::default();
            at_workbench(cache_dir, &native, async |tools| {
                plugin::precompile(args, tools, out).await
            })
            .await
        }
        Command::Plugin(PluginCommand::Inspect(args)) => {
            let native = args.native;
            at_workbench(cache_dir, &native, async |tools| {
                plugin::inspect(args, tools, out).await
            })
            .await
        }
        Command::Plugin(PluginCommand::Call(args)) => {
            let native = args.plugin.native;
            at_workbench(cache_dir, &native, async |tools| plugin::call(args, tools, out).await).await
        }
        Command::Plugin(PluginCommand::Test(args)) => {
            let native = args.native;
            at_workbench(cache_dir, &native, async |tools| test::run(args, tools, out).await).await
        }
        Command::Plugin(PluginCommand::Bench(args)) => {
            let native = args.plugin.native;
            at_workbench(cache_dir, &native, async |tools| plugin::bench(args, tools, out).await).await
        }
        Command::Migrate(args) => {
            let native = NativeArgs::default();
            at_workbench(cache_dir, &native, async |tools| migrate::run(args, tools, out).await).await
        }
        Command::Plugins(args) => plugins::run(args, out).await,
        Command::Shim(args) => shim::run(args, cache_dir).await,
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "rollcage", &mut std::io::stdout());
            Ok(())
        }
        // Handled before the runtime started: a compiler needs none.
        Command::Compile { .. } => Ok(()),
    }
}

/// Does something with a workbench, and waits for the native plugins that were started for it: their last words are logged.
async fn at_workbench(
    cache_dir: Option<PathBuf>,
    native: &NativeArgs,
    work: impl AsyncFnOnce(&Workbench) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let tools = workbench(cache_dir, native)?;
    let done = work(&tools).await;
    tools.close().await;
    done
}

fn workbench(cache_dir: Option<PathBuf>, native: &NativeArgs) -> Result<Workbench, CommandError> {
    let cache = CacheDir::choose(cache_dir)?;
    if !cache.survives {
        note(&format!(
            "warning: the cache folder {} does not survive; set ROLLCAGE_CACHE_DIR",
            cache.path.display()
        ));
    }
    let policy = native.native_plugins.map(|policy| match policy {
        NativePolicy::Argo => EnvironmentPolicy::Argo,
        NativePolicy::Restricted => EnvironmentPolicy::Restricted,
        NativePolicy::Off => EnvironmentPolicy::Off,
    });
    Ok(Workbench::open(&cache.path, bundle())?.with_native(policy, native.native_user))
}

/// What is done with host calls.
fn tape(args: TapeArgs) -> Tape {
    match (args.record, args.replay) {
        (Some(path), _) => Tape::Record(path),
        (None, Some(path)) => Tape::Replay(path),
        (None, None) => Tape::Off,
    }
}

/// A file as name and text; `-` is standard input.
fn read(path: &Path) -> Result<(String, String), CommandError> {
    let unreadable =
        |error: std::io::Error| CommandError::usage(format!("{}: {error}", path.display()), "name a readable file");
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map_err(unreadable)?;
        return Ok(("standard input".to_owned(), text));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok((path.display().to_string(), text))
}
