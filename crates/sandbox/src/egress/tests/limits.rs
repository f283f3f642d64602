//! Bytes and time: each limit with its twin, the same exchange with only that limit lifted.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rollcage_core::{
    Call,
    host::{HttpEnd, HttpRequest, TargetGate},
    secret::SharedMasker,
};
use tokio::io::AsyncWriteExt;

use super::support::{MAX_IN, MAX_OUT, Server, call_of, call_with, egress, get, host, http, ok};
use crate::egress::{Egress, EgressCall, EgressError, EgressErrorKind, SendOptions};

const SECOND: Duration = Duration::from_secs(1);

fn guard(server: &Server) -> Egress {
    egress(&http(vec![server.grant("127.0.0.1")]), &host(), Arc::default())
}

fn call_taking(max_in: u64, max_out: u64) -> EgressCall {
    EgressCall::new(
        &Call::default(),
        Instant::now() + 20 * SECOND,
        SharedMasker::default(),
        max_in,
        max_out,
    )
}

/// Reads the request and then waits for ever.
async fn silent() -> Server {
    Server::start(|mut stream, server| async move {
        server.read_request(&mut stream).await?;
        std::future::pending().await
    })
    .await
}

#[tokio::test]
async fn answers_end_at_what_one_call_may_take() {
    let body = "x".repeat(usize::try_from(MAX_IN / 2).unwrap());
    let server = Server::answering(ok(&body)).await;
    let egress = guard(&server);
    let send = |call: EgressCall| {
        let (egress, request) = (egress.clone(), get(server.url("127.0.0.1")));
        async move { egress.send(&call, request, SendOptions::default()).await }
    };
    // Over all answers of a call together.
    let call = call_taking(MAX_IN, MAX_OUT);
    send(call.clone()).await.unwrap();
    let error = send(call).await.unwrap_err();
    assert!(
        matches!(&error, EgressError::TooLarge(text) if text.contains("limits.input")),
        "{error}"
    );
    let call = call_taking(2 * MAX_IN, MAX_OUT);
    send(call.clone()).await.unwrap();
    send(call).await.unwrap();
}

#[tokio::test]
async fn an_endless_answer_ends_at_the_same_limit() {
    let server = Server::start(|mut stream, server| async move {
        server.read_request(&mut stream).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await?;
        loop {
            stream
                .write_all(format!("4000\r\n{}\r\n", "x".repeat(0x4000)).as_bytes())
                .await?;
        }
    })
    .await;
    let error = guard(&server)
        .send(
            &call_taking(MAX_IN, MAX_OUT),
            get(server.url("127.0.0.1")),
            SendOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), EgressErrorKind::TooLarge);
}

#[tokio::test]
async fn requests_end_at_what_one_call_may_send() {
    let server = Server::answering(ok("")).await;
    let egress = guard(&server);
    let request = HttpRequest {
        method: "POST".into(),
        body: vec![b'x'; usize::try_from(MAX_OUT).unwrap() + 1],
        ..get(server.url("127.0.0.1"))
    };
    let options = SendOptions::default();
    let error = egress
        .send(&call_taking(MAX_IN, MAX_OUT), request.clone(), options)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EgressError::TooLarge(text) if text.contains("limits.output")),
        "{error}"
    );
    assert_eq!(server.reached(), 0);
    egress
        .send(&call_taking(MAX_IN, MAX_OUT + 1), request.clone(), options)
        .await
        .unwrap();

    // A server that was not asked has not answered either.
    let gate: Arc<Gate> = Arc::default();
    let call = Call {
        targets: Some(gate.clone()),
        ..Call::default()
    };
    let call = EgressCall::new(
        &call,
        Instant::now() + 20 * SECOND,
        SharedMasker::default(),
        MAX_IN,
        MAX_OUT,
    );
    egress.send(&call, request, options).await.unwrap_err();
    assert!(gate.asked.lock().unwrap().is_empty());
    assert!(gate.answered.lock().unwrap().is_empty());
    let name = format!("127.0.0.1:{}", server.port);
    assert_eq!(*gate.ended.lock().unwrap(), [(Some(name), HttpEnd::TooLarge)]);
}

