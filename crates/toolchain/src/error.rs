//! Why a plugin could not be built.

use std::{io, path::PathBuf};

/// Why a plugin could not be built, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no package of a known language.
    #[error("{0}: neither Cargo.toml nor package.json is here, so this is no plugin's folder")]
    NotAPlugin(PathBuf),
    /// A manifest is not as a plugin's has to be.
    #[error("{path}: {message}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, and what to write.
        message: String,
    },
    /// A program is not installed.
    #[error("{program} is not installed: {hint}")]
    Missing {
        /// The program.
        program: String,
        /// Where to get it.
        hint: String,
    },
    /// No compiler for Rust guests.
    #[error(
        "no Rust compiler for {target}: {}; install one with `rustup target add {target}`, or on Debian as root with \
         `apt-get install rustc-web rust-web-src lld`",
        tried.join("; ")
    )]
    NoRustGuest {
        /// The target triple.
        target: &'static str,
        /// What was tried, and why it did not work.
        tried: Vec<String>,
    },
    /// A program ended badly.
    #[error("`{command}` {outcome}{}", tail(output))]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        outcome: String,
        /// The last lines that it wrote.
        output: Vec<String>,
    },
    /// The compiled module is no component of the contract.
    #[error("{path}: {message}")]
    Component {
        /// The module.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The embedded contract does not parse; a defect of this crate.
    #[error("the contract: {0}")]
    Contract(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BuildError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

fn tail(output: &[String]) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!(":\n{}", output.join("\n"))
    }
}
