//! Secrets that entries name, with the rights that the chart gives on them: list and watch, by name.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use rollcage_tests::controlplane::{ControlPlane, until};
use serde_json::json;

use crate::kit::{Site, built, entry, file, spec};

/// A Prometheus and a server of plugins that keep which token they were shown; the latter wants one.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Shown {
    async fn serve(&self) -> u16 {
        let router = Router::new()
            .route("/prometheus.wasm", any(download))
            .fallback(any(answer))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        port
    }

    fn note(&self, headers: &HeaderMap) -> String {
        let token = headers.get("x-token").map(|token| token.to_str().unwrap().to_owned());
        let token = token.unwrap_or_default();
        self.0.lock().unwrap().push(token.clone());
        token
    }

    fn has(&self, token: &str) -> bool {
        self.0.lock().unwrap().iter().any(|shown| shown == token)
    }
}

async fn answer(State(shown): State<Shown>, headers: HeaderMap) -> String {
    shown.note(&headers);
    json!({"status": "success", "data": {"resultType": "vector",
        "result": [{"metric": {}, "value": [1_700_000_000, "0.99"]}]}})
    .to_string()
}

async fn download(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    if shown.note(&headers) == "planted-download" {
        std::fs::read(built("prometheus.wasm")).unwrap().into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn secret(site: &Site<'_>, name: &str, key: &str, value: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}
    });
    site.here.apply(&secret.to_string()).await;
}

#[tokio::test]
async fn a_rotated_credential_is_used_at_once_and_a_download_begins_when_its_secret_is_there() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "rotated").await;
    // Without the right to read Secrets for analyses, which would hide that others are missing.
    let account = site.here.shipped_account(&site.instance, false).await;
    site.here.allow_secrets(&account, &["token", "download"]).await;
    let site = Site { account, ..site };
    let shown = Shown::default();
    let port = shown.serve().await;
    let server = format!("127.0.0.1:{port}");
    let mut rotated = entry("acme/rotated", &file(&built("prometheus.wasm")), port);
    rotated["permissions"]["credentials"] = json!([{
        "name": "c", "secretRef": {"name": "token", "key": "key"}, "header": "x-token", "hosts": [server]
    }]);
    let mut late = entry("acme/late", &format!("http://{server}/prometheus.wasm"), port);
    late["headersFrom"] = json!([{"secretRef": {"name": "download"}}]);
    secret(&site, "token", "key", "planted-old").await;
    site.entries(&json!([rotated, late])).await;
    let run = |plugin: &str, count| {
        let asks = json!({"plugin": {plugin: {"address": format!("http://{server}"), "query": "x"}}});
        spec(&asks, count, "1s")
    };
    site.run("rotated", &run("acme/rotated", 1000)).await;
    site.run("late", &run("acme/late", 1)).await;
    let controller = site.controller();
    until("the first value is used", async || shown.has("planted-old")).await;
    secret(&site, "token", "key", "planted-new").await;
    let changed = Instant::now();
    until("the second value is used", async || shown.has("planted-new")).await;
    let took = changed.elapsed();
    assert!(
        took < Duration::from_secs(20),
        "it was read again in its own time: {took:?}"
    );

    site.message("late", &["acme/late", "\"download\"", "does not exist"])
        .await;
    secret(&site, "download", "x-token", "planted-wrong").await;
    site.message("late", &["acme/late", "401"]).await;
    secret(&site, "download", "x-token", "planted-download").await;
    site.phase("late", "Successful").await;

    let refused = plane.audit().into_iter();
    let refused = refused.filter(|entry| entry["user"]["username"] == site.account.user.as_str());
    let refused: Vec<_> = refused.filter(|entry| entry["responseStatus"]["code"] == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let all = ["get", "analysisruns,events,configmaps", "--output=yaml"];
    assert!(!site.here.kubectl(&all).contains("planted"), "in an object");
    assert!(!controller.log().contains("planted"), "in the log");
}
