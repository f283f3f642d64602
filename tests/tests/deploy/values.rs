//! Which values the chart takes, and what it says about others.

use rollcage_tests::chart::{Helm, chart, only, root};
use serde_json::{Value, json};

#[test]
fn it_has_no_faults_that_lint_knows() {
    let Some(helm) = Helm::find() else { return };
    let values = json!({"skipArgoCrdCheck": true});
    helm.lint(&values).unwrap();
}

/// Argo's CRDs are asked for, and never brought along: with them, every Rollout would go with the release.
#[test]
fn argos_crds_are_asked_for_and_not_brought() {
    let Some(helm) = Helm::find() else { return };
    let error = helm.template_checked(&[]).unwrap_err();
    assert!(
        error.contains(
            "kubectl apply --server-side -k 'https://github.com/argoproj/argo-rollouts/manifests/crds?ref=stable'"
        ),
        "{error}"
    );
    let text = helm.template_checked(&["argoproj.io/v1alpha1/AnalysisRun"]).unwrap();
    assert!(
        !text.contains("argoproj.io/v1alpha1\nkind: CustomResourceDefinition"),
        "{text}"
    );
    for object in rollcage_tests::chart::objects(&text) {
        let foreign = object["kind"] == "CustomResourceDefinition" && object["spec"]["group"] != "rollcage.dev";
        assert!(!foreign, "{object}");
    }
}

#[test]
fn values_that_are_none_are_named() {
    let Some(helm) = Helm::find() else { return };
    for (values, said) in [
        (
            json!({"cache": {"typ": "pvc"}}),
            "additional properties 'typ' not allowed",
        ),
        (json!({"cache": {"type": "hostPath"}}), "/cache/type"),
        (json!({"replicas": 0}), "/replicas"),
        (json!({"controller": {"instanceId": "a/b"}}), "/controller/instanceId"),
        (
            json!({"extraCaBundle": {"configMap": "a", "secret": "b"}}),
            "/extraCaBundle",
        ),
        (
            json!({"plugins": {"stepPlugins": [{"name": "a/b"}]}}),
            "missing property 'location'",
        ),
        (
            json!({"plugins": {"stepPlugins": [{"name": "a/b", "location": "file:///x", "limit": {}}]}}),
            "additional properties 'limit' not allowed",
        ),
        (
            json!({"rbac": {"extra": [{"rules": [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]}]}}),
            "/rbac/extra/0/rules/0/apiGroups/0",
        ),
        (
            json!({"rbac": {"extra": [{"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["escalate"]}]}]}}),
            "/rbac/extra/0/rules/0/verbs/0",
        ),
    ] {
        let error = helm.template(&values).unwrap_err();
        assert!(error.contains(said), "{values}: {error}");
    }
}

/// What an entry looks like is told by the program's own schema, so that the chart knows every field.
#[test]
fn the_schema_of_an_entry_is_the_programs() {
    let file = chart().join("values.schema.json");
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let entry = std::fs::read_to_string(root().join("docs/schema/entry.json")).unwrap();
    let mut entry: Value = serde_json::from_str(&entry).unwrap();
    let entry = entry.as_object_mut().unwrap();
    let mut definitions = serde_json::Map::new();
    let others = entry.remove("$defs").unwrap();
    entry.remove("$schema");
    entry.insert("required".to_owned(), json!(["name", "location"]));
    definitions.insert("PluginEntry".to_owned(), Value::Object(entry.clone()));
    definitions.extend(others.as_object().unwrap().clone());
    let definitions = Value::Object(definitions);
    if std::env::var_os("ROLLCAGE_BLESS").is_some() {
        schema["$defs"] = definitions;
        std::fs::write(&file, serde_json::to_string_pretty(&schema).unwrap() + "\n").unwrap();
        return;
    }
    assert!(
        schema["$defs"] == definitions,
        "values.schema.json is out of date: ROLLCAGE_BLESS=1 cargo test --test deploy"
    );
}

/// What the values say about plugins is what the controller reads, numbers included.
#[test]
fn plugins_become_the_configmap() {
    let Some(helm) = Helm::find() else { return };
    let entry = json!({
        "name": "example/prometheus", "location": "https://plugins.example.com/p.wasm", "args": ["--flag"],
        "limits": {"memory": 67_108_864, "deadline": "10s"}, "permissions": {"http": ["prometheus.monitoring.svc:9090"]}
    });
    let objects = helm.objects(&json!({"plugins": {"metricProviderPlugins": [entry]}}));
    let config = only(&objects, "ConfigMap");
    assert_eq!(config["metadata"]["name"], "rollcage-config");
    let data = config["data"].as_object().unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, ["trafficRouterPlugins", "metricProviderPlugins", "stepPlugins"]);
    let read: Value = serde_yaml::from_str(data["metricProviderPlugins"].as_str().unwrap()).unwrap();
    assert_eq!(read, json!([entry]));
    assert_eq!(data["stepPlugins"], "[]");
}
