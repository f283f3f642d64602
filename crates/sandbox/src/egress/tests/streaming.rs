//! `wasi:http` over the same guard: what a store's hooks do with a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, channel::mpsc};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use rollcage_api::plugin::Permissions;
use rollcage_core::host::HostServices;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::support::{Kept, MAX_OUT, Seen, Server, Told, call, call_of, credential, egress, host, http, ok};
use crate::egress::{Egress, WasiEgress};

fn empty() -> WasiBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn whole(body: impl Into<Bytes>) -> WasiBody {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that the guest writes while it is sent.
fn written() -> (mpsc::UnboundedSender<Bytes>, WasiBody) {
    let (sender, receiver) = mpsc::unbounded();
    let frames = receiver.map(|data: Bytes| Ok::<_, Error>(Frame::data(data)));
    (sender, StreamBody::new(frames).boxed_unsync())
}

fn request(method: &str, url: &str, headers: &[(&str, &str)], body: WasiBody) -> http::Request<WasiBody> {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

async fn send(
    egress: &Egress,
    seen: &Seen,
    request: http::Request<WasiBody>,
) -> Result<http::Response<WasiBody>, Error> {
    send_with(egress, seen, request, None).await
}

async fn send_with(
    egress: &Egress,
    seen: &Seen,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<http::Response<WasiBody>, Error> {
    let mut hooks = WasiEgress::new(egress.clone(), seen.call.clone());
    let sent = Box::into_pin(hooks.send_request(request, options, Box::new(async { Ok(()) }))).await;
    let (response, rest) = sent?;
    Box::into_pin(rest).await?;
    Ok(response)
}

fn guard(server: &Server) -> Egress {
    egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default())
}

async fn text(body: WasiBody) -> Result<String, Error> {
    Ok(String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn the_same_grants_hold() {
    let server = Server::echo().await;
    let names = Arc::new(Told::default().name("name.test", &[&["127.0.0.1"]]));
    let egress = egress(&http(vec![server.grant("name.test")]), &host(), names);
    let seen = call();
    for (url, prohibited) in [
        (server.url("127.0.0.1"), true),
        (server.url("localhost"), false),
        (server.url("0x7f.1"), true),
        (server.url("name.test"), true),
        ("http://169.254.169.254/".into(), true),
        ("http://other.test/".into(), false),
    ] {
        let error = send(&egress, &seen, request("GET", &url, &[], empty()))
            .await
            .unwrap_err();
        let got = match error {
            Error::DestinationIpProhibited => true,
            Error::HttpRequestDenied => false,
            error => panic!("{url}: {error}"),
        };
        assert_eq!(got, prohibited, "{url}");
    }
    for url in ["http://user@name.test/", "ftp://name.test/"] {
        assert!(send(&egress, &seen, request("GET", url, &[], empty())).await.is_err());
    }
    assert_eq!(server.reached(), 0);
    assert_eq!(seen.usage.lock().unwrap().denials.len(), 6);
    assert_eq!(seen.call.denials().len(), 6);
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let server = Server::start(|mut stream, _| async move {
        // Answers before the request has ended, then sends back what comes.
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await?;
        let mut seen = String::new();
        loop {
            let mut chunk = [0; 1024];
            let read = stream.read(&mut chunk).await?;
            seen += &String::from_utf8_lossy(&chunk[..read]);
            if let Some((_, word)) = seen.rsplit_once("word-") {
                stream
                    .write_all(format!("6\r\nword-{}\r\n", &word[..1]).as_bytes())
                    .await?;
                seen.clear();
            }
            if read == 0 || seen.ends_with("0\r\n\r\n") {
                return stream.write_all(b"0\r\n\r\n").await;
            }
        }
    })
    .await;
    let (guest, body) = written();
    guest.unbounded_send("word-1".into()).unwrap();
    let seen = call();
    let response = send(
        &guard(&server),
        &seen,
        request("POST", &server.url("127.0.0.1"), &[], body),
    )
    .await
    .unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-own"]),
        (200, &"1".parse().unwrap())
    );
    assert_eq!(seen.usage.lock().unwrap().http_requests, 1);
    assert_eq!(seen.call.waiting_for(), Some(format!("127.0.0.1:{}", server.port)));
    let mut body = response.into_body();
    for word in ["word-1", "word-2", "word-3"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
        let next = word.replace('2', "3").replace('1', "2");
        if next != word {
            guest.unbounded_send(next.into()).unwrap();
        }
    }
    drop(guest);
    assert!(body.frame().await.is_none());
    assert_eq!(seen.call.waiting_for(), None);
}

#[tokio::test]
async fn an_announced_length_is_kept() {
    let server = Server::echo().await;
    let (guest, body) = written();
    guest.unbounded_send("body".into()).unwrap();
    drop(guest);
    let headers = [("content-length", "4"), ("x-own", "1")];
    let response = send(
        &guard(&server),
        &call(),
        request("PUT", &server.url("127.0.0.1"), &headers, body),
    )
    .await
    .unwrap();
    let received = text(response.into_body()).await.unwrap();
    assert!(
        received.contains("content-length: 4\r\n") && received.ends_with("\r\n\r\nbody"),
        "{received}"
    );
    assert!(
        received.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)),
        "{received}"
    );

    let response = send(
        &guard(&server),
        &call(),
        request("GET", &server.url("127.0.0.1"), &[], empty()),
    )
    .await
    .unwrap();
    let received = text(response.into_body()).await.unwrap();
    assert!(
        !received.contains("transfer-encoding") && !received.contains("content-length"),
        "{received}"
    );
}

#[tokio::test]
async fn the_same_caps_hold() {
    let large = Server::answering(ok(&"x".repeat(1_000_000))).await;
    let response = send(
        &guard(&large),
        &call(),
        request("GET", &large.url("127.0.0.1"), &[], empty()),
    )
    .await
    .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseBodySize(_)), "{error}");

    let echo = Server::echo().await;
    let body = "x".repeat(usize::try_from(MAX_OUT).unwrap() + 1);
    let result = send(
        &guard(&echo),
        &call(),
        request("POST", &echo.url("127.0.0.1"), &[], whole(body)),
    )
    .await;
    assert!(matches!(result, Err(Error::HttpResponseBodySize(_))));
    assert!(
        echo.requests()
            .iter()
            .all(|request| request.len() < 2 * usize::try_from(MAX_OUT).unwrap())
    );

    let short = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort").await;
    let response = send(
        &guard(&short),
        &call(),
        request("GET", &short.url("127.0.0.1"), &[], empty()),
    )
    .await
    .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::HttpProtocolError), "{error}");
}

