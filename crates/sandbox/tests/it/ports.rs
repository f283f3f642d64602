//! What plugins are handed, and what their answers mean.

use rollcage_api::{
    analysis::{AnalysisPhase, Measurement},
    plugin::PluginKind,
    rollout::{SetHeaderRoute, SetMirrorRoute, Verification},
    step::{StepContext, StepPhase},
};
use rollcage_core::{CallError, FaultKind, Phase, PluginError, PluginErrorKind};
use serde_json::json;

use crate::{
    guest::{Blob, Guest, error},
    support::{Bench, analysis_run, call, metric, rollout, run, usage},
};

#[tokio::test]
async fn a_measurement_gets_its_times_from_the_host() {
    let answer = Blob::measurement(4096).phase(1).message("fine").value("0.95");
    let guest = Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)");
    let measurement = Bench::new().run(&guest).await.unwrap();
    assert_eq!(measurement.phase, AnalysisPhase::Successful);
    assert_eq!(
        (measurement.message.as_str(), measurement.value.as_str()),
        ("fine", "0.95")
    );
    assert!(measurement.started_at.unwrap() <= measurement.finished_at.unwrap());

    let answer = Blob::measurement(4096).phase(0).resume_at("2026-11-22T10:00:00Z");
    let guest = Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)");
    let measurement = Bench::new().run(&guest).await.unwrap();
    assert_eq!(measurement.phase, AnalysisPhase::Running);
    assert_eq!(measurement.finished_at, None);
    assert_eq!(measurement.resume_at, Some("2026-11-22T10:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn without_a_phase_the_conditions_decide() {
    let verdict = async |number: f64| {
        let answer = Blob::measurement(4096).number(number);
        let guest = Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)");
        Bench::new().run(&guest).await.unwrap()
    };
    assert_eq!(verdict(0.95).await.phase, AnalysisPhase::Successful);
    assert_eq!(verdict(0.5).await.phase, AnalysisPhase::Failed);
    // No sample: the condition cannot be evaluated, which is a measurement like any other.
    let measurement = Bench::new().run(&Guest::metric()).await.unwrap();
    assert_eq!(measurement.phase, AnalysisPhase::Error);
    assert!(
        measurement.message.starts_with("could not evaluate successCondition"),
        "{}",
        measurement.message
    );
    assert!(measurement.finished_at.is_some());
}

#[tokio::test]
async fn every_metric_function_reaches_its_own() {
    // Each answers its own phase, so that no two can be mixed up.
    let mut guest = Guest::metric();
    for (index, (function, phase)) in [("run", 0), ("resume", 2), ("terminate", 3)].into_iter().enumerate() {
        let at = 4096 + 256 * u32::try_from(index).unwrap();
        let answer = Blob::measurement(at).phase(phase);
        guest = guest.item(&answer.data()).body(function, &format!("(i32.const {at})"));
    }
    let refusal = error(8192, 4, "nothing to collect", 4);
    let guest = guest.item(&refusal.data()).body("garbage-collect", "(i32.const 8192)");
    let plugin = Bench::new().metric(&guest).await;
    let provider = plugin.as_metric_provider().unwrap();
    assert!(plugin.as_step().is_none() && plugin.as_traffic_router().is_none());
    let (call, run, metric) = (call(), analysis_run(), metric());
    let began = Measurement {
        started_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        ..Measurement::default()
    };
    let phase = |result: Result<Measurement, CallError>| result.unwrap().phase;
    assert_eq!(phase(provider.run(&call, &run, &metric).await), AnalysisPhase::Running);
    let resumed = provider.resume(&call, &run, &metric, &began).await.unwrap();
    assert_eq!(
        (resumed.phase, resumed.started_at),
        (AnalysisPhase::Failed, began.started_at)
    );
    assert_eq!(
        phase(provider.terminate(&call, &run, &metric, &began).await),
        AnalysisPhase::Inconclusive
    );
    assert!(provider.get_metadata(&call, &metric).await.unwrap().is_empty());
    let refused = provider.garbage_collect(&call, &run, &metric, 5).await.unwrap_err();
    assert_eq!(refused.to_string(), "nothing to collect");
}

#[tokio::test]
async fn errors_of_the_plugin_keep_their_kind() {
    for (kind, expected) in [
        (0, PluginErrorKind::InvalidConfig),
        (1, PluginErrorKind::Unavailable),
        (2, PluginErrorKind::Denied),
        (3, PluginErrorKind::Conflict),
        (4, PluginErrorKind::Internal),
    ] {
        let guest = Guest::metric()
            .item(&error(4096, kind, "field query is missing", 8).data())
            .body("run", "(i32.const 4096)");
        let error = Bench::new().run(&guest).await.unwrap_err();
        let expected = PluginError {
            kind: expected,
            message: "field query is missing".into(),
            retry_after: None,
        };
        assert_eq!(error, CallError::Plugin(expected));
    }
}

#[tokio::test]
async fn an_init_that_refuses_is_a_fault_of_the_phase_init() {
    let guest = Guest::metric()
        .item(&error(4096, 0, "--address is missing", 4).data())
        .body("init", "(i32.const 4096)");
    let bench = Bench::new();
    let fault = bench.metric(&guest).await.initialize().await.unwrap_err();
    assert_eq!((fault.phase, fault.kind), (Phase::Init, FaultKind::InitRefused));
    assert_eq!(fault.cause, "--address is missing");
    assert_eq!(bench.fault(&guest).await.kind, FaultKind::InitRefused);
    // What it says of itself does not depend on it.
    bench.metric(&guest).await.describe().await.unwrap();
}

