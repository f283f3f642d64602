//! Puts the bundled plugins into the program: built examples, out of `ROLLCAGE_PLUGINS` or `target/plugins`. A program
//! that is built before them has none, and says so when one is wanted.

use std::{
    env, fs,
    io::{Error, Result},
    path::{Path, PathBuf},
};

/// Folders of `examples/`.
const BUNDLED: [&str; 2] = ["prometheus", "web"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-env-changed=ROLLCAGE_PLUGINS");
    let folder = match env::var_os("ROLLCAGE_PLUGINS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../target/plugins"),
    };
    let mut list = Vec::new();
    for name in BUNDLED {
        let file = folder.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        if file.is_file() {
            let path = fs::canonicalize(file)?.into_os_string().into_string();
            let path = path.map_err(|path| Error::other(format!("{} is no UTF-8", path.display())))?;
            list.push(format!("    ({name:?}, include_bytes!({path:?})),\n"));
        } else {
            println!(
                "cargo::warning={} is not there, and will not be part of this program: run `cargo xtask plugins` first",
                file.display()
            );
        }
    }
    let list = format!("&[\n{}]\n", list.concat());
    fs::write(Path::new(&variable("OUT_DIR")?).join("bundled.rs"), list)
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(Error::other)
}
