//! What others do between two of our requests.

use std::time::{Duration, Instant};

use rollcage_apiserver::{ApiError, Disturbance, Match, RequestRecord, Verb};
use serde_json::{Value, json};

use super::support::{Api, Controller, entry, slow_target, target};

const RUNS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/analysisruns";

#[test]
fn a_hundred_good_runs_end_beside_malformed_ones() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    for number in 0..5 {
        let spec = match number {
            0 => json!("text"),
            1 => json!([1, 2]),
            2 => json!({"metrics": {"a": 1}}),
            3 => json!({"metrics": [{"name": 7}]}),
            _ => json!({"metrics": [{"name": "m", "interval": {"a": 1}, "provider": {}}]}),
        };
        let name = format!("bad-{number}");
        let metadata = json!({"name": name});
        let run = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": metadata, "spec": spec
        });
        api.apply(&format!("{RUNS}/{name}"), &run);
    }
    for number in 0..100 {
        api.run(&format!("good-{number}"), &json!({}), "acme/web", port);
    }
    let mut controller = Controller::start(&api, &["--leader-elect=false", "--qps=1000", "--burst=1000"]);
    controller.wait_for("all", |_| {
        let good = (0..100).all(|number| api.phase(&format!("good-{number}")) == "Successful");
        good && (0..5).all(|number| api.phase(&format!("bad-{number}")) == "Error")
    });
    // A list that begins anew finds nothing to do, and what comes later is done.
    let versions = || {
        let runs = api.server.objects("argoproj.io/v1alpha1", "AnalysisRun", "shop");
        let version = |run: &Value| run["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        runs.iter().map(|run| version(run)).collect::<Vec<_>>()
    };
    let before = versions();
    api.server.compact();
    api.server.end_watches();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(versions(), before, "{}", controller.log());
    api.run("later", &json!({}), "acme/web", port);
    controller.wait_for("a run after the list began anew", |_| {
        api.phase("later") == "Successful"
    });
}

/// The defect of the original: a user's change between our write and the cache's update is not seen.
#[test]
fn a_change_between_our_write_and_the_cache_is_seen() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let mut controller = Controller::start(&api, &["--leader-elect=false"]);
    controller.wait_for("ready", |controller| controller.probe("/readyz").0 == 200);
    for number in 0..20 {
        // Goes on for ever, unless somebody ends it.
        let name = format!("run-{number}");
        let web = json!({"url": format!("http://127.0.0.1:{port}/"), "jsonPath": "{$.value}"});
        let run = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": {"name": name},
            "spec": {"metrics": [{"name": "m", "interval": "1h", "count": 2, "successCondition": "result == 7",
                "provider": {"plugin": {"acme/web": web}}}]}
        });
        let changes = api.server.subscribe();
        api.apply(&format!("{RUNS}/{name}"), &run);
        // In the moment of its first write, before any watch has told of it.
        let began = Instant::now();
        loop {
            let all = changes.drain().unwrap();
            if all
                .iter()
                .any(|change| change.name == name && change.object.pointer("/status/phase").is_some())
            {
                break;
            }
            assert!(began.elapsed() < super::support::LONG, "{}", controller.log());
            std::hint::spin_loop();
        }
        api.merge(
            "kubectl",
            &format!("{RUNS}/{name}"),
            &json!({"spec": {"terminate": true}}),
        );
    }
    controller.wait_for("all end", |_| {
        (0..20).all(|number| api.phase(&format!("run-{number}")) == "Successful")
    });
}

#[test]
fn a_run_that_another_controller_writes_is_left_alone() {
    let mut api = Api::new();
    api.up();
    let port = slow_target(Duration::from_secs(2));
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let mut controller = Controller::start(&api, &["--leader-elect=false"]);
    controller.wait_for("ready", |controller| controller.probe("/readyz").0 == 200);
    api.run("one", &json!({}), "acme/web", port);
    std::thread::sleep(Duration::from_secs(1));
    let status = json!({"status": {"phase": "Running", "message": "mine"}});
    api.merge("rollouts-controller", &format!("{RUNS}/one"), &status);
    let events = |api: &Api| {
        let events = api.server.objects("v1", "Event", "shop");
        let ours = events.iter().filter(|event| event["reason"] == "ConflictingController");
        ours.map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    controller.wait_for("an Event", |_| !events(&api).is_empty());
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(
        (api.phase("one"), events(&api).len()),
        ("Running".to_owned(), 1),
        "{}",
        controller.log()
    );
    assert!(events(&api)[0].contains("rollouts-controller"), "{:?}", events(&api));
    // A person may write what they like.
    api.run("two", &json!({}), "acme/web", port);
    std::thread::sleep(Duration::from_secs(1));
    api.merge("kubectl-edit", &format!("{RUNS}/two"), &status);
    controller.wait_for("the other run", |_| api.phase("two") == "Successful");
}

#[test]
fn an_api_server_without_time_is_given_it() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let mut controller = Controller::start(&api, &["--leader-elect=false"]);
    controller.wait_for("ready", |controller| controller.probe("/readyz").0 == 200);
    let requests = api.server.record();
    let busy = ApiError::new(429, "busy").retry_after(1);
    let runs = || {
        Match::verb(Verb::Patch)
            .resource("argoproj.io", "analysisruns")
            .name("one")
    };
    api.server.disturb(runs(), 1, Disturbance::Refuse(busy));
    api.server
        .disturb(runs(), 2, Disturbance::Refuse(ApiError::new(503, "away")));
    let began = Instant::now();
    create(&api, "one", port);
    controller.wait_for("the run", |_| api.phase("one") == "Successful");
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "it did not wait as long as it was told"
    );
    let is_ours = |request: &&RequestRecord| {
        request.verb == Verb::Patch
            && request.uri.contains("/analysisruns/one")
            && request.content_type.contains("merge")
    };
    let mut codes: Vec<u16> = Vec::new();
    controller.wait_for("a record of all", |_| {
        // Requests are recorded after they were answered.
        codes.extend(requests.take().iter().filter(is_ours).map(|request| request.code));
        codes.len() >= 4
    });
    assert_eq!(codes[..4], [429, 503, 503, 200], "{codes:?}");
}

/// By POST, which no disturbance of patches meets.
fn create(api: &Api, name: &str, port: u16) {
    let web = json!({"url": format!("http://127.0.0.1:{port}/"), "jsonPath": "{$.value}"});
    let run = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": {"name": name},
        "spec": {"metrics": [{"name": "m", "successCondition": "result == 7", "provider": {"plugin": {"acme/web": web}}}]}
    });
    api.create(RUNS, &run);
}
