//! Plugins as objects, `plugins.rollcage.dev`: as people see and change them with kubectl.

use std::path::Path;

use kube::{Api, api::DynamicObject};
use rollcage_tests::{
    chart,
    controlplane::{ControlPlane, Options, Start, dynamic, eventually, until},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kit::{Origin, Prometheus, Site, built, entry, file, spec};

/// Longest wait of kubectl for a condition.
const LONG: &str = "--timeout=90s";

/// As docs/plugins-in-the-cluster.md says.
fn install(plane: &ControlPlane) {
    let definition = chart::root().join("deploy/crd/plugins.rollcage.dev.yaml");
    plane.kubectl(&["apply", "--server-side", "-f", &definition.to_string_lossy()]);
    let established = ["wait", "--for=condition=Established", LONG, "crd/plugins.rollcage.dev"];
    plane.kubectl(&established);
}

fn objects(site: &Site<'_>) -> Api<DynamicObject> {
    dynamic(&site.here.client, &site.here.name, "rollcage.dev/v1alpha1", "Plugin")
}

/// `kubectl apply -f` of a Plugin with this entry.
fn apply(site: &Site<'_>, name: &str, entry: &Value) {
    let mut spec = entry.clone();
    spec["kind"] = "MetricProvider".into();
    let object = json!({
        "apiVersion": "rollcage.dev/v1alpha1", "kind": "Plugin", "metadata": {"name": name}, "spec": spec,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.json");
    std::fs::write(&path, object.to_string()).unwrap();
    site.here.kubectl(&["apply", "-f", &path.to_string_lossy()]);
}

/// `kubectl wait` for a condition of an object, once that is there.
async fn wait(site: &Site<'_>, name: &str, condition: &str) {
    let all = objects(site);
    until(&format!("{name} is there"), async || {
        all.get_opt(name).await.is_ok_and(|object| object.is_some())
    })
    .await;
    // kubectl blocks; what the test serves goes on.
    tokio::task::block_in_place(|| {
        let (condition, object) = (format!("--for=condition={condition}"), format!("rcp/{name}"));
        site.here.kubectl(&["wait", &condition, LONG, &object]);
    });
}

async fn status(site: &Site<'_>, name: &str) -> Value {
    let object = objects(site).get(name).await.unwrap();
    object.data["status"].clone()
}

fn condition<'s>(status: &'s Value, kind: &str) -> &'s Value {
    let mut conditions = status["conditions"].as_array().unwrap().iter();
    conditions.find(|condition| condition["type"] == kind).unwrap()
}

/// Words of the lines that kubectl prints.
fn table(printed: &str) -> Vec<Vec<&str>> {
    let lines = printed.lines();
    lines.map(|line| line.split_whitespace().collect()).collect()
}

fn digest(path: &Path) -> String {
    let digest = Sha256::digest(std::fs::read(path).unwrap());
    digest
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What the account of a controller was refused.
fn refused(plane: &ControlPlane, site: &Site<'_>) -> Vec<String> {
    let all = plane.audit().into_iter();
    all.filter(|entry| entry["user"]["username"] == site.account.user.as_str())
        .filter(|entry| entry["responseStatus"]["code"] == 403)
        .map(|entry| format!("{} {}", entry["verb"], entry["requestURI"]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_applied_serves_is_changed_and_outlives_a_bad_change() {
    let Some(plane) = ControlPlane::shared() else { return };
    install(plane);
    let site = Site::new(plane, "objects").await;
    let (prometheus, origin) = (Prometheus::start().await, Origin::start().await);
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (built("prometheus.wasm"), folder.path().join("prometheus.wasm"));
    // The same with an empty section more: other bytes.
    let mut bytes = std::fs::read(&first).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    std::fs::write(&second, bytes).unwrap();
    let name = "acme/prometheus";
    let measure = async |run: &str| {
        site.run(run, &spec(&prometheus.provider(name, run), 1, "1s")).await;
        site.phase(run, "Successful").await;
        assert_eq!(prometheus.asked(run), 1, "{run}");
    };
    let controller = site.controller();

    apply(&site, "prom", &entry(name, &file(&first), prometheus.port));
    wait(&site, "prom", "Ready").await;
    let printed = site.here.kubectl(&["get", "rcp"]);
    let lines = table(&printed);
    let columns = ["NAME", "KIND", "PLUGIN", "STATE", "RUNTIME", "READY", "AGE"];
    assert_eq!(lines[0], columns, "{printed}");
    let line = lines.iter().find(|line| line[0] == "prom").unwrap();
    assert_eq!(
        line[1..6],
        ["MetricProvider", name, "Ready", "wasm", "True"],
        "{printed}"
    );
    let printed = site.here.kubectl(&["get", "rcp", "prom", "-o", "wide"]);
    let wide = ["AGE", "UP-TO-DATE", "DIGEST", "PHASE", "CAUSE", "SOURCE"];
    assert_eq!(table(&printed)[0][6..], wide, "{printed}");
    assert!(printed.contains(&digest(&first)), "{printed}");
    measure("first").await;
    // It shows itself: there is no second object for it.
    let mirrors = ["get", "rcp", "-o", "name", "-l", "rollcage.dev/source=configmap"];
    assert_eq!(site.here.kubectl(&mirrors), "");

    apply(&site, "prom", &entry(name, &file(&second), prometheus.port));
    eventually("the other bytes serve", async || {
        let status = status(&site, "prom").await;
        (status["servingDigest"] == digest(&second)).then_some(())
    })
    .await;
    measure("second").await;

    apply(&site, "prom", &entry(name, &origin.location("absent"), prometheus.port));
    wait(&site, "prom", "UpToDate=False").await;
    let status = eventually("it says why", async || {
        let status = status(&site, "prom").await;
        (status["state"] == "Degraded").then_some(status)
    })
    .await;
    let failure = &status["failure"];
    assert_eq!(failure["phase"], "fetch", "{status}");
    assert!(failure["cause"].as_str().unwrap().contains("404"), "{status}");
    for field in ["hint", "time"] {
        assert!(!failure[field].as_str().unwrap().is_empty(), "{status}");
    }
    assert_eq!(status["servingDigest"], digest(&second), "{status}");
    assert_eq!(condition(&status, "Ready")["reason"], "ServingOlder", "{status}");
    measure("third").await;

    site.here.kubectl(&["delete", "rcp", "prom"]);
    site.run("fourth", &spec(&prometheus.provider(name, "fourth"), 1, "1s"))
        .await;
    site.message("fourth", &[name]).await;
    assert_eq!(prometheus.asked("fourth"), 0);
    let refused = refused(plane, &site);
    assert!(refused.is_empty(), "{refused:?}");
    assert!(!controller.log().contains("cannot be shown"), "{}", controller.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_configmap_have_objects_and_win_over_others() {
    let Some(plane) = ControlPlane::shared() else { return };
    install(plane);
    let site = Site::new(plane, "mirrors").await;
    let location = file(&built("prometheus.wasm"));
    let mut written = entry("acme/prometheus", &location, 9);
    written["env"] = json!({"PLANTED": "value"});
    site.entries(&json!([written])).await;
    let _controller = site.controller();
    let mirror = "metric-provider.acme.prometheus";
    wait(&site, mirror, "Ready").await;
    let label = ["get", "rcp", "-l", "rollcage.dev/source=configmap", "-o"];
    let names = || site.here.kubectl(&[&label[..], &["name"]].concat());
    assert_eq!(names(), format!("plugin.rollcage.dev/{mirror}\n"));
    let whole = site.here.kubectl(&[&label[..], &["yaml"]].concat());
    for absent in ["PLANTED", "permissions"] {
        assert!(!whole.contains(absent), "{absent}: {whole}");
    }
    assert!(whole.contains("rollcage-config"), "its source: {whole}");

    // Somebody's own object of that name says that it does not count.
    apply(&site, "mine", &entry("acme/prometheus", &location, 10));
    wait(&site, "mine", "Accepted=False").await;
    let duplicate = status(&site, "mine").await;
    let accepted = condition(&duplicate, "Accepted");
    assert_eq!(accepted["reason"], "DuplicateName", "{duplicate}");
    assert!(accepted["message"].as_str().unwrap().contains("rollcage-config"));
    let printed = site.here.kubectl(&["get", "rcp", "mine", "--no-headers"]);
    assert!(!printed.contains("Ready"), "{printed}");

    // What was changed by hand is put back.
    let patch = r#"{"spec": {"location": "file:///elsewhere"}}"#;
    site.here
        .kubectl(&["patch", "rcp", mirror, "--type=merge", "--patch", patch]);
    let all = objects(&site);
    until("it is put back", async || {
        all.get(mirror).await.unwrap().data["spec"]["location"] == location.as_str()
    })
    .await;

    // Without the entry its object goes, and the other one counts.
    site.entries(&json!([])).await;
    until("the mirror is gone", async || names().is_empty()).await;
    wait(&site, "mine", "Accepted").await;
    wait(&site, "mine", "Ready").await;
    let refused = refused(plane, &site);
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_replica_says_how_its_plugin_is() {
    let Some(plane) = ControlPlane::shared() else { return };
    install(plane);
    let site = Site::new(plane, "replicas").await;
    let location = file(&built("prometheus.wasm"));
    apply(&site, "prom", &entry("acme/prometheus", &location, 9));
    let replica = |pod| {
        site.controller_with(&Start {
            pod: Some(pod),
            ..Start::default()
        })
    };
    let replicas = async |wanted: &[&str]| {
        eventually(&format!("{wanted:?} are Ready"), async || {
            let status = status(&site, "prom").await;
            let replicas = status["replicas"].as_array()?.clone();
            let mut ready: Vec<_> = replicas
                .iter()
                .filter(|replica| replica["state"] == "Ready" && replica["digest"] == status["servingDigest"])
                .map(|replica| replica["name"].as_str().unwrap().to_owned())
                .collect();
            ready.sort();
            (ready == wanted && replicas.len() == wanted.len()).then_some(())
        })
        .await;
    };
    let mut first = replica("rollcage-0");
    replicas(&["rollcage-0"]).await;
    let _second = replica("rollcage-1");
    replicas(&["rollcage-0", "rollcage-1"]).await;
    let object = objects(&site).get("prom").await.unwrap();
    let managed = object.metadata.managed_fields.unwrap_or_default().into_iter();
    let mut managers: Vec<_> = managed
        .filter(|fields| fields.subresource.as_deref() == Some("status"))
        .filter_map(|fields| fields.manager)
        .collect();
    managers.sort();
    assert_eq!(managers, ["rollcage", "rollcage-rollcage-0", "rollcage-rollcage-1"]);
    // The leader ends: it takes its entry along, and the other one writes the rest.
    assert_eq!(first.terminate(), 0, "{}", first.log());
    replicas(&["rollcage-1"]).await;
    apply(&site, "late", &entry("acme/late", &location, 9));
    wait(&site, "late", "Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_are_shown_once_the_custom_resource_is_there() {
    let Some(plane) = ControlPlane::start(&Options::default()) else {
        return;
    };
    let site = Site::new(&plane, "late").await;
    let prometheus = Prometheus::start().await;
    let name = "acme/prometheus";
    let entry = entry(name, &file(&built("prometheus.wasm")), prometheus.port);
    site.entries(&json!([entry])).await;
    let controller = site.controller();
    site.run("without", &spec(&prometheus.provider(name, "x"), 1, "1s"))
        .await;
    site.phase("without", "Successful").await;
    let missing = "plugins.rollcage.dev is not installed";
    assert_eq!(controller.log().matches(missing).count(), 1, "{}", controller.log());
    tokio::task::block_in_place(|| install(&plane));
    wait(&site, "metric-provider.acme.prometheus", "Ready").await;
    assert_eq!(controller.log().matches(missing).count(), 1, "it is said once");
}
