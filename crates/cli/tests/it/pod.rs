//! The controller as the chart runs it: rendered arguments, environment and mounts, user 65532 on a read-only root without any
//! capability, a service account's token, and exactly the rights of the chart, on a real control plane.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use k8s_openapi::ByteString;
use rollcage_tests::{
    chart::{Helm, Right, chart, rights, without},
    controlplane::{ControlPlane, Options},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{rollcage, run};

/// Longest wait for anything.
const LONG: Duration = Duration::from_secs(90);
/// As in the chart, and in the image.
const USER: u32 = 65532;
/// The namespace of the release, its name, and that of its account.
const NAME: &str = "rollcage";

/// Mounts as the kubelet does, then becomes the program. `$ROOT` is an empty folder; the others are what is mounted.
const MOUNT: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 root "$ROOT"
cd "$ROOT"
mkdir -p usr etc/ssl proc dev opt tmp var/cache/rollcage var/run/secrets/kubernetes.io/serviceaccount
for link in bin lib lib64; do [ -L /$link ] && cp -P /$link . || true; done
touch opt/rollcage
mount --rbind /proc proc
mount --rbind /dev dev
mount --bind "$CACHE" var/cache/rollcage
mount --bind "$TMP" tmp
for pair in /usr:usr /etc/ssl:etc/ssl "$PROGRAM":opt/rollcage "$TOKEN":var/run/secrets/kubernetes.io/serviceaccount; do
  mount --bind "${pair%%:*}" "${pair#*:}"
  mount -o remount,bind,ro "${pair#*:}"
done
mount -o remount,ro "$ROOT"
exec env -i $ENVIRONMENT "$(command -v chroot)" "$ROOT" /usr/bin/setpriv --reuid 65532 --regid 65532 --groups 65532 --no-new-privs \
  --inh-caps=-all --bounding-set=-all /opt/rollcage "$@"
"#;

/// A control plane with the release and a team's namespace.
struct Stage {
    plane: ControlPlane,
    helm: Helm,
    server: u16,
    probes: u16,
}

/// Only root may mount; without Go there is neither Helm nor a control plane.
fn stage() -> Option<Stage> {
    let helm = Helm::find()?;
    let may_mount = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        // Past the test harness, which hides what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no mounts of one's own: the pod is not played"
        );
        return None;
    }
    let plane = ControlPlane::start(&Options::default())?;
    let probes = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let stage = Stage {
        plane,
        helm,
        server: metrics(),
        probes,
    };
    stage.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    stage.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}));
    for namespace in ["shop", NAME] {
        stage.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret", "namespace": namespace},
            "stringData": {"key": format!("the-secret-of-{namespace}")}
        }));
    }
    Some(stage)
}

/// A server whose answer says which credentials it was shown.
fn metrics() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = String::new();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                while lines.read_line(&mut request).is_ok_and(|read| read > 2) {}
                let has = |secret: &str| u8::from(request.contains(secret));
                let body =
                    json!({"own": has("the-secret-of-rollcage"), "teams": has("the-secret-of-shop")}).to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
            });
        }
    });
    port
}

