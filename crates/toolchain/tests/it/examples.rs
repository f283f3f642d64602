//! What the built examples ask of the host.

use std::{env, fs, path::PathBuf};

use crate::{interfaces, root, skip};

fn plugin(name: &str) -> Option<Vec<u8>> {
    let dir = env::var_os("ROLLCAGE_PLUGINS").map_or_else(|| root().join("target/plugins"), PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    let bytes = fs::read(&path).ok();
    if bytes.is_none() {
        skip(&path);
    }
    bytes
}

#[test]
fn rust_plugins_import_only_what_they_call() {
    let cases: [(&str, &[&str], &str); 5] = [
        (
            "gateway-api",
            &["kubernetes@0.1.0", "log@0.1.0", "types@0.1.0"],
            "routing@0.1.0",
        ),
        ("hello-step", &["log@0.1.0", "types@0.1.0"], "stepping@0.1.0"),
        (
            "http-gate",
            &[
                "evaluate@0.1.0",
                "http@0.1.0",
                "log@0.1.0",
                "types@0.1.0",
                "wasi:clocks/wall-clock@0.2.0",
            ],
            "stepping@0.1.0",
        ),
        (
            "nginx",
            &["kubernetes@0.1.0", "log@0.1.0", "types@0.1.0"],
            "routing@0.1.0",
        ),
        (
            "prometheus",
            &[
                "evaluate@0.1.0",
                "http@0.1.0",
                "log@0.1.0",
                "types@0.1.0",
                "wasi:cli/environment@0.2.0",
                "wasi:clocks/wall-clock@0.2.0",
            ],
            "metrics@0.1.0",
        ),
    ];
    for (name, imports, export) in cases {
        let Some(component) = plugin(name) else { continue };
        assert_eq!(
            interfaces(&component),
            (
                imports.iter().map(ToString::to_string).collect(),
                vec![export.to_owned()]
            )
        );
    }
}

#[test]
fn javascript_plugins_export_their_kind() {
    let Some(component) = plugin("web") else { return };
    let (imports, exports) = interfaces(&component);
    assert!(imports.contains(&"http@0.1.0".to_owned()), "{imports:?}");
    assert!(exports.contains(&"metrics@0.1.0".to_owned()), "{exports:?}");
}
