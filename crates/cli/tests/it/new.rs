//! `rollcage plugin new`, and the commands that it prints.

use serde_json::json;

use crate::support::{rollcage, root, run};

/// Creates, builds and calls a project by the commands that `new` prints.
fn works(kind: &str, lang: &str) {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{kind}-{lang}");
    let created = run(rollcage()
        .args([
            "plugin", "new", &name, "--kind", kind, "--lang", lang, "--output", "json",
        ])
        .current_dir(&dir));
    assert_eq!(created.code, 0, "{created:?}");
    let commands: Vec<String> = serde_json::from_value(created.json()["next"].clone()).unwrap();
    let project = dir.path().join(&name);
    assert_eq!(commands[0], format!("cd {name}"));
    for command in commands
        .iter()
        .skip(1)
        .filter(|command| command.starts_with("rollcage "))
    {
        let ended = run(rollcage()
            .args(command.split(' ').skip(1))
            .current_dir(&project)
            // Dependencies of all projects are built once.
            .env("CARGO_TARGET_DIR", root().join("target/new-projects")));
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
        if command.contains(" call ") && kind != "traffic-router" {
            assert!(ended.stdout.contains("Successful"), "{ended:?}");
        }
    }
    assert_eq!(created.json()["folder"], json!(format!("./{name}")));
}

#[test]
fn rust_projects_work() {
    for kind in ["metric-provider", "traffic-router", "step"] {
        works(kind, "rust");
    }
}

#[test]
fn javascript_projects_work() {
    for kind in ["metric-provider", "traffic-router", "step"] {
        works(kind, "js");
    }
}
