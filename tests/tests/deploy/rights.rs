//! RBAC: what the chart gives the controller, for itself and for its plugins.

use rollcage_tests::chart::{Helm, Right, rights, without};
use serde_json::{Value, json};

/// Values that use everything which makes rights.
fn everything() -> Value {
    json!({
        "rbac": {
            "analysisSecretNamespaces": ["shop", "shop"],
            "extra": [{"namespaces": ["edge"], "rules": [{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get"]}]}]
        },
        "plugins": {
            "trafficRouterPlugins": [
                {
                    "name": "example/gateway", "location": "file:///g.wasm", "usableFrom": ["shop", "cart"],
                    "headersFrom": [{"secretRef": {"name": "download"}}],
                    "permissions": {"kubernetes": [
                        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["get", "patch"]},
                        {"apiGroups": [""], "resources": ["services"], "verbs": ["*"], "namespaces": ["edge"]},
                        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"], "namespaces": ["*"]}
                    ]}
                },
                {
                    "name": "example/anywhere", "location": "file:///a.wasm",
                    "permissions": {"kubernetes": [
                        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["weights"]}
                    ]}
                },
                {
                    "name": "example/nobody", "location": "file:///n.wasm", "usableFrom": [],
                    "permissions": {"kubernetes": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
                },
                {
                    "name": "example/off", "location": "file:///o.wasm", "disabled": true,
                    "permissions": {"kubernetes": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]}
                }
            ],
            "metricProviderPlugins": [{
                "name": "rollcage/prometheus", "location": "bundled://prometheus",
                "permissions": {
                    "http": ["prometheus.monitoring.svc:9090"],
                    "credentials": [{
                        "name": "token", "secretRef": {"name": "prom", "key": "token"}, "header": "Authorization",
                        "hosts": ["prometheus.monitoring.svc:9090"]
                    }]
                }
            }]
        }
    })
}

/// Every combination that changes which roles there are.
fn all() -> Vec<Value> {
    let mut namespaced = everything();
    namespaced["controller"] = json!({"namespaced": true, "instanceId": ""});
    vec![
        json!({}),
        json!({"controller": {"namespaced": true}}),
        everything(),
        namespaced,
    ]
}

fn lines(rights: &[Right], role: &str) -> Vec<String> {
    let of_role = rights.iter().filter(|right| right.role == role);
    of_role
        .map(|right| {
            format!(
                "{} {} {} {}",
                right.namespace,
                right.verb,
                right.resource,
                right.names.join(",")
            )
        })
        .map(|line| line.trim().to_owned())
        .collect()
}

#[test]
fn nothing_is_given_wholesale() {
    let Some(helm) = Helm::find() else { return };
    for values in all() {
        for right in rights(&helm.objects(&values)) {
            assert!(!right.resource.contains('*') && !right.verb.contains('*'), "{right:?}");
            assert!(
                !["escalate", "bind", "impersonate"].contains(&right.verb.as_str()),
                "{right:?}"
            );
            // Secrets in other namespaces are read one by one, those of the own by their names.
            if right.resource == "/secrets" {
                let by_name = right.namespace == "rollcage" && !right.names.is_empty();
                let analysis = right.namespace == "shop" && right.verb == "get";
                assert!(by_name || analysis, "{right:?}");
            }
        }
    }
}

#[test]
fn a_namespaced_controller_has_no_rights_beyond() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({"controller": {"namespaced": true}}));
    assert!(rights(&objects).iter().all(|right| right.namespace == "rollcage"));
    assert!(
        objects
            .iter()
            .all(|object| object["kind"] != "ClusterRole" && object["kind"] != "ClusterRoleBinding")
    );
}

