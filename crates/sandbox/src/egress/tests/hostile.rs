//! Servers that break the protocol, each with the error that it deserves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::io::AsyncWriteExt;

use super::support::{Server, call_of, egress, get, host, http, send};
use crate::egress::{EgressErrorKind, SendOptions};

#[tokio::test]
async fn broken_answers_are_errors_of_the_server() {
    use EgressErrorKind::{Protocol, TooLarge};
    let many_headers = "X: y\r\n".repeat(300);
    let long_header = "y".repeat(100_000);
    for (answer, kind) in [
        (String::new(), Protocol),
        ("HTT".into(), Protocol),
        ("nonsense\r\n\r\n".into(), Protocol),
        ("\0\u{1}\u{2}\r\n\r\n".into(), Protocol),
        ("SSH-2.0-OpenSSH_9.2\r\n".into(), Protocol),
        ("HTTP/1.1 200 OK\r\n".into(), Protocol),
        ("HTTP/1.1 9999 OK\r\n\r\n".into(), Protocol),
        ("HTTP/1.1 200 OK\r\nX\u{0}: y\r\n\r\n".into(), Protocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".into(), Protocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".into(), Protocol),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into(),
            Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".into(),
            Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into(),
            Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n".into(),
            Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab".into(),
            Protocol,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".into(),
            Protocol,
        ),
        (format!("HTTP/1.1 200 OK\r\n{many_headers}\r\n"), TooLarge),
        (format!("HTTP/1.1 200 OK\r\nX: {long_header}\r\n\r\n"), TooLarge),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n".to_owned() + &"x".repeat(1_000_000),
            TooLarge,
        ),
    ] {
        let shown: String = answer.chars().take(80).collect();
        let server = Server::answering(answer).await;
        let egress = egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default());
        match send(&egress, get(server.url("127.0.0.1"))).await {
            Err(error) => {
                assert_eq!(error.kind(), kind, "{shown:?}: {error}");
                assert!(!error.to_string().contains("query"), "{error}");
            }
            Ok(answer) => panic!("{shown:?}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn endless_answers_end() {
    // What is repeated after the first line, and whether it ends by size or by time.
    for (start, repeated, kind) in [
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n", EgressErrorKind::TooLarge),
        ("HTTP/1.1 200 OK\r\nX: ", "yyyyyyyyyyyyyyyy", EgressErrorKind::TooLarge),
        ("HTTP/1.1 200 ", "OOOOOOOOOOOOOOOO", EgressErrorKind::TooLarge),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", EgressErrorKind::Timeout),
        ("", "\r\n", EgressErrorKind::Timeout),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1;extension=extension\r\nx\r\n",
            EgressErrorKind::Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "X: y\r\n",
            EgressErrorKind::Protocol,
        ),
    ] {
        let server = Server::start(move |mut stream, server| async move {
            server.read_request(&mut stream).await?;
            stream.write_all(start.as_bytes()).await?;
            loop {
                stream.write_all(repeated.repeat(100).as_bytes()).await?;
                tokio::task::yield_now().await;
            }
        })
        .await;
        let egress = egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default());
        let began = Instant::now();
        let error = egress
            .send(
                &call_of(Duration::from_secs(2)).call,
                get(server.url("127.0.0.1")),
                SendOptions::default(),
            )
            .await
            .unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(8), "{repeated:?}");
        // An answer that is read faster than it is limited ends by time instead: it ends.
        assert!(
            error.kind() == kind || error.kind() == EgressErrorKind::Timeout,
            "{repeated:?}: {error}"
        );
    }
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let grant = rollcage_api::plugin::HttpGrant::Host(format!("127.0.0.1:{port}"));
    let egress = egress(&http(vec![grant]), &host(), Arc::default());
    let error = send(&egress, get(format!("http://127.0.0.1:{port}/secret")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), EgressErrorKind::Connect);
    assert!(
        error
            .to_string()
            .starts_with(&format!("127.0.0.1:{port}: no connection: ")),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}
