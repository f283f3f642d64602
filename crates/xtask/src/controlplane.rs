//! A real control plane, and the original controller to run on it, built with Go out of `tests/controlplane`.
//!
//! ```text
//! tests/controlplane ──> target/controlplane/controlplane        etcd, kube-apiserver, ..., and `up`, which runs them
//!                                            kubectl             a link to it
//!                                            rollouts-controller the original
//!                                            argo                a link to the manifests of the original's module
//! tests/controlplane/gateway-api ──────────> gateway-api         a link to the custom resources of that module
//! ```
//!
//! From nothing that is minutes of processor time, so it runs at low priority beside what else there is to build.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{is_ci, root, run as run_command};

/// Tells tests where it is.
pub(crate) const VARIABLE: &str = "ROLLCAGE_CONTROL_PLANE";

/// What is built out of the module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Our program.
    ControlPlane,
    /// `rollouts-controller`, for tests beside it.
    Original,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "controlplane",
            Self::Original => "rollouts-controller",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::ControlPlane => ".",
            Self::Original => "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
        }
    }

    fn stamp(self) -> Result<PathBuf> {
        Ok(out()?.join(format!("{}.stamp", self.name())))
    }
}

/// A build under way. Dropped, it ends.
pub(crate) struct Building {
    go: Option<Child>,
    parts: Vec<Part>,
    inputs: String,
    started: Instant,
}

/// Starts to build what is not up to date.
fn start(parts: &[Part]) -> Result<Building> {
    let inputs = inputs()?;
    let mut building = Building {
        go: None,
        parts: Vec::new(),
        inputs,
        started: Instant::now(),
    };
    for part in parts {
        let is_new = fs::read_to_string(part.stamp()?).is_ok_and(|old| old == building.inputs)
            && out()?.join(part.name()).is_file()
            && out()?.join("argo/crds").is_dir();
        if !is_new {
            building.parts.push(*part);
        }
    }
    if building.parts.is_empty() {
        return Ok(building);
    }
    let version = kubernetes(&building.inputs)?;
    let minor = version.split('.').nth(1).unwrap_or_default();
    // Without these the server calls itself v0.0.0, and clients stumble over it.
    let set = "-X k8s.io/component-base/version";
    let flags = format!(
        "-s -w {set}.gitVersion={version} {set}.gitMajor=1 {set}.gitMinor={minor} {set}.gitCommit=none \
         {set}.gitTreeState=clean {set}.buildDate=1970-01-01T00:00:00Z"
    );
    let mut go = Command::new("nice");
    go.args(["-n", "10", "go", "build", "-p", "2", "-buildvcs=false", "-trimpath"])
        .arg(format!("-ldflags={flags}"))
        .arg("-o")
        .arg(out()?)
        .args(building.parts.iter().map(|part| part.package()))
        .env("CGO_ENABLED", "0")
        .current_dir(sources())
        .stderr(Stdio::piped());
    match go.spawn() {
        Ok(child) => building.go = Some(child),
        Err(error) => return unless_go_is_missing(Err(error.into())).map(|_| building),
    }
    let names: Vec<_> = building.parts.iter().map(|part| part.name()).collect();
    eprintln!("target/controlplane: building {}", names.join(", "));
    Ok(building)
}

impl Building {
    /// Waits for its end, and gives the folder; `None` without Go, which is an error in CI only.
    pub(crate) fn finish(mut self) -> Result<Option<PathBuf>> {
        let built = self.wait().and_then(|out| {
            link_gateway_api(&out)?;
            Ok(out)
        });
        unless_go_is_missing(built)
    }

    fn wait(&mut self) -> Result<PathBuf> {
        if self.parts.is_empty() {
            return out();
        }
        let mut go = self.go.take().context("go cannot be run")?;
        let mut said = String::new();
        if let Some(mut errors) = go.stderr.take() {
            errors.read_to_string(&mut said)?;
        }
        let status = go.wait()?;
        ensure!(status.success(), "go build ({status}): {}", said.trim());
        if self.parts.contains(&Part::ControlPlane) {
            // With the flags of the build: what it is linked from is there.
            let tests = ["test", "-trimpath", "-vet=off", "-ldflags=-s -w", "."];
            let mut go = Command::new("go");
            run_command(go.args(tests).env("CGO_ENABLED", "0").current_dir(sources()))?;
        }
        let out = out()?;
        relink(Path::new(Part::ControlPlane.name()), &out.join("kubectl"))?;
        relink(&original()?.join("manifests"), &out.join("argo"))?;
        for part in &self.parts {
            // Last: what was stopped half-way is built again.
            fs::write(part.stamp()?, &self.inputs)?;
        }
        eprintln!("target/controlplane: {:.1} s", self.started.elapsed().as_secs_f64());
        Ok(out)
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Some(go) = &mut self.go {
            let _ = go.kill();
            let _ = go.wait();
        }
    }
}

/// All parts, for tests.
pub(crate) fn start_all() -> Result<Building> {
    start(&[Part::ControlPlane, Part::Original])
}

