//! Running the command, and where the example plugins are.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A built example. `cargo xtask plugins` builds them.
pub fn plugin(name: &str) -> PathBuf {
    let folder = std::env::var_os("ROLLCAGE_PLUGINS").map_or_else(|| root().join("target/plugins"), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    assert!(
        file.is_file(),
        "{} is not there: run `cargo xtask plugins`",
        file.display()
    );
    file
}

/// The command, with a cache that all tests share.
pub fn rollcage() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcage"));
    command
        .env("ROLLCAGE_CACHE_DIR", root().join("target/test-cache"))
        .stdin(Stdio::null())
        .current_dir(root());
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output as one JSON object.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ended {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A file with a text.
pub fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}
