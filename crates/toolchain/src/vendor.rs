//! The Rust SDK's sources, embedded, so that an author's project can hold its own copy and build anywhere.

use std::{fs, path::Path};

use crate::{BuildError, contract};

/// The SDK's files: path inside its crate, and text.
const FILES: [(&str, &str); 22] = [
    ("Cargo.toml", include_str!("../../sdk/Cargo.toml")),
    ("src/bindings.rs", include_str!("../../sdk/src/bindings.rs")),
    ("src/config.rs", include_str!("../../sdk/src/config.rs")),
    ("src/duration.rs", include_str!("../../sdk/src/duration.rs")),
    ("src/env.rs", include_str!("../../sdk/src/env.rs")),
    ("src/error.rs", include_str!("../../sdk/src/error.rs")),
    ("src/evaluate.rs", include_str!("../../sdk/src/evaluate.rs")),
    ("src/host.rs", include_str!("../../sdk/src/host.rs")),
    ("src/http.rs", include_str!("../../sdk/src/http.rs")),
    ("src/instance.rs", include_str!("../../sdk/src/instance.rs")),
    ("src/kubernetes.rs", include_str!("../../sdk/src/kubernetes.rs")),
    ("src/lib.rs", include_str!("../../sdk/src/lib.rs")),
    ("src/log.rs", include_str!("../../sdk/src/log.rs")),
    ("src/metric.rs", include_str!("../../sdk/src/metric.rs")),
    ("src/rollout.rs", include_str!("../../sdk/src/rollout.rs")),
    ("src/router.rs", include_str!("../../sdk/src/router.rs")),
    ("src/secrets.rs", include_str!("../../sdk/src/secrets.rs")),
    ("src/step.rs", include_str!("../../sdk/src/step.rs")),
    ("src/subject.rs", include_str!("../../sdk/src/subject.rs")),
    ("src/testing.rs", include_str!("../../sdk/src/testing.rs")),
    (
        "src/testing/kubernetes.rs",
        include_str!("../../sdk/src/testing/kubernetes.rs"),
    ),
    ("src/time.rs", include_str!("../../sdk/src/time.rs")),
];

/// Where the SDK finds the contract in this repository, and where in a copy.
const WIT_HERE: &str = r#"path: "../../wit""#;
const WIT_THERE: &str = r#"path: "wit""#;
/// Lints belong to this repository.
const LINTS: &str = "[lints]\nworkspace = true\n\n";

/// Writes the SDK with its contract into `dir` (such as `vendor/rollcage-sdk`), as a crate of its own.
pub fn sdk(dir: &Path) -> Result<(), BuildError> {
    for (name, text) in FILES {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(BuildError::file(folder))?;
        }
        let text = text.replace(WIT_HERE, WIT_THERE).replace(LINTS, "");
        fs::write(&path, text).map_err(BuildError::file(path))?;
    }
    contract::write(&dir.join("wit"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn sdk_crate() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sdk")
    }

    fn sources(dir: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}/{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                sources(&entry.path(), &name, found);
            } else {
                found.push(name);
            }
        }
    }

    #[test]
    fn every_file_is_embedded() {
        let mut expected = vec!["Cargo.toml".to_owned()];
        sources(&sdk_crate().join("src"), "src", &mut expected);
        expected.sort();
        let mut embedded = FILES.map(|(name, _)| name.to_owned());
        embedded.sort();
        assert_eq!(embedded.as_slice(), expected);
    }

    #[test]
    fn a_copy_stands_alone() {
        let dir = tempfile::tempdir().unwrap();
        sdk(dir.path()).unwrap();
        let mut copies = Vec::new();
        sources(dir.path(), "", &mut copies);
        assert!(copies.contains(&"/wit/worlds.wit".to_owned()));
        for copy in copies {
            let text = fs::read_to_string(format!("{}{copy}", dir.path().display())).unwrap();
            assert!(
                !text.contains("../") && !text.contains("workspace = true"),
                "{copy} points outside"
            );
        }
    }

    #[test]
    fn versions_are_those_of_the_workspace() {
        let workspace = include_str!("../../../Cargo.toml");
        let version_of = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} = ")))?;
            let quoted = line.split_once("version = ").or_else(|| line.split_once(" = "))?.1;
            Some(quoted.split('"').nth(1)?.to_owned())
        };
        let sdk = include_str!("../../sdk/Cargo.toml");
        for name in [
            "version",
            "edition",
            "rust-version",
            "license",
            "wit-bindgen",
            "serde",
            "serde_json",
            "json-patch",
            "jiff",
        ] {
            let wanted = version_of(workspace, name).unwrap();
            assert_eq!(version_of(sdk, name).as_ref(), Some(&wanted), "{name}");
        }
    }
}
