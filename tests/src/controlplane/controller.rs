//! `rollcage controller` as a process, with the account and the rules that `deploy/` ships.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Account, Namespace, apply};
use crate::chart;

/// Longest wait for its end.
const LONG: Duration = Duration::from_mins(1);

/// A running controller; killed when this is dropped.
#[derive(Debug)]
pub struct Controller {
    child: Child,
    log: Arc<Mutex<String>>,
    cache: PathBuf,
    _folder: Option<TempDir>,
}

/// How a controller is started.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    /// Beside `--kubeconfig`.
    pub arguments: &'a [&'a str],
    /// Its cache, kept; else one of its own that ends with it.
    pub cache: Option<PathBuf>,
    /// The pod's name, where it matters.
    pub pod: Option<&'a str>,
    /// The port of its metrics, where somebody asks for them.
    pub metrics: Option<u16>,
    /// It has to compile its plugins; else those that come with it are compiled once for all tests, as in the image.
    pub compiles: bool,
}

impl Controller {
    /// Starts the program that was built beside this test, in this namespace, with this account.
    pub fn start(namespace: &Namespace<'_>, account: &Account, start: &Start<'_>) -> Self {
        let folder = start.cache.is_none().then(|| tempfile::tempdir().unwrap());
        let cache = match (&start.cache, &folder) {
            (Some(cache), _) => cache.clone(),
            (None, Some(folder)) => folder.path().join("cache"),
            (None, None) => unreachable!("one of the two is there"),
        };
        let layer = if start.compiles { PathBuf::new() } else { layer() };
        let mut child = Command::new(program())
            .args(["controller", "--healthzPort", "0", "--metricsPort"])
            .arg(start.metrics.unwrap_or(0).to_string())
            .args(["--debugPort", "0", "--kubeconfig"])
            .arg(&account.kubeconfig)
            .args(start.arguments)
            .env("POD_NAMESPACE", &namespace.name)
            .env("POD_NAME", start.pod.unwrap_or("rollcage-0"))
            .env("ROLLCAGE_CACHE_DIR", &cache)
            .env("ROLLCAGE_PRECOMPILED_DIR", layer)
            .env_remove("ROLLCAGE_LOG")
            .env_remove("KUBECONFIG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self {
            child,
            log,
            cache,
            _folder: folder,
        }
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The folder of its cache.
    pub fn cache(&self) -> &PathBuf {
        &self.cache
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to end (SIGTERM), and gives its exit status.
    pub fn terminate(&mut self) -> i32 {
        self.signal(Signal::TERM);
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < LONG, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("== the controller's log\n{}", self.log());
        }
    }
}

/// The program `rollcage`. Cargo builds it with the tests of its own package.
pub fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("rollcage");
    assert!(
        program.is_file(),
        "no {}: cargo build --workspace --bins --test cluster",
        program.display()
    );
    program
}

/// The machine code of the plugins that come with the program: made once for each build of it.
fn layer() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let program = program();
        let about = fs::metadata(&program).unwrap();
        let written = about.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        let layers = program.with_file_name("layers-of-tests");
        let folder = layers.join(format!("{}-{}", written.as_nanos(), about.len()));
        if folder.is_dir() {
            return folder;
        }
        // A build that nobody has any more: whoever uses its layer in this moment compiles.
        for old in fs::read_dir(&layers).into_iter().flatten().flatten() {
            let age = old
                .metadata()
                .and_then(|old| old.modified())
                .map(|made| made.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > Duration::from_hours(1)) {
                let _ = fs::remove_dir_all(old.path());
            }
        }
        fs::create_dir_all(&layers).unwrap();
        let new = tempfile::tempdir_in(&layers).unwrap();
        let made = Command::new(&program)
            .args(["plugin", "precompile", "--bundled", "--out"])
            .arg(new.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Another process may have been quicker.
        if fs::rename(new.path(), &folder).is_ok() {
            let _ = new.keep();
        }
        assert!(folder.is_dir(), "no {}", folder.display());
        folder
    };
    MADE.get_or_init(make).clone()
}

impl Namespace<'_> {
    /// The account of a controller in this namespace, with exactly the rules that `deploy/kustomize` ships for this instance
    /// id; with `analyses`, it also reads Secrets here for them, as `rbac.analysisSecretNamespaces` would let it.
    pub async fn shipped_account(&self, instance: &str, analyses: bool) -> Account {
        self.shipped_account_as("rollcage", instance, analyses).await
    }

    /// The same under another name, where it matters who wrote what.
    pub async fn shipped_account_as(&self, name: &str, instance: &str, analyses: bool) -> Account {
        let base = fs::read_to_string(chart::root().join("deploy/kustomize/base/rollcage.yaml")).unwrap();
        let lease = if instance.is_empty() {
            "argo-rollouts-controller-lock\"".to_owned()
        } else {
            format!("argo-rollouts-controller-lock-{instance}\"")
        };
        let mut rules = BTreeMap::<String, Vec<Value>>::new();
        for document in serde_yaml::Deserializer::from_str(&base) {
            let object = Value::deserialize(document).unwrap();
            let text = object["rules"].to_string();
            let adapted = text.replace("argo-rollouts-controller-lock-rollcage\"", &lease);
            let found: Value = serde_json::from_str(&adapted).unwrap();
            if let (Some(kind), Some(found)) = (object["kind"].as_str(), found.as_array()) {
                rules.entry(kind.to_owned()).or_default().extend(found.iter().cloned());
            }
        }
        let mut here = rules.remove("Role").unwrap();
        if analyses {
            here.push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}));
        }
        self.account(name, &json!(rules["ClusterRole"]), &json!(here)).await
    }

    /// Lets an account read Secrets by name here, as the chart does for those that entries name.
    pub async fn allow_secrets(&self, account: &Account, names: &[&str]) {
        let name = format!("{}-secrets", account.name);
        let group = "rbac.authorization.k8s.io";
        let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": names,
                            "verbs": ["list", "watch"]}]);
        let subjects = json!([{"kind": "ServiceAccount", "name": account.name, "namespace": self.name}]);
        let role = json!({"apiGroup": group, "kind": "Role", "name": name});
        for object in [
            json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": rules}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
                   "roleRef": role, "subjects": subjects}),
        ] {
            apply(&self.client, &self.name, &object.to_string()).await.unwrap();
        }
    }
}
