//! Native plugins of the original, and the original's own client: what `cargo xtask peers` built out of `tests/peers`.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use rollcage_api::plugin::PluginKind;
use serde_json::{Value, json};

/// Versions of Argo Rollouts that are built for every run of the tests. Others are used where they were built.
const ALWAYS: [&str; 4] = ["v1.5.1", "v1.7.2", "v1.9.2", NEWEST];
const OTHERS: [&str; 2] = ["v1.6.6", "v1.8.5"];
const NEWEST: &str = "v1.10.1";

/// What was built.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Every version that is there, the oldest first.
    pub versions: Vec<Version>,
}

/// The executables of one version.
#[derive(Clone, Debug)]
pub struct Version {
    /// As a Go module has it.
    pub name: String,
    folder: PathBuf,
}

impl Peers {
    /// Where they are. Without them this prints one line and is `None`, so that a test can skip; with `CI=true` that is a
    /// failure.
    pub fn find() -> Option<Self> {
        let built = env::var_os("ROLLCAGE_PEERS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"),
            PathBuf::from,
        );
        let version = |name: &str| {
            let folder = built.join(name);
            // Written when the build is whole.
            let whole = folder.join("stamp").is_file();
            whole.then(|| Version {
                name: name.to_owned(),
                folder,
            })
        };
        let missing = ALWAYS.into_iter().find(|name| version(name).is_none());
        if let Some(missing) = missing {
            assert!(
                env::var_os("CI").is_none_or(|ci| ci != "true"),
                "no Go peers of {missing} in {}",
                built.display()
            );
            // Past the test harness, which hides what passing tests print.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: no Go peers of {missing}; `cargo xtask peers` builds them"
            );
            return None;
        }
        let mut versions: Vec<Version> = ALWAYS.into_iter().chain(OTHERS).filter_map(version).collect();
        versions.sort_by_key(Version::minor);
        Some(Self { versions })
    }

    /// The newest version, which also has the original's client.
    pub fn newest(&self) -> &Version {
        self.versions.iter().find(|version| version.name == NEWEST).unwrap()
    }
}

impl Version {
    fn minor(&self) -> u32 {
        self.name.split('.').nth(1).unwrap().parse().unwrap()
    }

    /// Whether it has plugins for steps.
    pub fn has_steps(&self) -> bool {
        self.minor() >= 8
    }

    /// Upstream's sample of a kind.
    pub fn sample(&self, kind: PluginKind) -> PathBuf {
        let before = self.minor() < 6;
        self.folder.join(match kind {
            PluginKind::MetricProvider if before => "sample-metrics-plugin",
            PluginKind::MetricProvider => "metrics-plugin-sample",
            PluginKind::TrafficRouter if before => "sample-trafficrouter-plugin",
            PluginKind::TrafficRouter => "trafficrouter-plugin-sample",
            PluginKind::Step => "step-plugin-sample",
        })
    }

    /// Upstream's step for tests.
    pub fn step_e2e(&self) -> PathBuf {
        self.folder.join("step-plugin-e2e")
    }

    /// An example of go-plugin's own, which is no plugin of Argo's; of the newest version alone.
    pub fn example(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Our own plugin, of every kind that the version has.
    pub fn own(&self) -> PathBuf {
        self.folder.join("own")
    }
}

/// The original's side of the plugin protocol: `tests/peers/v1.10.1/host`.
#[derive(Debug)]
pub struct Original {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Original {
    /// Configures it with one plugin, started with `arguments`, in a folder of its own. `env` is what it, and so the
    /// plugin, finds in its environment beside ours.
    pub fn start(
        peers: &Peers,
        folder: &Path,
        (kind, name, executable): (PluginKind, &str, &Path),
        arguments: &[OsString],
        env: &[(&str, &str)],
    ) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        let location = format!("file://{}", executable.display());
        // JSON is YAML.
        let entries = json!([{"name": name, "location": location, "args": arguments}]).to_string();
        let key = match kind {
            PluginKind::MetricProvider => "metricProviderPlugins",
            PluginKind::TrafficRouter => "trafficRouterPlugins",
            PluginKind::Step => "stepPlugins",
        };
        let config = folder.join("config.json");
        fs::write(&config, json!({key: entries}).to_string()).unwrap();
        let log = folder.join("original.log");
        let mut child = Command::new(peers.newest().folder.join("host"))
            .arg("-config")
            .arg(config)
            .current_dir(folder)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            requests: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            log,
        }
    }

    /// One call, and what comes of it.
    pub fn call(&mut self, kind: PluginKind, name: &str, method: &str, input: &Value) -> Value {
        let kind = match kind {
            PluginKind::MetricProvider => "metric-provider",
            PluginKind::TrafficRouter => "traffic-router",
            PluginKind::Step => "step",
        };
        let mut request = json!({"kind": kind, "name": name, "method": method, "input": input}).to_string();
        request.push('\n');
        self.requests.as_ref().unwrap().write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| {
            let log = fs::read_to_string(&self.log).unwrap();
            let last = log.lines().last();
            panic!("the original's answer to {method} is no JSON: {error}: {answer}; {last:?}")
        })
    }
}

/// Stands before an API server that only reads JSON: newer Go clients write protocol buffers.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Proxy {
    /// Before the server at this address.
    pub fn start(peers: &Peers, target: &str) -> Self {
        let mut child = Command::new(peers.newest().folder.join("host"))
            .args(["-proxy", target])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut address).unwrap();
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        // The end of its input ends it, and its plugin with it.
        self.requests = None;
        let _ = self.child.wait();
    }
}
