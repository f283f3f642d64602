//! `rollcage plugin inspect`.

use serde_json::json;

use crate::support::{file, plugin, rollcage, run};

#[test]
fn tells_what_a_plugin_is_and_what_it_asks_for() {
    for (name, kind, capabilities) in [
        ("hello-step", "step", false),
        ("http-gate", "step", false),
        ("prometheus", "metric-provider", false),
        ("nginx", "traffic-router", true),
        ("gateway-api", "traffic-router", true),
    ] {
        let ended = run(rollcage()
            .args(["plugin", "inspect", "--output", "json"])
            .arg(plugin(name)));
        assert_eq!(ended.code, 0, "{ended:?}");
        let found = ended.json();
        for key in [
            "digest",
            "size",
            "runtime",
            "kind",
            "contract",
            "imports",
            "wants",
            "capabilities",
        ] {
            assert!(found.get(key).is_some(), "{name}: {key} is missing in {found}");
        }
        assert_eq!((&found["kind"], &found["runtime"]), (&json!(kind), &json!("wasm")));
        assert!(found["digest"].as_str().unwrap().starts_with("sha256:"));
        assert_eq!(found["capabilities"].is_array(), capabilities, "{name}");
    }
}

#[test]
fn shows_what_an_entry_does_not_grant() {
    let dir = tempfile::tempdir().unwrap();
    let entry = file(&dir, "entry.yaml", "{name: a/b, permissions: {}}");
    let ended = run(rollcage()
        .args(["plugin", "inspect", "--output", "json", "--entry"])
        .arg(entry)
        .arg(plugin("nginx")));
    let found = ended.json();
    assert_eq!(found["missing"], found["wants"]);
    let ended = run(rollcage().args(["plugin", "inspect", "--run"]).arg(plugin("nginx")));
    assert!(
        ended.stdout.contains("permissions:") && ended.stdout.contains("ok"),
        "{ended:?}"
    );
}

#[test]
fn what_is_no_plugin_gets_a_sentence_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    // For a mainframe.
    let mut elf = std::fs::read("/proc/self/exe").unwrap();
    elf[18..20].copy_from_slice(&[22, 0]);
    std::fs::write(dir.path().join("elf"), &elf[..4096]).unwrap();
    file(&dir, "page.html", "<!DOCTYPE html><html><body>Sign in</body></html>");
    file(&dir, "empty", "");
    file(&dir, "script.sh", "#!/bin/sh\necho plugin\n");
    let mut sentences = std::collections::BTreeSet::new();
    for name in ["elf", "page.html", "empty", "script.sh", "absent.wasm"] {
        let ended = run(rollcage()
            .args(["plugin", "inspect", "--output", "json"])
            .arg(dir.path().join(name)));
        assert_eq!(ended.code, 3, "{name}: {ended:?}");
        let error = ended.json()["error"].clone();
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{name}: {error}");
        sentences.insert(
            error["message"]
                .as_str()
                .unwrap()
                .replace(&dir.path().display().to_string(), ""),
        );
    }
    assert_eq!(sentences.len(), 5, "{sentences:?}");
}

/// A container's file system is often read-only: the usual folder cannot be made there.
#[test]
fn a_cache_that_cannot_be_made_is_a_temporary_one() {
    let temporary = tempfile::tempdir().unwrap();
    let ended = run(rollcage()
        .args(["plugin", "inspect"])
        .arg(plugin("hello-step"))
        .env_remove("ROLLCAGE_CACHE_DIR")
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", "/dev/null")
        .env("TMPDIR", temporary.path()));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("does not survive"), "{ended:?}");
    assert_eq!(temporary.path().read_dir().unwrap().count(), 1);
}
