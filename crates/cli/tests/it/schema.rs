//! The JSON Schemas in the docs are those of the code, and every file of the repository that they speak of is valid.

use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use rollcage_harness::schema;
use serde_json::{Value, json};

use crate::support::root;

/// Both schemas, compiled: cases, entry.
fn compiled() -> (Schemas, [SchemaIndex; 2]) {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let indexes = schema::ALL.map(|file| {
        let place = format!("https://schema.invalid/{}", file.name);
        compiler.add_resource(&place, file.schema()).unwrap();
        compiler.compile(&place, &mut schemas).unwrap()
    });
    (schemas, indexes)
}

/// Files of this name in these folders and those below.
fn files(name: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && file != "target" && file != "node_modules" {
                walk(&path, name, found);
            } else if file.ends_with(name) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for dir in ["examples", "crates/harness/src", "tests"] {
        walk(&root().join(dir), name, &mut found);
    }
    found
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap().replace("{{name}}", "x");
    rollcage_api::yaml::from_str(&path.display().to_string(), &text).unwrap()
}

#[test]
fn schemas_in_the_docs_are_those_of_the_code() {
    for file in schema::ALL {
        let path = root().join("docs/schema").join(file.name);
        if std::env::var_os("ROLLCAGE_BLESS").is_some() {
            std::fs::create_dir_all(root().join("docs/schema")).unwrap();
            std::fs::write(&path, file.text()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == file.text(),
            "docs/schema/{} is out of date: ROLLCAGE_BLESS=1 cargo test -p rollcage-cli schema",
            file.name
        );
    }
}

#[test]
fn every_file_of_the_repository_is_valid() {
    let (schemas, [cases, entry]) = compiled();
    for (name, index, least) in [("cases.yaml", cases, 7), ("entry.yaml", entry, 7)] {
        let files = files(name);
        assert!(files.len() >= least, "{name}: {files:?}");
        for path in files {
            if let Err(error) = schemas.validate(&read(&path), index) {
                panic!("{}: {error:#}", path.display());
            }
        }
    }
    let plugins = read(&root().join("examples/analysis/plugins.yaml"));
    let list = plugins["data"]["metricProviderPlugins"].as_str().unwrap();
    let entries: Vec<Value> = rollcage_api::yaml::from_str("plugins.yaml", list).unwrap();
    for found in &entries {
        if let Err(error) = schemas.validate(found, entry) {
            panic!("{found}: {error:#}");
        }
    }
}

#[test]
fn a_slip_of_the_pen_is_not_valid() {
    let (schemas, [cases, entry]) = compiled();
    for wrong in [
        json!({"case": []}),
        json!({"cases": [{"nam": "x"}]}),
        json!({"cases": [{"name": "x", "expect": {"anser": {}}}]}),
        json!({"cases": [{"name": "x", "given": {"http": [{"hosts": "p:1"}]}}]}),
        json!({"cases": [{"name": "x", "expect": {"error": {"kind": "odd"}}}]}),
        json!({"cases": [{"name": "x", "expect": {"error": {}}}]}),
        json!({"cases": [{"name": "x", "entry": {"permission": {}}}]}),
        json!({"cases": [{"name": "x", "call": {"input": 7}}]}),
    ] {
        assert!(schemas.validate(&wrong, cases).is_err(), "{wrong}");
    }
    for wrong in [
        json!({"name": 7}),
        json!({"permission": {}}),
        json!({"limits": {"deadlines": "1s"}}),
        json!({"permissions": {"http": [{"hosts": "p:1"}]}}),
        json!({"instances": {"mode": "hot"}}),
    ] {
        assert!(schemas.validate(&wrong, entry).is_err(), "{wrong}");
    }
    let good = json!({"cases": [{"name": "x", "entry": {"name": "a/b"}, "call": {"input": "input.yaml"}}]});
    assert!(schemas.validate(&good, cases).is_ok());
}
