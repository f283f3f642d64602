//! The plugin as a whole, against routes in memory.

use rollcage_sdk::{
    router::{HeaderMatch, RequestMatch, TextMatch},
    testing::Host,
};
use serde_json::json;

use super::*;
use crate::route::Kind;

fn rollout() -> Rollout {
    Rollout {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        stable_service: "web-stable".to_owned(),
        canary_service: "web-canary".to_owned(),
        managed_routes: vec!["first".to_owned(), "second".to_owned()],
        ..Rollout::default()
    }
}

fn backends() -> Value {
    json!([{"group": "", "kind": "Service", "name": "web-stable", "port": 80, "weight": 1},
        {"group": "", "kind": "Service", "name": "web-canary", "port": 8080, "weight": 1}])
}

/// Two rules that split, and two of somebody else.
fn http_route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"team": "web"}, "generation": 2},
        "spec": {"parentRefs": [{"name": "gate"}], "hostnames": ["shop.example"], "x-unknown": {"a": [1, 2.5, null]}, "rules": [
            {"matches": [{"path": {"type": "PathPrefix", "value": "/files"}}], "backendRefs": [{"name": "web-stable"}]},
            {"matches": [{"path": {"type": "PathPrefix", "value": "/buy"}, "method": "POST"}], "backendRefs": backends(),
             "timeouts": {"request": "5s"}, "filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "h"}}]},
            {"name": "rest", "backendRefs": backends(), "x-unknown": true},
            {"name": "canary-only", "backendRefs": [{"name": "web-canary"}]},
        ]}
    })
}

fn grpc_route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GRPCRoute",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"rules": [{"matches": [{"method": {"type": "Exact", "service": "shop.Cart"}}], "backendRefs": backends()}]}
    })
}

fn host() -> Host {
    Host::new().with_object(http_route()).with_object(grpc_route())
}

fn at(kind: Kind, name: &str) -> Route {
    Route {
        kind,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        managed: true,
    }
}

fn object(host: &Host, kind: Kind, name: &str) -> Value {
    let mut object = host.object(&at(kind, name).reference()).unwrap();
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    object
}

const BOTH: &str = r#"{"httpRoute":"web","grpcRoute":"api"}"#;

fn weight(host: &Host, rollout: &Rollout, config: &str, weight: u32) -> Result<(), Error> {
    host.run(|| GatewayApi.set_weight(rollout, config, weight, &[]))
}

fn verified(host: &Host, weight: u32) -> Verification {
    host.run(|| GatewayApi.verify_weight(&rollout(), BOTH, weight, &[]))
        .unwrap()
}

fn header_route(name: &str, header: &str) -> HeaderRoute {
    HeaderRoute {
        name: name.to_owned(),
        matches: vec![HeaderMatch {
            name: header.to_owned(),
            value: TextMatch::Exact("yes".to_owned()),
        }],
    }
}

fn set_header(host: &Host, config: &str, route: &HeaderRoute) -> Result<(), Error> {
    host.run(|| GatewayApi.set_header_route(&rollout(), config, route))
}

fn mirror_route(name: &str, path: &str) -> MirrorRoute {
    MirrorRoute {
        name: name.to_owned(),
        matches: vec![RequestMatch {
            method: None,
            path: Some(TextMatch::Prefix(path.to_owned())),
            headers: vec![],
        }],
        percentage: Some(35),
    }
}

fn set_mirror(host: &Host, config: &str, route: &MirrorRoute) -> Result<(), Error> {
    host.run(|| GatewayApi.set_mirror_route(&rollout(), config, route))
}

fn remove(host: &Host, config: &str) {
    host.run(|| GatewayApi.remove_managed_routes(&rollout(), config))
        .unwrap();
}

fn names(route: &Value) -> Vec<&str> {
    rules(route)
        .iter()
        .map(|rule| rule["name"].as_str().unwrap_or("-"))
        .collect()
}

