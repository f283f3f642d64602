//! Connections to the API server, with its credentials; those for writes check the leader's fence whenever bytes go out.
//!
//! Requests share a connection where the server speaks HTTP/2: a connection for each that is under way is a handshake for each,
//! which costs both sides more than the request.

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
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client as HttpClient,
        connect::{Connected, Connection, HttpConnector},
    },
    rt::{TokioExecutor, TokioTimer},
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

/// When the server is asked on a shared connection whether it is still there while answers are waited for, and for how long: all
/// of them wait for it.
const PING: Duration = Duration::from_secs(5);

/// Who may use a connection at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// All requests, where the server can do that.
    All,
    /// One request: what hangs holds up nothing else.
    One,
}

pub(super) fn connect(config: &Config, sharing: Sharing, fence: Option<Fence>) -> Result<Transport, kube::Error> {
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
    let connector = secured(config, sharing, connector)?;
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        .build(connector);
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

/// As `rustls_https_connector_with_connector` of kube, which speaks HTTP/1.1 only.
fn secured(
    config: &Config,
    sharing: Sharing,
    connector: FencedConnector,
) -> Result<HttpsConnector<FencedConnector>, kube::Error> {
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name
            .clone()
            .try_into()
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(match sharing {
        Sharing::All => builder.enable_all_versions().wrap_connector(connector),
        Sharing::One => builder.enable_http1().wrap_connector(connector),
    })
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
    use std::{
        collections::BTreeSet,
        convert::Infallible,
        net::SocketAddr,
        sync::{Arc, Mutex},
    };

    use futures::future::join_all;
    use http::StatusCode;
    use hyper::service::service_fn;
    use hyper_util::{rt::TokioIo, server::conn::auto};
    use tokio::{net::TcpListener, sync::Barrier};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, pki_types::PrivateKeyDer},
    };

    use super::*;

    /// Requests that are under way together.
    const REQUESTS: usize = 8;

    /// The connections on which requests came.
    type Used = Arc<Mutex<BTreeSet<SocketAddr>>>;

    /// A server that speaks `protocols`, and answers once that many requests are there.
    async fn server(protocols: &[&str]) -> (Config, Used) {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let mut tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (used, all) = (Used::default(), Arc::new(Barrier::new(REQUESTS)));
        let noted = used.clone();
        tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                let (acceptor, all, noted) = (acceptor.clone(), all.clone(), noted.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let answer = service_fn(move |_| {
                        noted.lock().unwrap().insert(from);
                        let all = all.clone();
                        async move {
                            all.wait().await;
                            Ok::<_, Infallible>(Response::new(String::new()))
                        }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        let mut config = Config::new(address.parse().unwrap());
        config.root_cert = Some(vec![certified.cert.der().to_vec()]);
        (config, used)
    }

    /// How many connections so many requests at once take, when there was time to make them.
    async fn connections(protocols: &[&str], sharing: Sharing) -> usize {
        let (config, used) = server(protocols).await;
        let transport = connect(&config, sharing, None).unwrap();
        for _ in 0..2 {
            used.lock().unwrap().clear();
            let requests = (0..REQUESTS).map(|_| {
                let request = Request::get("/api").body(Body::empty()).unwrap();
                transport.clone().oneshot(request)
            });
            for answer in join_all(requests).await {
                assert_eq!(answer.unwrap().status(), StatusCode::OK);
            }
        }
        used.lock().unwrap().len()
    }

    #[tokio::test]
    async fn requests_share_a_connection_where_the_server_can() {
        assert_eq!(connections(&["h2", "http/1.1"], Sharing::All).await, 1);
        assert_eq!(connections(&["h2", "http/1.1"], Sharing::One).await, REQUESTS);
        assert_eq!(connections(&["http/1.1"], Sharing::All).await, REQUESTS);
    }

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