/// Logs the text that the record at parameter 0 has at `offset`.
fn log_text_at(offset: u32) -> String {
    format!(
        "(call $log (i32.const 1) (i32.load offset={offset} (local.get 0)) (i32.load offset={} (local.get 0)))",
        offset + 4
    )
}

#[tokio::test]
async fn views_hold_what_the_object_says() {
    // namespace, name, uid; then the metric: name, success condition, configuration.
    let offsets = [0, 8, 16, 60, 84, 100];
    let body: String = offsets.into_iter().map(log_text_at).collect();
    let guest = Guest::metric()
        .with_log()
        .body("run", &format!("{body} (i32.const 1024)"));
    let plugin = Bench::new().metric(&guest).await;
    let call = call();
    let _ = run(&plugin, &call).await;
    let usage = usage(&call);
    let lines: Vec<&str> = usage.log.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        lines,
        [
            "shop",
            "run",
            "1-2-3",
            "success-rate",
            "result >= 0.9",
            r#"{"query":"up"}"#
        ]
    );
    assert_eq!(usage.guest_memory_bytes, 65536);
}

#[tokio::test]
async fn the_whole_object_is_there_on_request() {
    let guest = Guest::metric()
        .with_log()
        .import(r#"(import "rollcage:plugin/subject@0.1.0" "object" (func $object (param i32)))"#)
        .body(
            "run",
            "(call $object (i32.const 4096))
             (call $log (i32.const 0) (i32.load (i32.const 4096)) (i32.load (i32.const 4100)))
             (i32.const 1024)",
        );
    let plugin = Bench::new().metric(&guest).await;
    let call = call();
    let _ = run(&plugin, &call).await;
    let object: serde_json::Value = serde_json::from_str(&usage(&call).log[0].1).unwrap();
    assert_eq!(object["kind"], "AnalysisRun");
    assert_eq!(object["metadata"]["name"], "run");
}

#[tokio::test]
async fn a_router_answers_and_knows_what_it_can() {
    // A list of one text.
    let capabilities = Blob::new(4096, 16).u32(0, 4104).u32(4, 1).text(8, "header-routes");
    let verified = Blob::new(8192, 16).byte(4, 1);
    let guest = Guest::router()
        .item(&capabilities.data())
        .item(&verified.data())
        .body("capabilities", "(i32.const 4096)")
        .body("verify-weight", "(i32.const 8192)");
    let plugin = Bench::new().load(PluginKind::TrafficRouter, &guest).await.unwrap();
    let router = plugin.as_traffic_router().unwrap();
    assert_eq!(router.capabilities(), None);
    plugin.initialize().await.unwrap();
    assert_eq!(router.capabilities(), Some(vec!["header-routes".to_owned()]));
    let (call, rollout) = (call(), rollout());
    router.set_weight(&call, &rollout, 20, &[]).await.unwrap();
    router.update_hash(&call, &rollout, "a", "b", &[]).await.unwrap();
    router
        .set_header_route(&call, &rollout, &SetHeaderRoute::default())
        .await
        .unwrap();
    router
        .set_mirror_route(&call, &rollout, &SetMirrorRoute::default())
        .await
        .unwrap();
    router.remove_managed_routes(&call, &rollout).await.unwrap();
    assert_eq!(
        router.verify_weight(&call, &rollout, 20, &[]).await.unwrap(),
        Verification::NotVerified
    );
}

#[tokio::test]
async fn a_step_keeps_its_state_as_json() {
    // result<outcome, error>: phase, message, requeue-after, state.
    let outcome = Blob::new(4096, 48)
        .byte(4, 1)
        .byte(5, 0)
        .text(8, "half way")
        .byte(16, 1)
        .u32(20, 15_000)
        .byte(24, 1)
        .text(28, r#"{"done": 5}"#);
    let guest = Guest::step().item(&outcome.data()).body("run", "(i32.const 4096)");
    let plugin = Bench::new().load(PluginKind::Step, &guest).await.unwrap();
    let step = plugin.as_step().unwrap();
    let context = StepContext::default();
    let result = step.run(&call(), &rollout(), &context).await.unwrap();
    assert_eq!(result.phase, Some(StepPhase::Running));
    assert_eq!(
        (result.message.as_str(), &result.status),
        ("half way", &json!({"done": 5}))
    );
    assert_eq!(result.requeue_after.unwrap().to_string(), "15s");
    assert_eq!(step.abort(&call(), &rollout(), &context).await.unwrap().phase, None);

    // A secret is masked in the state's texts, however JSON writes it.
    let secret = Blob::new(4096, 48).byte(24, 1).text(28, r#"{"a\"b": ["is a\"b", 1]}"#);
    let guest = Guest::step().item(&secret.data()).body("run", "(i32.const 4096)");
    let plugin = Bench::new().load(PluginKind::Step, &guest).await.unwrap();
    let mut with_secret = call();
    with_secret.secrets = with_secret.secrets.with(["a\"b".to_owned()]);
    let result = plugin
        .as_step()
        .unwrap()
        .run(&with_secret, &rollout(), &context)
        .await
        .unwrap();
    assert_eq!(result.status, json!({"*****": ["is *****", 1]}));

    let broken = Blob::new(4096, 48).byte(24, 1).text(28, "{");
    let guest = Guest::step().item(&broken.data()).body("run", "(i32.const 4096)");
    let plugin = Bench::new().load(PluginKind::Step, &guest).await.unwrap();
    match plugin.as_step().unwrap().run(&call(), &rollout(), &context).await {
        Err(CallError::Fault(fault)) => assert_eq!(fault.kind, FaultKind::InvalidAnswer),
        other => panic!("{other:?}"),
    }
}
