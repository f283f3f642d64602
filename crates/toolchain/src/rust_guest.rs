//! Which compiler builds Rust guests.
//!
//! In this order: a toolchain that has the target's standard library; a compiler with its own library's source, from
//! which cargo builds the standard library (Debian packages one for its browser, and [`RUSTC_VARIABLE`] may name
//! another); the target fetched by rustup, when that takes only seconds; Debian's compiler, installed now.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{BuildError, Toolchain, command::Program};

/// The target of Rust guests: no system interface but the contract's imports.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Names a rustc that has its matching `rust-src`; guests are then built with it, standard library and all.
pub(crate) const RUSTC_VARIABLE: &str = "ROLLCAGE_GUEST_RUSTC";

/// Long enough for a download that works, short enough not to look like a hang.
const RUSTUP_TIMEOUT: Duration = Duration::from_secs(20);
const APT_TIMEOUT: Duration = Duration::from_mins(10);
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

pub(crate) const RUST_HINT: &str = "get Rust from https://rustup.rs";

/// How cargo has to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RustGuest {
    /// The toolchain's own target.
    Installed,
    /// The standard library is built along.
    BuildStd {
        /// The compiler whose library source is there.
        rustc: PathBuf,
        /// A linker for WebAssembly.
        linker: PathBuf,
    },
}

impl RustGuest {
    /// Finds a compiler for the packages in `dir`, and installs one if need be.
    pub(crate) fn find(toolchain: &Toolchain, dir: &Path) -> Result<Self, BuildError> {
        if let Some(rustc) = env::var_os(RUSTC_VARIABLE) {
            return build_std(Path::new(&rustc), dir).map_err(|reason| BuildError::NoRustGuest {
                target: TARGET,
                tried: vec![format!("{RUSTC_VARIABLE}: {reason}")],
            });
        }
        if has_target(dir)? {
            return Ok(Self::Installed);
        }
        if let Ok(guest) = build_std(Path::new(DEBIAN_RUSTC), dir) {
            return Ok(guest);
        }
        let mut tried = Vec::new();
        match rustup(toolchain, dir) {
            Ok(()) => return Ok(Self::Installed),
            Err(reason) => tried.push(reason),
        }
        match debian(toolchain).and_then(|()| build_std(Path::new(DEBIAN_RUSTC), dir)) {
            Ok(guest) => Ok(guest),
            Err(reason) => {
                tried.push(reason);
                Err(BuildError::NoRustGuest { target: TARGET, tried })
            }
        }
    }
}

/// Whether the toolchain that serves `dir` has the target's standard library.
fn has_target(dir: &Path) -> Result<bool, BuildError> {
    let answer = Program::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(dir)
        .run(RUST_HINT)?;
    let Ok(files) = fs::read_dir(answer.trim()) else {
        return Ok(false);
    };
    Ok(files
        .flatten()
        .any(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
}

fn rustup(toolchain: &Toolchain, dir: &Path) -> Result<(), String> {
    toolchain.say(format!("fetching the Rust target {TARGET}"));
    Program::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(dir)
        .timeout(RUSTUP_TIMEOUT)
        .progress(&toolchain.progress)
        .run("it is not needed where the target is installed otherwise")
        .map_err(|error| first_line(&error))?;
    match has_target(dir) {
        Ok(true) => Ok(()),
        _ => Err(format!(
            "`rustup target add {TARGET}` did not bring its standard library"
        )),
    }
}

/// Whether this compiler can build the standard library, and with which linker.
fn build_std(rustc: &Path, dir: &Path) -> Result<RustGuest, String> {
    let sysroot = Program::new(rustc)
        .args(["--print", "sysroot"])
        .run(RUST_HINT)
        .map_err(|error| first_line(&error))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    if !library.is_file() {
        return Err(format!(
            "{} has no library source ({} is missing)",
            rustc.display(),
            library.display()
        ));
    }
    let linker = linker(dir).ok_or("no linker for WebAssembly: install lld")?;
    Ok(RustGuest::BuildStd {
        rustc: rustc.to_owned(),
        linker,
    })
}

/// rust-lld of the toolchain that serves `dir`, or LLVM's wasm-ld.
fn linker(dir: &Path) -> Option<PathBuf> {
    let print = |what: &str| {
        let answer = Program::new("rustc")
            .args(["--print", what])
            .current_dir(dir)
            .run(RUST_HINT)
            .ok();
        answer.map(|text| text.trim().to_owned())
    };
    if let (Some(sysroot), Some(host)) = (print("sysroot"), print("host-tuple")) {
        let bundled = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld");
        if bundled.is_file() {
            return Some(bundled);
        }
    }
    let mut found = None;
    for folder in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name
                .to_str()
                .is_some_and(|name| name == "wasm-ld" || name.starts_with("wasm-ld-"))
            {
                found = found.max(Some(entry.path()));
            }
        }
    }
    found
}

/// Installs Debian's compiler with its source.
fn debian(toolchain: &Toolchain) -> Result<(), String> {
    if !Path::new("/etc/debian_version").is_file() {
        return Err("this is not Debian".to_owned());
    }
    if !is_root() {
        return Err("Debian's compiler can only be installed by root".to_owned());
    }
    let apt = |args: &[&str]| {
        Program::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .timeout(APT_TIMEOUT)
            .progress(&toolchain.progress)
            .run("it belongs to Debian")
            .map_err(|error| first_line(&error))
    };
    let install = ["install", "-y", "--no-install-recommends", "rustc-web", "rust-web-src"];
    toolchain.say("installing Debian's rustc-web and rust-web-src (about 140 MB)");
    // A fresh system has no package lists yet.
    apt(&install)
        .or_else(|_| apt(&["update"]).and_then(|_| apt(&install)))
        .map(|_| ())
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn first_line(error: &BuildError) -> String {
    let text = error.to_string();
    // The first line says which command failed, the last one usually why.
    match text.trim_end().split_once('\n') {
        Some((first, rest)) => format!("{} {}", first, rest.lines().last().unwrap_or_default().trim()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_without_source_is_refused() {
        let reason = build_std(Path::new("/no/such/rustc"), Path::new(".")).unwrap_err();
        assert!(reason.contains("is not installed"), "{reason}");
    }

    #[test]
    fn errors_are_told_in_one_line() {
        let error = BuildError::Command {
            command: "rustup target add x".to_owned(),
            outcome: "failed (exit status: 1)".to_owned(),
            output: vec![
                "info: downloading".to_owned(),
                "error: could not download file".to_owned(),
            ],
        };
        assert_eq!(
            first_line(&error),
            "`rustup target add x` failed (exit status: 1): error: could not download file"
        );
    }
}
