//! Our own plugin, compiled against every version. It writes down each call as it arrived: the same from both hosts, byte by
//! byte.

use std::{fs, path::Path};

use rollcage_api::plugin::PluginKind;
use rollcage_tests::peers::Peers;
use serde_json::{Value, json};

use crate::{
    objects,
    support::{Scenario, blurred},
};

/// Makes the calls on every version that has the kind, and compares answers and what the plugin was told.
async fn same_on_every_version(kind: PluginKind, calls: &[(&'static str, Value)]) {
    let Some(peers) = Peers::find() else { return };
    for version in &peers.versions {
        if kind == PluginKind::Step && !version.has_steps() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let scenario = |record: &Path| Scenario {
            kind,
            name: "test/own",
            executable: version.own(),
            arguments: vec!["-record".into(), record.into()],
            calls: calls.to_vec(),
        };
        let (theirs, mine) = (folder.path().join("theirs"), folder.path().join("mine"));
        let original = blurred(scenario(&theirs).by_original(&peers, &[]));
        let ours = blurred(scenario(&mine).by_us(&[]).await);
        scenario(&mine).assert_same(&version.name, &ours, &original);
        assert_same_record(&version.name, &mine, &theirs, calls.len());
    }
}

fn assert_same_record(version: &str, mine: &Path, theirs: &Path, calls: usize) {
    let (mine, theirs) = (fs::read_to_string(mine).unwrap(), fs::read_to_string(theirs).unwrap());
    let (mine, theirs): (Vec<_>, Vec<_>) = (mine.lines().collect(), theirs.lines().collect());
    // InitPlugin is one more; Type is not written down.
    assert!(mine.len() + 1 >= calls, "{version}: {} of {calls}", mine.len());
    assert_eq!(mine.len(), theirs.len(), "{version}");
    for (mine, theirs) in mine.iter().zip(theirs) {
        if *mine != theirs {
            let (mine, theirs): (Value, Value) = (
                serde_json::from_str(mine).unwrap(),
                serde_json::from_str(theirs).unwrap(),
            );
            let mut differences = Vec::new();
            differ("", &mine, &theirs, &mut differences);
            panic!("{version} {}: {}", mine["method"], differences.join("\n"));
        }
    }
}

/// Where two values differ: ours, then the original's.
fn differ(at: &str, mine: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (mine, theirs) {
        (Value::Object(mine), Value::Object(theirs)) => {
            for name in mine
                .keys()
                .chain(theirs.keys().filter(|name| !mine.contains_key(*name)))
            {
                let null = &Value::Null;
                differ(
                    &format!("{at}.{name}"),
                    mine.get(name).unwrap_or(null),
                    theirs.get(name).unwrap_or(null),
                    found,
                );
            }
        }
        (Value::Array(mine), Value::Array(theirs)) if mine.len() == theirs.len() => {
            for (number, (mine, theirs)) in mine.iter().zip(theirs).enumerate() {
                differ(&format!("{at}[{number}]"), mine, theirs, found);
            }
        }
        _ if mine != theirs => found.push(format!("{at}: {mine} / {theirs}")),
        _ => {}
    }
}

/// Every method of a metric provider; answers with and without times and metadata; what gob leaves out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a03_a05_metric_provider_on_every_version() {
    let input = |script: Value| json!({"analysisRun": objects::analysis_run(), "metric": objects::metric(&script), "measurement": objects::measurement()});
    let without = |fields: &[&str], mut input: Value| {
        for field in fields {
            input.as_object_mut().unwrap().remove(*field);
        }
        input
    };
    let run = |script: Value| ("run", without(&["measurement"], input(script)));
    let mut gc = without(&["measurement"], input(json!({})));
    gc["limit"] = json!(10);
    let mut calls = vec![
        ("type", json!({})),
        run(json!({})),
        run(json!({"error": "no answer from <backend> & co"})),
        run(json!({"sleep": "200ms"})),
        ("run", json!({"analysisRun": {}, "metric": {}})),
        ("resume", input(json!({}))),
        ("terminate", input(json!({}))),
        ("terminate", input(json!({"error": "cannot"}))),
        ("garbage-collect", gc.clone()),
        ("garbage-collect", json!({"analysisRun": {}, "metric": {}, "limit": 0})),
        ("garbage-collect", {
            gc["metric"] = objects::metric(&json!({"error": "no"}));
            gc
        }),
        (
            "get-metadata",
            json!({"metric": objects::metric(&json!({"reply": {"a": "b", "": "", "ü": "✓\n"}}))}),
        ),
        (
            "get-metadata",
            json!({"metric": objects::metric(&json!({"reply": {"error": "none"}}))}),
        ),
        (
            "get-metadata",
            json!({"metric": objects::metric(&json!({"reply": {}}))}),
        ),
    ];
    for phase in [
        "Pending",
        "Running",
        "Successful",
        "Failed",
        "Error",
        "Inconclusive",
        "",
    ] {
        calls.push(run(json!({"reply": {"phase": phase, "value": "1"}})));
    }
    for reply in [
        json!({}),
        json!({"phase": "Running", "metadata": {}}),
        json!({"phase": "Running", "metadata": {"": ""}, "resumeAt": "2026-01-02T03:04:05.987654321Z"}),
        json!({"phase": "Successful", "startedAt": "2026-01-02T03:04:05+05:30", "finishedAt": "2026-01-02T00:00:00-08:00"}),
        objects::measurement(),
    ] {
        calls.push(run(json!({"reply": reply})));
    }
    same_on_every_version(PluginKind::MetricProvider, &calls).await;
}

/// A04: configurations of every kind of text, byte by byte; one of a megabyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a04_configurations_on_every_version() {
    let call = |note: Value| {
        (
            "run",
            json!({"analysisRun": {}, "metric": objects::metric(&json!({ "note": note }))}),
        )
    };
    let calls = [
        call(json!("ünï ✓ 🦀 \u{2028} \u{0} \u{1f} \" \\ / <script>&amp;")),
        call(json!([1, -0.5, 1e300, true, null, {"a": {"b": []}}, ""])),
        call(json!(12_345_678_901_234_567_u64)),
        call(json!("x".repeat(1 << 20))),
    ];
    same_on_every_version(PluginKind::MetricProvider, &calls).await;
}

