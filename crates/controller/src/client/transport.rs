//! Connections to the API server, with its credentials; those for writes check the leader's fence whenever bytes go out.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        Client as HttpClient,
        connect::{Connected, Connection, HttpConnector},
    },
    rt::TokioExecutor,
};
use kube::{
    Config,
    client::{Body, ConfigExt as _},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, util::BoxCloneService};

use super::fence::Fence;

/// An answer's body.
pub(super) type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// What sends requests.
pub(super) type Transport = BoxCloneService<Request<Body>, Response<Answer>, BoxError>;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// When a silent connection is asked whether there is still somebody, and how often: a watch can be silent for minutes.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How long sent bytes may stay unconfirmed.
const UNCONFIRMED: Duration = Duration::from_secs(20);

pub(super) fn connect(config: &Config, fence: Option<Fence>) -> Result<Transport, kube::Error> {
    if let Some(proxy) = &config.proxy_url {
        return Err(kube::Error::ProxyProtocolUnsupported {
            proxy_url: Box::new(proxy.clone()),
        });
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE));
    connector.set_keepalive_retries(Some(2));
    connector.set_tcp_user_timeout(Some(UNCONFIRMED));
    let connector = FencedConnector {
        inner: connector,
        fence,
    };
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(service
        .map_err(Into::<BoxError>::into)
        .map_response(|response| response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        .boxed_clone())
}

#[derive(Clone)]
struct FencedConnector {
    inner: HttpConnector,
    fence: Option<Fence>,
}

impl Service<Uri> for FencedConnector {
    type Response = Fenced<<HttpConnector as Service<Uri>>::Response>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Service::<Uri>::poll_ready(&mut self.inner, cx).map_err(io::Error::other)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, fence) = (self.inner.call(uri), self.fence.clone());
        Box::pin(async move {
            let inner = connecting.await.map_err(io::Error::other)?;
            Ok(Fenced { inner, fence })
        })
    }
}

/// A connection on which nothing is sent while the fence is closed.
struct Fenced<T> {
    inner: T,
    fence: Option<Fence>,
}

impl<T> Fenced<T> {
    fn check(&self) -> io::Result<()> {
        match &self.fence {
            Some(fence) => fence
                .check()
                .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error)),
            None => Ok(()),
        }
    }
}

impl<T: Connection> Connection for Fenced<T> {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

impl<T: Read + Unpin> Read for Fenced<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Fenced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;

    use super::*;

    /// Hyper's own way to write.
    async fn write(connection: &mut Fenced<TokioIo<tokio::io::DuplexStream>>) -> io::Result<usize> {
        std::future::poll_fn(|cx| Pin::new(&mut *connection).poll_write(cx, b"x")).await
    }

    #[tokio::test]
    async fn no_byte_goes_out_once_the_fence_is_closed() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let fence = Fence::open();
        let mut connection = Fenced {
            inner: TokioIo::new(ours),
            fence: Some(fence.clone()),
        };
        assert_eq!(write(&mut connection).await.unwrap(), 1);
        fence.close();
        let refused = write(&mut connection).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        connection.fence = None;
        assert_eq!(write(&mut connection).await.unwrap(), 1);
    }
}
