//! Compiles the schema files into tables: a mistake in them ends the build, and nothing is read at run time.

#![expect(
    clippy::pedantic,
    clippy::indexing_slicing,
    reason = "a build script may end by panic"
)]

use std::{env, error::Error, fs, path::Path};

#[path = "../src/schema/compile.rs"]
mod compile;
mod emit;
#[path = "../src/schema/parse.rs"]
mod parse;
#[path = "../src/put.rs"]
mod put;

const FILES: [&str; 2] = ["schema/net-rpc.types", "schema/argo-rollouts.types"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut schema = Vec::new();
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
        schema.extend(parse::parse(&fs::read_to_string(file)?).map_err(|error| format!("{file}: {error}"))?);
    }
    for source in ["build", "src/schema", "src/put.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let tables = emit::emit(&compile::compile(&schema)?)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("types.rs"), tables)?;
    Ok(())
}
