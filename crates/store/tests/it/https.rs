//! TLS: who is trusted, and that it is not lost on the way.

use std::sync::Arc;

use rollcage_core::{FaultKind, host::NoCluster};
use rollcage_store::{Store, StoreConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::support::*;

/// A server with a certificate of its own authority; answers every request with `answer`.
async fn serve(answer: Vec<u8>) -> (String, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    (format!("https://localhost:{port}/p.wasm"), certified.cert.pem())
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn trusting(folder: &std::path::Path, pem: &str) -> Store {
    let config = StoreConfig {
        extra_ca: pem.as_bytes().to_vec(),
        ..config()
    };
    Store::open(folder, config).unwrap()
}

#[tokio::test]
async fn an_extra_authority_is_trusted_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component(1, 1000);
    let (url, pem) = serve(ok(&bytes)).await;
    let fault = open(folder.path())
        .fetch(&id(), &entry(&url), &NoCluster)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(
        fault.cause.contains("certificate") && fault.hint.contains("authority"),
        "{fault}"
    );
    let fetched = fetch(&trusting(folder.path(), &pem), &entry(&url)).await.unwrap();
    assert_eq!(&*fetched.bytes, &*bytes);
}

#[tokio::test]
async fn https_does_not_become_http() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Server::of(component(1, 100)).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        plain.url("/x")
    );
    let (url, pem) = serve(redirect.into_bytes()).await;
    let fault = fetch(&trusting(folder.path(), &pem), &entry(&url)).await.unwrap_err();
    assert!(
        fault.contains("which is not encrypted (redirects from https to http are not followed"),
        "{fault}"
    );
    assert_eq!(plain.hits(), 0);
}

#[test]
fn certificates_that_are_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        extra_ca: b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".to_vec(),
        ..config()
    };
    let error = Store::open(folder.path(), config).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the extra certificates are not PEM certificates"),
        "{error}"
    );
}
