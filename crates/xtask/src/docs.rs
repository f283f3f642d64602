//! `cargo xtask docs`.

use std::fs;

use anyhow::{Context, Result};

use crate::process::root;

/// Rewrites the generated pages.
pub(crate) fn run() -> Result<()> {
    let path = root().join("docs/contract.md");
    fs::create_dir_all(root().join("docs"))?;
    fs::write(&path, rollcage_toolchain::reference::markdown()?)
        .with_context(|| format!("writing {}", path.display()))?;
    eprintln!("docs/contract.md: written");
    Ok(())
}
