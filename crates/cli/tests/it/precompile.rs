//! `rollcage plugin precompile`: a folder of machine code that makes a first start without a compiler.

use crate::support::{plugin, rollcage, run};

#[test]
fn what_was_precompiled_is_not_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let layer = dir.path().join("layer");
    let out = layer.to_str().unwrap();
    let hello = plugin("hello-step");
    let ended = run(rollcage()
        .args(["plugin", "precompile", "--bundled", "--output", "json", "--out", out])
        .arg(&hello));
    assert_eq!(ended.code, 0, "{ended:?}");
    let made = ended.json()["precompiled"].as_array().unwrap().clone();
    assert_eq!(made.len(), 3, "{made:?}");
    assert!(made.iter().all(|one| one["bytes"].as_u64().unwrap() > 1000), "{made:?}");

    // The machine-code cache of a fresh folder stays empty: nothing had to be compiled. As root alone: another user could
    // have changed his own files.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for (layer, compiled) in [(out, 0), ("", 1)] {
        let cache = tempfile::tempdir().unwrap();
        let mut inspect = rollcage();
        inspect
            .args(["plugin", "inspect"])
            .arg(&hello)
            .env("ROLLCAGE_CACHE_DIR", cache.path())
            .env("ROLLCAGE_PRECOMPILED_DIR", layer);
        let ended = run(&mut inspect);
        assert_eq!(ended.code, 0, "{ended:?}");
        let files = std::fs::read_dir(cache.path().join("compiled/aot")).unwrap();
        let code = files.filter(|file| {
            file.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|end| end == "cwasm")
        });
        assert_eq!(code.count(), compiled, "{layer:?}");
    }
}

#[test]
fn nothing_to_compile_is_usage() {
    assert_eq!(run(rollcage().args(["plugin", "precompile", "--out", "x"])).code, 2);
}
