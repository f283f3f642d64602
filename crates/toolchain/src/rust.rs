//! Rust plugins: one cargo invocation for every workspace, then each core module into its component.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    BuildError, Built, Job, Language, Toolchain,
    command::Program,
    component, output,
    rust_guest::{RUST_HINT, RustGuest, TARGET},
};

/// What `cargo metadata` says; only what is needed here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// A line of `cargo build --message-format json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// A plugin of a workspace.
struct Member<'a> {
    index: usize,
    job: &'a Job,
    package: Package,
}

/// Builds the jobs; each comes back with the index it came with.
pub(crate) fn build(toolchain: &Toolchain, jobs: &[(usize, &Job)]) -> Result<Vec<(usize, Built)>, BuildError> {
    let mut workspaces: BTreeMap<PathBuf, (PathBuf, Vec<Member<'_>>)> = BTreeMap::new();
    for &(index, job) in jobs {
        let metadata = metadata(&job.source)?;
        let package = plugin(&job.source, metadata.packages)?;
        let entry = workspaces.entry(metadata.workspace_root);
        let (_, members) = entry.or_insert_with(|| (metadata.target_directory, Vec::new()));
        members.push(Member { index, job, package });
    }
    let mut built = Vec::new();
    for (root, (target_dir, members)) in workspaces {
        let target_dir = toolchain.target_dir.clone().unwrap_or(target_dir);
        let modules = cargo(toolchain, &root, &target_dir, &members)?;
        for member in members {
            let module = modules.get(&member.package.id).ok_or_else(|| BuildError::Manifest {
                path: member.package.manifest_path.clone(),
                message: "cargo built no WebAssembly module for this package".to_owned(),
            })?;
            built.push((member.index, encode(member.job, module)?));
        }
    }
    Ok(built)
}

fn metadata(source: &Path) -> Result<Metadata, BuildError> {
    let manifest = source.join("Cargo.toml");
    let json = Program::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .current_dir(source)
        .run(RUST_HINT)?;
    serde_json::from_str(&json).map_err(|error| BuildError::Manifest {
        path: manifest,
        message: format!("cargo metadata: {error}"),
    })
}

/// The package of this folder, checked for being a plugin's.
fn plugin(source: &Path, packages: Vec<Package>) -> Result<Package, BuildError> {
    let manifest = source.join("Cargo.toml");
    let here = fs::canonicalize(&manifest).map_err(BuildError::file(&manifest))?;
    let wrong = |message: &str| BuildError::Manifest {
        path: manifest.clone(),
        message: message.to_owned(),
    };
    let package = packages
        .into_iter()
        .find(|package| fs::canonicalize(&package.manifest_path).is_ok_and(|path| path == here))
        .ok_or_else(|| wrong("this is a workspace without a package; name a plugin's own folder"))?;
    let is_module = |target: &Target| target.crate_types.iter().any(|kind| kind == "cdylib");
    if !package.targets.iter().any(is_module) {
        return Err(wrong(
            "a plugin is a cdylib: write `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]`",
        ));
    }
    Ok(package)
}

/// Builds all members and gives the core module of each package.
fn cargo(
    toolchain: &Toolchain,
    root: &Path,
    target_dir: &Path,
    members: &[Member<'_>],
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let guest = RustGuest::find(toolchain, root)?;
    let mut program = Program::new("cargo")
        .args([
            "build",
            "--release",
            "--lib",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(root)
        .progress(&toolchain.progress);
    for member in members {
        program = program.args(["--package", &member.package.name]);
    }
    program = match &guest {
        RustGuest::Installed => program.arg("--target-dir").arg(target_dir),
        // Another compiler would make cargo rebuild everything at every change of hands.
        RustGuest::BuildStd { rustc, linker } => program
            .args(["-Z", "build-std=core,alloc,std,panic_abort"])
            .arg("--target-dir")
            .arg(target_dir.join("build-std"))
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker),
    };
    let messages = program.run(RUST_HINT)?;
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    Ok(artifacts
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| {
            let is_wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
            let module = message.filenames.into_iter().find(is_wasm)?;
            Some((message.package_id?, module))
        })
        .collect())
}

fn encode(job: &Job, module: &Path) -> Result<Built, BuildError> {
    let core = fs::read(module).map_err(BuildError::file(module))?;
    let component = component::componentize(&core).map_err(|message| BuildError::Component {
        path: module.to_owned(),
        message: format!("{message}: a plugin calls one of the SDK's export macros"),
    })?;
    Ok(Built {
        out: job.out.clone(),
        language: Language::Rust,
        size: component.len() as u64,
        changed: output::write_if_changed(&job.out, &component)?,
    })
}