#[test]
fn weights_go_to_rules_that_split_and_nothing_else_changes() {
    let host = host();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    let mut expected = http_route();
    expected["metadata"]["labels"]["rollouts.argoproj.io/gatewayapi-canary"] = json!("in-progress");
    for rule in [1, 2] {
        expected["spec"]["rules"][rule]["backendRefs"][0]["weight"] = json!(80);
        expected["spec"]["rules"][rule]["backendRefs"][1]["weight"] = json!(20);
    }
    assert_eq!(object(&host, Kind::Http, "web"), expected);
    let grpc = object(&host, Kind::Grpc, "api");
    assert_eq!(grpc["spec"]["rules"][0]["backendRefs"][1]["weight"], 20);
    // Once more: nothing is written.
    let before = host.changes().len();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    assert_eq!(host.changes().len(), before);
    weight(&host, &rollout(), BOTH, 0).unwrap();
    assert_eq!(
        object(&host, Kind::Http, "web")["metadata"]["labels"],
        json!({"team": "web"})
    );
}

#[test]
fn weights_sum_to_the_rollouts_maximum() {
    let host = host();
    let rollout = Rollout {
        max_weight: 1000,
        ..rollout()
    };
    weight(&host, &rollout, BOTH, 7).unwrap();
    let route = object(&host, Kind::Http, "web");
    let refs = &route["spec"]["rules"][1]["backendRefs"];
    assert_eq!((&refs[0]["weight"], &refs[1]["weight"]), (&json!(993), &json!(7)));
}

#[test]
fn what_is_missing_is_named() {
    let host = host();
    for (config, expected) in [
        (
            r#"{"httpRoute":"no"}"#,
            "httpRoute: there is no HTTPRoute `no` in namespace shop",
        ),
        (
            r#"{"httpRoute":"web","namespace":"a"}"#,
            "httpRoute: there is no HTTPRoute `web` in namespace a",
        ),
    ] {
        assert_eq!(
            weight(&host, &rollout(), config, 5),
            Err(Error::invalid_config(expected))
        );
    }
    let other = Rollout {
        canary_service: "other".to_owned(),
        ..rollout()
    };
    let error = weight(&host, &other, BOTH, 5).unwrap_err();
    let expected = "httpRoute: no rule of HTTPRoute `web` has both `web-stable` and `other` among its backendRefs";
    assert_eq!(error, Error::invalid_config(expected));
    assert!(host.changes().is_empty());
}

#[test]
fn a_weight_is_verified_as_read() {
    let host = host();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    assert_eq!(verified(&host, 20), Verification::Verified);
    assert_eq!(verified(&host, 30), Verification::NotVerified);
    // One rule of several differs.
    let mut route = object(&host, Kind::Http, "web");
    route["spec"]["rules"][2]["backendRefs"][0]["weight"] = json!(81);
    let host = host.with_object(route);
    assert_eq!(verified(&host, 20), Verification::NotVerified);
}

#[test]
fn a_gateway_that_lags_behind_verifies_nothing() {
    let host = host();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    let mut route = object(&host, Kind::Http, "web");
    let accepted = |seen: u64| json!({"type": "Accepted", "status": "True", "observedGeneration": seen});
    route["status"]["parents"] = json!([{"parentRef": {"name": "gate"}, "conditions": [accepted(1)]}]);
    let host = host.with_object(route.clone());
    assert_eq!(verified(&host, 20), Verification::NotVerified);
    assert!(
        host.lines()
            .iter()
            .any(|(_, line)| line.ends_with("gate has not seen this generation"))
    );
    route["status"]["parents"][0]["conditions"] = json!([accepted(2)]);
    assert_eq!(verified(&host.with_object(route), 20), Verification::Verified);
}

