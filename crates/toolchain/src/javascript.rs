//! JavaScript plugins: `npm install` as locked, then componentize-qjs.
//!
//! `package.json` names the plugin's kind and its module, and pins the compiler:
//!
//! ```json
//! {"main": "plugin.js", "rollcage": {"world": "step"}, "devDependencies": {"componentize-qjs": "0.4.5"}}
//! ```
//!
//! Stamps in `node_modules` remember what was installed and built: a second build runs neither npm nor the compiler.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{BuildError, Built, Job, Language, Toolchain, command::Program, contract, output};

const NODE_HINT: &str = "get Node.js 18 or newer from https://nodejs.org";
const COMPILER: &str = "node_modules/componentize-qjs/bin/componentize-qjs";
const WORLDS: [&str; 3] = ["metric-provider", "traffic-router", "step"];
/// Folders that hold no sources.
const SKIPPED: [&str; 3] = ["node_modules", ".git", "target"];
/// A plugin's folder is small; a larger one is a mistake.
const MAX_FILES: usize = 2_000;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    main: Option<String>,
    #[serde(default)]
    rollcage: Option<Rollcage>,
}

#[derive(Deserialize)]
struct Rollcage {
    world: String,
}

pub(crate) fn build(toolchain: &Toolchain, job: &Job) -> Result<Built, BuildError> {
    let source = &job.source;
    let (main, world) = manifest(source)?;
    install(toolchain, source)?;
    let before = fs::read(&job.out).ok();
    let inputs = inputs(source)?;
    let stamps = Stamps::new(source, &job.out);
    let current = before.as_deref().is_some_and(|bytes| stamps.is_built(&inputs, bytes));
    if !current {
        compile(toolchain, job, &main, &world)?;
    }
    let component = fs::read(&job.out).map_err(BuildError::file(&job.out))?;
    if !current {
        stamps.built(&inputs, &component)?;
    }
    Ok(Built {
        out: job.out.clone(),
        language: Language::JavaScript,
        size: component.len() as u64,
        changed: before.as_deref() != Some(component.as_slice()),
    })
}

fn manifest(source: &Path) -> Result<(PathBuf, String), BuildError> {
    let path = source.join("package.json");
    let wrong = |message: String| BuildError::Manifest {
        path: path.clone(),
        message,
    };
    let text = fs::read_to_string(&path).map_err(BuildError::file(&path))?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let world = manifest.rollcage.map(|rollcage| rollcage.world).unwrap_or_default();
    if !WORLDS.contains(&world.as_str()) {
        let worlds = WORLDS.join("\", \"");
        return Err(wrong(format!(
            "write `\"rollcage\": {{\"world\": ...}}` with one of \"{worlds}\""
        )));
    }
    let main = manifest.main.unwrap_or_else(|| "plugin.js".to_owned());
    if !source.join(&main).is_file() {
        return Err(wrong(format!("`main` names {main}, which does not exist")));
    }
    Ok((PathBuf::from(main), world))
}

/// Installs what `package.json` asks for, exactly as locked when there is a lock.
fn install(toolchain: &Toolchain, source: &Path) -> Result<(), BuildError> {
    let stamp = source.join("node_modules/.rollcage-installed");
    if source.join(COMPILER).is_file() && fs::read_to_string(&stamp).is_ok_and(|text| text == dependencies(source)) {
        return Ok(());
    }
    // Not `npm ci`: it refuses the lock because the compiler names optional packages for platforms that have none.
    let locked = source.join("package-lock.json").is_file();
    toolchain.say(format!("npm install in {}", source.display()));
    Program::new("npm")
        .args([
            "install",
            if locked { "--no-save" } else { "--save" },
            "--ignore-scripts",
        ])
        .args([
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            "--omit-lockfile-registry-resolved",
        ])
        .current_dir(source)
        .progress(&toolchain.progress)
        .run(NODE_HINT)?;
    if !source.join(COMPILER).is_file() {
        return Err(BuildError::Manifest {
            path: source.join("package.json"),
            message: "add the compiler: `\"devDependencies\": {\"componentize-qjs\": \"0.4.5\"}`".to_owned(),
        });
    }
    fs::write(&stamp, dependencies(source)).map_err(BuildError::file(&stamp))
}

