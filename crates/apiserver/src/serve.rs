//! The server over HTTP/1.1, for clients in other processes.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::Router;
use tokio::net::TcpListener;

use crate::server::ApiServer;

impl ApiServer {
    /// Answers HTTP requests until `stop` is done, then ends watches and waits for the requests that are under way.
    /// There is no authentication: listen where only those can connect who may do anything.
    pub async fn serve(
        self: &Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (stopped, mut stopping) = tokio::sync::watch::channel(false);
        let router = Router::new().fallback_service(self.service());
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            stop.await;
            stopped.send_replace(true);
        });
        let end_watches = async {
            // Never wakes if the server ended by itself, and then nobody waits for this.
            if stopping.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
            // A request that was under way may have begun a watch since.
            loop {
                self.end_watches();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            served = serving.into_future() => served,
            () = end_watches => Ok(()),
        }
    }
}
