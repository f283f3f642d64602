//! `rollcage dev`.

use serde_json::{Value, json};

use crate::support::{file, plugin, rollcage, root, run};

fn phases(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    report["analysisRuns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| (text(&run["name"]), text(&run["phase"])))
        .collect()
}

#[test]
fn the_analysis_example_ends_as_expected() {
    let ended = run(rollcage().args(["dev", "examples/analysis", "--fast-forward", "--output", "json"]));
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    assert_eq!(report["ok"], json!(true));
    let expected = [
        ("canary-is-bad", "Failed"),
        ("nobody-can-tell", "Inconclusive"),
        ("stable-is-good", "Successful"),
        ("waits-for-its-plugin", "Successful"),
    ];
    assert_eq!(
        phases(&report),
        expected.map(|(name, phase)| (name.to_owned(), phase.to_owned()))
    );
    let tampered = report["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["name"] == "shop/tampered")
        .unwrap();
    assert_eq!(
        (&tampered["state"], &tampered["phase"]),
        (&json!("Unavailable"), &json!("verify"))
    );
    assert!(!report["events"].as_array().unwrap().is_empty());
    assert!(report["virtualSeconds"].as_f64().unwrap() >= 15.0);
}

#[test]
fn an_hour_takes_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let location = format!("file://{}", plugin("web").display());
    file(
        &dir,
        "all.yaml",
        &format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: rollcage-config, namespace: argo-rollouts}}
data:
  metricProviderPlugins: |-
    - {{name: a/web, location: '{location}', permissions: {{http: ['svc.example:80']}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {{name: hourly, namespace: default}}
spec:
  metrics:
    - name: m
      interval: 1m
      count: 60
      successCondition: result == 1
      provider: {{plugin: {{a/web: {{url: 'http://svc.example/'}}}}}}
"
        ),
    );
    file(
        &dir,
        "scenario.yaml",
        "http: [{host: 'svc.example:80', answers: [{body: '1'}]}]",
    );
    let ended = run(rollcage()
        .args(["dev", "--fast-forward", "--output", "json"])
        .arg(dir.path()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let report = ended.json();
    let seconds = report["virtualSeconds"].as_f64().unwrap();
    assert!((3530.0..3700.0).contains(&seconds), "{seconds}");
}

#[test]
fn an_expectation_that_does_not_hold_is_1() {
    let dir = tempfile::tempdir().unwrap();
    file(
        &dir,
        "scenario.yaml",
        "{until: 1m, expect: [{analysisRun: nobody, phase: Successful}]}",
    );
    let ended = run(rollcage()
        .args(["dev", "--fast-forward", "--output", "json"])
        .arg(dir.path()));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(ended.json()["ok"], json!(false));
}

#[test]
fn a_broken_manifest_is_told_and_the_others_are_played() {
    let dir = tempfile::tempdir().unwrap();
    file(
        &dir,
        "broken.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisRun\nmetadata: {name: [\n",
    );
    file(
        &dir,
        "typed.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisRun\nmetadata: {name: typed, namespace: default}\nspec:\n  metrics: 7\n",
    );
    file(
        &dir,
        "good.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisRun\nmetadata: {name: good, namespace: default}\nspec:\n  metrics:\n    - {name: m, provider: {plugin: {no/such: {}}}}\n",
    );
    file(
        &dir,
        "scenario.yaml",
        "{until: 30m, expect: [{analysisRun: good, phase: Error}]}",
    );
    let ended = run(rollcage()
        .args(["dev", "--fast-forward", "--output", "json"])
        .arg(dir.path()));
    let report = ended.json();
    let problems = report["problems"].to_string();
    assert!(problems.contains("broken.yaml"), "{problems}");
    assert!(problems.contains("metrics"), "{problems}");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(report["analysisRuns"].to_string().contains("no/such"), "{report}");
}

#[test]
fn a_folder_that_is_none_is_usage() {
    assert_eq!(run(rollcage().args(["dev", "no/such/folder"])).code, 2);
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "scenario.yaml", "{expects: []}");
    let ended = run(rollcage().args(["dev"]).arg(dir.path()));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("expects"), "{ended:?}");
    assert!(root().join("docs/dev.md").exists());
}

/// Secrets of every kind that a measurement uses, and a server that sends all of them back.
#[test]
fn secrets_are_in_nothing_that_it_prints() {
    const ARGUMENT: &str = "argument-c04d91e7";
    const CREDENTIAL: &str = "credential-5b1e7c20";
    let dir = tempfile::tempdir().unwrap();
    let location = format!("file://{}", plugin("web").display());
    let run_of = |name: &str, metric: &str| {
        format!(
            "---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {{name: {name}, namespace: default}}
spec:
  args: [{{name: token, valueFrom: {{secretKeyRef: {{name: shop, key: token}}}}}}]
  metrics: [{metric}]
"
        )
    };
    let provider = |path: &str| {
        format!("{{plugin: {{a/web: {{url: 'http://svc.example/{{{{args.token}}}}', jsonPath: '{path}'}}}}}}")
    };
    let runs = [
        run_of(
            "fails",
            &format!(
                "{{name: m, failureCondition: result.ok == false, provider: {}}}",
                provider("{$}")
            ),
        ),
        run_of(
            "errs",
            &format!(
                "{{name: m, successCondition: 'result.echo + 1 > int(result.echo)', provider: {}}}",
                provider("{$}")
            ),
        ),
        run_of(
            "finds-nothing",
            &format!("{{name: m, provider: {}}}", provider("{$.{{args.token}}}")),
        ),
    ];
    file(
        &dir,
        "all.yaml",
        &format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: rollcage-config, namespace: argo-rollouts}}
data:
  metricProviderPlugins: |-
    - name: a/web
      location: '{location}'
      permissions:
        http: ['svc.example:80']
        credentials:
          - {{name: c, secretRef: {{name: c, key: k}}, header: Authorization, hosts: ['svc.example:80']}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: c, namespace: argo-rollouts}}, stringData: {{k: 'Bearer {CREDENTIAL}'}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: shop, namespace: default}}, stringData: {{token: {ARGUMENT}}}}}
{}",
            runs.concat()
        ),
    );
    file(
        &dir,
        "scenario.yaml",
        &format!(
            "until: 1h
http: [{{host: 'svc.example:80', answers: [{{body: '{{\"ok\": false, \"echo\": \"{ARGUMENT} and {CREDENTIAL}\"}}'}}]}}]
expect: [{{analysisRun: fails, phase: Failed}}, {{analysisRun: errs, phase: Error}}, {{analysisRun: finds-nothing, phase: Error}}]"
        ),
    );
    for output in ["json", "text"] {
        let ended = run(rollcage()
            .env("ROLLCAGE_LOG", "trace")
            .args(["dev", "--fast-forward", "--output", output])
            .arg(dir.path()));
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains("*****"), "nothing was masked: {ended:?}");
        for secret in [ARGUMENT, CREDENTIAL] {
            let all = [&ended.stdout, &ended.stderr];
            for line in all.iter().flat_map(|text| text.lines()) {
                assert!(!line.contains(secret), "{output}: {line}");
            }
        }
    }
}

