//! The manifests of a folder: every readable object, and a problem for every other one.

use std::path::{Path, PathBuf};

use rollcage_apiserver::{ApiServer, Manifest};
use rollcage_registry::ConfigFile;
use serde_json::Value;

use crate::{error::CommandError, files::read_text};

/// Largest manifest file that is read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a folder holds.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Objects in the order of files and documents.
    pub objects: Vec<Manifest>,
    /// What could not be read: file, line, field and cause.
    pub problems: Vec<String>,
}

impl Manifests {
    /// Reads every `*.yaml`, `*.yml` and `*.json` of `dir` (not of folders below it) but the scenario itself.
    /// `{{dir}}` stands for the folder's absolute path.
    /// `fill_in` does further replacements.
    pub fn read(dir: &Path, fill_in: &dyn Fn(String) -> String) -> Result<Self, CommandError> {
        let mut manifests = Self::default();
        let absolute = dir.canonicalize().map_err(|error| unreadable(dir, &error))?;
        for path in files(dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match read_text(&path, MAX_FILE_BYTES) {
                Ok(text) => {
                    let text = fill_in(text.replace("{{dir}}", &absolute.to_string_lossy()));
                    manifests.take(&name, &text);
                }
                Err(problem) => manifests.problems.push(format!("{name}: {problem}")),
            }
        }
        Ok(manifests)
    }

    /// Reads one file.
    pub fn read_file(path: &Path) -> Result<Self, CommandError> {
        let mut manifests = Self::default();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = read_text(path, MAX_FILE_BYTES).map_err(|cause| {
            CommandError::usage(format!("{}: {cause}", path.display()), "name a file with manifests")
        })?;
        manifests.take(&name, &text);
        Ok(manifests)
    }

    /// Takes an object that stands at `place`.
    pub fn push(&mut self, place: String, object: Value) {
        match not_an_object(&object) {
            None => self.objects.push(Manifest {
                file: place,
                value: object,
            }),
            Some(problem) => self.problems.push(format!("{place}: {problem}")),
        }
    }

    /// These and those.
    pub fn extend(&mut self, more: Self) {
        self.objects.extend(more.objects);
        self.problems.extend(more.problems);
    }

    fn take(&mut self, file: &str, text: &str) {
        let documents = rollcage_api::yaml::documents(file, text);
        let several = documents.len() > 1;
        for (index, document) in documents.into_iter().enumerate() {
            let place = if several {
                format!("{file} (document {})", index + 1)
            } else {
                file.to_owned()
            };
            match document.and_then(|document| document.read::<Value>()) {
                Ok(Value::Null) => {}
                Ok(object) => self.push(place, object),
                Err(error) => self.problems.push(error.to_string()),
            }
        }
    }
}

/// Why a document is no Kubernetes object.
fn not_an_object(object: &Value) -> Option<String> {
    ["/apiVersion", "/kind", "/metadata/name"]
        .into_iter()
        .find_map(|pointer| {
            let found = object
                .pointer(pointer)
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty());
            (!found).then(|| {
                format!(
                    "field {} is missing or not a text",
                    pointer.trim_start_matches('/').replace('/', ".")
                )
            })
        })
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let manifest = path
                .extension()
                .is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json");
            manifest && path.is_file() && path.file_name().is_some_and(|name| name != "scenario.yaml")
        })
        .collect();
    files.sort();
    Ok(files)
}

fn unreadable(dir: &Path, error: &std::io::Error) -> CommandError {
    CommandError::usage(format!("{}: {error}", dir.display()), "DIR is a folder with manifests")
}

impl Manifests {
    /// Puts the objects into an API, and answers everything that could not be used.
    pub fn load_into(self, api: &ApiServer) -> Vec<String> {
        let mut problems = self.problems;
        problems.extend(api.load(self.objects).errors.iter().map(ToString::to_string));
        problems
    }

    /// Namespace of the plugin configuration: that of the first ConfigMap with one of its names, else Argo's.
    pub fn config_namespace(&self) -> String {
        let config = self.objects.iter().map(|manifest| &manifest.value).find(|object| {
            object.get("kind").and_then(Value::as_str) == Some("ConfigMap")
                && object
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .is_some_and(|name| ConfigFile::ALL.iter().any(|file| file.name() == name))
        });
        let namespace = config.map(|object| object.pointer("/metadata/namespace").and_then(Value::as_str));
        namespace
            .map_or("argo-rollouts", |namespace| namespace.unwrap_or("default"))
            .to_owned()
    }
}
