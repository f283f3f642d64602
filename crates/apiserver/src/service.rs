//! The server as a tower service: what `kube::Client::new` takes.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;

use crate::{handle::handle, reply::ResponseBody, server::ApiServer};

/// Answers requests with no socket in between. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiService {
    server: Arc<ApiServer>,
}

impl ApiService {
    pub(crate) fn new(server: Arc<ApiServer>) -> Self {
        Self { server }
    }
}

impl<B> tower::Service<Request<B>> for ApiService
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.server.clone();
        Box::pin(async move { Ok(handle(server, request).await) })
    }
}
