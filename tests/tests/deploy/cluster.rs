//! On a real control plane: what comes and goes with an installation, and what does not.

use std::{fmt::Write as _, path::Path, process::Command};

use rollcage_tests::{
    chart::{Helm, chart, root},
    controlplane::{ControlPlane, Options, built},
};
use serde_json::{Value, json};

const ID: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// A control plane of its own, and Helm. `None` when one of the two is not built.
fn start() -> Option<(ControlPlane, Helm)> {
    let helm = Helm::find()?;
    Some((ControlPlane::start(&Options::default())?, helm))
}

/// Rollouts, AnalysisRuns, templates and a ConfigMap of a team, and of the stock controller.
fn theirs(plane: &ControlPlane) {
    let mut text = String::from("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n");
    text += "{apiVersion: v1, kind: Namespace, metadata: {name: argo-rollouts}}\n---\n";
    text += "{apiVersion: v1, kind: ConfigMap, metadata: {name: argo-rollouts-config, namespace: argo-rollouts}, data: {stepPlugins: '[]'}}\n";
    for number in 0..20 {
        let pod = "{metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: i}]}}";
        write!(
            text,
            "---\n{{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {{name: r{number}, namespace: shop}}, spec: {{replicas: 0, \
             selector: {{matchLabels: {{app: a}}}}, strategy: {{canary: {{}}}}, template: {pod}}}}}\n\
             ---\n{{apiVersion: argoproj.io/v1alpha1, kind: AnalysisRun, metadata: {{name: a{number}, namespace: shop}}, \
             spec: {{metrics: [{{name: m, provider: {{web: {{url: 'http://x.example.com'}}}}}}]}}}}\n"
        )
        .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("theirs.yaml");
    std::fs::write(&file, text).unwrap();
    plane.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]);
}

/// All that is theirs, versions included: any write would show.
fn all_of_theirs(plane: &ControlPlane) -> Value {
    let kinds = "rollouts,analysisruns,configmaps,namespaces";
    let read = |arguments: &[&str]| -> Value { serde_json::from_str(&plane.kubectl(arguments)).unwrap() };
    let objects = read(&["get", kinds, "-A", "-o", "json"])["items"].clone();
    let is_theirs = |object: &&Value| {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        object["kind"] != "Namespace" && matches!(namespace, "shop" | "argo-rollouts")
    };
    let objects: Vec<&Value> = objects.as_array().unwrap().iter().filter(is_theirs).collect();
    // One more in each namespace: kube-root-ca.crt.
    assert_eq!(objects.len(), 43);
    let crds = read(&["get", "crd", "-o", "json"])["items"].clone();
    let argos: Vec<Value> = crds
        .as_array()
        .unwrap()
        .iter()
        .filter(|crd| crd["spec"]["group"] == "argoproj.io")
        .map(|crd| {
            json!([
                crd["metadata"]["name"],
                crd["metadata"]["generation"],
                crd["metadata"]["uid"]
            ])
        })
        .collect();
    assert!(argos.len() >= 5, "{argos:?}");
    json!({"objects": objects, "crds": argos})
}

/// What is ours, by kind and name.
fn ours(plane: &ControlPlane) -> String {
    let kinds = "statefulsets,services,configmaps,roles,rolebindings,clusterroles,clusterrolebindings,serviceaccounts,\
                 networkpolicies,poddisruptionbudgets";
    plane.kubectl(&[
        "get",
        kinds,
        "-A",
        "-l",
        "app.kubernetes.io/name=rollcage",
        "-o",
        "name",
    ])
}

