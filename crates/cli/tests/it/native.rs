//! Native executables: the same commands as for components, on Argo's own sample plugins.

use rollcage_api::plugin::PluginKind::{MetricProvider, Step, TrafficRouter};
use rollcage_tests::peers::Peers;
use serde_json::json;

use crate::support::{file, rollcage, run};

const STEP: &str = "{rollout: {metadata: {name: shop, namespace: default}}, context: {config: {return: Successful}}}";

#[test]
fn inspect_reads_and_run_starts() {
    let Some(peers) = Peers::find() else { return };
    // The oldest and the newest.
    for version in [peers.versions.first(), peers.versions.last()].into_iter().flatten() {
        let mut kinds = vec![MetricProvider, TrafficRouter];
        kinds.extend(version.has_steps().then_some(Step));
        for kind in kinds {
            let ended = run(rollcage()
                .args(["plugin", "inspect", "--output", "json"])
                .arg(version.sample(kind)));
            assert_eq!(ended.code, 0, "{ended:?}");
            let found = ended.json();
            assert_eq!(found["kind"], json!(kind.to_string()), "{found}");
            assert_eq!(
                (&found["runtime"], &found["contract"]),
                (&json!("native"), &json!("go-plugin/1"))
            );
            assert_eq!(
                (&found["imports"], &found["wants"], &found["capabilities"]),
                (&json!([]), &json!({}), &json!(null))
            );
            assert_eq!(found["native"]["argoRollouts"], json!(version.name), "{found}");
            assert!(
                found["native"]["goPlugin"].as_str().unwrap().starts_with("v1."),
                "{found}"
            );
            assert!(found.get("init").is_none(), "nothing was started: {found}");
        }
    }
    let started = run(rollcage()
        .args(["plugin", "inspect", "--run", "--output", "json"])
        .arg(peers.newest().step_e2e()));
    let found = started.json();
    assert_eq!(
        (&found["init"], &found["native"]["typeName"]),
        (&json!("ok"), &json!("e2e-plugin"))
    );
    // One that serves every kind does not tell which.
    let own = run(rollcage()
        .args(["plugin", "inspect", "--output", "json"])
        .arg(peers.newest().own()));
    assert_eq!(own.json()["kind"], json!("unknown"));
}