fn router_calls(script: &Value) -> Vec<(&'static str, Value)> {
    let rollout = objects::rollout(script);
    let additional = json!([
        {"serviceName": "preview", "podTemplateHash": "abc", "weight": 5},
        {"serviceName": "", "podTemplateHash": "", "weight": 0},
    ]);
    let header = json!({"name": "h", "match": [
        {"headerName": "a", "headerValue": {"exact": "x"}}, {"headerName": "b", "headerValue": {"prefix": "y", "regex": ""}}]});
    let mirror = json!({"name": "m", "percentage": 0, "match": [{"method": {"exact": "GET"}, "path": {"prefix": "/a", "regex": "r", "exact": "e"}, "headers": {"x": {"exact": "y"}}}]});
    vec![
        ("type", json!({})),
        (
            "update-hash",
            json!({"rollout": rollout, "canaryHash": "c1", "stableHash": "s1", "additionalDestinations": additional}),
        ),
        (
            "update-hash",
            json!({"rollout": rollout, "canaryHash": "", "stableHash": "", "additionalDestinations": []}),
        ),
        (
            "set-weight",
            json!({"rollout": rollout, "desiredWeight": 20, "additionalDestinations": additional}),
        ),
        ("set-weight", json!({"rollout": rollout, "desiredWeight": 0})),
        (
            "verify-weight",
            json!({"rollout": rollout, "desiredWeight": 100, "additionalDestinations": additional}),
        ),
        (
            "set-header-route",
            json!({"rollout": rollout, "setHeaderRoute": header}),
        ),
        (
            "set-header-route",
            json!({"rollout": rollout, "setHeaderRoute": {"name": "h"}}),
        ),
        (
            "set-mirror-route",
            json!({"rollout": rollout, "setMirrorRoute": mirror}),
        ),
        (
            "set-mirror-route",
            json!({"rollout": rollout, "setMirrorRoute": {"name": "m"}}),
        ),
        ("remove-managed-routes", json!({"rollout": rollout})),
    ]
}

