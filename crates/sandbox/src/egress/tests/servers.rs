//! What arrives at a server that is granted, and what comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rollcage_core::host::HttpRequest;
use tokio::io::AsyncWriteExt;

use super::support::{Server, call, egress, get, host, http, missing, ok, send, with_options};
use crate::egress::{EgressError, SendOptions};

fn request(method: &str, url: String, headers: &[(&str, &str)], body: &str) -> HttpRequest {
    HttpRequest {
        method: method.into(),
        url,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        body: body.into(),
    }
}

#[tokio::test]
async fn a_whole_request_arrives_and_a_whole_answer_returns() {
    let server = Server::answering(
        "HTTP/1.1 404 Gone Fishing\r\nX-Twice: 1\r\nx-twice: 2\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    )
    .await;
    let egress = egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default());
    let headers = [
        ("X-Own", "a"),
        ("X-Own", "b"),
        ("Content-Length", "4"),
        ("Host", &*format!("127.0.0.1:{}", server.port)),
    ];
    let answer = send(&egress, request("put", server.url("127.0.0.1"), &headers, "body"))
        .await
        .unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body, b"hello world");
    let expected = [("x-twice", "1"), ("x-twice", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answer.headers, expected);

    let received = &server.requests()[0];
    assert!(received.starts_with("PUT /path?query=1 HTTP/1.1\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\nbody"), "{received}");
    assert!(received.contains("x-own: a\r\nx-own: b\r\n"), "{received}");
    for header in ["host:", "content-length: 4"] {
        assert_eq!(received.matches(header).count(), 1, "{received}");
    }
    assert!(!received.contains("transfer-encoding"), "{received}");
}

#[tokio::test]
async fn methods_are_those_of_the_grant() {
    let server = Server::echo().await;
    let grant = with_options(format!("127.0.0.1:{}", server.port), |options| {
        options.methods = vec!["get".into(), "POST".into()];
    });
    let egress = egress(&http(vec![grant]), &host(), Arc::default());
    let send_method = |method: &'static str| {
        let request = request(method, server.url("127.0.0.1"), &[], "");
        let egress = egress.clone();
        async move { send(&egress, request).await }
    };
    for method in ["", "GET", "get", "Post"] {
        assert_eq!(send_method(method).await.unwrap().status, 200, "{method}");
    }
    assert_eq!(server.reached(), 4);
    for method in ["PUT", "DELETE", "HEAD", "X"] {
        let line = format!(r#"http: [{{host: "127.0.0.1:{}", methods: [{method}]}}]"#, server.port);
        assert_eq!(missing(send_method(method).await), line);
    }
    for method in ["CONNECT", "trace", "G ET", "GET\r\nX: y", "GET / HTTP/1.1"] {
        let error = send_method(method).await.unwrap_err();
        assert!(matches!(error, EgressError::InvalidRequest(_)), "{method}: {error}");
    }
    assert_eq!(server.reached(), 4);
}

#[tokio::test]
async fn a_guest_cannot_name_another_host_or_frame_messages() {
    let server = Server::echo().await;
    let egress = egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default());
    for header in [
        ("Host", "evil.test"),
        ("host", "127.0.0.1:1"),
        ("Connection", "upgrade"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "0"),
        ("Upgrade", "websocket"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "x"),
        ("X", "a\r\nHost: evil.test"),
        ("X\r\nHost", "evil.test"),
    ] {
        let error = send(&egress, request("POST", server.url("127.0.0.1"), &[header], "body"))
            .await
            .unwrap_err();
        assert!(matches!(error, EgressError::InvalidRequest(_)), "{header:?}: {error}");
    }
    assert_eq!(server.reached(), 0);
}

#[tokio::test]
async fn connections_are_kept_and_belong_to_one_plugin() {
    let server = Server::start(|mut stream, server| async move {
        loop {
            if server.read_request(&mut stream).await?.is_empty() {
                return Ok(());
            }
            stream.write_all(&ok("again")).await?;
        }
    })
    .await;
    let permissions = http(vec![server.grant("127.0.0.1")]);
    let first = egress(&permissions, &host(), Arc::default());
    for _ in 0..5 {
        send(&first, get(server.url("127.0.0.1"))).await.unwrap();
    }
    assert_eq!(server.reached(), 1);
    let second = egress(&permissions, &host(), Arc::default());
    send(&second, get(server.url("127.0.0.1"))).await.unwrap();
    assert_eq!(server.reached(), 2);
}

#[tokio::test]
async fn denials_are_noted_and_requests_counted() {
    let server = Server::echo().await;
    let egress = egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default());
    let seen = call();
    let send = |url: String| {
        let (egress, call) = (egress.clone(), seen.call.clone());
        async move { egress.send(&call, get(url), SendOptions::default()).await }
    };
    send(server.url("127.0.0.1")).await.unwrap();
    send("https://user-secret.test/x?token=y".into()).await.unwrap_err();
    send("nonsense".into()).await.unwrap_err();
    send(server.url("127.0.0.1")).await.unwrap();
    let usage = seen.usage.lock().unwrap().clone();
    assert_eq!(usage.http_requests, 2);
    assert_eq!(usage.denials, seen.call.denials());
    let [denial] = &*usage.denials else {
        panic!("{:?}", usage.denials);
    };
    assert_eq!(denial.capability, "http");
    assert_eq!(denial.wanted, "GET https://user-secret.test:443");
    assert_eq!(denial.grant, r#"http: ["user-secret.test:443"]"#);
}

/// The caller may be a thread without a runtime, as guests' threads are.
#[tokio::test(flavor = "multi_thread")]
async fn may_be_awaited_on_any_thread() {
    let server = Server::echo().await;
    let egress = egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default());
    let sent = Arc::new(AtomicUsize::new(0));
    let (url, counter) = (server.url("127.0.0.1"), sent.clone());
    let thread = std::thread::spawn(move || {
        let answer = futures::executor::block_on(send(&egress, get(url))).unwrap();
        counter.store(usize::from(answer.status), Ordering::SeqCst);
    });
    tokio::task::spawn_blocking(move || thread.join())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 200);
}