/// Each role is bound to the controller's account, and each binding has its role.
#[test]
fn every_role_is_the_controllers() {
    let Some(helm) = Helm::find() else { return };
    for values in all() {
        let objects = helm.objects(&values);
        let of = |kind: &str| -> Vec<Value> {
            let found = objects.iter().filter(|object| object["kind"] == kind);
            found
                .map(|object| json!([object["metadata"]["namespace"], object["metadata"]["name"]]))
                .collect()
        };
        for kind in ["Role", "ClusterRole"] {
            assert_eq!(of(kind), of(&format!("{kind}Binding")));
        }
        for binding in objects
            .iter()
            .filter(|object| object["kind"].as_str().unwrap().ends_with("Binding"))
        {
            assert_eq!(binding["roleRef"]["name"], binding["metadata"]["name"]);
            assert_eq!(
                binding["subjects"],
                json!([{"kind": "ServiceAccount", "name": "rollcage", "namespace": "rollcage"}])
            );
        }
    }
}

#[test]
fn grants_of_plugins_become_rules_where_they_are_meant() {
    let Some(helm) = Helm::find() else { return };
    let rights = rights(&helm.objects(&everything()));
    // Any namespace's objects may use it, or the entry says all; nobody may use the third, and the fourth is disabled.
    assert_eq!(
        lines(&rights, "rollcage:rollcage-plugins"),
        [
            "get /configmaps weights",
            "list apps/deployments",
            "cart get gateway.networking.k8s.io/httproutes",
            "cart patch gateway.networking.k8s.io/httproutes",
            "edge create /services",
            "edge delete /services",
            "edge get /services",
            "edge list /services",
            "edge patch /services",
            "edge update /services",
            "shop get gateway.networking.k8s.io/httproutes",
            "shop patch gateway.networking.k8s.io/httproutes",
        ]
    );
    let secrets: Vec<_> = rights.iter().filter(|right| right.resource == "/secrets").collect();
    let names: Vec<_> = secrets
        .iter()
        .map(|right| (right.verb.as_str(), right.names.join(",")))
        .collect();
    let both = "download,prom".to_owned();
    assert_eq!(names, [("list", both.clone()), ("watch", both), ("get", String::new())]);
    assert_eq!(lines(&rights, "rollcage:rollcage-extra-0"), ["edge get /endpoints"]);
}

#[test]
fn grants_for_everything_are_refused() {
    let Some(helm) = Helm::find() else { return };
    for (grant, said) in [
        (
            json!({"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}),
            "plugins.stepPlugins, a/b: `*` in permissions.kubernetes apiGroups",
        ),
        (
            json!({"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}),
            "plugins.stepPlugins, a/b: `*` in permissions.kubernetes resources",
        ),
        (
            json!({"apiGroups": ["", "apps"], "resources": ["secrets"], "verbs": ["get"]}),
            "grant them by permissions.credentials",
        ),
    ] {
        let values = json!({"plugins": {"stepPlugins": [
            {"name": "a/b", "location": "file:///x", "permissions": {"kubernetes": [grant]}}
        ]}});
        let error = helm.template(&values).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

/// The lease is the one that Argo's controller of the same instance takes.
#[test]
fn the_lease_is_argos() {
    let Some(helm) = Helm::find() else { return };
    for (id, lease) in [
        ("rollcage", "argo-rollouts-controller-lock-rollcage"),
        ("", "argo-rollouts-controller-lock"),
    ] {
        let rights = rights(&helm.objects(&json!({"controller": {"instanceId": id}})));
        let mut leases = rights
            .iter()
            .filter(|right| right.resource == "coordination.k8s.io/leases" && right.verb != "create");
        assert!(leases.clone().count() > 0 && leases.all(|right| right.names == [lease]));
    }
}

/// Taking one right away takes that one, and nothing else: what the tests on a control plane rest on.
#[test]
fn rights_can_be_taken_one_by_one() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&everything());
    let before = rights(&objects);
    for right in &before {
        let after = rights(&without(&objects, right));
        let expected: Vec<_> = before.iter().filter(|other| *other != right).cloned().collect();
        assert_eq!(after, expected);
    }
}
