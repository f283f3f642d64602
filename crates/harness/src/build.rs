//! `rollcage plugin build`: a plugin's folder to a component.

use std::path::PathBuf;

use rollcage_toolchain::{BuildError, Toolchain};
use serde::Serialize;

use crate::error::CommandError;

/// A component that was built.
#[derive(Clone, Debug, Serialize)]
pub struct Built {
    /// The component.
    pub file: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// Builds the project in `dir` into `out`, by default `<folder's name>.wasm` in the folder. Progress goes to stderr.
pub async fn build(dir: PathBuf, out: Option<PathBuf>) -> Result<Built, CommandError> {
    let absolute = dir
        .canonicalize()
        .map_err(|error| CommandError::usage(format!("{}: {error}", dir.display()), "name the project's folder"))?;
    let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let out = out.unwrap_or_else(|| dir.join(format!("{name}.wasm")));
    let built = tokio::task::spawn_blocking(move || Toolchain::new().build(&absolute, &out)).await;
    match built {
        Ok(Ok(built)) => Ok(Built {
            file: built.out,
            size: built.size,
        }),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(CommandError::usage(
            format!("the build ended unexpectedly: {error}"),
            "this is a defect",
        )),
    }
}

/// What the compiler said is in the error itself.
fn failed(error: &BuildError) -> CommandError {
    let hint = match error {
        BuildError::Command { .. } => "mend what the compiler names",
        _ => "see docs/plugin-authors.md",
    };
    CommandError::usage(error.to_string(), hint)
}