/// The metric providers that Argo has built in are served without any configuration.
#[test]
fn prometheus_and_web_need_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    file(
        &dir,
        "all.yaml",
        "apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: both, namespace: default}
spec:
  metrics:
    - name: p
      successCondition: result[0] > 0.9
      provider: {prometheus: {query: up}}
    - name: w
      successCondition: result == 7
      provider: {web: {url: 'http://svc.example/', jsonPath: '{$.seven}'}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: this-machine, namespace: default}
spec:
  metrics:
    - {name: w, provider: {web: {url: 'http://127.0.0.1:1/'}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: another, namespace: default}
spec:
  metrics:
    - {name: d, provider: {datadog: {query: x}}}
",
    );
    let answers = "http:
  - {host: 'prometheus.example:9090', answers: [{body: '{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"1\"]}]}}'}]}
  - {host: 'svc.example:80', answers: [{body: '{\"seven\": 7}'}]}
  - {host: '127.0.0.1:1', answers: [{body: '1'}]}
expect:
  - {analysisRun: both, phase: Successful}
  - {analysisRun: this-machine, phase: Error}
  - {analysisRun: another, phase: Error}
";
    file(&dir, "scenario.yaml", answers);
    let play = || {
        let ended = run(rollcage()
            .env("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", "http://prometheus.example:9090")
            .args(["dev", "--fast-forward", "--output", "json"])
            .arg(dir.path()));
        (ended.code, ended.json())
    };
    let (code, report) = play();
    assert_eq!(code, 0, "{report:#}");
    let runs = report["analysisRuns"].to_string();
    assert!(
        runs.contains("provider datadog is not built in: use a plugin"),
        "{runs}"
    );
    let plugins = report["plugins"].as_array().unwrap();
    let names: Vec<_> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["rollcage/prometheus", "rollcage/web"]);

    // An entry of the name narrows it: now nothing is granted.
    file(
        &dir,
        "config.yaml",
        "apiVersion: v1
kind: ConfigMap
metadata: {name: rollcage-config, namespace: argo-rollouts}
data:
  metricProviderPlugins: |-
    - {name: rollcage/web, location: 'bundled://web', permissions: {http: ['other.example:80']}}
",
    );
    let (code, report) = play();
    assert_eq!(code, 1, "{report:#}");
    let runs = report["analysisRuns"].to_string();
    assert!(runs.contains("svc.example:80"), "{runs}");
}

/// Jobs take the time that the scenario says, and end as it says.
#[test]
fn jobs_end_as_the_scenario_says() {
    let dir = tempfile::tempdir().unwrap();
    let run_of = |name: &str, metric: &str, more: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {{name: {name}, namespace: default}}
spec:
  {more}
  metrics:
    - name: {metric}
      provider: {{job: {{spec: {{template: {{spec: {{containers: [{{name: c, image: i}}]}}}}}}}}}}
---
"
        )
    };
    let runs = [
        run_of("slow", "smoke", ""),
        run_of("bad", "other", ""),
        run_of("stopped", "smoke", "terminate: false"),
    ];
    file(&dir, "runs.yaml", &runs.concat());
    file(
        &dir,
        "scenario.yaml",
        "
jobs: [{metric: smoke, after: 30m}, {after: 5s, fails: true}]
actions: [{at: 1m, patch: {kind: AnalysisRun, name: stopped, patch: {spec: {terminate: true}}}}]
expect:
  - {analysisRun: slow, phase: Successful}
  - {analysisRun: bad, phase: Failed}
  - {analysisRun: stopped, phase: Inconclusive}
",
    );
    let ended = run(rollcage()
        .args(["dev", "--fast-forward", "--output", "json"])
        .arg(dir.path()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let seconds = ended.json()["virtualSeconds"].as_f64().unwrap();
    assert!((1800.0..1900.0).contains(&seconds), "{seconds}");
}