impl Stage {
    fn apply(&self, object: &Value) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("object.json");
        fs::write(&file, object.to_string()).unwrap();
        self.plane.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            file.to_str().unwrap(),
        ]);
    }

    /// A plugin with a credential, which may reach nothing but the server; arguments from Secrets of the team.
    fn values(&self) -> Value {
        let server = format!("127.0.0.1:{}", self.server);
        json!({
            "controller": {"extraArgs": [format!("--healthzPort={}", self.probes), "--metricsPort=0"]},
            "rbac": {"analysisSecretNamespaces": ["shop"]},
            "plugins": {"metricProviderPlugins": [{
                "name": "rollcage/web", "location": "bundled://web", "permissions": {
                    "http": [server],
                    "credentials": [{
                        "name": "own", "secretRef": {"name": "secret", "key": "key"}, "header": "x-own", "hosts": [server]
                    }]
                }
            }, {"name": "rollcage/goes", "location": "bundled://web"}]}
        })
    }

    fn install(&self) {
        let folder = tempfile::tempdir().unwrap();
        let values = folder.path().join("values.json");
        fs::write(&values, self.values().to_string()).unwrap();
        let chart = chart();
        let arguments = [
            "install",
            NAME,
            chart.to_str().unwrap(),
            "--namespace",
            NAME,
            "--values",
            values.to_str().unwrap(),
        ];
        self.helm.run(self.plane.kubeconfig(), &arguments).unwrap();
    }

    fn run_of(&self, name: &str, ttl: bool) {
        let mut spec = json!({
            "args": [{"name": "secret", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "key"}}}],
            "metrics": [{"name": "m", "successCondition": "result.own == 1 && result.teams == 1", "provider": {"web": {
                "url": format!("http://127.0.0.1:{}/", self.server), "headers": [{"key": "x-team", "value": "{{args.secret}}"}]
            }}}]
        });
        if ttl {
            spec["ttlStrategy"] = json!({"secondsAfterCompletion": 1});
        }
        self.apply(&json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "spec": spec, "metadata": {
                "name": name, "namespace": "shop", "labels": {"argo-rollouts.argoproj.io/controller-instance-id": NAME}
            }
        }));
    }

    /// One metric fails, so that the other's Job, which never ends, is deleted.
    fn run_with_job(&self, name: &str) {
        let container = json!({"name": "c", "image": "check:1", "command": ["sleep", "infinity"]});
        let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}});
        let web = json!({"web": {"url": format!("http://127.0.0.1:{}/", self.server)}});
        let spec = json!({"metrics": [
            {"name": "job", "inconclusiveLimit": 1, "provider": {"job": job}},
            {"name": "web", "initialDelay": "4s", "failureCondition": "result.own >= 0", "provider": web}
        ]});
        self.apply(&json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "spec": spec, "metadata": {
                "name": name, "namespace": "shop", "labels": {"argo-rollouts.argoproj.io/controller-instance-id": NAME}
            }
        }));
    }

    fn phase_of(&self, name: &str) -> String {
        let path = "jsonpath={.status.phase} {.status.message}";
        self.plane
            .kubectl(&[
                "get",
                "analysisrun",
                "-n",
                "shop",
                name,
                "--ignore-not-found",
                "-o",
                path,
            ])
            .trim()
            .to_owned()
    }

    /// The location that a Plugin object shows; nothing where there is none.
    fn location_of(&self, plugin: &str) -> String {
        let object = format!("metric-provider.{plugin}");
        let path = "jsonpath={.spec.location}";
        let get = ["get", "rcp", "-n", NAME, &object, "--ignore-not-found", "-o", path];
        self.plane.kubectl(&get)
    }

    /// Somebody changes an object in the namespace of the release.
    fn patch(&self, object: &str, patch: &Value) {
        let patch = patch.to_string();
        self.plane
            .kubectl(&["patch", "-n", NAME, object, "--type=merge", "--patch", &patch]);
    }

    /// Everything that makes a controller touch Plugin objects.
    fn touch_plugins(&self, until: impl Fn(&str, &dyn Fn() -> bool)) {
        let (mirror, location) = ("rollcage.web", "bundled://web");
        until("every entry has an object", &|| {
            self.location_of(mirror) == location && !self.location_of("rollcage.goes").is_empty()
        });
        let elsewhere = json!({"spec": {"location": "file:///elsewhere"}});
        self.patch("plugin.rollcage.dev/metric-provider.rollcage.web", &elsewhere);
        until("a change by hand is put back", &|| self.location_of(mirror) == location);
        let entries = json!({"data": {"metricProviderPlugins": "[]"}});
        self.patch("configmap/rollcage-config", &entries);
        until("the object goes with its entry", &|| {
            self.location_of("rollcage.goes").is_empty()
        });
    }

    fn start(&self) -> Pod {
        let set: Value =
            serde_json::from_str(
                &self
                    .plane
                    .kubectl(&["get", "statefulset", NAME, "-n", NAME, "-o", "json"]),
            )
            .unwrap();
        Pod::start(self, &set["spec"]["template"]["spec"])
    }
}

