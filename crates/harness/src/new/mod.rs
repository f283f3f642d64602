//! `rollcage plugin new`: a plugin project that builds, is called and is tested by the commands that are printed.

mod templates;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rollcage_api::plugin::PluginKind;
use rollcage_toolchain::{contract, vendor};
use serde::Serialize;

use crate::{error::CommandError, schema};

/// Language of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With a copy of the SDK.
    Rust,
    /// With a copy of the contract.
    JavaScript,
}

/// A project that was created.
#[derive(Clone, Debug, Serialize)]
pub struct Created {
    /// Its folder.
    pub folder: PathBuf,
    /// Files that are the author's.
    pub files: Vec<String>,
    /// Commands to go on with.
    pub next: Vec<String>,
}

impl Created {
    /// What to do next, for people.
    pub fn next_steps(&self) -> Vec<String> {
        let mut lines = vec![format!("created {}", self.folder.display())];
        lines.extend(self.files.iter().map(|file| format!("  {file}")));
        lines.push("next:".to_owned());
        lines.extend(self.next.iter().map(|command| format!("  {command}")));
        lines
    }
}

/// Creates `dir/name`. An existing folder is never touched.
pub fn create(dir: &Path, name: &str, kind: PluginKind, language: Language) -> Result<Created, CommandError> {
    check_name(name)?;
    let folder = dir.join(name);
    if folder.exists() {
        return Err(CommandError::usage(
            format!("{} exists already", folder.display()),
            "choose another name",
        ));
    }
    let files = templates::files(kind, language);
    for (file, text) in &files {
        write(&folder.join(file), &text.replace("{{name}}", name))?;
    }
    for schema in schema::ALL {
        write(&folder.join("schema").join(schema.name), &schema.text())?;
    }
    match language {
        Language::Rust => vendor::sdk(&folder.join("vendor/rollcage-sdk")),
        Language::JavaScript => contract::write(&folder.join("wit")),
    }
    .map_err(|error| CommandError::usage(error.to_string(), "make the folder writable"))?;
    let method = match kind {
        PluginKind::TrafficRouter => "set-weight",
        PluginKind::MetricProvider | PluginKind::Step => "run",
    };
    let mut next = vec![
        format!("cd {name}"),
        "rollcage plugin build".to_owned(),
        format!("rollcage plugin inspect {name}.wasm"),
        format!("rollcage plugin call {name}.wasm {method} -i input.yaml --entry entry.yaml"),
        format!("rollcage plugin test {name}.wasm"),
    ];
    if language == Language::Rust {
        next.push("cargo test".to_owned());
    }
    Ok(Created {
        folder,
        files: files.iter().map(|(file, _)| (*file).to_owned()).collect(),
        next,
    })
}

/// A name that is a folder, a crate, an npm package and the second half of a plugin's name.
fn check_name(name: &str) -> Result<(), CommandError> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let all = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if first && all && name.len() <= 60 {
        return Ok(());
    }
    Err(CommandError::usage(
        format!("{name:?} is no name of a project"),
        "use up to 60 lower-case letters, digits and hyphens, a letter first",
    ))
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let written = match path.parent() {
        Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(path, text)),
        None => fs::write(path, text),
    };
    written.map_err(|error| CommandError::usage(format!("{}: {error}", path.display()), "make the folder writable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_language_has_a_project() {
        let dir = tempfile::tempdir().unwrap();
        for kind in PluginKind::ALL {
            for (language, word) in [(Language::Rust, "rust"), (Language::JavaScript, "js")] {
                let name = format!("{}-{word}", kind.world());
                let created = create(dir.path(), &name, kind, language).unwrap();
                for file in &created.files {
                    let text = fs::read_to_string(created.folder.join(file)).unwrap();
                    assert!(!text.contains("{{name}}"), "{file}");
                }
                for file in ["entry.yaml", "input.yaml", "cases.yaml", "README.md"] {
                    assert!(created.files.iter().any(|found| found == file), "{name}: {file}");
                }
                assert_eq!(create(dir.path(), &name, kind, language).unwrap_err().exit_code(), 2);
            }
        }
    }

    #[test]
    fn a_name_is_a_name_everywhere() {
        for name in ["", "A", "1a", "a_b", "a/b", "..", "-a"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("shop-latency2").is_ok());
    }
}
