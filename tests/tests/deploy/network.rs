//! What the NetworkPolicy lets out and in.

use rollcage_tests::chart::{Helm, only};
use serde_json::{Value, json};

/// Networks that are of nobody in particular: what is in them does not leave the house.
const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

fn egress(values: &Value) -> Option<Vec<Value>> {
    let helm = Helm::find()?;
    let objects = helm.objects(values);
    let policy = only(&objects, "NetworkPolicy");
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    Some(policy["spec"]["egress"].as_array().unwrap().clone())
}

#[test]
fn nothing_leaves_the_cluster_by_default() {
    let Some(rules) = egress(&json!({})) else { return };
    for rule in &rules {
        let places = rule["to"].as_array().unwrap();
        assert!(!places.is_empty(), "to nobody is to everybody: {rule}");
        for place in places {
            let network = place["ipBlock"]["cidr"].as_str();
            assert!(
                place["namespaceSelector"].is_object() || network.is_some_and(|network| PRIVATE.contains(&network)),
                "{place}"
            );
        }
    }
    assert_eq!(rules.len(), 2);
}

#[test]
fn granted_addresses_are_let_out_and_names_are_told() {
    let values = json!({"plugins": {"metricProviderPlugins": [
        {"name": "a/b", "location": "https://plugins.example.com/b.wasm", "permissions": {"http": [
            "10.1.2.0/24:8080", {"host": "[2001:db8::1]:443", "methods": ["GET"]}, "192.0.2.7:*", "prometheus.monitoring.svc:9090"
        ]}},
        {"name": "a/off", "location": "file:///x", "disabled": true, "permissions": {"http": ["192.0.2.8:80"]}}
    ]}});
    let Some(rules) = egress(&values) else { return };
    assert_eq!(
        rules[2..],
        [
            json!({"to": [{"ipBlock": {"cidr": "10.1.2.0/24"}}], "ports": [{"protocol": "TCP", "port": 8080}]}),
            json!({"to": [{"ipBlock": {"cidr": "2001:db8::1/128"}}], "ports": [{"protocol": "TCP", "port": 443}]}),
            json!({"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}),
        ]
    );
}

#[test]
fn metrics_may_be_kept_to_some() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({}));
    let ingress = &only(&objects, "NetworkPolicy")["spec"]["ingress"];
    assert_eq!(
        ingress,
        &json!([{"from": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": "metrics"}]}])
    );
    let from = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    let objects = helm.objects(&json!({"networkPolicy": {"metricsFrom": from.clone()}}));
    assert_eq!(only(&objects, "NetworkPolicy")["spec"]["ingress"][0]["from"], from);
}

#[test]
fn nobody_is_asked_to_scrape_unless_wanted() {
    let Some(helm) = Helm::find() else { return };
    let monitors = |values: Value| {
        let objects = helm.objects(&values);
        objects
            .iter()
            .filter(|object| object["kind"] == "ServiceMonitor")
            .count()
    };
    assert_eq!(monitors(json!({})), 0);
    assert_eq!(monitors(json!({"serviceMonitor": {"enabled": true}})), 1);
}
