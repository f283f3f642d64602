//! Argo's own client with a shim as its plugin, and what components reach.

use std::{
    ffi::OsString,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rollcage_api::plugin::PluginKind;
use rollcage_tests::peers::{Original, Peers};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The shim's name in Argo's configuration, and the component's.
pub const NAME: &str = "test/plugin";

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_mins(2);

/// Words in front of an answer while the component loads.
const LOADING: [&str; 5] = [
    "Pending: ",
    "Fetching: ",
    "Verifying: ",
    "Compiling: ",
    "Initializing: ",
];

/// A plugin behind Argo's client.
pub struct Hosted {
    original: Original,
    kind: PluginKind,
    folder: PathBuf,
}

/// Starts Argo's client with an executable as its plugin.
pub fn hosted(
    peers: &Peers,
    folder: &TempDir,
    kind: PluginKind,
    executable: &Path,
    arguments: &[&str],
    env: &[(&str, &str)],
) -> Hosted {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    // Of its own: what last served under this name stands in for what cannot be had.
    let cache = folder.path().join("cache");
    let mut all = vec![
        ("ROLLCAGE_CACHE_DIR", cache.to_str().unwrap()),
        ("TMPDIR", folder.path().to_str().unwrap()),
    ];
    all.extend(env);
    let plugin = (kind, NAME, executable);
    Hosted {
        original: Original::start(peers, folder.path(), plugin, &arguments, &all),
        kind,
        folder: folder.path().to_owned(),
    }
}

/// Starts Argo's client with a shim as its plugin.
pub fn shim(peers: &Peers, folder: &TempDir, kind: PluginKind, arguments: &[&str], env: &[(&str, &str)]) -> Hosted {
    // Argo copies a plugin's executable, and ours is large as long as it is not optimised.
    let script = folder.path().join("rollcage.sh");
    let program = env!("CARGO_BIN_EXE_rollcage");
    fs::write(&script, format!("#!/bin/sh\nexec '{program}' \"$@\"\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = [&["shim"], arguments].concat();
    hosted(peers, folder, kind, &script, &arguments, env)
}

impl Hosted {
    /// One call.
    pub fn call(&mut self, method: &str, input: &Value) -> Value {
        let mut answer = self.original.call(self.kind, NAME, method, input);
        answer.as_object_mut().unwrap().remove("milliseconds");
        answer
    }

    /// One call, again and again until its answer is as wanted.
    pub fn until(&mut self, method: &str, input: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.call(method, input);
            if wanted(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "still {answer}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// One call of a component that may still be loading.
    pub fn ready(&mut self, method: &str, input: &Value) -> Value {
        self.until(method, input, |answer| {
            let text = text(answer);
            !LOADING.iter().any(|state| text.contains(state))
        })
    }

    /// What the client logs, and the shim through it.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("original.log")).unwrap()
    }

    /// The processes that the client has started, in order.
    pub fn pids(&self) -> Vec<i32> {
        let log = self.log();
        let started = log.lines().filter(|line| line.contains("plugin started"));
        started
            .map(|line| line.rsplit_once("pid=").unwrap().1.trim().parse().unwrap())
            .collect()
    }
}

/// What an answer says of an error.
pub fn text(answer: &Value) -> String {
    let texts = [
        &answer["measurement"]["message"],
        &answer["metadata"]["error"],
        &answer["error"],
        &answer["unavailable"],
    ];
    texts.into_iter().filter_map(Value::as_str).collect()
}

/// A component's entry in a file.
pub fn entry(folder: &TempDir, plugin: &Path, more: &Value) -> PathBuf {
    let path = folder.path().join("entry.yaml");
    write_entry(&path, &format!("file://{}", plugin.display()), more);
    path
}

/// Writes a component's entry.
pub fn write_entry(path: &Path, location: &str, more: &Value) {
    let mut entry = json!({"name": NAME, "location": location});
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    // Renamed into its place, as a mounted ConfigMap changes.
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, entry.to_string()).unwrap();
    fs::rename(fresh, path).unwrap();
}

/// A server that answers every request with `5`; its address.
pub fn five() -> String {
    serve(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n5")
}

/// A server that takes connections and says nothing.
pub fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            held.push(stream);
        }
    });
    address
}

fn serve(answer: impl Fn(&[u8]) -> &'static [u8] + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let _ = stream.write_all(answer(&request[..read]));
        }
    });
    address
}

/// A metric with this configuration.
pub fn metric(config: &Value) -> Value {
    json!({"name": "m", "successCondition": "result == \"5\"", "provider": {"plugin": {NAME: config}}})
}

/// An AnalysisRun.
pub fn run() -> Value {
    json!({"metadata": {"name": "r", "namespace": "shop"}, "spec": {"metrics": []}})
}