/// The same, to its end.
pub(crate) fn build() -> Result<Option<PathBuf>> {
    start_all()?.finish()
}

/// Starts one to play with, until ctrl-c.
pub(crate) fn cluster() -> Result<()> {
    let Some(built) = start(&[Part::ControlPlane])?.finish()? else {
        bail!("a cluster needs Go");
    };
    let folder = std::env::temp_dir().join(format!("rollcage-cluster-{}", std::process::id()));
    let mut up = Command::new(built.join(Part::ControlPlane.name()))
        .args(["up", "--dir"])
        .arg(&folder)
        // Ends when we do, for whatever reason.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // Held to the end: `wait` would close it.
    let _input = up.stdin.take();
    let mut output = up.stdout.take().context("no output")?;
    // Its first line says that it is ready.
    let mut byte = [0];
    while output.read(&mut byte)? == 1 && byte != *b"\n" {}
    if byte != *b"\n" {
        bail!("the control plane did not start ({})", up.wait()?);
    }
    let kubeconfig = folder.join("admin.kubeconfig");
    let kubectl = built.join("kubectl");
    // Too large for the annotation of a client-side apply.
    let crds = ["apply", "--server-side", "--kustomize"];
    run_command(
        Command::new(&kubectl)
            .args(crds)
            .arg(built.join("argo/crds"))
            .env("KUBECONFIG", &kubeconfig)
            .stdout(Stdio::null()),
    )?;
    eprintln!(
        "A Kubernetes control plane with the custom resources of Argo Rollouts is up. In another terminal:\n\n  \
         export KUBECONFIG={}\n  export PATH={}:$PATH\n  kubectl get nodes\n  kubectl apply -f ...\n  \
         cargo run -p rollcage-cli -- controller --kubeconfig $KUBECONFIG\n\nPods run nowhere: a fake kubelet says how \
         they are. Logs are in {}. Ctrl-c ends it, and nothing of it stays.",
        kubeconfig.display(),
        built.display(),
        folder.display(),
    );
    // Ctrl-c reaches it too.
    let status = up.wait()?;
    ensure!(status.success(), "the control plane ended ({status})");
    Ok(())
}

fn relink(target: &Path, link: &Path) -> Result<()> {
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link)?;
    }
    symlink(target, link).with_context(|| format!("linking {}", link.display()))
}

/// The custom resources of the Gateway API, out of a module of their own: the programs here are not linked from it.
fn link_gateway_api(out: &Path) -> Result<()> {
    const MODULE: &str = "sigs.k8s.io/gateway-api";
    let (folder, link) = (sources().join("gateway-api"), out.join("gateway-api"));
    let required = fs::read_to_string(folder.join("go.mod"))?;
    let version = required
        .lines()
        .find_map(|line| line.strip_prefix("require ")?.strip_prefix(MODULE));
    let version = version.context("gateway-api/go.mod does not require it")?.trim();
    let crds = format!("gateway-api@{version}/config/crd/standard");
    if link.is_dir() && fs::read_link(&link).is_ok_and(|target| target.ends_with(&crds)) {
        return Ok(());
    }
    run_command(
        Command::new("go")
            .args(["mod", "download", MODULE])
            .current_dir(&folder),
    )?;
    relink(&module(&folder, MODULE)?.join("config/crd/standard"), &link)
}

/// The folder of the original's module: its custom resources are read from there, and never copied.
fn original() -> Result<PathBuf> {
    module(&sources(), "github.com/argoproj/argo-rollouts")
}

/// The folder of a module that the one in `from` requires.
fn module(from: &Path, name: &str) -> Result<PathBuf> {
    let listed = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", name])
        .current_dir(from)
        .output()?;
    let said = String::from_utf8_lossy(&listed.stderr);
    ensure!(listed.status.success(), "go list ({}): {}", listed.status, said.trim());
    Ok(PathBuf::from(String::from_utf8(listed.stdout)?.trim()))
}

/// The version in go.mod.
fn kubernetes(inputs: &str) -> Result<&str> {
    let required = inputs
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "));
    required.context("tests/controlplane/go.mod does not require k8s.io/kubernetes")
}

fn out() -> Result<PathBuf> {
    let out = root().join("target/controlplane");
    fs::create_dir_all(&out)?;
    Ok(out)
}

fn sources() -> PathBuf {
    root().join("tests/controlplane")
}

/// All that is built from, apart from Go and the modules, which `go.sum` names.
fn inputs() -> Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(sources())? {
        let path = entry?.path();
        let is_test = path.to_string_lossy().ends_with("_test.go");
        if path.is_file() && !is_test {
            files.push(path);
        }
    }
    files.sort();
    let mut inputs = String::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        write!(inputs, "== {name}\n{text}")?;
    }
    Ok(inputs)
}

fn unless_go_is_missing(built: Result<PathBuf>) -> Result<Option<PathBuf>> {
    match built {
        Ok(out) => Ok(Some(out)),
        Err(error) if is_ci() => bail!("no control plane: {error:#}"),
        Err(error) => {
            eprintln!("skipped: no control plane: {error:#}");
            Ok(None)
        }
    }
}
