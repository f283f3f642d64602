//! Rust folders. Those that really compile need the target, which every set-up of this repository has.

use std::path::Path;

use rollcage_toolchain::{BuildError, Toolchain};

use crate::write;

const MANIFEST: &str = "[package]\nname = \"plugin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";

fn error(dir: &Path) -> String {
    let toolchain = Toolchain::new().with_progress(|_| ());
    toolchain.build(dir, &dir.join("plugin.wasm")).unwrap_err().to_string()
}

#[test]
fn a_folder_without_a_package_is_no_plugin() {
    let dir = tempfile::tempdir().unwrap();
    assert!(error(dir.path()).ends_with("so this is no plugin's folder"));
}

#[test]
fn a_package_has_to_be_a_module() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "Cargo.toml", MANIFEST);
    write(dir.path(), "src/lib.rs", "");
    assert!(error(dir.path()).contains("write `[lib]` with `crate-type"));
}

#[test]
fn a_folder_may_be_relative() {
    assert!(error(Path::new("../sdk")).contains("write `[lib]` with `crate-type"));
}

#[test]
fn a_workspace_is_no_plugin() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "Cargo.toml",
        "[workspace]\nmembers = [\"a\"]\nresolver = \"3\"\n",
    );
    write(dir.path(), "a/Cargo.toml", &MANIFEST.replace("[workspace]\n", ""));
    write(dir.path(), "a/src/lib.rs", "");
    assert!(error(dir.path()).contains("name a plugin's own folder"));
}

#[test]
fn a_broken_manifest_is_cargos_to_explain() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "Cargo.toml", "[package\n");
    write(dir.path(), "src/lib.rs", "");
    let text = error(dir.path());
    assert!(
        text.contains("cargo metadata") && text.contains("Cargo.toml:1:9"),
        "{text}"
    );
}

#[test]
fn a_module_that_exports_no_plugin_is_told_the_macro() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "Cargo.toml",
        &format!("{MANIFEST}[lib]\ncrate-type = [\"cdylib\"]\n"),
    );
    write(
        dir.path(),
        "src/lib.rs",
        "#[unsafe(no_mangle)]\npub extern \"C\" fn f() {}\n",
    );
    let toolchain = Toolchain::new().with_progress(|_| ());
    match toolchain.build(dir.path(), &dir.path().join("plugin.wasm")) {
        Err(BuildError::Component { message, .. }) => assert!(message.contains("export macros"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert!(!dir.path().join("plugin.wasm").exists());
}

#[test]
fn what_the_compiler_says_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "Cargo.toml",
        &format!("{MANIFEST}[lib]\ncrate-type = [\"cdylib\"]\n"),
    );
    write(dir.path(), "src/lib.rs", "pub fn f() -> u32 { \"x\" }\n");
    let text = error(dir.path());
    assert!(
        text.contains("mismatched types") && text.contains("cargo build"),
        "{text}"
    );
}