/// The program in its mounts.
struct Pod {
    child: Child,
    log: Arc<Mutex<String>>,
    probes: u16,
    _folder: TempDir,
}

impl Pod {
    fn start(stage: &Stage, spec: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let container = &spec["containers"][0];
        assert_eq!(spec["securityContext"]["runAsUser"], USER);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        let made = |name: &str, mode: u32| -> PathBuf {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        // A volume as the kubelet leaves it for an fsGroup, and an emptyDir.
        let cache = made("cache", 0o2775);
        chown(&cache, None, Some(USER)).unwrap();
        let token = made("token", 0o755);
        let kubectl = |arguments: &[&str]| stage.plane.kubectl(arguments);
        fs::write(
            token.join("token"),
            kubectl(&["create", "token", NAME, "-n", NAME]).trim(),
        )
        .unwrap();
        fs::write(token.join("namespace"), NAME).unwrap();
        let path = "jsonpath={.clusters[0].cluster.certificate-authority-data}";
        let certificate = kubectl(&["config", "view", "--raw", "-o", path]);
        let certificate: ByteString = serde_json::from_value(json!(certificate)).unwrap();
        fs::write(token.join("ca.crt"), certificate.0).unwrap();

        let mounts: BTreeSet<&str> = container["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mount| mount["mountPath"].as_str().unwrap())
            .collect();
        assert_eq!(
            mounts,
            BTreeSet::from(["/tmp", "/var/cache/rollcage"]),
            "what MOUNT mounts"
        );
        let arguments = container["args"].as_array().unwrap();
        let mut child = Command::new("unshare")
            .args(["--mount", "sh", "-c", MOUNT, "pod"])
            .args(arguments.iter().map(|argument| argument.as_str().unwrap()))
            .env("ROOT", made("root", 0o755))
            .env("TMP", made("tmp", 0o1777))
            .env("CACHE", cache)
            .env("TOKEN", token)
            .env("PROGRAM", env!("CARGO_BIN_EXE_rollcage"))
            .env("ENVIRONMENT", environment(stage, container))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut errors, kept) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut buffer) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let pod = Self {
            child,
            log,
            probes: stage.probes,
            _folder: folder,
        };
        for probe in ["livenessProbe", "readinessProbe"] {
            let path = container[probe]["httpGet"]["path"].as_str().unwrap();
            pod.until(&format!("{path} is green"), || pod.probe(path) == Some(200));
        }
        pod
    }

    fn probe(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.probes)).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    #[track_caller]
    fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let started = Instant::now();
        while !is() {
            assert!(started.elapsed() < LONG, "never: {what}\n{}", self.log.lock().unwrap());
            // Looking starts programs, too.
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Tells it to end, and waits until it has.
    fn terminate(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log.lock().unwrap());
    }

    /// A line of what the kernel says about the process.
    fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().replace('\t', " ")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As the kubelet sets it: the container's, the image's, and where the API server is.
fn environment(stage: &Stage, container: &Value) -> String {
    let (host, port) = stage
        .plane
        .server()
        .strip_prefix("https://")
        .unwrap()
        .split_once(':')
        .unwrap();
    let mut words = vec![
        "HOME=/tmp".to_owned(),
        "PATH=/usr/bin".to_owned(),
        format!("KUBERNETES_SERVICE_HOST={host}"),
        format!("KUBERNETES_SERVICE_PORT={port}"),
    ];
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => "rollcage-0",
            Some("metadata.namespace") => NAME,
            Some(other) => panic!("{other}"),
            None => variable["value"].as_str().unwrap(),
        };
        words.push(format!("{name}={value}"));
    }
    assert!(words.iter().all(|word| !word.contains(' ')), "{words:?}");
    words.join(" ")
}

