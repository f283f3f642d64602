//! Whatever comes, the answer is an answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use rollcage_apiserver::{ApiServer, Limits, ResponseBody};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::clock;

/// Sends a request; code and body of the answer.
pub async fn send(server: &Arc<ApiServer>, method: &str, uri: &str, content_type: &str, body: Vec<u8>) -> (u16, Bytes) {
    let response = open(server, method, uri, content_type, body).await;
    let code = response.status().as_u16();
    (code, response.into_body().collect().await.unwrap().to_bytes())
}

/// Sends a request.
pub async fn open(
    server: &Arc<ApiServer>,
    method: &str,
    uri: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Response<ResponseBody> {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", content_type);
    server
        .service()
        .oneshot(request.body(Full::new(Bytes::from(body))).unwrap())
        .await
        .unwrap()
}

const TYPES: &[&str] = &[
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "text/plain",
];

const PATHS: &[&str] = &[
    "/api/v1/namespaces/default/configmaps",
    "/api/v1/namespaces/default/configmaps/a",
    "/api/v1/namespaces/default/pods/a",
    "/api/v1/namespaces/default/secrets/a",
    "/api/v1/namespaces/default",
    "/apis/apps/v1/namespaces/default/deployments/a",
    "/apis/apps/v1/namespaces/default/deployments/a/status",
    "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts/a",
    "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts/a/status",
    "/apis/argoproj.io/v1alpha1/namespaces/default/analysisruns",
    "/apis/events.k8s.io/v1/namespaces/default/events/a",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b",
];

fn word() -> impl Strategy<Value = String> {
    let words = [
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
        "uid",
        "resourceVersion",
        "generation",
        "deletionTimestamp",
        "fieldsV1",
        "fieldsType",
        "FieldsV1",
        "manager",
        "operation",
        "Apply",
        "Update",
        "spec",
        "status",
        "template",
        "containers",
        "ports",
        "data",
        "stringData",
        "items",
        "kind",
        "apiVersion",
        "v1",
        "ConfigMap",
        "Pod",
        "Deployment",
        "apps/v1",
        "Rollout",
        "argoproj.io/v1alpha1",
        "a",
        "",
        ".",
        "f:spec",
        "k:{\"name\":\"a\"}",
        "k:[",
        "v:1",
        "i:0",
        "$patch",
        "delete",
        "replace",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "$retainKeys",
        "op",
        "path",
        "from",
        "value",
        "add",
        "copy",
        "/spec",
        "/-",
        "versions",
        "group",
        "names",
        "plural",
        "scope",
        "Namespaced",
        "storage",
        "served",
        "conditions",
    ];
    prop_oneof![8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(-1), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Mostly something that gets past the first check.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let object = (
        value(),
        value(),
        value(),
        proptest::sample::select(vec!["ConfigMap", "Pod", "Deployment", "Rollout"]),
    )
        .prop_map(|(meta, spec, status, kind)| {
            let version = match kind {
                "Deployment" => "apps/v1",
                "Rollout" => "argoproj.io/v1alpha1",
                _ => "v1",
            };
            let mut meta = if meta.is_object() { meta } else { json!({}) };
            meta["name"] = json!("a");
            json!({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec, "status": status})
        });
    prop_oneof![
        4 => object.prop_map(|value| value.to_string().into_bytes()),
        4 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_breaks_the_server(
        requests in proptest::collection::vec(
            (
                proptest::sample::select(vec!["GET", "POST", "PUT", "PATCH", "PATCH", "PATCH", "DELETE", "HEAD"]),
                proptest::sample::select(PATHS.to_vec()),
                proptest::sample::select(vec!["", "?fieldManager=a", "?fieldManager=b&force=true", "?limit=x", "?labelSelector=%28a", "?dryRun=All"]),
                proptest::sample::select(TYPES.to_vec()),
                body(),
            ),
            1..24,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let server = ApiServer::new(clock());
            for (kind, path) in [("Pod", "/api/v1/namespaces/default/pods"), ("ConfigMap", "/api/v1/namespaces/default/configmaps")] {
                let seed = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}});
                send(&server, "POST", path, "application/json", seed.to_string().into_bytes()).await;
            }
            for (method, path, query, content_type, body) in requests {
                let (code, answer) = send(&server, method, &format!("{path}{query}"), content_type, body).await;
                prop_assert!((200..600).contains(&code));
                prop_assert!(serde_json::from_slice::<Value>(&answer).is_ok(), "{code} {answer:?}");
            }
            // Whatever was stored is still an object that can be shown.
            let (code, _) = send(&server, "GET", "/api/v1/pods", "", Vec::new()).await;
            prop_assert_eq!(code, 200);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let limits = Limits {
        objects: 8,
        depth: 16,
        watches: 1,
        ..Limits::default()
    };
    let server = ApiServer::with_limits(clock(), limits);
    let path = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts";
    let rollout = |name: &str, spec: &str| {
        format!(
            r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{{"name":"{name}"}},"spec":{spec}}}"#
        )
        .into_bytes()
    };
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let json = "application/json";
    assert_eq!(
        send(&server, "POST", path, json, rollout("a", &deep(1000))).await.0,
        400
    );
    assert_eq!(send(&server, "POST", path, json, rollout("a", &deep(30))).await.0, 400);
    assert_eq!(send(&server, "POST", path, json, rollout("a", &deep(10))).await.0, 201);
    let one = format!("{path}/a");
    let nest = json!([{"op": "copy", "from": "/spec", "path": "/spec/0/0/0/0/0/0/0/0"}])
        .to_string()
        .into_bytes();
    let code = send(&server, "PATCH", &one, "application/json-patch+json", nest)
        .await
        .0;
    assert!((400..500).contains(&code), "{code}");
    let many = json!(vec![json!({"op": "test", "path": "/spec", "value": 1}); 10_001])
        .to_string()
        .into_bytes();
    assert_eq!(
        send(&server, "PATCH", &one, "application/json-patch+json", many)
            .await
            .0,
        413
    );
    for index in 0..4 {
        let code = send(&server, "POST", path, json, rollout(&format!("r{index}"), "{}"))
            .await
            .0;
        assert_eq!(code, if index < 3 { 201 } else { 507 }, "{index}");
    }
    let first = open(&server, "GET", "/api/v1/pods?watch=1", "", Vec::new()).await;
    assert_eq!(first.status(), 200);
    assert_eq!(
        send(&server, "GET", "/api/v1/pods?watch=1", "", Vec::new()).await.0,
        429
    );
    drop(first);
    assert_eq!(
        open(&server, "GET", "/api/v1/pods?watch=1", "", Vec::new())
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_full_store_refuses_and_recovers() {
    let server = ApiServer::with_limits(
        clock(),
        Limits {
            bytes: 64 << 10,
            ..Limits::default()
        },
    );
    let path = "/api/v1/namespaces/default/configmaps";
    let map = |name: &str| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"x": "y".repeat(20 << 10)}});
        map.to_string().into_bytes()
    };
    let json = "application/json";
    for (name, code) in [("a", 201), ("b", 201), ("c", 201), ("d", 507)] {
        assert_eq!(send(&server, "POST", path, json, map(name)).await.0, code, "{name}");
    }
    let grow = json!({"data": {"z": "y".repeat(20 << 10)}}).to_string().into_bytes();
    let code = send(
        &server,
        "PATCH",
        &format!("{path}/a"),
        "application/merge-patch+json",
        grow,
    )
    .await
    .0;
    assert_eq!(code, 507);
    assert_eq!(
        send(&server, "DELETE", &format!("{path}/a"), json, Vec::new()).await.0,
        200
    );
    assert_eq!(send(&server, "POST", path, json, map("d")).await.0, 201);
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let server = ApiServer::with_limits(
        clock(),
        Limits {
            body_time: Duration::from_millis(30),
            ..Limits::default()
        },
    );
    let endless = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::post("/api/v1/namespaces/default/configmaps")
        .body(endless)
        .unwrap();
    assert_eq!(server.service().oneshot(request).await.unwrap().status(), 408);
    let dripping = StreamBody::new(futures::stream::repeat_with(|| {
        Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b' '; 1 << 16])))
    }));
    let request = Request::post("/api/v1/namespaces/default/configmaps")
        .body(dripping)
        .unwrap();
    assert_eq!(server.service().oneshot(request).await.unwrap().status(), 413);
}