#[tokio::test]
async fn a_silent_server_costs_the_shorter_of_the_two_times() {
    let server = silent().await;
    let egress = guard(&server);
    let name = format!("127.0.0.1:{}", server.port);
    for (deadline, timeout, by_call) in [
        (300, None, true),
        (300, Some(60_000), true),
        (20_000, Some(200), false),
        (20_000, Some(0), false),
    ] {
        let seen = call_of(Duration::from_millis(deadline));
        let options = SendOptions {
            timeout: timeout.map(Duration::from_millis),
            ..SendOptions::default()
        };
        let began = Instant::now();
        let error = egress
            .send(&seen.call, get(server.url("127.0.0.1")), options)
            .await
            .unwrap_err();
        assert!(began.elapsed() < 5 * SECOND);
        let EgressError::Timeout { server: waited, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((waited, error.is_call_deadline()), (&name, by_call), "{error}");
        // Only what the call's own deadline cut off counts against the server.
        assert_eq!(seen.call.waiting_for(), by_call.then(|| name.clone()));
    }
}

#[tokio::test]
async fn a_dripping_server_costs_no_more_than_a_silent_one() {
    let server = Server::start(|mut stream, server| async move {
        server.read_request(&mut stream).await?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            .await?;
        loop {
            stream.write_all(b"x").await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let seen = call_of(SECOND / 2);
    let began = Instant::now();
    let error = guard(&server)
        .send(&seen.call, get(server.url("127.0.0.1")), SendOptions::default())
        .await
        .unwrap_err();
    assert!(error.is_call_deadline(), "{error}");
    assert!(began.elapsed() < 5 * SECOND);
}

#[tokio::test]
async fn a_call_that_is_given_up_still_tells_whom_it_waited_for() {
    let server = silent().await;
    let egress = guard(&server);
    let name = Some(format!("127.0.0.1:{}", server.port));
    let seen = call_of(SECOND / 4);
    let call = seen.call.clone();
    let request = get(server.url("127.0.0.1"));
    let task = tokio::spawn(async move { egress.send(&call, request, SendOptions::default()).await });
    while server.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen.call.waiting_for(), name);
    tokio::time::sleep(SECOND / 4).await;
    task.abort();
    let _ = task.await;
    assert_eq!(seen.call.waiting_for(), name);
}

#[derive(Debug, Default)]
struct Gate {
    asked: Mutex<Vec<String>>,
    answered: Mutex<Vec<String>>,
    ended: Mutex<Vec<(Option<String>, HttpEnd)>>,
    closed: bool,
}

impl TargetGate for Gate {
    fn admit(&self, target: &str) -> Result<(), Duration> {
        self.asked.lock().unwrap().push(target.into());
        if self.closed { Err(3 * SECOND) } else { Ok(()) }
    }

    fn answered(&self, target: &str) {
        self.answered.lock().unwrap().push(target.into());
    }

    fn ended(&self, grant: Option<&str>, end: HttpEnd) {
        self.ended.lock().unwrap().push((grant.map(str::to_owned), end));
    }
}

#[tokio::test]
async fn the_gate_is_asked_after_the_grant_and_told_of_answers() {
    let (good, bad, slow) = (
        Server::answering(ok("")).await,
        Server::answering("nonsense").await,
        silent().await,
    );
    let granted = [&good, &bad, &slow].map(|server| server.grant("127.0.0.1"));
    let egress = egress(&http(granted.into()), &host(), Arc::default());
    let name = |server: &Server| format!("127.0.0.1:{}", server.port);
    let send = |url: String, gate: &Arc<Gate>| {
        let call = Call {
            targets: Some(gate.clone()),
            ..Call::default()
        };
        let (egress, seen) = (egress.clone(), call_with(SECOND / 2, call));
        async move { egress.send(&seen.call, get(url), SendOptions::default()).await }
    };
    let gate: Arc<Gate> = Arc::default();
    send("http://other.test/".into(), &gate).await.unwrap_err();
    assert!(gate.asked.lock().unwrap().is_empty());
    send(good.url("127.0.0.1"), &gate).await.unwrap();
    send(bad.url("127.0.0.1"), &gate).await.unwrap_err();
    send(slow.url("127.0.0.1"), &gate).await.unwrap_err();
    assert_eq!(*gate.asked.lock().unwrap(), [name(&good), name(&bad), name(&slow)]);
    assert_eq!(*gate.answered.lock().unwrap(), [name(&good), name(&bad)]);
    // Each is told once, by the grant's text, and what nothing grants without any name.
    let told = [
        (None, HttpEnd::Denied),
        (Some(name(&good)), HttpEnd::Answered(200)),
        (Some(name(&bad)), HttpEnd::Protocol),
        (Some(name(&slow)), HttpEnd::Timeout),
    ];
    assert_eq!(*gate.ended.lock().unwrap(), told);

    let closed = Arc::new(Gate {
        closed: true,
        ..Gate::default()
    });
    let error = send(good.url("127.0.0.1"), &closed).await.unwrap_err();
    assert!(matches!(&error, EgressError::Paused { .. }), "{error}");
    assert!(error.to_string().contains("next try in 3 s"), "{error}");
    assert_eq!(*closed.ended.lock().unwrap(), [(Some(name(&good)), HttpEnd::Paused)]);
    assert_eq!(good.reached(), 1);
}
