//! A real Kubernetes control plane for a test: what `cargo xtask` built out of `tests/controlplane`.
//!
//! ```text
//! shared() -> one for all quiet tests of this process -> namespace("name"): a fresh one for each test
//! start()  -> one of its own for a test that stops parts of it; two such at once on this machine, others wait
//!                 |
//!                 +-> part("kube-apiserver"): kill, freeze, start ...
//!                 +-> client(), account(): as admin, as a ServiceAccount with rules
//!                 +-> kubectl()
//!
//! Controller: `rollcage controller` in a namespace of it, as a process, with the account and rules that deploy/ ships
//! ```
//!
//! Invariants: TLS and RBAC are on; its folder, ports and processes are its own, and end with the test process, however that
//! ends.

mod account;
mod apply;
mod controller;
mod process;
mod turns;
mod wait;

use std::{
    env, fmt,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Namespace as CoreNamespace, ServiceAccount};
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

pub use account::Account;
pub use apply::{apply, dynamic};
pub use controller::{Controller, Start, program};
pub use process::Part;
pub use wait::{eventually, until};

use process::Process;
use turns::Turn;

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    process: Process,
    // After the process: the next may start when this one is gone.
    _turn: Option<Turn>,
}

/// What a control plane is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keeps the API server's limits: priority and fairness, requests in flight.
    pub fair: bool,
    /// More flags for kube-apiserver.
    pub flags: Vec<String>,
}

impl ControlPlane {
    /// The one that quiet tests of this process share, with Argo's custom resources. `None` without it, with one line said:
    /// the test skips; with `CI=true` that is a failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ControlPlane>> = OnceLock::new();
        SHARED.get_or_init(|| Self::run(&Options::default(), None)).as_ref()
    }

    /// One of its own, for a test that disturbs it; waits while two others run on this machine. `None` as for `shared`.
    pub fn start(options: &Options) -> Option<Self> {
        built()?;
        Self::run(options, Some(Turn::take()))
    }

    fn run(options: &Options, turn: Option<Turn>) -> Option<Self> {
        // Whoever else installed one: it is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built = built()?;
        let process = Process::start(&built.join("controlplane"), options);
        let plane = Self { process, _turn: turn };
        // Too large for the annotation of a client-side apply.
        let crds = built.join("argo/crds");
        plane.kubectl(&["apply", "--server-side", "--kustomize", &crds.to_string_lossy()]);
        plane.settle();
        Some(plane)
    }

    /// Waits for the custom resources.
    fn settle(&self) {
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"];
        let began = Instant::now();
        while let Err(error) = kubectl(self.kubeconfig(), &wait) {
            // As long as one has no conditions at all, it waits for none.
            assert!(began.elapsed() < Duration::from_mins(1), "custom resources: {error}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where the API server is.
    pub fn server(&self) -> &str {
        &self.process.ready.server
    }

    /// An admin's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.process.ready.kubeconfig
    }

    /// Seconds from nothing to ready.
    pub fn seconds(&self) -> f64 {
        self.process.ready.seconds
    }

    /// One of etcd, kube-apiserver, kube-controller-manager, kubelet.
    pub fn part(&self, name: &'static str) -> Part<'_> {
        self.process.part(name)
    }

    /// An admin's client, for the runtime that this is called from.
    pub async fn client(&self) -> Client {
        client(self.kubeconfig()).await
    }

    /// A fresh namespace, with the ServiceAccount that pods need.
    pub async fn namespace(&self, prefix: &str) -> Namespace<'_> {
        let client = self.client().await;
        let namespaces: Api<CoreNamespace> = Api::all(client.clone());
        let new = serde_json::from_value(json!({"metadata": {"generateName": format!("{prefix}-")}})).unwrap();
        let made = namespaces
            .create(&kube::api::PostParams::default(), &new)
            .await
            .unwrap();
        let name = made.metadata.name.unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        eventually("the namespace's default ServiceAccount", async || {
            accounts.get_opt("default").await.unwrap().map(drop)
        })
        .await;
        Namespace {
            plane: self,
            client,
            name,
        }
    }

    /// The answer of an admin's kubectl, which has to succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(self.kubeconfig(), arguments).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What came of every request of an account under test, as the API server's audit log has it.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.process.folder().join("audit.log")).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// A namespace of one test.
#[derive(Clone)]
pub struct Namespace<'p> {
    /// Where it is.
    pub plane: &'p ControlPlane,
    /// An admin's client.
    pub client: Client,
    /// Its name.
    pub name: String,
}

impl fmt::Debug for Namespace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Namespace<'_> {
    /// Applies objects in YAML, as an admin, here unless they name another namespace.
    pub async fn apply(&self, yaml: &str) {
        apply(&self.client, &self.name, yaml).await.unwrap();
    }

    /// A typed client of what is here.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// The answer of an admin's kubectl in this namespace, which has to succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--namespace", &self.name];
        all.extend(arguments);
        self.plane.kubectl(&all)
    }
}

/// A client from a kubeconfig, for the runtime that this is called from.
pub async fn client(kubeconfig: &Path) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Runs the real kubectl; an error is what it said.
pub fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Result<String, String> {
    let program = built().ok_or("not built")?.join("kubectl");
    let output = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        // It keeps what servers can do there, by host and port.
        .env("KUBECACHEDIR", kubeconfig.with_extension("cache"))
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The folder of what was built. Without it this prints one line and is `None`; with `CI=true` that is a failure.
pub fn built() -> Option<PathBuf> {
    let built = env::var_os("ROLLCAGE_CONTROL_PLANE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/controlplane"),
        PathBuf::from,
    );
    // Written when the build is whole.
    if built.join("controlplane.stamp").is_file() {
        return Some(built);
    }
    assert!(
        env::var_os("CI").is_none_or(|ci| ci != "true"),
        "no control plane in {}",
        built.display()
    );
    // Past the test harness, which hides what passing tests print.
    let _ = writeln!(
        std::io::stderr(),
        "skipped: no control plane; `cargo xtask test cluster` builds it, with Go"
    );
    None
}
