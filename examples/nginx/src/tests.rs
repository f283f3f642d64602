//! The plugin as a whole, against Ingresses in memory.

use rollcage_sdk::{
    router::{HeaderRoute, Verification},
    testing::{Host, Verb},
};
use serde_json::json;

use super::*;

fn rollout() -> Rollout {
    Rollout {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        uid: "uid-1".to_owned(),
        stable_service: "web-stable".to_owned(),
        canary_service: "web-canary".to_owned(),
        ..Rollout::default()
    }
}

fn stable(name: &str) -> Value {
    let path = |service: &str| json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}});
    let static_files =
        json!({"path": "/files", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {
            "name": name, "namespace": "shop", "labels": {"app": "web"},
            "annotations": {"kubernetes.io/ingress.class": "nginx", "nginx.ingress.kubernetes.io/rewrite-target": "/"}
        },
        "spec": {
            "ingressClassName": "nginx", "tls": [{"hosts": ["shop.example"], "secretName": "tls"}],
            "rules": [
                {"host": "shop.example", "http": {"paths": [path("web-stable"), static_files]}},
                {"host": "other.example", "http": {"paths": [path("other")]}},
                {"host": "bare.example"}
            ]
        }
    })
}

fn host() -> Host {
    Host::new().with_object(stable("public"))
}

fn set_weight(host: &Host, rollout: &Rollout, config: &Value, weight: u32) -> Result<(), Error> {
    host.run(|| Nginx.set_weight(rollout, &config.to_string(), weight, &[]))
}

fn canary(host: &Host, stable: &str) -> Value {
    host.object(&reference(&rollout(), &format!("web-{stable}-canary")))
        .unwrap()
}

#[test]
fn creates_a_canary_ingress_that_belongs_to_the_rollout() {
    let host = host();
    set_weight(&host, &rollout(), &json!({"stableIngress": "public"}), 5).unwrap();
    let canary = canary(&host, "public");
    assert_eq!(
        canary["metadata"]["annotations"],
        json!({
            "kubernetes.io/ingress.class": "nginx",
            "nginx.ingress.kubernetes.io/canary": "true",
            "nginx.ingress.kubernetes.io/canary-weight": "5",
        })
    );
    assert_eq!(
        canary["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-1",
            "controller": true, "blockOwnerDeletion": true
        }])
    );
    assert_eq!(canary["metadata"].get("labels"), None);
    let (spec, from) = (&canary["spec"], &stable("public")["spec"]);
    assert_eq!(
        (&spec["ingressClassName"], &spec["tls"]),
        (&from["ingressClassName"], &from["tls"])
    );
    let mut rule = from["rules"][0].clone();
    rule["http"]["paths"][0]["backend"]["service"]["name"] = json!("web-canary");
    assert_eq!(spec["rules"], json!([rule]));
}

#[test]
fn changes_only_what_differs() {
    let host = host();
    let config = json!({"stableIngress": "public"});
    for weight in [5, 5, 20, 20] {
        set_weight(&host, &rollout(), &config, weight).unwrap();
    }
    let changes = host.changes();
    assert_eq!(
        changes.iter().map(|change| change.verb).collect::<Vec<_>>(),
        [Verb::Create, Verb::Patch]
    );
    let weight = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary-weight": "20"}}});
    assert_eq!(changes[1].body, weight);
}

#[test]
fn follows_the_stable_ingress() {
    let host = host();
    let config = json!({"stableIngress": "public"});
    set_weight(&host, &rollout(), &config, 5).unwrap();
    let mut changed = stable("public");
    changed["spec"]["rules"][0]["host"] = json!("new.example");
    changed["spec"].as_object_mut().unwrap().remove("tls");
    let host = host.with_object(changed);
    set_weight(&host, &rollout(), &config, 5).unwrap();
    let canary = canary(&host, "public");
    assert_eq!(canary["spec"]["rules"][0]["host"], "new.example");
    assert_eq!(canary["spec"].get("tls"), None);
}

