//! `GET /metrics`.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::{Metrics, States};

/// Prometheus' text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers, until it is dropped.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>, states: States) {
    let answer = move || async move { answer(&metrics, &states) };
    let app = Router::new().route("/metrics", get(answer));
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

fn answer(metrics: &Metrics, states: &States) -> Response {
    let now = states.borrow().clone();
    match metrics.text(&now) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
