//! `/healthz` and `/readyz`: what they say depends on nothing outside of this process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;

/// Whether the process is ready: its plugins were loaded once, or had their time for it. Whether it leads does not matter,
/// and once it is ready it stays so.
#[derive(Clone, Debug, Default)]
pub struct Health {
    ready: Arc<AtomicBool>,
}

impl Health {
    /// It is.
    pub fn is_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Answers probes, for ever.
    pub async fn serve(self, listener: TcpListener) {
        let ready = move || async move {
            if self.ready.load(Ordering::Relaxed) {
                (StatusCode::OK, "ok")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "plugins are being loaded")
            }
        };
        let app = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(ready));
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "probes are no longer answered");
        }
    }
}
