//! `rollcage controller` as a process of its own, over HTTP, against the in-process API.
//!
//! ```text
//! here      verdicts, live configuration, whose objects, what ends the process
//! debug     /debug/plugins
//! leader    who works: hand-over, a process that was stopped, two without a Lease
//! writes    what others do to objects between two of our requests; malformed objects; an API server without time
//! ```

mod debug;
mod leader;
mod support;
mod writes;

use std::{net::TcpListener, time::Duration};

use serde_json::{Value, json};

use self::support::{Api, Controller, entry, target};
use crate::support::{file, rollcage, run};

#[test]
fn runs_come_to_their_verdicts_and_the_configuration_is_live() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    api.run("first", &json!({}), "acme/web", port);
    let mut controller = Controller::start(&api, &["--logformat", "json"]);
    controller.wait_for("the first run", |_| api.phase("first") == "Successful");
    assert_eq!(controller.probe("/healthz"), (200, "ok".to_owned()));
    assert_eq!(controller.probe("/readyz"), (200, "ok".to_owned()));

    api.run("waits", &json!({}), "acme/later", port);
    api.run(
        "foreign",
        &json!({"argo-rollouts.argoproj.io/controller-instance-id": "other"}),
        "acme/web",
        port,
    );
    api.config_map("argo-rollouts-config", &json!([entry("acme/later", port)]));
    controller.wait_for("a plugin that came later", |_| api.phase("waits") == "Successful");
    assert_eq!(api.phase("foreign"), "", "it belongs to another controller");

    let (code, text) = Controller::get(controller.metrics, "/metrics");
    assert_eq!(code, 200);
    let host = format!("127.0.0.1:{port}");
    let requests = format!(
        r#"rollcage_plugin_http_requests_total{{code="200",host="{host}",kind="MetricProvider",plugin="acme/web"}} 1"#
    );
    assert!(text.contains(&requests), "{requests}\n{text}");
    for line in [
        r#"rollcage_plugin_memory_bytes{kind="MetricProvider",plugin="acme/web"} 0"#,
        r#"rollcage_plugin_calls_total{kind="MetricProvider",method="run",outcome="ok",plugin="acme/web"} 1"#,
        r#"rollcage_plugin_state{kind="MetricProvider",plugin="acme/later",state="Ready"} 1"#,
        r#"rollcage_plugin_state{kind="MetricProvider",plugin="acme/later",state="Unavailable"} 0"#,
        r#"rollcage_plugin_breaker_open{kind="MetricProvider",plugin="acme/web"} 0"#,
        r#"rollcage_plugin_load_seconds_count{kind="MetricProvider",phase="init",plugin="acme/web"} 1"#,
        r#"analysis_run_info{name="first",namespace="shop",phase="Successful"} 1"#,
        r#"analysis_run_reconcile_count{name="first",namespace="shop"}"#,
        concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        "process_resident_memory_bytes",
        "rollcage_leader 1",
        r#"rollcage_kubernetes_requests_total{client="argoproj",code="200",resource="analysisruns",verb="patch"} "#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }

    assert_eq!(controller.terminate(), 0, "{}", controller.log());
    for line in controller.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn an_api_server_that_is_away_is_waited_for_and_said_once() {
    let mut api = Api::new();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    api.run("first", &json!({}), "acme/web", port);
    let mut controller = Controller::start(&api, &[]);
    controller.wait_for("probes", |controller| controller.probe("/healthz").0 == 200);
    controller.wait_for("it says so", |controller| {
        controller.log().contains("cannot watch AnalysisRuns")
    });
    std::thread::sleep(Duration::from_secs(2));
    let said = controller.log().matches("cannot watch AnalysisRuns").count();
    assert_eq!(said, 1, "{}", controller.log());
    api.up();
    controller.wait_for("the run", |_| api.phase("first") == "Successful");
    assert!(
        controller.log().contains("can watch AnalysisRuns again"),
        "{}",
        controller.log()
    );
}

#[test]
fn only_the_runs_of_its_instance_and_namespace() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let id = "argo-rollouts.argoproj.io/controller-instance-id";
    api.run("ours", &json!({id: "mine"}), "acme/web", port);
    api.run("without", &json!({}), "acme/web", port);
    let mut controller = Controller::start(&api, &["--instance-id", "mine", "--namespaced"]);
    controller.wait_for("the run", |_| api.phase("ours") == "Successful");
    assert_eq!(api.phase("without"), "");
    drop(controller);

    let mut elsewhere = Controller::start(&api, &["--namespaced", "--namespace", "argo-rollouts"]);
    elsewhere.wait_for("ready", |controller| controller.probe("/readyz").0 == 200);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(api.phase("without"), "");
}

#[test]
fn strict_plugins_end_it_and_a_taken_port_too() {
    let mut api = Api::new();
    api.up();
    api.config_map(
        "rollcage-config",
        &json!([{"name": "acme/web", "location": "file:///nowhere.wasm"}]),
    );
    let mut strict = Controller::start(&api, &["--strict-plugins"]);
    let code = strict.child.wait().unwrap().code();
    assert_eq!(code, Some(2), "{}", strict.log());
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = file(&dir, "kubeconfig", &Api::kubeconfig(api.address));
    let ended = run(rollcage()
        .args([
            "controller",
            "--healthzPort",
            &port,
            "--metricsPort",
            "0",
            "--kubeconfig",
        ])
        .arg(&kubeconfig));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("--healthzPort"), "{ended:?}");
}
