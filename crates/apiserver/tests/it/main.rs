//! The server through real clients.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod apply;
mod deletion;
mod hooks;
mod hostile;
mod http;
mod kinds;
mod objects;
mod patches;
mod sequences;
mod watches;

use std::sync::Arc;

use kube::Client;
use rollcage_apiserver::{ApiServer, Now};

/// A clock that stands still.
pub fn clock() -> Now {
    Arc::new(|| "2026-03-01T10:00:00.5Z".parse().unwrap())
}

/// A server and a client of it with no socket in between.
pub fn start() -> (Arc<ApiServer>, Client) {
    let server = ApiServer::new(clock());
    let client = Client::new(server.service(), "default");
    (server, client)
}
