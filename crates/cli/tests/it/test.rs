//! `rollcage plugin test`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Ended, file, plugin, rollcage, root, run};

/// A plugin's test with cases of one's own.
fn test(name: &str, cases: &str, more: &[&str]) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let cases = file(&dir, "cases.yaml", cases);
    run(rollcage()
        .args(["plugin", "test"])
        .arg(plugin(name))
        .arg("-f")
        .arg(cases)
        .arg("--no-conformance")
        .args(more))
}

fn json_of(name: &str, cases: &str) -> (i32, Value) {
    let ended = test(name, cases, &["--output", "json"]);
    (ended.code, ended.json())
}

/// The problems of the only case.
fn problems(report: &Value) -> String {
    report["cases"][0]["problems"].to_string()
}

#[test]
fn cases_of_the_examples_hold_and_they_keep_every_rule() {
    for (name, rules) in [
        ("gateway-api", 8),
        ("hello-step", 4),
        ("http-gate", 5),
        ("nginx", 6),
        ("prometheus", 4),
        ("web", 4),
    ] {
        let cases = root().join("examples").join(name).join("cases.yaml");
        let ended = run(rollcage()
            .args(["plugin", "test", "--output", "json"])
            .arg(plugin(name))
            .arg("-f")
            .arg(cases));
        let report = ended.json();
        assert_eq!(ended.code, 0, "{name}: {report:#}");
        let kept = report["cases"].as_array().unwrap().iter();
        let kept = kept.filter(|case| case["kind"] == "conformance" && case["status"] == "passed");
        assert!(kept.count() >= rules, "{name}: {report:#}");
    }
}

const STEP: &str =
    "call: {input: {rollout: {metadata: {name: shop, namespace: default}}, context: {pluginName: example/hello}}}";

#[test]
fn every_expectation_can_fail() {
    for (expect, says) in [
        (
            "answer: {phase: Failed}",
            r#"phase: expected \"Failed\", found \"Successful\""#,
        ),
        ("answer: {message: {$contains: never}}", "never"),
        ("error: {kind: invalid-config}", "expected an error"),
        ("fault: {kind: trap}", "expected a fault"),
        ("log: []", "expected no line, found 1"),
        ("log: [bye]", "no line (in this order) with"),
        ("log: [{level: error, text: hello}]", "no error line"),
        (
            "changes: [{object: Ingress default/x}]",
            "Ingress default/x is not changed",
        ),
        ("denials: [{capability: http}]", "no http denial"),
        ("requests: [{host: 'p:1'}]", "any method p:1/* is not sent"),
    ] {
        let cases = format!("{STEP}\ncases: [{{name: one, expect: {{{expect}}}}}]");
        let (code, report) = json_of("hello-step", &cases);
        assert_eq!(code, 1, "{expect}: {report}");
        assert_eq!(
            (&report["ok"], &report["failed"]),
            (&json!(false), &json!(1)),
            "{report}"
        );
        assert!(problems(&report).contains(says), "{expect}: {report}");
    }
}

const METRIC: &str = "
entry: {name: a/b, permissions: {http: ['p:9090']}}
call: {input: {metric: {name: m, provider: {plugin: {a/b: {address: 'http://p:9090', query: up}}}}}}
";

#[test]
fn a_request_without_answer_fails_the_case_and_is_shown() {
    let cases = format!(
        "{METRIC}
cases:
  - name: one
    given: {{http: [{{host: 'p:9090', path: /other, answers: [{{body: x}}]}}]}}
    expect: {{error: {{kind: unavailable}}}}
"
    );
    let (code, report) = json_of("prometheus", &cases);
    assert_eq!(code, 1, "{report}");
    let problems = problems(&report);
    let says = "no answer for POST http://p:9090/api/v1/query; the case has: any method p:9090/other";
    assert!(problems.contains(says), "{problems}");
    assert!(problems.contains("given.http"), "{problems}");
}

#[test]
fn a_fault_is_expected_or_fails_the_case() {
    for (expect, code) in [
        ("{fault: {kind: deadline, phase: call}}", 0),
        ("{fault: {kind: memory}}", 1),
        ("{answer: {phase: Successful}}", 1),
        ("{}", 1),
    ] {
        let cases = format!(
            "entry: {{name: a/b, limits: {{deadline: 100ms}}}}
call: {{input: {{metric: {{name: m, provider: {{plugin: {{a/b: {{}}}}}}}}}}}}
cases: [{{name: one, expect: {expect}}}]"
        );
        let (ended, report) = json_of("faults/spin", &cases);
        assert_eq!(ended, code, "{expect}: {report}");
        if code == 1 {
            assert!(problems(&report).contains("deadline"), "{report}");
        }
    }
    let cases = "entry: {name: a/b, limits: {deadline: 100ms}}
call: {input: {metric: {name: m, provider: {plugin: {a/b: {}}}}}}
cases: [{name: one, expect: {fault: {kind: deadline, phase: init}}}]";
    let (code, report) = json_of("faults/spins-in-init", cases);
    assert_eq!(code, 0, "{report}");
}

