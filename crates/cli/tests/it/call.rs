//! `rollcage plugin call`: inputs, JSON, exit codes.

use serde_json::{Value, json};

use crate::support::{file, plugin, rollcage, run};

const STEP: &str = "{rollout: {metadata: {name: shop, namespace: default}}, context: {pluginName: example/hello}}";

fn call(name: &str, method: &str, input: &str, more: &[&str]) -> crate::support::Ended {
    let dir = tempfile::tempdir().unwrap();
    let input = file(&dir, "input.yaml", input);
    run(rollcage()
        .args(["plugin", "call", "--output", "json"])
        .arg(plugin(name))
        .arg(method)
        .arg("-i")
        .arg(input)
        .args(more))
}

fn error(ended: &crate::support::Ended) -> Value {
    let json = ended.json();
    assert_eq!(json["ok"], json!(false));
    json["error"].clone()
}

#[test]
fn an_answer_comes_with_what_it_used() {
    let ended = call("hello-step", "run", STEP, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let found = ended.json();
    assert_eq!(found["ok"], json!(true));
    assert_eq!(found["result"]["phase"], json!("Successful"));
    for key in [
        "durationUs",
        "guestMemoryBytes",
        "httpRequests",
        "kubernetesCalls",
        "denials",
    ] {
        assert!(found.get(key).is_some(), "{key} is missing in {found}");
    }
    assert!(found["guestMemoryBytes"].as_u64().unwrap() > 0);
    assert!(ended.stderr.contains("hello, default/shop"), "{ended:?}");
}

#[test]
fn a_plugin_s_own_error_is_1() {
    let metric = "metric: {name: m, provider: {plugin: {a/b: {address: 'http://p:9090', query: up, timeout: -1}}}}";
    let ended = call("prometheus", "run", metric, &["--allow-http", "p:9090"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(error(&ended)["kind"], json!("invalid-config"));
}

#[test]
fn usage_is_2() {
    for (method, input, says) in [
        ("jump", STEP, "has no method"),
        ("run", "rollout: {}\nlimit: 3\ncontext: {pluginName: a/b}", "not used"),
        ("run", "context: {pluginName: a/b}", "missing"),
        ("run", "rollout: [", "input.yaml"),
        ("run", "rollout: {metadata: []}\ncontext: {pluginName: a/b}", "metadata"),
        ("run", "rollout: {}", "name is not known"),
    ] {
        let ended = call("hello-step", method, input, &[]);
        assert_eq!(ended.code, 2, "{input}: {ended:?}");
        let message = error(&ended)["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_fault_is_4_and_names_what_to_do() {
    let metric = "metric: {name: m, provider: {plugin: {a/b: {}}}}";
    for (name, kind, phase, more) in [
        ("faults/spin", "deadline", "call", &["--deadline", "200ms"][..]),
        ("faults/spins-in-init", "deadline", "init", &["--deadline", "200ms"]),
        ("faults/hoard", "memory", "call", &["--memory", "8Mi"]),
        ("faults/panics", "trap", "call", &[]),
        ("faults/unwraps-a-denial", "denied", "call", &[]),
    ] {
        let ended = call(name, "run", metric, more);
        assert_eq!(ended.code, 4, "{name}: {ended:?}");
        let error = error(&ended);
        assert_eq!(
            (&error["kind"], &error["phase"]),
            (&json!(kind), &json!(phase)),
            "{name}: {error}"
        );
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{error}");
    }
}

#[test]
fn a_denied_call_names_the_grant() {
    let metric = "metric: {name: m, provider: {plugin: {a/b: {address: 'http://prometheus.example:9090', query: up}}}}";
    let ended = call("prometheus", "run", metric, &[]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let error = error(&ended);
    assert_eq!(error["kind"], json!("denied"));
    assert!(
        error["message"].as_str().unwrap().contains("prometheus.example:9090"),
        "{error}"
    );
}

#[test]
fn what_a_router_changes_is_shown_as_a_diff() {
    let dir = tempfile::tempdir().unwrap();
    file(
        &dir,
        "ingress.yaml",
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec:
  ingressClassName: nginx
  rules:
    - host: shop.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop-stable, port: {number: 80}}}}]}
",
    );
    let kube = dir.path().display().to_string();
    let entry = crate::support::root()
        .join("examples/nginx/entry.yaml")
        .display()
        .to_string();
    let input = "
desiredWeight: 25
rollout:
  metadata: {name: shop, namespace: default, uid: 1-2-3}
  spec: {strategy: {canary: {canaryService: shop-canary, stableService: shop-stable, trafficRouting: {plugins: {rollcage/nginx: {stableIngress: shop}}}}}}
";
    let ended = call("nginx", "set-weight", input, &["--kube", &kube, "--entry", &entry]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let found = ended.json();
    assert!(found["kubernetesCalls"].as_u64().unwrap() > 0);
    let diff = found["changes"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("canary-weight") && diff.contains("25"), "{diff}");
}