/// One request of the controller, as the API server noted it.
fn requests(plane: &ControlPlane) -> Vec<Value> {
    let user = format!("system:serviceaccount:{NAME}:{NAME}");
    let all = plane.audit().into_iter();
    all.filter(|entry| entry["user"]["username"] == user.as_str()).collect()
}

fn uses(request: &Value, right: &Right) -> bool {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut resource = format!("{}/{}", text("/objectRef/apiGroup"), text("/objectRef/resource"));
    if !text("/objectRef/subresource").is_empty() {
        resource = format!("{resource}/{}", text("/objectRef/subresource"));
    }
    text("/verb") == right.verb
        && resource == right.resource
        && (right.namespace.is_empty() || right.namespace == text("/objectRef/namespace"))
        && (right.names.is_empty() || right.names.iter().any(|name| name == text("/objectRef/name")))
}

/// What the chart renders is enough to run: probes, a measurement with both kinds of Secrets, events, clean-up. And it is not
/// more than enough: each right was needed for something, and nothing was asked for in vain.
#[test]
fn it_runs_as_rendered_with_exactly_these_rights() {
    let Some(stage) = stage() else { return };
    stage.install();
    let mut pod = stage.start();
    for (field, wanted) in [
        ("Uid", "65532 65532 65532 65532"),
        ("Gid", "65532 65532 65532 65532"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        assert_eq!(pod.status(field), wanted, "{field}");
    }
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", pod.child.id())).unwrap();
    let root = mounts
        .lines()
        .rev()
        .find(|line| line.split(' ').nth(4) == Some("/"))
        .unwrap();
    assert!(
        root.split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"),
        "{root}"
    );

    stage.run_of("stays", false);
    stage.run_of("goes", true);
    stage.run_with_job("job");
    pod.until("the AnalysisRun is Successful", || {
        stage.phase_of("stays") == "Successful"
    });
    pod.until("the other one is deleted", || stage.phase_of("goes").is_empty());
    pod.until("the one with a job has failed", || {
        stage.phase_of("job").starts_with("Failed")
    });
    let events = || {
        stage
            .plane
            .kubectl(&["get", "events", "-n", "shop", "-o", "jsonpath={.items[*].reason}"])
    };
    pod.until("there is an Event", || events().contains("AnalysisRunSuccessful"));
    stage.touch_plugins(|what, is| pod.until(what, is));
    // What a volume of the pod holds is the pod's alone.
    let log = pod.log.lock().unwrap().clone();
    assert!(!log.contains("the-secret-of"), "{log}");

    // A watch is noted when it ends.
    pod.terminate();
    let given = rights(&stage.helm.objects(&stage.values()));
    let unused = || -> Vec<&Right> {
        let requests = requests(&stage.plane);
        let not_used = |right: &&Right| !requests.iter().any(|request| uses(request, right));
        given.iter().filter(not_used).collect()
    };
    let started = Instant::now();
    while !unused().is_empty() {
        assert!(started.elapsed() < LONG, "nothing needs these: {:#?}", unused());
        thread::sleep(Duration::from_millis(200));
    }
    let mut requests = requests(&stage.plane);
    requests.retain(|request| request["responseStatus"]["code"] == 403);
    assert!(requests.is_empty(), "refused: {requests:#?}");
}

/// `rollcage migrate --rbac` asks the API server what the account may.
#[test]
fn missing_rights_are_found_before_they_are_missed() {
    let Some(stage) = stage() else { return };
    stage.install();
    let missing = || -> Vec<Value> {
        let mut migrate = rollcage();
        migrate
            .args([
                "migrate",
                "--cluster",
                "--rbac",
                "--offline",
                "-n",
                NAME,
                "--output",
                "json",
            ])
            .env("KUBECONFIG", stage.plane.kubeconfig());
        let report = run(&mut migrate).json();
        let findings = report["findings"].as_array().unwrap().clone().into_iter();
        let missing = findings.filter(|finding| finding["check"] == "missing-grant");
        missing.map(|finding| finding["problem"].clone()).collect()
    };
    let wanted = |wanted: Value| {
        let started = Instant::now();
        // The API server hears of roles a moment later.
        while json!(missing()) != wanted {
            assert!(started.elapsed() < LONG, "{:?} is not {wanted}", missing());
        }
    };
    wanted(json!([]));
    stage
        .plane
        .kubectl(&["delete", "rolebinding", "rollcage-own", "-n", NAME]);
    wanted(json!([
        "the account rollcage/rollcage may not list secrets \"secret\" in rollcage",
        "the account rollcage/rollcage may not watch secrets \"secret\" in rollcage"
    ]));
}

mod slow {
    use super::*;

    /// Without any one of its rights the controller says which one it misses, and goes on running.
    #[test]
    #[ignore = "a start for each right"]
    fn each_right_that_is_missing_is_named() {
        let Some(stage) = stage() else { return };
        stage.install();
        let objects = stage.helm.objects(&stage.values());
        let given = rights(&objects);
        let entries = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        for (number, right) in given.iter().enumerate() {
            roles(&stage, &without(&objects, right));
            // As it was before it was touched.
            stage.apply(entries);
            stage
                .plane
                .kubectl(&["delete", "plugins.rollcage.dev", "-n", NAME, "--all"]);
            // Made anew each time, and held by nobody.
            stage.plane.kubectl(&["delete", "leases", "-n", NAME, "--all"]);
            let mut pod = stage.start();
            // A run is read anew before it is deleted.
            let goes = matches!(right.verb.as_str(), "get" | "delete");
            stage.run_of(&format!("run-{number}"), goes);
            stage.run_with_job(&format!("job-{number}"));
            let (group, resource) = right.resource.split_once('/').unwrap();
            let said = format!("cannot {} resource \"{resource}\"", right.verb);
            let told = |pod: &Pod| {
                let in_status = stage
                    .plane
                    .kubectl(&["get", "analysisruns", "-n", "shop", "-o", "json"]);
                // In a status the quotes are escaped.
                pod.log.lock().unwrap().replace('\\', "").contains(&said) || in_status.replace('\\', "").contains(&said)
            };
            if group == "rollcage.dev" {
                touch(&stage, &pod, &right.verb, || told(&pod));
            }
            assert_eq!(pod.probe("/healthz"), Some(200), "{right:?}");
            if (group, right.verb.as_str()) == ("rollcage.dev", "get") {
                pod.terminate();
            }
            pod.until(&format!("{said:?} is said"), || told(&pod));
            stage.plane.kubectl(&["delete", "analysisruns", "-n", "shop", "--all"]);
        }
    }

    /// What is needed for a verb on Plugin objects to be missed.
    fn touch(stage: &Stage, pod: &Pod, verb: &str, is_told: impl Fn() -> bool) {
        let is_there = || !stage.location_of("rollcage.goes").is_empty() || is_told();
        pod.until("there is an object, or nobody may make one", is_there);
        if stage.location_of("rollcage.goes").is_empty() {
            return;
        }
        match verb {
            "patch" => {
                let elsewhere = json!({"spec": {"location": "file:///elsewhere"}});
                stage.patch("plugin.rollcage.dev/metric-provider.rollcage.web", &elsewhere);
            }
            "delete" => stage.patch(
                "configmap/rollcage-config",
                &json!({"data": {"metricProviderPlugins": "[]"}}),
            ),
            // Of a replica that ends, its own entry has to be there.
            "get" => pod.until("its state is shown", || {
                let path = "jsonpath={.items[*].status.replicas[*].name}";
                let shown = stage.plane.kubectl(&["get", "rcp", "-n", NAME, "-o", path]);
                shown.contains("rollcage-0")
            }),
            _ => {}
        }
    }

    fn roles(stage: &Stage, objects: &[Value]) {
        let roles = objects
            .iter()
            .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role")));
        roles.for_each(|role| stage.apply(role));
    }
}