#[test]
fn call_and_bench_ask_the_process() {
    let Some(peers) = Peers::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = file(&dir, "input.yaml", STEP);
    let call = |more: &[&str]| {
        run(rollcage()
            .args(["plugin", "call", "--output", "json", "--name", "a/b"])
            .arg(peers.newest().step_e2e())
            .args(["run", "-i"])
            .arg(&input)
            .args(more))
    };
    let ended = call(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.json()["result"]["phase"], json!("Successful"));
    assert!(
        ended.stderr.contains("Run plugin for rollout default/shop"),
        "{ended:?}"
    );
    let ended = call(&["--native-plugins", "off"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    let error = ended.json()["error"].clone();
    assert_eq!(
        (&error["phase"], &error["kind"]),
        (&json!("resolve"), &json!("unsupported-runtime"))
    );
    // Started as another kind than it is.
    let ended = call(&["--kind", "metric-provider"]);
    assert_eq!(ended.code, 2, "the INPUT is a step's: {ended:?}");
    let bench = run(rollcage()
        .args(["plugin", "bench", "--output", "json", "--calls", "50"])
        .args(["--name", "a/b", "-i"])
        .arg(&input)
        .arg(peers.newest().step_e2e()));
    assert_eq!(bench.code, 0, "{bench:?}");
    assert_eq!(bench.json()["instance"], json!("process"));
}

#[test]
fn a_kind_that_the_file_does_not_tell_is_asked_for() {
    let Some(peers) = Peers::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let input = file(
        &dir,
        "input.yaml",
        "metric: {name: m, provider: {plugin: {a/b: {error: not today}}}}",
    );
    let call = |more: &[&str]| {
        run(rollcage()
            .args(["plugin", "call", "--output", "json"])
            .arg(peers.newest().own())
            .args(["garbage-collect", "-i"])
            .arg(&input)
            .args(more))
    };
    let ended = call(&[]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.json()["error"]["hint"].as_str().unwrap().contains("--kind"),
        "{ended:?}"
    );
    let ended = call(&["--kind", "metric-provider"]);
    assert_eq!(ended.code, 1, "the plugin's own error: {ended:?}");
    assert!(
        ended.json()["error"]["message"].as_str().unwrap().contains("not today"),
        "{ended:?}"
    );
}

const METRIC: &str = r#"
call:
  method: run
  input:
    metric:
      name: success-rate
      successCondition: "result[0] > 0.9"
      provider: {plugin: {argoproj/sample-prometheus: {address: "http://prometheus.example:9090", query: up}}}
given:
  http:
    - host: "prometheus.example:9090"
      path: /api/v1/query
      answers: [{body: {status: success, data: {resultType: vector, result: [{metric: {}, value: [1, "0.95"]}]}}}]
cases:
  - name: measures what the server answers
    expect: {answer: {phase: Successful, value: "[0.95]"}}
  - name: judges by its own condition
    call:
      input:
        metric:
          name: success-rate
          successCondition: "result[0] > 0.99"
          failureCondition: "result[0] < 0.99"
          provider: {plugin: {argoproj/sample-prometheus: {address: "http://prometheus.example:9090", query: up}}}
    expect: {answer: {phase: Failed}}
"#;

#[test]
fn cases_answer_a_native_metric_provider_by_http() {
    let Some(peers) = Peers::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cases = file(&dir, "cases.yaml", METRIC);
    let test = |cases| {
        run(rollcage()
            .args(["plugin", "test", "--output", "json"])
            .arg(peers.newest().sample(MetricProvider))
            .arg("-f")
            .arg(cases))
    };
    let ended = test(cases);
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    assert_eq!(report["failed"], json!(0));
    assert!(
        report["passed"].as_u64().unwrap() >= 4,
        "its conformance cases, too: {report}"
    );
    let wrong = file(&dir, "wrong.yaml", &METRIC.replace("[0.95]", "[0.96]"));
    assert_eq!(test(wrong).code, 1);
}

const ROUTER: &str = r#"
call:
  method: set-weight
  input:
    desiredWeight: 20
    rollout:
      metadata: {name: web, namespace: default, uid: u-1}
      spec: {strategy: {canary: {stableService: stable, canaryService: canary, trafficRouting: {plugins: {argoproj/sample-nginx: {stableIngress: stable}}}}}}
given:
  objects:
    - apiVersion: networking.k8s.io/v1
      kind: Ingress
      metadata: {name: stable, namespace: default}
      spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: stable, port: {number: 80}}}}]}}]}
    - apiVersion: networking.k8s.io/v1
      kind: Ingress
      metadata:
        name: web-stable-canary
        namespace: default
        annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "10"}
        ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web, uid: u-1, controller: true, blockOwnerDeletion: true}]
      spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: canary, port: {number: 80}}}}]}}]}
cases:
  - name: patches the canary ingress
    expect:
      changes:
        - {object: Ingress default/web-stable-canary, to: {metadata: {annotations: {nginx.ingress.kubernetes.io/canary-weight: "20"}}}}
"#;

#[test]
fn cases_show_what_a_native_router_changed() {
    let Some(peers) = Peers::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cases = file(&dir, "cases.yaml", ROUTER);
    let ended = run(rollcage()
        .args(["plugin", "test", "--no-conformance", "--output", "json"])
        .arg(peers.newest().sample(TrafficRouter))
        .arg("-f")
        .arg(cases));
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn another_user_where_that_is_allowed() {
    let Some(peers) = Peers::find() else { return };
    let inspect = run(rollcage()
        .args([
            "plugin",
            "inspect",
            "--run",
            "--output",
            "json",
            "--native-user",
            "65532:65532",
        ])
        .arg(peers.newest().step_e2e()));
    let found = inspect.json();
    let init = found["init"].as_str().unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    if is_root {
        assert_eq!(init, "ok", "{found}");
    } else {
        assert!(init.contains("identity"), "{found}");
    }
}
