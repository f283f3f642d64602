//! What the metrics ask.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Result;
use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::any};
use tokio::{net::TcpListener, task::AbortHandle};

const ANSWER: &str = r#"{"status": "success", "data": {"resultType": "vector",
    "result": [{"metric": {"pod": "a"}, "value": [1700000000, "0.99"]}]}}"#;

/// A Prometheus that answers every query with 0.99, and counts them.
pub(super) struct Provider {
    pub port: u16,
    asked: Arc<AtomicUsize>,
    serving: AbortHandle,
}

impl Provider {
    pub async fn start() -> Result<Self> {
        let asked = Arc::<AtomicUsize>::default();
        let router = Router::new().fallback(any(answer)).with_state(Arc::clone(&asked));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            port,
            asked,
            serving: serving.abort_handle(),
        })
    }

    /// Queries so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(asked): State<Arc<AtomicUsize>>) -> impl IntoResponse {
    asked.fetch_add(1, Ordering::Relaxed);
    ([(CONTENT_TYPE, "application/json")], ANSWER)
}