#[test]
fn what_is_wrong_in_a_cases_file_is_named() {
    for (cases, says) in [
        ("", "the file is empty"),
        ("cases: []", "cases.yaml:1:1: cases: there are no cases"),
        ("cases:\n  - {nam: x}", "cases.yaml:2:6: cases[0].nam: unknown field"),
        ("cases:\n  - {expect: {}}", "cases[0].name: a case has no name"),
        ("cases: [{name: x}, {name: x}]", "two cases named"),
        (
            "cases:\n  - {name: x, call: {method: jump}}",
            "cases.yaml:2:22: cases[0].call.method",
        ),
        ("cases:\n  - {name: x, call: {input: no.yaml}}", "cases[0].call.input"),
        (
            "cases:\n  - {name: x, call: {input: {rollout: 7}}}",
            "cases[0].call.input.rollout: invalid type",
        ),
        (
            "cases:\n  - {name: x, call: {input: {rollout: {}, limit: 3}}}",
            "\"limit\" is not used by run",
        ),
        (
            "cases:\n  - {name: x, call: {input: {rollout: {}}}, entry: {args: 7}}",
            "cases[0].entry.args: invalid type",
        ),
        (
            "cases:\n  - {name: x, call: {input: {rollout: {}}}, entry: no.yaml}",
            "cases[0].entry",
        ),
        (
            "cases:\n  - name: x\n    given: {http: [{}]}",
            "cases.yaml:3:20: cases[0].given.http[0]: host or answers is missing",
        ),
        (
            "cases:\n  - name: x\n    given: {objects: [{kind: Pod}]}",
            "cases[0].given.objects[0]: field apiVersion",
        ),
        ("cases:\n  - name: x\n    given: {manifests: [no/such]}", "no/such"),
        (
            "cases:\n  - {name: x, expect: {error: {kind: odd}}}",
            "cases[0].expect.error.kind",
        ),
        (
            "conformance: {from: y}\ncases: [{name: x, call: {input: {rollout: {}}}}]",
            "conformance.from",
        ),
        ("cases: [{name: x}]\n---\ncases: [{name: y}]", "one document"),
    ] {
        let ended = test("hello-step", cases, &["--output", "json"]);
        assert_eq!(ended.code, 2, "{cases}: {ended:?}");
        let error = ended.json()["error"].clone();
        assert!(error["message"].as_str().unwrap().contains(says), "{cases}: {error}");
        assert!(!error["hint"].as_str().unwrap().is_empty(), "{error}");
    }
}

#[test]
fn what_cannot_be_loaded_is_3() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "cases.yaml", "cases: [{name: x}]");
    let html = file(&dir, "page.wasm", "<html>");
    for plugin in [html, dir.path().join("absent.wasm")] {
        assert_eq!(run(rollcage().args(["plugin", "test"]).arg(plugin)).code, 3);
    }
}

#[test]
fn cases_are_found_beside_the_plugin_or_here() {
    let dir = tempfile::tempdir().unwrap();
    let copied = dir.path().join("hello.wasm");
    std::fs::copy(plugin("hello-step"), &copied).unwrap();
    let ended = run(rollcage().args(["plugin", "test"]).arg(&copied).current_dir(&dir));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("cases.yaml"), "{ended:?}");
    file(&dir, "cases.yaml", &format!("{STEP}\ncases: [{{name: beside}}]"));
    let beside = run(rollcage().args(["plugin", "test"]).arg(&copied));
    assert_eq!(beside.code, 0, "{beside:?}");
    let here = run(rollcage()
        .args(["plugin", "test"])
        .arg(plugin("hello-step"))
        .current_dir(&dir));
    assert_eq!(here.code, 0, "{here:?}");
}

#[test]
fn filter_fail_fast_and_junit() {
    let cases = format!(
        "{STEP}\ncases: [{{name: bad one, expect: {{error: {{kind: denied}}}}}}, {{name: good one}}, {{name: good two}}]"
    );
    let ended = test("hello-step", &cases, &["--filter", "good", "--filter", "two"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("2 passed, 1 filtered out"), "{ended:?}");
    let ended = test("hello-step", &cases, &["--fail-fast"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stdout.contains("1 failed") && ended.stdout.contains("not run"),
        "{ended:?}"
    );
    assert_eq!(test("hello-step", &cases, &["--filter", "nobody"]).code, 2);

    let dir = tempfile::tempdir().unwrap();
    let xml = dir.path().join("out.xml");
    let path: PathBuf = xml.clone();
    let ended = test("hello-step", &cases, &["--junit", path.to_str().unwrap()]);
    assert_eq!(ended.code, 1);
    let text = std::fs::read_to_string(xml).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let cases: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .filter_map(|node| node.attribute("name"))
        .collect();
    assert!(cases.starts_with(&["bad one", "good one", "good two"]), "{cases:?}");
    let failures = document
        .descendants()
        .filter(|node| node.has_tag_name("failure"))
        .count();
    assert_eq!(failures, 1, "{text}");
}

#[test]
fn a_failure_reads_well() {
    let cases = format!("{STEP}\ncases: [{{name: says goodbye, expect: {{answer: {{phase: Failed}}}}}}]");
    let ended = test("hello-step", &cases, &[]);
    assert_eq!(ended.code, 1);
    for part in [
        "FAIL",
        "says goodbye",
        "answer: phase: expected \"Failed\", found \"Successful\"",
        "-phase: Failed",
        "+phase: Successful",
        "log:  info  hello, default/shop",
        "1 failed",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}
