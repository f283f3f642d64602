//! `rollcage dev --listen` serves the real kubectl.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use rollcage_tests::controlplane::{built, eventually, program};

/// A scenario that goes on while the test plays with it.
struct Dev {
    child: Child,
    server: String,
    folder: tempfile::TempDir,
}

/// One to play with, and one for which it goes on when that is deleted.
const MANIFESTS: &str = r"
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: waits, namespace: default, labels: {app: shop}}
spec:
  metrics:
    - name: m
      initialDelay: 1h
      provider: {plugin: {acme/none: {}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: stays, namespace: default}
spec:
  metrics:
    - name: m
      initialDelay: 1h
      provider: {plugin: {acme/none: {}}}
";

impl Dev {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.yaml"), MANIFESTS).unwrap();
        std::fs::write(folder.path().join("scenario.yaml"), "until: 2h\n").unwrap();
        // Free again at once, and its own a moment later.
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = Command::new(program())
            .args(["dev", "--listen", &address.to_string()])
            .arg(folder.path())
            .env("ROLLCAGE_CACHE_DIR", folder.path().join("cache"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            server: format!("http://{address}"),
            folder,
        }
    }

    fn kubectl(&self, kubectl: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(kubectl)
            .args(["--server", &self.server, "--cache-dir"])
            .arg(self.folder.path().join("kubectl"))
            .args(arguments)
            .env_remove("KUBECONFIG")
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn kubectl_gets_applies_patches_waits_describes_and_deletes() {
    let Some(built) = built() else { return };
    let (dev, kubectl) = (Dev::start(), built.join("kubectl"));
    let run = |arguments: &[&str]| {
        dev.kubectl(&kubectl, arguments)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    eventually("dev listens", async || {
        dev.kubectl(&kubectl, &["get", "ar", "waits"]).ok()
    })
    .await;

    assert!(run(&["get", "analysisruns", "--all-namespaces"]).contains("waits"));
    assert!(run(&["get", "ar", "--selector=app=shop", "--output=name"]).contains("analysisrun.argoproj.io/waits"));
    assert!(run(&["api-resources"]).contains("analysistemplates"));
    let described = run(&["describe", "ar", "waits"]);
    assert!(
        described.contains("Initial Delay") && described.contains("1h"),
        "{described}"
    );

    let manifest = dev.folder.path().join("new.json");
    let write = |value: &str| {
        let map = format!(
            r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "c"}}, "data": {{"k": "{value}"}}}}"#
        );
        std::fs::write(&manifest, map).unwrap();
    };
    let file = manifest.to_string_lossy();
    let value = ["get", "configmap", "c", "--output=jsonpath={.data.k}"];
    write("one");
    assert!(run(&["apply", "--filename", &file]).contains("created"));
    assert!(run(&["apply", "--filename", &file]).contains("unchanged"));
    write("two");
    assert!(run(&["apply", "--filename", &file]).contains("configured"));
    assert_eq!(run(&value), "two");
    write("three");
    run(&["apply", "--server-side", "--force-conflicts", "--filename", &file]);
    assert_eq!(run(&value), "three");
    run(&[
        "patch",
        "configmap",
        "c",
        "--type=merge",
        r#"--patch={"data":{"k":"four"}}"#,
    ]);
    run(&[
        "patch",
        "configmap",
        "c",
        "--type=strategic",
        r#"--patch={"data":{"l":"five"}}"#,
    ]);
    assert_eq!(run(&value), "four");
    // Both watch.
    run(&["wait", "--for=jsonpath={.data.l}=five", "configmap/c", "--timeout=20s"]);
    let watched = dev.kubectl(
        &kubectl,
        &["get", "configmaps", "--watch", "--request-timeout=3s", "--output=name"],
    );
    let watched = watched.unwrap_or_else(|error| error);
    assert!(
        watched.contains("configmap/c") || watched.contains("Timeout"),
        "{watched}"
    );

    let missing = dev.kubectl(&kubectl, &["get", "configmap", "none"]).unwrap_err();
    assert!(missing.contains(r#"configmaps "none" not found"#), "{missing}");
    assert!(run(&["delete", "configmap", "c"]).contains("deleted"));
    assert!(dev.kubectl(&kubectl, &["get", "configmap", "c"]).is_err());
    run(&["delete", "ar", "waits"]);
    run(&["wait", "--for=delete", "ar/waits", "--timeout=20s"]);
}