fn compile(toolchain: &Toolchain, job: &Job, main: &Path, world: &str) -> Result<(), BuildError> {
    toolchain.say(format!("compiling {}", job.source.join(main).display()));
    let work = tempfile::tempdir().map_err(BuildError::file(std::env::temp_dir()))?;
    let component = work.path().join("plugin.wasm");
    // A project may hold its own copy of the contract.
    let own = job.source.join("wit");
    let wit = if own.is_dir() { own } else { work.path().join("wit") };
    if !wit.is_dir() {
        contract::write(&wit)?;
    }
    Program::new("node")
        .arg(COMPILER)
        .arg("--wit")
        .arg(&wit)
        .arg("--js")
        .arg(main)
        .args(["--world", world, "--sync", "--output"])
        .arg(&component)
        .current_dir(&job.source)
        .run(NODE_HINT)?;
    let bytes = fs::read(&component).map_err(BuildError::file(&component))?;
    output::write_if_changed(&job.out, &bytes).map(|_| ())
}

/// What the installed packages depend on.
fn dependencies(source: &Path) -> String {
    let mut digest = Sha256::new();
    for name in ["package.json", "package-lock.json"] {
        digest.update(fs::read(source.join(name)).unwrap_or_default());
        digest.update([0]);
    }
    hex(digest)
}

/// Everything that the component depends on: the sources, the contract, the installed packages.
fn inputs(source: &Path) -> Result<String, BuildError> {
    let mut digest = Sha256::new();
    for (name, text) in contract::FILES {
        digest.update(name);
        digest.update(text);
    }
    digest.update(dependencies(source));
    for path in sources(source)? {
        let bytes = fs::read(&path).map_err(BuildError::file(&path))?;
        digest.update(path.strip_prefix(source).unwrap_or(&path).to_string_lossy().as_bytes());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    Ok(hex(digest))
}

fn sources(source: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut files = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(BuildError::file(&folder))?.flatten() {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && !SKIPPED.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            } else if path.is_file() && path.extension().is_none_or(|extension| extension != "wasm") {
                files.push(path);
            }
        }
        if files.len() > MAX_FILES {
            return Err(BuildError::Manifest {
                path: source.join("package.json"),
                message: format!("more than {MAX_FILES} files in this folder: is it the plugin's own?"),
            });
        }
    }
    files.sort();
    Ok(files)
}

/// Remembers from which inputs a component was built.
struct Stamps(PathBuf);

impl Stamps {
    fn new(source: &Path, out: &Path) -> Self {
        let mut name = hex(Sha256::new_with_prefix(out.to_string_lossy().as_bytes()));
        name.truncate(16);
        Self(source.join("node_modules").join(format!(".rollcage-built-{name}")))
    }

    fn is_built(&self, inputs: &str, component: &[u8]) -> bool {
        fs::read_to_string(&self.0).is_ok_and(|text| text == Self::text(inputs, component))
    }

    fn built(&self, inputs: &str, component: &[u8]) -> Result<(), BuildError> {
        fs::write(&self.0, Self::text(inputs, component)).map_err(BuildError::file(&self.0))
    }

    fn text(inputs: &str, component: &[u8]) -> String {
        format!("{inputs} {}", hex(Sha256::new_with_prefix(component)))
    }
}

fn hex(digest: Sha256) -> String {
    use std::fmt::Write;
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(package: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("package.json"), package).unwrap();
        fs::write(dir.path().join("plugin.js"), "").unwrap();
        dir
    }

    #[test]
    fn a_manifest_names_the_world() {
        let error = |package: &str| manifest(folder(package).path()).unwrap_err().to_string();
        assert!(error("{}").contains(r#"write `"rollcage": {"world": ...}`"#));
        assert!(error(r#"{"rollcage":{"world":"metric"}}"#).contains("\"metric-provider\""));
        assert!(error(r#"{"rollcage":{"world":"step"},"main":"x.js"}"#).contains("`main` names x.js"));
        assert!(error("{").contains("EOF while parsing"));
        let good = folder(r#"{"rollcage":{"world":"step"}}"#);
        assert_eq!(
            manifest(good.path()).unwrap(),
            (PathBuf::from("plugin.js"), "step".to_owned())
        );
    }

    #[test]
    fn inputs_change_with_sources_only() {
        let dir = folder("{}");
        let first = inputs(dir.path()).unwrap();
        fs::write(dir.path().join("out.wasm"), "x").unwrap();
        fs::create_dir(dir.path().join("node_modules")).unwrap();
        fs::write(dir.path().join("node_modules/x.js"), "x").unwrap();
        assert_eq!(inputs(dir.path()).unwrap(), first);
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("lib/x.js"), "x").unwrap();
        assert_ne!(inputs(dir.path()).unwrap(), first);
    }
}
