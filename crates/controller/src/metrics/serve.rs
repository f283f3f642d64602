//! `GET /metrics`.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rollcage_registry::Registry;
use tokio::net::TcpListener;

use super::Metrics;

/// Prometheus' text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers, until it is dropped.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, registry: Registry) {
    let answer = move || async move { answer(&metrics, &registry) };
    let app = Router::new().route("/metrics", get(answer));
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

fn answer(metrics: &Metrics, registry: &Registry) -> Response {
    match metrics.text(&registry.snapshot(), &registry.memory()) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
