//! `rollcage migrate`: files, an API server, and what the chart makes of the same plugins.

#![expect(clippy::needless_pass_by_value, reason = "objects are made in place")]

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use rollcage_apiserver::{ApiServer, Manifest};
use rollcage_tests::chart::{Helm, Right, rights};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::{
    shim::states::kubeconfig,
    support::{Ended, file, plugin, rollcage, run},
};

fn config(name: &str, entries: &[(&str, Value)]) -> Value {
    let data: serde_json::Map<String, Value> = entries
        .iter()
        // JSON is YAML.
        .map(|(key, entries)| ((*key).to_owned(), json!(entries.to_string())))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argo-rollouts"}, "data": data
    })
}

fn argo(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec
    })
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn migrate(arguments: &[&str]) -> Ended {
    run(rollcage().arg("migrate").args(arguments))
}

/// Each finding's check and problem.
fn findings(ended: &Ended) -> Vec<(String, String)> {
    let report = ended.json();
    let findings = report["findings"].as_array().unwrap().clone();
    assert_eq!(report["ok"], json!(findings.is_empty()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for finding in &findings {
        assert!(!text(&finding["fix"]).is_empty(), "no fix: {finding}");
    }
    findings
        .iter()
        .map(|one| (text(&one["check"]), text(&one["problem"])))
        .collect()
}

#[track_caller]
fn has(findings: &[(String, String)], check: &str, problem: &str) {
    let found = findings.iter().any(|(a, b)| a == check && b.contains(problem));
    assert!(found, "no {check} with {problem:?} in {findings:#?}");
}

/// The begin of an executable for arm64 Linux.
fn arm64(dir: &TempDir) -> PathBuf {
    let mut bytes = vec![0_u8; 4096];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16..18].copy_from_slice(&2_u16.to_le_bytes());
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    let path = dir.path().join("arm64");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_kind_of_trouble_is_found_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let nginx = plugin("nginx");
    let shared = config(
        "argo-rollouts-config",
        &[
            (
                "metricProviderPlugins",
                json!([
                    {"name": "a/sha1", "location": "https://example.com/p", "sha256": "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
                    {"name": "a/upper", "location": "http://127.0.0.1:1/releases/latest/p", "sha256": "A".repeat(64)},
                    {"name": "a/oci", "location": "oci://registry.example.com/p:latest"}
                ]),
            ),
            (
                "trafficRouterPlugins",
                json!([{"name": "a/nginx", "location": format!("file://{}", nginx.display())}]),
            ),
        ],
    );
    let ours = config(
        "rollcage-config",
        &[(
            "stepPlugins",
            json!([{"name": "a/native", "location": format!("file://{}", arm64(&dir).display()), "usableFrom": ["other"]}]),
        )],
    );
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"nodeInfo": {"architecture": "amd64"}}
    });
    let rollout = argo(
        "Rollout",
        "web",
        json!({"strategy": {
            "blueGreen": {"activeService": "a"},
            "canary": {
                "trafficRouting": {"istio": {}, "plugins": {"a/nginx": {}, "a/absent": {}}, "maxTrafficWeight": 10},
                "steps": [{"experiment": {}}, {"plugin": {"name": "a/native"}}]
            }
        }}),
    );
    let template = argo(
        "AnalysisTemplate",
        "rates",
        json!({"metrics": [
            {"name": "1", "provider": {"datadog": {"query": "q"}}},
            {"name": "2", "provider": {"prometheus": {
                "address": "http://localhost:9090", "query": "up", "authentication": {"sigv4": {"region": "r"}, "oauth2": {}}
            }}},
            {"name": "3", "provider": {"plugin": {"a/unknown": {}}}},
            {"name": "4", "provider": {"web": {"url": "https://example.com"}}},
            {"name": "5", "provider": {"job": {"spec": {}}}},
        ]}),
    );
    let mut ended_run = argo(
        "AnalysisRun",
        "old",
        json!({"metrics": [{"name": "1", "provider": {"kayenta": {}}}]}),
    );
    ended_run["status"] = json!({"phase": "Failed"});
    let stock = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "argo-rollouts", "namespace": "argo-rollouts"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [
            {"name": "c", "image": "quay.io/argoproj/argo-rollouts:v1.9.1", "args": ["--instance-id", "rollcage", "--leader-elect=false"]}
        ]}}}
    });
    let experiment = argo("Experiment", "e", json!({}));
    let path = file(
        &dir,
        "all.json",
        &list(&[shared, ours, node, rollout, template, ended_run, stock, experiment]),
    );
    let ended = migrate(&["-f", path.to_str().unwrap(), "--output", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let found = findings(&ended);
    for (check, problem) in [
        ("invalid-entry", "this looks like SHA-1"),
        ("stock-cannot-load", "lower-case digits only"),
        ("stock-cannot-load", "it knows no oci:// locations"),
        (
            "stock-cannot-load",
            "a WebAssembly component, which the stock controller fetches",
        ),
        (
            "moving-location",
            "/releases/latest/p is another plugin tomorrow, which its sha256 then refuses",
        ),
        (
            "moving-location",
            "oci://registry.example.com/p:latest is another plugin tomorrow",
        ),
        ("unreachable", "fetch: "),
        ("file-of-the-image", "is a file of the stock controller's pod"),
        ("missing-grant", "it asks for more than its entry grants"),
        (
            "wrong-architecture",
            "an ELF executable for arm64, and there are nodes with amd64",
        ),
        ("unsupported", "Rollouts are not reconciled yet"),
        ("unsupported", "the strategy blueGreen"),
        ("unsupported", "the traffic router istio is not built in"),
        ("unsupported", "steps with an experiment"),
        ("unsupported", "Experiments are not reconciled"),
        ("unsupported", "metric provider datadog is not built in"),
        ("unsupported", "`authentication.sigv4` of prometheus"),
        ("missing-grant", "the address localhost:9090"),
        ("not-configured", "traffic-router plugin a/absent has no entry"),
        ("not-configured", "metric-provider plugin a/unknown has no entry"),
        ("not-configured", "step plugin a/native is not usable from shop"),
        ("same-instance", "without leader election: nothing keeps the two apart"),
    ] {
        has(&found, check, problem);
    }
    for innocent in ["kayenta", "oauth2", "maxTrafficWeight", "provider web", "provider job"] {
        assert!(
            found.iter().all(|(_, problem)| !problem.contains(innocent)),
            "{innocent}: {found:#?}"
        );
    }
    let report = ended.json();
    assert_eq!(
        report["looked"],
        json!({"entries": 5, "locations": 4, "rollouts": 1, "analyses": 1})
    );
    // What a component asks for can be copied into its entry.
    let grant = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["subject"] == "traffic-router plugin a/nginx" && one["check"] == "missing-grant");
    assert!(
        grant.unwrap()["fix"].as_str().unwrap().contains("ingresses"),
        "{grant:?}"
    );

    let text = migrate(&["-f", path.to_str().unwrap()]);
    assert_eq!(text.code, 1);
    assert!(
        text.stdout.contains("  fix: write the digest in lower case"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("Rollout shop/web"), "{}", text.stdout);
}

#[test]
fn what_would_not_fail_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let template = argo(
        "AnalysisTemplate",
        "rates",
        json!({"metrics": [{"name": "m", "provider": {"web": {"url": "https://example.com/rates"}}}]}),
    );
    let text = list(&[config("argo-rollouts-config", &[]), template]);
    let ended = migrate(&["-f", file(&dir, "config.yaml", &text).to_str().unwrap()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    assert!(ended.stdout.contains("ready: nothing would fail"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_read_is_usage_and_a_cluster_that_is_away_is_not() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(migrate(&[]).code, 2);
    assert_eq!(migrate(&["--rbac"]).code, 2);
    assert_eq!(migrate(&["-f", "/absent"]).code, 2);
    for wrong in ["", "a: [", "metadata: {name: x}"] {
        let path = file(&dir, "wrong.yaml", wrong);
        let ended = migrate(&["-f", path.to_str().unwrap()]);
        assert_eq!(ended.code, 2, "{wrong}: {ended:?}");
        assert!(ended.stderr.contains("kubectl get configmap"), "{ended:?}");
    }
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let kubeconfig = file(&dir, "kubeconfig", &text.to_string());
    let ended = run(rollcage()
        .args(["migrate", "--cluster", "--output", "json"])
        .env("KUBECONFIG", kubeconfig));
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(ended.json()["error"]["kind"], "unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_read_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::new(Arc::new(jiff::Timestamp::now));
    api.ensure_namespace("shop");
    api.ensure_namespace("argo-rollouts");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "argo-rollouts-controller-lock", "namespace": "argo-rollouts"},
        "spec": {"holderIdentity": "argo-rollouts-7d_x", "renewTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()}
    });
    let objects = [
        config(
            "argo-rollouts-config",
            &[("stepPlugins", json!([{"name": "a/b", "location": "bundled://x"}]))],
        ),
        lease,
        argo(
            "AnalysisTemplate",
            "t",
            json!({"metrics": [{"name": "1", "provider": {"graphite": {"query": "q"}}}]}),
        ),
        argo("Rollout", "one", json!({"strategy": {"canary": {}}})),
        argo("Rollout", "two", json!({"strategy": {"canary": {}}})),
    ];
    let manifests = objects.map(|value| Manifest {
        file: "test".to_owned(),
        value,
    });
    let loaded = api.load(manifests);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let before = api.revision();
    kubeconfig(&api, &dir).await;
    let config = dir.path().join("kubeconfig");
    let look = |id: &str| {
        let mut command = rollcage();
        command
            .args(["migrate", "--cluster", "--output", "json", "--instance-id", id])
            .env("KUBECONFIG", &config);
        block_in_place(|| run(&mut command))
    };
    let ended = look("");
    assert_eq!(ended.code, 1, "{ended:?}");
    let found = findings(&ended);
    has(&found, "stock-cannot-load", "it knows no bundled:// locations");
    has(&found, "unsupported", "metric provider graphite is not built in");
    has(
        &found,
        "same-instance",
        "argo-rollouts-7d_x holds the lease of objects without an instance id",
    );
    let report = ended.json();
    let rollouts = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["subject"] == "rollouts")
        .unwrap();
    assert_eq!(rollouts["objects"], json!(["Rollout shop/one", "Rollout shop/two"]));
    // With an id of its own, the lease is another one.
    assert!(
        findings(&look("rollcage"))
            .iter()
            .all(|(check, _)| check != "same-instance")
    );
    assert_eq!(api.revision(), before, "something was written");
}

/// `--rbac` tells the roles that the chart makes from the same entries, and values that the chart takes.
#[test]
fn the_rights_are_those_of_the_chart() {
    let Some(helm) = Helm::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let entries = json!([
        {
            "name": "a/one", "location": "https://example.com/one", "usableFrom": ["shop", "cart"],
            "headersFrom": [{"secretRef": {"name": "download"}}],
            "limits": {"memory": "32Mi"},
            "permissions": {
                "http": ["p:9090"],
                "kubernetes": [
                    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "patch"]},
                    {"apiGroups": [""], "resources": ["services"], "verbs": ["*"], "namespaces": ["edge"]},
                    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"], "namespaces": ["*"]}
                ],
                "credentials": [{"name": "t", "secretRef": {"name": "prom", "key": "k"}, "header": "Authorization", "hosts": ["p:9090"]}]
            }
        },
        {"name": "a/two", "location": "https://example.com/two", "permissions": {"kubernetes": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["w"]}
        ]}},
        {"name": "a/off", "location": "https://example.com/off", "disabled": true, "permissions": {"kubernetes": [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
        ]}}
    ]);
    let template = argo(
        "AnalysisTemplate",
        "t",
        json!({"args": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}], "metrics": []}),
    );
    let text = list(&[
        config("argo-rollouts-config", &[("trafficRouterPlugins", entries)]),
        template,
    ]);
    let path = file(&dir, "config.json", &text);
    let arguments = ["-f", path.to_str().unwrap(), "--offline", "--rbac", "--output", "json"];
    let told = migrate(&arguments).json()["rights"].clone();
    let plain: BTreeSet<Right> = rights(&helm.objects(&json!({}))).into_iter().collect();
    let with: BTreeSet<Right> = rights(&helm.objects(&told["values"])).into_iter().collect();
    let added = |rights: &BTreeSet<Right>| -> BTreeSet<String> {
        let new = rights.difference(&plain);
        new.map(|one| format!("{} {} {} {:?}", one.namespace, one.verb, one.resource, one.names))
            .collect()
    };
    let manifests: BTreeSet<Right> = rights(told["manifests"].as_array().unwrap()).into_iter().collect();
    assert_eq!(added(&with), added(&manifests));
    assert_eq!(manifests.len(), 15);
    let text = migrate(&["-f", path.to_str().unwrap(), "--offline", "--rbac"]).stdout;
    assert!(text.contains("# values of the chart\nplugins:\n"), "{text}");
    assert!(text.contains("\nkind: ClusterRoleBinding\n"), "{text}");
}