#[test]
fn annotations_of_three_sources() {
    let host = host();
    let config = json!({
        "stableIngress": "public", "annotationPrefix": "custom.example",
        "additionalIngressAnnotations": {"canary-by-header": "X-Canary", "custom.example/x": "y", "canary-weight": "99"},
        "canaryIngressAnnotations": {"custom.example/canary-by-header": "X-Other", "scraper.example/on": "true"},
    });
    set_weight(&host, &rollout(), &config, 5).unwrap();
    assert_eq!(
        canary(&host, "public")["metadata"]["annotations"],
        json!({
            "kubernetes.io/ingress.class": "nginx",
            "custom.example/canary": "true",
            "custom.example/canary-weight": "5",
            "custom.example/canary-by-header": "X-Other",
            "custom.example/x": "y",
            "scraper.example/on": "true",
        })
    );
}

#[test]
fn annotations_of_other_controllers_stay_and_labels_go() {
    let host = host();
    let config = json!({"stableIngress": "public"});
    set_weight(&host, &rollout(), &config, 5).unwrap();
    host.run(|| {
        let marks = json!({"metadata": {"annotations": {"rancher.example/x": "1"}, "labels": {"by": "hand"}}});
        kubernetes::merge_patch(&reference(&rollout(), "web-public-canary"), &marks).unwrap();
    });
    set_weight(&host, &rollout(), &config, 5).unwrap();
    let canary = canary(&host, "public");
    assert_eq!(canary["metadata"]["annotations"]["rancher.example/x"], "1");
    assert_eq!(canary["metadata"]["labels"], json!({}));
}

#[test]
fn the_total_weight_follows_the_rollout() {
    let host = host();
    let config = json!({"stableIngress": "public"});
    let total = |host: &Host| {
        canary(host, "public")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight-total"].clone()
    };
    let wide = Rollout {
        max_weight: 1000,
        ..rollout()
    };
    set_weight(&host, &wide, &config, 50).unwrap();
    assert_eq!(total(&host), "1000");
    set_weight(&host, &rollout(), &config, 50).unwrap();
    assert_eq!(total(&host), "100");
}

#[test]
fn several_stable_ingresses_have_a_canary_each() {
    let host = host().with_object(stable("internal"));
    let config = json!({"stableIngresses": ["public", "internal"]});
    set_weight(&host, &rollout(), &config, 40).unwrap();
    set_weight(&host, &rollout(), &config, 0).unwrap();
    for name in ["public", "internal"] {
        assert_eq!(
            canary(&host, name)["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"],
            "0"
        );
    }
}

#[test]
fn an_ingress_of_somebody_else_is_not_touched() {
    let mut foreign = stable("web-public-canary");
    foreign["metadata"]["ownerReferences"] = json!([{"controller": true, "uid": "uid-2"}]);
    let host = host().with_object(foreign);
    let error = set_weight(&host, &rollout(), &json!({"stableIngress": "public"}), 5).unwrap_err();
    assert_eq!(
        error,
        Error::internal("canary ingress `web-public-canary` controlled by different object")
    );
    assert_eq!(host.changes(), []);
}

#[test]
fn what_is_wrong_is_named() {
    let error = |rollout: Rollout, config: Value| set_weight(&host(), &rollout, &config, 5).unwrap_err();
    assert_eq!(
        error(rollout(), json!({"stableIngress": "private"})),
        Error::invalid_config("stableIngress: there is no Ingress `private` in namespace shop")
    );
    let other = Rollout {
        stable_service: "nobody".to_owned(),
        ..rollout()
    };
    assert_eq!(
        error(other, json!({"stableIngress": "public"})),
        Error::invalid_config("stableIngress: ingress `public` has no rules using service nobody backend")
    );
    let bare = Rollout {
        canary_service: String::new(),
        ..rollout()
    };
    assert_eq!(
        error(bare, json!({"stableIngress": "public"})),
        Error::invalid_config("canaryService and stableService: the Rollout must name both")
    );
}

#[test]
fn it_has_weights_and_nothing_else() {
    assert_eq!(Nginx::capabilities(), []);
    let host = host();
    let verified = host.run(|| Nginx.verify_weight(&rollout(), "{}", 5, &[])).unwrap();
    assert_eq!(verified, Verification::NotImplemented);
    assert_eq!(host.run(|| Nginx.remove_managed_routes(&rollout(), "{}")), Ok(()));
    assert_eq!(host.run(|| Nginx.update_hash(&rollout(), "{}", "a", "b", &[])), Ok(()));
    let route = HeaderRoute {
        name: "r".to_owned(),
        matches: vec![],
    };
    assert!(host.run(|| Nginx.set_header_route(&rollout(), "{}", &route)).is_err());
    assert_eq!(host.changes(), []);
}
