//! JavaScript folders, with the compiler that is installed for the tests' own guests.

use std::{fs, path::Path};

use rollcage_toolchain::{Language, Toolchain};

use crate::{interfaces, root, skip, toolchain, write};

#[test]
fn a_second_build_compiles_nothing_and_a_change_does() {
    let guest = root().join("tests/guests/js-throw");
    if !guest.join("node_modules").is_dir() {
        return skip(&guest.join("node_modules"));
    }
    let dir = tempfile::tempdir().unwrap();
    let (source, out) = (dir.path().join("plugin"), dir.path().join("plugin.wasm"));
    copy(&guest, &source);
    let run = || {
        let (toolchain, lines) = toolchain();
        let built = toolchain.build(&source, &out).unwrap();
        let lines = lines.lock().unwrap().clone();
        (built, lines)
    };
    let compiling = [format!("compiling {}", source.join("plugin.js").display())];

    let (built, lines) = run();
    assert_eq!(
        (built.language, built.changed, lines.as_slice()),
        (Language::JavaScript, true, compiling.as_slice())
    );
    let (_, exports) = interfaces(&fs::read(&out).unwrap());
    assert!(exports.iter().any(|export| export.ends_with("@0.1.0")), "{exports:?}");

    let (built, lines) = run();
    assert_eq!((built.changed, lines.as_slice()), (false, [].as_slice()));

    let text = fs::read_to_string(source.join("plugin.js")).unwrap();
    write(&source, "plugin.js", &format!("{text}\n// changed\n"));
    assert_eq!(run().1, compiling);
}

#[test]
fn a_script_that_does_not_parse_is_shown() {
    let guest = root().join("tests/guests/js-throw");
    if !guest.join("node_modules").is_dir() {
        return skip(&guest.join("node_modules"));
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&guest, dir.path());
    write(dir.path(), "plugin.js", "export const stepping = {\n");
    let error = Toolchain::new()
        .with_progress(|_| ())
        .build(dir.path(), &dir.path().join("x.wasm"))
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("componentize-qjs") && text.contains("failed"), "{text}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
