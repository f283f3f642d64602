//! From arguments to options of the harness, and from its reports to the output.

mod dev;
mod plugin;
mod test;

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use rollcage_harness::{CommandError, cache::CacheDir, recording::Tape, workbench::Workbench};

use crate::{
    args::{Cli, Command, PluginCommand, TapeArgs},
    bundled::bundle,
    output::{Out, note},
};

/// Does what the command line says.
pub async fn run(cli: Cli, out: Out) -> Result<(), CommandError> {
    let cache_dir = cli.cache_dir;
    match cli.command {
        Command::Dev(args) => dev::run(args, &workbench(cache_dir)?, out).await,
        Command::Plugin(PluginCommand::New(args)) => plugin::new(&args, out),
        Command::Plugin(PluginCommand::Build(args)) => plugin::build(args, out).await,
        Command::Plugin(PluginCommand::Inspect(args)) => plugin::inspect(args, &workbench(cache_dir)?, out).await,
        Command::Plugin(PluginCommand::Call(args)) => plugin::call(args, &workbench(cache_dir)?, out).await,
        Command::Plugin(PluginCommand::Test(args)) => test::run(args, &workbench(cache_dir)?, out).await,
        Command::Plugin(PluginCommand::Bench(args)) => plugin::bench(args, &workbench(cache_dir)?, out).await,
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "rollcage", &mut std::io::stdout());
            Ok(())
        }
        // Handled before the runtime started: a compiler needs none.
        Command::Compile { .. } => Ok(()),
    }
}

fn workbench(cache_dir: Option<PathBuf>) -> Result<Workbench, CommandError> {
    let cache = CacheDir::choose(cache_dir)?;
    if !cache.survives {
        note(&format!(
            "warning: the cache folder {} does not survive; set ROLLCAGE_CACHE_DIR",
            cache.path.display()
        ));
    }
    Workbench::open(&cache.path, bundle())
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
