//! Conformance cases of `rollcage plugin test`: a plugin that keeps every rule passes them, and one that breaks a rule is
//! caught by the case of that rule.

use serde_json::{Value, json};

use crate::support::{file, plugin, rollcage, run};

const ROUTER: &str = "
entry:
  name: a/b
  args: [{breaks}]
  permissions: {kubernetes: [{apiGroups: [''], resources: [configmaps], verbs: [get, patch]}]}
given:
  objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: weights, namespace: shop}, data: {weight: '0'}}]
cases:
  - name: sets a weight
    call:
      input:
        desiredWeight: 10
        rollout:
          metadata: {name: web, namespace: shop}
          spec: {strategy: {canary: {trafficRouting: {plugins: {a/b: {object: weights}}}}}}
";

const METRIC: &str = "
entry: {name: a/b, args: [{breaks}], permissions: {http: ['p:80']}}
given: {http: [{host: 'p:80', answers: [{body: '1'}, {body: '2'}]}]}
cases:
  - name: begins a measurement
    call: {input: {metric: {name: m, provider: {plugin: {a/b: {url: 'http://p/'}}}}}}
";

const STEP: &str = "
entry: {name: a/b, args: [{breaks}]}
cases:
  - name: begins
    call: {input: {rollout: {}, context: {pluginName: a/b, config: {note: x}}}}
";

/// Exit code and report of a guest's conformance cases.
fn conformance(guest: &str, cases: &str, breaks: &str, filter: &str) -> (i32, Value) {
    let dir = tempfile::tempdir().unwrap();
    let cases = file(&dir, "cases.yaml", &cases.replace("{breaks}", breaks));
    let ended = run(rollcage()
        .args(["plugin", "test", "--output", "json", "--filter", filter])
        .arg(plugin(&format!("faults/{guest}")))
        .arg("-f")
        .arg(cases));
    (ended.code, ended.json())
}

/// Names of the cases with this status.
fn names<'a>(report: &'a Value, status: &str) -> Vec<&'a str> {
    let cases = report["cases"].as_array().unwrap();
    let of_status = cases.iter().filter(|case| case["status"] == status);
    of_status.map(|case| case["name"].as_str().unwrap()).collect()
}

#[test]
fn a_plugin_that_keeps_every_rule_passes() {
    for (guest, cases, skipped) in [
        ("router-rules", ROUTER, &["servers down"][..]),
        ("metric-rules", METRIC, &["missing object", "conflict, then success"]),
        (
            "step-rules",
            STEP,
            &[
                "cancelled call",
                "missing object",
                "conflict, then success",
                "servers down",
            ],
        ),
    ] {
        let (code, report) = conformance(guest, cases, "", "conformance: ");
        assert_eq!(code, 0, "{guest}: {report:#}");
        assert_eq!(names(&report, "skipped"), skipped, "{guest}: {report:#}");
        assert!(names(&report, "passed").len() >= 5, "{guest}: {report:#}");
        let reasons = report["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| case["status"] == "skipped");
        for case in reasons {
            assert!(!case["reason"].as_str().unwrap().is_empty(), "{case}");
        }
    }
}

#[test]
fn a_plugin_that_breaks_a_rule_is_caught_by_its_case() {
    for (guest, cases, breaks, case) in [
        ("router-rules", ROUTER, "repeated-call", "repeated call"),
        ("router-rules", ROUTER, "restart", "restart between calls"),
        ("router-rules", ROUTER, "cancelled-call", "cancelled call"),
        ("router-rules", ROUTER, "garbage-configuration", "garbage configuration"),
        ("router-rules", ROUTER, "missing-object", "missing object"),
        ("router-rules", ROUTER, "conflict", "conflict, then success"),
        ("router-rules", ROUTER, "conflict-kind", "conflict, then success"),
        ("router-rules", ROUTER, "weights", "weight 0 and 100"),
        ("router-rules", ROUTER, "verify-weight", "verify-weight"),
        ("router-rules", ROUTER, "managed-routes", "managed routes"),
        ("router-rules", ROUTER, "update-hash", "update-hash"),
        ("metric-rules", METRIC, "restart", "restart between calls"),
        ("metric-rules", METRIC, "garbage-configuration", "garbage configuration"),
        ("metric-rules", METRIC, "server-down", "servers down"),
        ("metric-rules", METRIC, "server-down-kind", "servers down"),
        ("metric-rules", METRIC, "terminate", "terminate"),
        ("step-rules", STEP, "restart", "restart between calls"),
        ("step-rules", STEP, "terminate", "terminate"),
        ("step-rules", STEP, "abort", "abort"),
    ] {
        let (code, report) = conformance(guest, cases, breaks, &format!("conformance: {case}"));
        assert_eq!(code, 1, "{guest} {breaks}: {report:#}");
        assert_eq!(names(&report, "failed"), [case], "{guest} {breaks}: {report:#}");
        let problem = &report["cases"][0]["problems"][0];
        assert!(!problem["hint"].as_str().unwrap().is_empty(), "{problem}");
    }
}

#[test]
fn conformance_cases_can_be_left_out_with_a_reason() {
    let skip = format!("conformance: {{skip: {{repeated call: counts on purpose}}}}{ROUTER}");
    let (code, report) = conformance("router-rules", &skip, "repeated-call", "conformance: repeated");
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["cases"][0]["reason"], json!("left out: counts on purpose"));
    let (code, report) = conformance(
        "router-rules",
        &skip.replace("repeated call", "no such"),
        "",
        "conformance",
    );
    assert_eq!(code, 2, "{report:#}");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("conformance.skip"), "{message}");
}

#[test]
fn without_a_case_to_start_from_they_are_skipped_visibly() {
    let cases = "cases: [{name: wrong, call: {input: {rollout: {}, context: {pluginName: a/b, config: 7}}}, expect: {error: {kind: invalid-config}}}]";
    let (code, report) = conformance("step-rules", cases, "", "");
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((&report["passed"], &report["failed"]), (&json!(1), &json!(0)));
    assert!(names(&report, "skipped").len() > 5, "{report:#}");
    assert!(
        report["cases"][1]["reason"]
            .as_str()
            .unwrap()
            .contains("no case to start from")
    );
}
