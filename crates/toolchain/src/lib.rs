//! Finds guest toolchains and builds a plugin's source folder into a component.
//!
//! ```text
//! folder ─┬─ Cargo.toml ──> rust_guest: which compiler? ──> cargo build ──> core module ──> component ──> OUT.wasm
//!         └─ package.json ─> npm install ──> componentize-qjs ──────────────────────────────────────────> OUT.wasm
//! wit/ ──> contract (embedded) ──> reference: docs/contract.md
//!                              └─> vendor: the SDK's sources for an author's project
//! ```
//!
//! - Rust folders of one Cargo workspace are built by one cargo invocation.
//! - `OUT.wasm` is written whole or not at all, and left alone when nothing changed.
//! - What is missing is installed where that is the language's own habit and cheap (`rustup target add`, `npm install`, and on
//!   Debian as root `apt-get install`); otherwise the error says what to install.
//!
//! It does not run plugins and knows nothing of wasmtime.

mod command;
mod component;
pub mod contract;
mod error;
mod javascript;
mod output;
pub mod reference;
mod rust;
mod rust_guest;
pub mod vendor;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use component::componentize;
pub use error::BuildError;

/// Hears what a build is doing, line by line.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// In which language a plugin's folder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A Cargo package.
    Rust,
    /// An npm package.
    JavaScript,
}

impl Language {
    /// The language of a folder, by the file that describes its package.
    pub fn of(source: &Path) -> Option<Self> {
        if source.join("Cargo.toml").is_file() {
            Some(Self::Rust)
        } else if source.join("package.json").is_file() {
            Some(Self::JavaScript)
        } else {
            None
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
        })
    }
}

/// What is to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The plugin's folder.
    pub source: PathBuf,
    /// The component to write.
    pub out: PathBuf,
}

impl Job {
    fn absolute(&self) -> Result<Self, BuildError> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(BuildError::file(path));
        Ok(Self {
            source: absolute(&self.source)?,
            out: absolute(&self.out)?,
        })
    }
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The component.
    pub out: PathBuf,
    /// What it was written in.
    pub language: Language,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is another one than before.
    pub changed: bool,
}

/// Builds one folder into `out`, with progress on stderr.
pub fn build(source: &Path, out: &Path) -> Result<Built, BuildError> {
    Toolchain::new().build(source, out)
}

/// Builds plugins.
#[derive(Clone)]
pub struct Toolchain {
    progress: Progress,
    target_dir: Option<PathBuf>,
}

impl fmt::Debug for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toolchain")
            .field("target_dir", &self.target_dir)
            .finish_non_exhaustive()
    }
}

impl Default for Toolchain {
    fn default() -> Self {
        Self {
            progress: Arc::new(|line| eprintln!("{line}")),
            target_dir: None,
        }
    }
}

impl Toolchain {
    /// Progress goes to stderr, Rust builds into their workspace's own target folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends progress elsewhere.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Builds Rust plugins under this folder.
    #[must_use]
    pub fn with_target_dir(mut self, target_dir: impl Into<PathBuf>) -> Self {
        self.target_dir = Some(target_dir.into());
        self
    }

    /// Builds one folder into `out`.
    pub fn build(&self, source: &Path, out: &Path) -> Result<Built, BuildError> {
        let job = Job {
            source: source.to_owned(),
            out: out.to_owned(),
        };
        let mut built = self.build_all(std::slice::from_ref(&job))?;
        built.pop().ok_or(BuildError::NotAPlugin(job.source))
    }

    /// Builds several folders, those of one Cargo workspace together. The first error ends it.
    pub fn build_all(&self, jobs: &[Job]) -> Result<Vec<Built>, BuildError> {
        // Programs are run inside of the folders: what is relative to here would not be there.
        let jobs = jobs.iter().map(Job::absolute).collect::<Result<Vec<_>, _>>()?;
        let mut rust = Vec::new();
        let mut built = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            match Language::of(&job.source) {
                Some(Language::Rust) => rust.push((index, job)),
                Some(Language::JavaScript) => built.push((index, javascript::build(self, job)?)),
                None => return Err(BuildError::NotAPlugin(job.source.clone())),
            }
        }
        built.extend(rust::build(self, &rust)?);
        built.sort_by_key(|(index, _)| *index);
        Ok(built.into_iter().map(|(_, built)| built).collect())
    }

    fn say(&self, line: impl AsRef<str>) {
        (self.progress)(line.as_ref());
    }
}
