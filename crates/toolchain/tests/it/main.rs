//! Real builds. What `cargo xtask plugins` sets up is not set up again here: without it those tests skip, except in CI.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod compatibility;
mod examples;
mod javascript;
mod rust;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rollcage_toolchain::Toolchain;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Skips a test whose set-up is missing.
fn skip(missing: &Path) {
    let message = format!("{} is missing: run `cargo xtask plugins`", missing.display());
    assert!(!env::var("CI").is_ok_and(|ci| ci == "true"), "{message}");
    eprintln!("skipped: {message}");
}

/// A toolchain whose progress can be read.
fn toolchain() -> (Toolchain, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    let toolchain = Toolchain::new().with_progress(move |line| seen.lock().unwrap().push(line.to_owned()));
    (toolchain, lines)
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Imports and exports of a component, without versions of WASI.
fn interfaces(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let decoded = wit_component::decode(component).unwrap();
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        panic!("not a component");
    };
    let names = |keys: &mut dyn Iterator<Item = &wit_parser::WorldKey>| {
        let names = keys.map(|key| resolve.name_world_key(key));
        let mut names: Vec<_> = names.map(|name| name.replace("rollcage:plugin/", "")).collect();
        names.sort();
        names
    };
    let world = &resolve.worlds[world];
    (names(&mut world.imports.keys()), names(&mut world.exports.keys()))
}