#[tokio::test]
async fn the_same_deadline_holds() {
    let silent = Server::start(|mut stream, server| async move {
        server.read_request(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let dripping = Server::start(|mut stream, server| async move {
        server.read_request(&mut stream).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            .await?;
        loop {
            stream.write_all(b"x").await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let name = |server: &Server| Some(format!("127.0.0.1:{}", server.port));
    let began = Instant::now();
    let seen = call_of(Duration::from_millis(400));
    let result = send(
        &guard(&silent),
        &seen,
        request("GET", &silent.url("127.0.0.1"), &[], empty()),
    )
    .await;
    assert!(matches!(result, Err(Error::HttpResponseTimeout)));
    assert_eq!(seen.call.waiting_for(), name(&silent));

    let seen = call_of(Duration::from_millis(400));
    let response = send(
        &guard(&dripping),
        &seen,
        request("GET", &dripping.url("127.0.0.1"), &[], empty()),
    )
    .await
    .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseTimeout), "{error}");
    assert_eq!(seen.call.waiting_for(), name(&dripping));

    // The guest's own time-outs are shorter.
    let options = RequestOptions {
        first_byte_timeout: Some(Duration::from_millis(100)),
        between_bytes_timeout: Some(Duration::from_millis(20)),
        ..RequestOptions::default()
    };
    let seen = call();
    let silent_url = silent.url("127.0.0.1");
    let result = send_with(
        &guard(&silent),
        &seen,
        request("GET", &silent_url, &[], empty()),
        Some(options),
    )
    .await;
    assert!(matches!(result, Err(Error::HttpResponseTimeout)));
    let dripping_url = dripping.url("127.0.0.1");
    let response = send_with(
        &guard(&dripping),
        &seen,
        request("GET", &dripping_url, &[], empty()),
        Some(options),
    )
    .await;
    assert!(matches!(
        response.unwrap().into_body().collect().await,
        Err(Error::HttpResponseTimeout)
    ));
    assert_eq!(seen.call.waiting_for(), None);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn credentials_are_attached_and_masked_piece_by_piece() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nX-Key: secret-value\r\nTrailer: X-End\r\nTransfer-Encoding: chunked\r\n\r\n\
         8\r\n<secret-\r\n6\r\nvalue>\r\n0\r\nX-End: secret-value\r\n\r\n",
    )
    .await;
    let secrets = Arc::new(Kept::default());
    secrets.set("prom", "secret-value");
    let permissions = Permissions {
        credentials: vec![credential("prom", "X-Key", &[format!("127.0.0.1:{}", server.port)])],
        ..http(vec![server.grant("127.0.0.1")])
    };
    let egress = egress(&permissions, &HostServices { secrets, ..host() }, Arc::default());
    let headers = [("x-key", "the guest's"), ("te", "trailers")];
    let url = server.url("127.0.0.1");
    let response = send(&egress, &call(), request("GET", &url, &headers[..1], empty()))
        .await
        .unwrap();
    assert_eq!(response.headers()["x-key"], "*****");
    let collected = response.into_body().collect().await.unwrap();
    if let Some(trailers) = collected.trailers() {
        assert_eq!(trailers["x-end"], "*****");
    }
    assert_eq!(collected.to_bytes(), "<*****>");
    assert!(server.requests()[0].contains("x-key: secret-value\r\n"));
    assert!(
        send(&egress, &call(), request("GET", &url, &headers, empty()))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_guest_that_loses_interest_frees_the_connection() {
    let server = Server::start(|mut stream, server| async move {
        server.read_request(&mut stream).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx")
            .await?;
        // Ends when the other side closes.
        let _ = stream.read(&mut [0; 1]).await;
        server.read_request(&mut stream).await.map(|_| ())
    })
    .await;
    let seen = call();
    let url = server.url("127.0.0.1");
    let response = send(&guard(&server), &seen, request("GET", &url, &[], empty()))
        .await
        .unwrap();
    drop(response);
    let began = Instant::now();
    while server.requests().len() < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the connection is still open"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen.call.waiting_for(), None);
}

#[tokio::test]
async fn one_call_has_a_bounded_number_of_requests_under_way() {
    let server = Server::answering(ok("")).await;
    let egress = guard(&server);
    let seen = call();
    let mut hooks = WasiEgress::new(egress, seen.call.clone());
    let url = server.url("127.0.0.1");
    let mut futures = Vec::new();
    for _ in 0..40 {
        futures.push(Box::into_pin(hooks.send_request(
            request("GET", &url, &[], empty()),
            None,
            Box::new(async { Ok(()) }),
        )));
    }
    let results = futures::future::join_all(futures).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 32);
    assert_eq!(server.reached(), 32);
}

#[test]
fn headers_of_the_connection_are_no_guests_to_set() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let egress = Egress::new(&Permissions::default(), &host(), runtime.handle().clone()).unwrap();
    let mut hooks = WasiEgress::new(egress, call().call);
    for (name, forbidden) in [
        ("host", true),
        ("connection", true),
        ("transfer-encoding", true),
        ("te", true),
        ("content-length", false),
        ("authorization", false),
        ("accept", false),
    ] {
        let name = name.parse().unwrap();
        assert_eq!(hooks.is_forbidden_header(&name), forbidden, "{name}");
        assert_eq!((hooks.forbidden_header_filter())(&name), forbidden, "{name}");
    }
}