#[test]
fn header_routes_are_made_of_every_rule_that_splits() {
    let host = host();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    let before = object(&host, Kind::Http, "web");
    set_header(&host, BOTH, &header_route("second", "X-Two")).unwrap();
    set_header(&host, BOTH, &header_route("first", "X-One")).unwrap();
    let route = object(&host, Kind::Http, "web");
    assert_eq!(
        names(&route),
        [
            "first",
            "first-1",
            "second",
            "second-1",
            "-",
            "-",
            "rest",
            "canary-only"
        ]
    );
    let canary = json!([{"group": "", "kind": "Service", "name": "web-canary", "port": 8080, "weight": 1}]);
    let header = json!([{"type": "Exact", "name": "X-One", "value": "yes"}]);
    let mut expected = before["spec"]["rules"][1].clone();
    expected["name"] = json!("first");
    expected["backendRefs"] = canary.clone();
    expected["matches"][0]["headers"] = header.clone();
    assert_eq!(route["spec"]["rules"][0], expected);
    let expected =
        json!({"name": "first-1", "matches": [{"headers": header}], "backendRefs": canary, "x-unknown": true});
    assert_eq!(route["spec"]["rules"][1], expected);
    let grpc = object(&host, Kind::Grpc, "api");
    assert_eq!(names(&grpc), ["first", "second", "-"]);
    assert_eq!(grpc["spec"]["rules"][0]["matches"][0]["method"]["service"], "shop.Cart");
    // Weights leave them alone, repetition changes nothing, and removal leaves the route as it was.
    let changes = host.changes().len();
    set_header(&host, BOTH, &header_route("first", "X-One")).unwrap();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    assert_eq!(host.changes().len(), changes);
    let nothing = HeaderRoute {
        matches: vec![],
        ..header_route("first", "")
    };
    set_header(&host, BOTH, &nothing).unwrap();
    assert_eq!(names(&object(&host, Kind::Http, "web"))[..2], ["second", "second-1"]);
    remove(&host, BOTH);
    assert_eq!(object(&host, Kind::Http, "web"), before);
    assert_eq!(names(&object(&host, Kind::Grpc, "api")), ["-"]);
}

#[test]
fn mirrors_keep_the_split_and_follow_its_weights() {
    let host = host();
    weight(&host, &rollout(), BOTH, 20).unwrap();
    let before = object(&host, Kind::Http, "web");
    set_mirror(&host, BOTH, &mirror_route("first", "/buy/now")).unwrap();
    let route = object(&host, Kind::Http, "web");
    assert_eq!(names(&route)[..3], ["first", "first-1", "-"]);
    let mut expected = before["spec"]["rules"][1].clone();
    expected["name"] = json!("first");
    expected["matches"][0]["path"]["value"] = json!("/buy/now");
    let mirror = json!({"type": "RequestMirror", "requestMirror": {
        "backendRef": {"group": "", "kind": "Service", "name": "web-canary", "port": 8080}, "percent": 35}});
    expected["filters"].as_array_mut().unwrap().push(mirror);
    assert_eq!(route["spec"]["rules"][0], expected);
    // No request to shop.Cart has that path.
    assert_eq!(names(&object(&host, Kind::Grpc, "api")), ["-"]);
    weight(&host, &rollout(), BOTH, 50).unwrap();
    let route = object(&host, Kind::Http, "web");
    assert_eq!(route["spec"]["rules"][0]["backendRefs"][1]["weight"], 50);
    assert_eq!(verified(&host, 50), Verification::Verified);
    weight(&host, &rollout(), BOTH, 20).unwrap();
    remove(&host, BOTH);
    assert_eq!(object(&host, Kind::Http, "web"), before);
    let error = set_mirror(&host, r#"{"grpcRoute":"api"}"#, &mirror_route("first", "/x")).unwrap_err();
    assert_eq!(
        error.message(),
        "managed route `first`: no rule of the routes takes such requests"
    );
}

#[test]
fn routes_take_managed_rules_only_when_asked_to() {
    let host = host();
    let config = r#"{"httpRoutes":[{"name":"web"}]}"#;
    set_header(&host, config, &header_route("first", "X-One")).unwrap();
    assert!(host.changes().is_empty());
    assert!(host.lines()[0].1.contains("useHeaderRoutes"));
    // What was made before the configuration changed is found all the same.
    set_header(&host, r#"{"httpRoute":"web"}"#, &header_route("first", "X-One")).unwrap();
    remove(&host, config);
    assert_eq!(object(&host, Kind::Http, "web"), http_route());
    remove(&host, r#"{"httpRoute":"gone"}"#);
}

#[test]
fn additional_destinations_are_refused() {
    let additional = [Destination {
        service: "x".to_owned(),
        pod_template_hash: String::new(),
        weight: 5,
    }];
    let refused = host().run(|| GatewayApi.set_weight(&rollout(), BOTH, 5, &additional));
    assert!(matches!(refused, Err(Error::InvalidConfig(_))), "{refused:?}");
}