/// Every method of a traffic router, with every answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a03_a06_a09_traffic_router_on_every_version() {
    let mut calls = router_calls(&json!({}));
    calls.extend(
        router_calls(&json!({"error": "the plugin says \"no\""}))
            .into_iter()
            .skip(1),
    );
    calls.push(("set-weight", json!({"rollout": {}, "desiredWeight": 100})));
    for verified in [0, 1, 2, 7, -1] {
        let rollout = objects::rollout(&json!({ "reply": verified }));
        calls.push(("verify-weight", json!({"rollout": rollout, "desiredWeight": 5})));
    }
    same_on_every_version(PluginKind::TrafficRouter, &calls).await;
}

/// A10: a Rollout of 1.4 MB, most of it managed fields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a10_a_large_rollout_on_every_version() {
    let mut rollout = objects::rollout(&json!({}));
    let fields: serde_json::Map<_, _> = (0..20_000)
        .map(|n| (format!("f:annotation-{n:06}"), json!({".": {}, "f:x": {}})))
        .collect();
    rollout["metadata"]["managedFields"] =
        json!([{"manager": "m", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
    let size = rollout.to_string().len();
    assert!((800_000..1_500_000).contains(&size), "{size}");
    rollout["metadata"]["annotations"]["large"] = json!("y".repeat(1_400_000 - size));
    let calls = [
        ("set-weight", json!({"rollout": rollout, "desiredWeight": 20})),
        ("set-weight", json!({"rollout": rollout, "desiredWeight": 40})),
    ];
    same_on_every_version(PluginKind::TrafficRouter, &calls).await;
}

/// A07: every method of a step, with every phase and delay that means something to both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a07_step_on_every_version() {
    let input = |config: Value, status: Value| json!({"rollout": objects::rollout(&json!({"a": 1})), "context": {"pluginName": "test/own", "config": config, "status": status}});
    let mut calls = vec![
        ("type", json!({})),
        (
            "run",
            json!({"rollout": objects::rollout(&json!({})), "context": {"pluginName": ""}}),
        ),
        (
            "run",
            input(
                json!({"text": "ü <&> \u{2028}"}),
                json!({"n": [1, null, 2.5], "s": "ü"}),
            ),
        ),
        ("run", input(json!({"error": "not now"}), Value::Null)),
        ("terminate", input(json!({}), json!({"a": 1}))),
        ("terminate", input(json!({"error": "cannot"}), Value::Null)),
        ("abort", input(json!({}), json!("text"))),
        (
            "abort",
            input(
                json!({"reply": {"Phase": "Failed", "Message": "it is gone"}}),
                Value::Null,
            ),
        ),
    ];
    for phase in ["Running", "Successful", "Failed", "Error", ""] {
        for nanoseconds in [0, 5_000_000_000_i64, 3_600_000_000_000] {
            let reply = json!({"Phase": phase, "Message": "m", "RequeueAfter": nanoseconds, "Status": {"k": "v"}});
            calls.push(("run", input(json!({ "reply": reply }), Value::Null)));
        }
    }
    same_on_every_version(PluginKind::Step, &calls).await;
}

/// A07, what the original's client carries and its controller refuses: here the call itself says so, and the next is fine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a07_phases_and_delays_that_are_none() {
    let Some(peers) = Peers::find() else { return };
    let input =
        |reply: Value| json!({"rollout": {}, "context": {"pluginName": "test/own", "config": {"reply": reply}}});
    let scenario = Scenario {
        kind: PluginKind::Step,
        name: "test/own",
        executable: peers.newest().own(),
        arguments: vec![],
        calls: vec![
            ("run", input(json!({"Phase": "Weird"}))),
            ("run", input(json!({"Phase": "Running", "RequeueAfter": -5}))),
            ("run", input(json!({"Phase": "successful"}))),
            ("run", input(json!({"Phase": "Successful"}))),
        ],
    };
    let ours = scenario.by_us(&[]).await;
    for (call, phase) in [(0, "`Weird`"), (2, "`successful`")] {
        let fault = ours[call]["fault"].as_str().unwrap();
        assert!(fault.contains(phase), "{fault}");
    }
    assert_eq!(ours[1]["result"]["requeueAfterMs"], 0);
    assert_eq!(ours[3]["result"]["phase"], "Successful");
}