#[test]
fn nothing_of_theirs_is_gone_or_changed() {
    let Some((plane, helm)) = start() else { return };
    theirs(&plane);
    let before = all_of_theirs(&plane);
    let chart = chart();
    let chart = chart.to_str().unwrap();
    let on = |arguments: &[&str]| helm.run(plane.kubeconfig(), arguments);
    let release = ["rollcage", chart, "--namespace", "rollcage"];

    let notes = on(&[&["install", "--create-namespace"], &release[..]].concat()).unwrap();
    assert!(
        notes.contains("kubectl rollout status statefulset/rollcage -n rollcage"),
        "{notes}"
    );
    let installed = ours(&plane);
    assert!(installed.contains("statefulset.apps/rollcage\n"), "{installed}");
    assert!(
        installed.contains("clusterrole.rbac.authorization.k8s.io/rollcage:rollcage\n"),
        "{installed}"
    );
    assert_eq!(all_of_theirs(&plane), before, "install");

    // With a plugin, whose grants are roles in another namespace; and without it again.
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("values.json");
    let entry = json!({
        "name": "example/nginx", "location": "https://plugins.example.com/nginx.wasm", "usableFrom": ["shop"],
        "permissions": {"kubernetes": [{"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get"]}]}
    });
    std::fs::write(
        &values,
        json!({"plugins": {"trafficRouterPlugins": [entry]}}).to_string(),
    )
    .unwrap();
    let with = ["--values", values.to_str().unwrap()];
    let notes = on(&[&["upgrade"], &release[..], &with].concat()).unwrap();
    assert!(notes.contains("\n  plugins.example.com\n"), "{notes}");
    assert!(ours(&plane).contains("rollcage-plugins"), "{}", ours(&plane));
    assert_eq!(all_of_theirs(&plane), before, "upgrade");
    on(&[&["upgrade", "--reset-values"], &release[..]].concat()).unwrap();
    assert_eq!(ours(&plane), installed);

    on(&["uninstall", "rollcage", "--namespace", "rollcage", "--wait"]).unwrap();
    assert_eq!(ours(&plane), "");
    assert_eq!(all_of_theirs(&plane), before, "uninstall");
    // Our own custom resource stays, and is in nobody's way: not in that of another release, either.
    let crd = || plane.kubectl(&["get", "crd", "plugins.rollcage.dev", "-o", "jsonpath={.metadata.uid}"]);
    let kept = crd();
    on(&["install", "other", chart, "--namespace", "other", "--create-namespace"]).unwrap();
    on(&[&["install"], &release[..]].concat()).unwrap();
    for (name, namespace) in [("other", "other"), ("rollcage", "rollcage")] {
        on(&["uninstall", name, "--namespace", namespace, "--wait"]).unwrap();
    }
    assert_eq!(crd(), kept);

    // The same by kustomize.
    let base = root().join("deploy/kustomize/base");
    let base = base.to_str().unwrap();
    plane.kubectl(&["apply", "--server-side", "-k", base]);
    assert_eq!(ours(&plane), installed, "the kustomize base is the chart");
    // With our custom resource beside it, which stays when the base goes.
    plane.kubectl(&["delete", "crd", "plugins.rollcage.dev"]);
    let beside = root().join("deploy/crd");
    plane.kubectl(&["apply", "--server-side", "-k", beside.to_str().unwrap()]);
    let kept = crd();
    plane.kubectl(&["delete", "-k", base]);
    assert_eq!(ours(&plane), "");
    assert_eq!(crd(), kept);
    assert_eq!(all_of_theirs(&plane), before, "kustomize");

    // Without Argo's own resources nothing is installed, and the error says how to get them.
    plane.kubectl(&["delete", "crd", "analysisruns.argoproj.io"]);
    let error = on(&[&["install"], &release[..]].concat()).unwrap_err();
    assert!(error.contains("kubectl apply --server-side -k"), "{error}");
    assert_eq!(ours(&plane), "");
}

/// The shell blocks of a page that are marked with a test's name.
fn block(page: &str, name: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
    let marker = format!("<!-- test: {name} -->\n```sh\n");
    let (_, rest) = text
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no block {name} in {page}"));
    rest.split_once("```").unwrap().0.to_owned()
}

/// Runs a block as somebody in the repository would.
fn type_in(plane: &ControlPlane, helm: &Helm, block: &str) {
    let home = tempfile::tempdir().unwrap();
    let built = built().unwrap();
    let old = std::env::var("PATH").unwrap();
    let search = format!("{}:{}:{old}", absolute(helm.folder()), absolute(&built));
    let output = Command::new("sh")
        .args(["-ec", block])
        .current_dir(root())
        .env("PATH", search)
        .env("HOME", home.path())
        .env("KUBECONFIG", plane.kubeconfig())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{block}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn absolute(path: &Path) -> String {
    path.canonicalize().unwrap().display().to_string()
}

/// Every block of docs/migrate.md that changes a cluster, and what it changes.
#[test]
fn the_way_there_and_back_is_as_the_page_says() {
    let Some((plane, helm)) = start() else { return };
    theirs(&plane);
    plane.kubectl(&[
        "create",
        "deployment",
        "argo-rollouts",
        "-n",
        "argo-rollouts",
        "--image",
        "quay.io/argoproj/argo-rollouts:v1.9.1",
    ]);
    let run = "{apiVersion: argoproj.io/v1alpha1, kind: AnalysisRun, metadata: {name: rates, namespace: shop}, spec: {metrics: []}}";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.yaml");
    std::fs::write(&file, run).unwrap();
    plane.kubectl(&["apply", "-f", &file.to_string_lossy()]);
    let label = || {
        plane.kubectl(&[
            "get",
            "analysisrun",
            "-n",
            "shop",
            "-l",
            &format!("{ID}=rollcage"),
            "-o",
            "name",
        ])
    };
    let replicas = || {
        plane.kubectl(&[
            "get",
            "deployment",
            "argo-rollouts",
            "-n",
            "argo-rollouts",
            "-o",
            "jsonpath={.spec.replicas}",
        ])
    };
    let arguments = || {
        let path = "jsonpath={.items[*].spec.template.spec.containers[0].args}";
        plane.kubectl(&["get", "statefulsets", "-A", "-o", path])
    };

    type_in(&plane, &helm, &block("migrate.md", "instance"));
    assert_eq!(label(), "analysisrun.argoproj.io/rates\n");
    assert_eq!(arguments(), r#"["controller","--instance-id=rollcage"]"#);
    type_in(&plane, &helm, &block("migrate.md", "instance-back"));
    assert_eq!((label().as_str(), arguments().as_str()), ("", ""));

    type_in(&plane, &helm, &block("migrate.md", "cluster"));
    assert_eq!((replicas().as_str(), arguments().as_str()), ("0", r#"["controller"]"#));
    type_in(&plane, &helm, &block("migrate.md", "cluster-back"));
    assert_eq!((replicas().as_str(), arguments().as_str()), ("1", ""));
}
