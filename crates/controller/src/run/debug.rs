//! `/debug/plugins`: everything that the registry knows of every plugin, for those who look for a cause on the machine itself.

use std::net::SocketAddr;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rollcage_registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;

/// Answers, for ever. A port that is taken is said, and ends nothing: this page is no one's work.
pub(super) async fn serve(address: SocketAddr, registry: Registry) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "/debug/plugins is not served: name another port with --debugPort");
            return std::future::pending().await;
        }
    };
    let answer = move || async move { answer(&registry) };
    let app = Router::new().route("/debug/plugins", get(answer));
    if let Err(error) = axum::serve(listener, app).await {
        tracing::error!(%error, "/debug/plugins is no longer served");
    }
}

fn answer(registry: &Registry) -> Response {
    let page = json!({"plugins": registry.inspect(), "notes": registry.snapshot().notes});
    match serde_json::to_string_pretty(&page) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
