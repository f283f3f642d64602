//! A host of ours against the server, over a socket of the same process.

mod fake;
mod streams;
mod wrong;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use rollcage_api::plugin::PluginKind;
use rollcage_gob::{Decoder, Encoder, Limits, types, wire};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use self::fake::Fake;
use super::*;
use crate::{
    broker,
    ports::service_name,
    rpc::{CallLimits, Client, RpcError},
    yamux::{Role, Session, Socket, Stream, Times},
};

const SOON: Duration = Duration::from_secs(30);

/// A host's side of a connection to a server of one kind.
struct Host {
    session: Session,
    control: Client,
    _output: [Stream; 2],
    serving: JoinHandle<()>,
}

async fn host(kind: PluginKind, serves: bool) -> Host {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let serving = tokio::spawn(Server::serve_connection(kind, theirs, Arc::new(Fake { serves })));
    host_over(ours, serving).await
}

async fn host_over(ours: UnixStream, serving: JoinHandle<()>) -> Host {
    let session = Session::new(Socket::Unix(ours), Role::Client, Times::default());
    let control = session.open().await.unwrap();
    let output = [session.open().await.unwrap(), session.open().await.unwrap()];
    Host {
        control: Client::new(control, Bytes::new(), CallLimits::default()),
        session,
        _output: output,
        serving,
    }
}

impl Host {
    async fn dispense(&self, name: &str) -> Result<u32, RpcError> {
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::STRING, name, to);
        let read = |value: rollcage_gob::Value<'_, '_>| value.decode(types::UINT32);
        self.control.call("Dispenser.Dispense", argument, read, SOON).await
    }

    async fn stream(&self, kind: PluginKind) -> (Stream, Bytes) {
        let number = self.dispense(service_name(kind)).await.unwrap();
        broker::dial(&self.session, number).await.unwrap()
    }

    async fn service(&self, kind: PluginKind) -> Client {
        let (stream, rest) = self.stream(kind).await;
        Client::new(stream, rest, CallLimits::default())
    }

    async fn control(&self, method: &str) -> Result<(), RpcError> {
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::BOOL, &true, to);
        self.control.call(method, argument, |_| Ok(()), SOON).await
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of an argument")]
fn nil(encoder: &mut Encoder, to: &mut Vec<u8>) -> Result<(), rollcage_gob::EncodeError> {
    encoder.nil_interface(to);
    Ok(())
}

/// Calls with an argument of JSON under a registered name, and reads the reply as JSON.
async fn call(
    service: &Client,
    method: &str,
    name: &'static str,
    args: &Value,
    of: rollcage_gob::Type,
) -> Result<Value, RpcError> {
    let argument =
        |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.interface(name, wire::argument(name).unwrap(), args, to);
    service
        .call(
            &format!("Plugin.{method}"),
            argument,
            move |value| value.decode(of),
            SOON,
        )
        .await
}

async fn name_of(service: &Client) -> Result<String, RpcError> {
    service
        .call("Plugin.Type", nil, |value| value.decode(types::STRING), SOON)
        .await
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("it takes for ever")
}

