//! Machine code: made once by a compiler of its own, kept in a private folder, loaded from what was checked.
//!
//! ```text
//! bytes -> key (digest, engine, target, settings) -> index entry -> file with that SHA-256 -> mapped into an engine
//!                                                  |-> absent, foreign or changed: compile, write, index
//!                                                       |-> or out of a read-only layer that came with the program
//! ```
//!
//! Machine code runs with the host's rights, so nothing is loaded that this user could not alone have written, and nothing
//! whose digest differs from the one noted when it was compiled.

pub(crate) mod cache;
pub(crate) mod child;
pub(crate) mod compile;
pub(crate) mod layer;

use std::{
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Read,
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// Machine code that was checked, held open.
#[derive(Debug)]
pub(crate) struct Artifact {
    file: File,
}

impl Artifact {
    fn checked(file: File) -> Self {
        Self { file }
    }

    /// Maps it into an engine.
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        load(engine, &self.file)
    }
}

/// The only way from a file to machine code.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "wasmtime cannot know where machine code comes from")]
fn load(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    use std::os::fd::AsRawFd as _;
    // This path names the open file itself: what was checked, whatever now has its name in the folder.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the file was written by a compiler of ours. `cache` handed it out after checking that it is a regular file,
    // ours alone, in a folder that is ours alone, with the digest that was noted when it was compiled; it was opened once,
    // and files of the cache are replaced but never written to. Or `layer` did, after checking that only the system's owner
    // can have written it, as the program itself. wasmtime refuses code of another engine or target.
    unsafe { Component::deserialize_file(engine, path) }
}

/// The only way from a file to machine code.
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "wasmtime cannot know where machine code comes from")]
fn load(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    use std::io::Seek as _;
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut code = Vec::new();
    file.read_to_end(&mut code)?;
    // SAFETY: as above.
    unsafe { Component::deserialize(engine, code) }
}

/// What machine code of these bytes is kept under: it changes with the bytes, the engine, the target and the settings.
pub(crate) fn key(digest: &str, engine: &Engine) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let mut hasher = Sha256::new();
    hasher.update(digest.as_bytes());
    hasher.update(settings.finish().to_le_bytes());
    hex(&hasher.finalize())
}

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of everything that a file still holds.
fn sha256_of(file: &mut impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
