//! Certificates: the system's, a grant's own, and none where the grant says so.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, Version, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rollcage_api::plugin::HttpGrant;
use rollcage_core::host::HttpResponse;
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::support::{Server, Told, call, egress, get, host, http, missing, with_options};
use crate::egress::{Egress, EgressError, SendOptions};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        pem,
        issuer: Issuer::new(params, key),
    }
}

struct HttpsServer {
    server: Server,
    versions: Arc<Mutex<Vec<Version>>>,
}

impl HttpsServer {
    /// A server with a certificate for these names.
    async fn start(authority: &Authority, names: &[&str], alpn: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &authority.issuer)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let versions: Arc<Mutex<Vec<Version>>> = Arc::default();
        let seen = versions.clone();
        let server = Server::start(move |stream, _| {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            async move {
                let stream = acceptor.accept(stream).await?;
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                    seen.lock().unwrap().push(request.version());
                    async { Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from("hello")))) }
                });
                let io = TokioIo::new(stream);
                let _ = if h2 {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, answer)
                        .await
                } else {
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, answer)
                        .await
                };
                Ok(())
            }
        })
        .await;
        Self { server, versions }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.server.port)
    }

    fn answered(&self) -> usize {
        self.versions.lock().unwrap().len()
    }
}

async fn send(egress: &Egress, url: String, skip_tls_verify: bool) -> Result<HttpResponse, EgressError> {
    let options = SendOptions {
        skip_tls_verify,
        ..SendOptions::default()
    };
    egress.send(&call().call, get(url), options).await
}

fn guard(grants: Vec<HttpGrant>) -> Egress {
    let names = Told::default().name("name.test", &[&["127.0.0.1"]]);
    egress(&http(grants), &host(), Arc::new(names))
}

#[tokio::test]
async fn a_certificate_counts_when_the_grant_trusts_who_signed_it() {
    let (ours, other) = (authority(), authority());
    let server = HttpsServer::start(&ours, &["localhost", "127.0.0.1", "name.test"], &[]).await;
    let port = server.server.port;
    let granted = |ca: &str| {
        let with_ca = |host: &str| with_options(format!("{host}:{port}"), |options| options.ca = ca.into());
        guard(vec![with_ca("localhost"), with_ca("127.0.0.1"), with_ca("name.test")])
    };
    for (egress, why) in [
        (granted(""), "the system's alone"),
        (granted(&other.pem), "another authority"),
    ] {
        for host in ["localhost", "127.0.0.1", "name.test"] {
            let error = send(&egress, server.url(host), false).await.unwrap_err();
            assert!(matches!(error, EgressError::Tls { .. }), "{why} {host}: {error}");
        }
    }
    assert_eq!(server.answered(), 0);
    for pem in [
        ours.pem.clone(),
        format!("# ours\n{}\n# other\n{}", other.pem, ours.pem),
    ] {
        let egress = granted(&pem);
        for host in ["localhost", "127.0.0.1", "name.test", "NAME.test.", "0x7f.1"] {
            assert_eq!(
                send(&egress, server.url(host), false).await.unwrap().body,
                b"hello",
                "{host}"
            );
        }
    }
}

#[tokio::test]
async fn a_certificate_is_for_its_name_and_a_ca_for_its_grant() {
    let ours = authority();
    let server = HttpsServer::start(&ours, &["name.test"], &[]).await;
    let port = server.server.port;
    let egress = guard(vec![
        with_options(format!("localhost:{port}"), |options| options.ca.clone_from(&ours.pem)),
        HttpGrant::Host(format!("name.test:{port}")),
        HttpGrant::Host(format!("127.0.0.1:{port}")),
    ]);
    for host in ["localhost", "name.test"] {
        let error = send(&egress, server.url(host), false).await.unwrap_err();
        assert!(matches!(error, EgressError::Tls { .. }), "{host}: {error}");
    }
    assert_eq!(server.answered(), 0);
}

#[tokio::test]
async fn unchecked_certificates_need_a_grant_and_a_request() {
    let ours = authority();
    let server = HttpsServer::start(&ours, &["elsewhere.test"], &[]).await;
    let host = format!("127.0.0.1:{}", server.server.port);
    let plain = guard(vec![HttpGrant::Host(host.clone())]);
    let line = format!(r#"http: [{{host: "{host}", insecure: true}}]"#);
    assert_eq!(missing(send(&plain, server.url("127.0.0.1"), true).await), line);
    assert_eq!(server.server.reached(), 0);

    let insecure = guard(vec![with_options(host, |options| options.insecure = true)]);
    let error = send(&insecure, server.url("127.0.0.1"), false).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
    assert_eq!(server.answered(), 0);
    assert_eq!(
        send(&insecure, server.url("127.0.0.1"), true).await.unwrap().status,
        200
    );
    // A connection that was not checked is never used for a request that wants a check.
    let error = send(&insecure, server.url("127.0.0.1"), false).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
    assert_eq!(server.answered(), 1);
}

#[tokio::test]
async fn http_1_and_http_2_by_what_the_server_speaks() {
    let ours = authority();
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let server = HttpsServer::start(&ours, &["127.0.0.1"], alpn).await;
        let grant = with_options(format!("127.0.0.1:{}", server.server.port), |options| {
            options.ca.clone_from(&ours.pem);
        });
        let egress = guard(vec![grant]);
        for _ in 0..3 {
            assert_eq!(
                send(&egress, server.url("127.0.0.1"), false).await.unwrap().body,
                b"hello"
            );
        }
        assert_eq!(*server.versions.lock().unwrap(), [version; 3]);
        assert_eq!(server.server.reached(), 1);
    }
}

#[tokio::test]
async fn no_certificate_at_all_is_a_tls_error() {
    let server = Server::start(|mut stream, _| async move { stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await }).await;
    let egress = guard(vec![server.grant("127.0.0.1")]);
    let url = format!("https://127.0.0.1:{}/", server.port);
    let error = send(&egress, url, false).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
}