/// A metric provider's, over two connections one after the other.
#[tokio::test]
async fn a01_every_method_of_a_metric_provider() {
    let kind = PluginKind::MetricProvider;
    for _ in 0..2 {
        let host = host(kind, true).await;
        host.control("Control.Ping").await.unwrap();
        let error = host.dispense("nope").await.unwrap_err();
        assert_eq!(error.to_string(), "unknown plugin type: nope");
        let service = host.service(kind).await;
        let read = |value: rollcage_gob::Value<'_, '_>| value.decode::<wire::RpcError>(types::TYPES_RPC_ERROR);
        assert_eq!(
            service
                .call("Plugin.InitPlugin", nil, read, SOON)
                .await
                .unwrap()
                .error_string,
            ""
        );
        assert_eq!(name_of(&service).await.unwrap(), "a/b");
        let run = json!({"metadata": {"namespace": "shop"}, "spec": {"metrics": [], "args": [{"name": "x"}]}});
        let metric = |name: &str| json!({"name": name, "provider": {"plugin": {"other/name": {"a": 1}}}});
        let args = json!({"analysisRun": run, "metric": metric("m")});
        let measured = call(&service, "Run", "RunArgs", &args, types::MEASUREMENT)
            .await
            .unwrap();
        assert_eq!(
            measured,
            json!({"phase": "Successful", "value": "m", "startedAt": "2024-01-02T03:04:05Z", "metadata": {"k": "v"},
                "message": r#"shop Some(Object {"a": Number(1)}) 1"#})
        );
        let before = json!({"phase": "Running", "startedAt": "2024-01-02T03:04:05Z", "metadata": {"job": "7"}});
        let args = |name: &str| json!({"analysisRun": run, "metric": metric(name), "measurement": before});
        let again = "TerminateAndResumeArgs";
        let resumed = call(&service, "Resume", again, &args("m"), types::MEASUREMENT)
            .await
            .unwrap();
        assert_eq!(
            (&resumed["value"], &resumed["metadata"]["job"]),
            (&json!("resumed"), &json!("7"))
        );
        let ended = call(&service, "Terminate", again, &args("m"), types::MEASUREMENT)
            .await
            .unwrap();
        assert_eq!(ended, before);
        // What goes wrong keeps what was known.
        for (name, text) in [
            ("error", "no, says the plugin"),
            ("fault", "plugin a/b: call: unreachable (look at it)"),
        ] {
            let failed = call(&service, "Resume", again, &args(name), types::MEASUREMENT)
                .await
                .unwrap();
            assert_eq!(
                (&failed["phase"], &failed["message"], &failed["metadata"]["job"]),
                (&json!("Error"), &json!(text), &json!("7"))
            );
            assert!(failed["finishedAt"].is_string() && failed["startedAt"] == before["startedAt"]);
            let args = json!({"analysisRun": run, "metric": metric(name), "limit": 3});
            let error = call(
                &service,
                "GarbageCollect",
                "GarbageCollectArgs",
                &args,
                types::TYPES_RPC_ERROR,
            )
            .await;
            assert_eq!(error.unwrap(), json!({"errorString": text}));
            let args = json!({"metric": metric(name)});
            let facts = call(&service, "GetMetadata", "GetMetadataArgs", &args, types::STRINGS).await;
            assert_eq!(facts.unwrap(), json!({"error": text}));
        }
        let args = json!({"analysisRun": run, "metric": metric("m"), "limit": 3});
        let error = call(
            &service,
            "GarbageCollect",
            "GarbageCollectArgs",
            &args,
            types::TYPES_RPC_ERROR,
        )
        .await;
        assert_eq!(error.unwrap(), json!({}));
        let args = json!({"metric": metric("m")});
        let facts = call(&service, "GetMetadata", "GetMetadataArgs", &args, types::STRINGS).await;
        assert_eq!(facts.unwrap(), json!({"query": "m"}));
        drop(host.session);
        within(host.serving).await.unwrap();
    }
}

/// And its texts.
#[tokio::test]
async fn a06_every_method_of_a_traffic_router() {
    let kind = PluginKind::TrafficRouter;
    let host = host(kind, true).await;
    let service = host.service(kind).await;
    let methods = [
        (
            "UpdateHash",
            "UpdateHashArgs",
            json!({"canaryHash": "c", "stableHash": "s"}),
        ),
        (
            "SetWeight",
            "SetWeightAndVerifyWeightArgs",
            json!({"desiredWeight": 20}),
        ),
        (
            "SetHeaderRoute",
            "SetHeaderArgs",
            json!({"setHeaderRoute": {"name": "r"}}),
        ),
        (
            "SetMirrorRoute",
            "SetMirrorArgs",
            json!({"setMirrorRoute": {"name": "r"}}),
        ),
        ("RemoveManagedRoutes", "RemoveManagedRoutesArgs", json!({})),
    ];
    for (rollout, says) in [
        ("fine", ""),
        ("error", "no, says the plugin"),
        ("silent", "the plugin failed without a word"),
        ("fault", "plugin a/b: call: unreachable (look at it)"),
    ] {
        for (method, name, args) in &methods {
            let mut args = args.clone();
            args["rollout"] = json!({"metadata": {"name": rollout}});
            let error = call(&service, method, name, &args, types::TYPES_RPC_ERROR)
                .await
                .unwrap();
            assert_eq!(
                error.get("errorString").map_or("", |text| text.as_str().unwrap()),
                says,
                "{method}"
            );
        }
    }
    for (weight, rollout, verified, error) in [
        (0, "fine", 0, ""),
        (1, "fine", 1, ""),
        (2, "fine", 2, ""),
        (1, "error", 0, "no, says the plugin"),
    ] {
        let args = json!({"rollout": {"metadata": {"name": rollout}}, "desiredWeight": weight});
        let name = "SetWeightAndVerifyWeightArgs";
        let argument =
            |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.interface(name, wire::argument(name).unwrap(), &args, to);
        let read = |value: rollcage_gob::Value<'_, '_>| {
            value.decode::<wire::VerifyWeightResponse>(types::ROUTER_VERIFY_WEIGHT_RESPONSE)
        };
        let answer = service.call("Plugin.VerifyWeight", argument, read, SOON).await.unwrap();
        assert_eq!((answer.verified, answer.err.error_string.as_str()), (verified, error));
    }
}

#[tokio::test]
async fn a07_every_method_of_a_step() {
    let kind = PluginKind::Step;
    let host = host(kind, true).await;
    let service = host.service(kind).await;
    let context = json!({"pluginName": "argo/name", "config": {"a": 1}, "status": {"runs": 2}});
    let args = |rollout: &str| json!({"rollout": {"metadata": {"name": rollout}}, "context": context});
    let running = call(&service, "Run", "step.RunArgs", &args("fine"), types::STEP_RESPONSE)
        .await
        .unwrap();
    assert_eq!(
        running["result"],
        json!({"phase": "Running", "message": "a/b", "requeueAfter": "30s", "status": {"runs": 2}})
    );
    for (method, name) in [
        ("Run", "step.RunArgs"),
        ("Terminate", "step.TerminateArgs"),
        ("Abort", "step.AbortArgs"),
    ] {
        let failed = call(&service, method, name, &args("fault"), types::STEP_RESPONSE)
            .await
            .unwrap();
        assert_eq!(
            failed["error"]["errorString"],
            "plugin a/b: call: unreachable (look at it)"
        );
    }
}

/// No AnalysisRun, no Rollout, no context: an error, and the next call is as good as ever.
#[tokio::test]
async fn a08_a_host_that_sends_no_object() {
    let kind = PluginKind::MetricProvider;
    let metrics = host(kind, true).await;
    let service = metrics.service(kind).await;
    let args = json!({"metric": {"name": "m"}});
    for (method, name) in [
        ("Run", "RunArgs"),
        ("Resume", "TerminateAndResumeArgs"),
        ("Terminate", "TerminateAndResumeArgs"),
    ] {
        let none = call(&service, method, name, &args, types::MEASUREMENT).await.unwrap();
        assert_eq!(
            (&none["phase"], &none["message"]),
            (&json!("Error"), &json!("the host sent no AnalysisRun")),
            "{method}"
        );
    }
    assert_eq!(name_of(&service).await.unwrap(), "a/b");
    let kind = PluginKind::Step;
    let steps = host(kind, true).await;
    let service = steps.service(kind).await;
    for (method, name) in [
        ("Run", "step.RunArgs"),
        ("Terminate", "step.TerminateArgs"),
        ("Abort", "step.AbortArgs"),
    ] {
        let args = json!({"context": {"pluginName": "argo/name"}});
        let none = call(&service, method, name, &args, types::STEP_RESPONSE).await.unwrap();
        let says = none["error"]["errorString"].as_str().unwrap();
        assert!(says.contains("no Rollout"), "{method}: {none}");
    }
    assert_eq!(name_of(&service).await.unwrap(), "a/b");
}

/// A plugin that does not serve: each method says why, in the field that Argo shows.
#[tokio::test]
async fn what_does_not_serve_says_so_in_every_answer() {
    let says = json!("plugin a/b: fetch: it is on its way (wait)");
    let kind = PluginKind::MetricProvider;
    let metrics = host(kind, false).await;
    let service = metrics.service(kind).await;
    let read = |value: rollcage_gob::Value<'_, '_>| value.decode::<wire::RpcError>(types::TYPES_RPC_ERROR);
    assert_eq!(
        service
            .call("Plugin.InitPlugin", nil, read, SOON)
            .await
            .unwrap()
            .error_string,
        ""
    );
    let args = json!({"analysisRun": {}, "metric": {"name": "m"}, "limit": 3});
    let run = call(&service, "Run", "RunArgs", &args, types::MEASUREMENT)
        .await
        .unwrap();
    assert_eq!((&run["phase"], &run["message"]), (&json!("Error"), &says));
    let collected = call(
        &service,
        "GarbageCollect",
        "GarbageCollectArgs",
        &args,
        types::TYPES_RPC_ERROR,
    )
    .await;
    assert_eq!(collected.unwrap()["errorString"], says);
    let facts = call(&service, "GetMetadata", "GetMetadataArgs", &args, types::STRINGS)
        .await
        .unwrap();
    assert_eq!(facts["error"], says);
    let kind = PluginKind::Step;
    let steps = host(kind, false).await;
    let service = steps.service(kind).await;
    let args = json!({"rollout": {}, "context": {}});
    let answer = call(&service, "Run", "step.RunArgs", &args, types::STEP_RESPONSE)
        .await
        .unwrap();
    assert_eq!(answer["error"]["errorString"], says);
}

/// A port that panics is an error of its call; others go on, and calls run side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n03_calls_run_side_by_side_and_a_panic_is_one_call() {
    let kind = PluginKind::MetricProvider;
    let host = host(kind, true).await;
    let service = Arc::new(host.service(kind).await);
    let one = |name: String| {
        let service = service.clone();
        async move {
            let args = json!({"analysisRun": {}, "metric": {"name": name}});
            call(&service, "Run", "RunArgs", &args, types::MEASUREMENT).await
        }
    };
    let slow = tokio::spawn(one("slow 60000".to_owned()));
    let error = one("panic".to_owned()).await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    let calls: Vec<_> = (0..500).map(|n| tokio::spawn(one(format!("slow {}", n % 7)))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap()["value"], format!("slow {}", n % 7));
    }
    assert!(!slow.is_finished());
    slow.abort();
}
