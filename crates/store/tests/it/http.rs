//! Servers that are well, slow, broken, or somebody else.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rollcage_api::ByteSize;
use rollcage_core::{FaultKind, Phase, host::NoCluster};
use rollcage_store::{Digest, Origin, Store, StoreConfig};
use tokio::time::sleep;

use crate::support::*;

#[tokio::test]
async fn pinned_bytes_are_fetched_once_and_then_need_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component(1, 300_000);
    let server = Server::of(bytes.clone()).await;
    let mut entry = pinned(&server.url("/p.wasm"), &bytes);
    let store = open(folder.path());
    let fetched = fetch(&store, &entry).await.unwrap();
    assert_eq!((&*fetched.bytes, fetched.origin), (&*bytes, Origin::Location));
    assert_eq!(std::fs::read(&fetched.path).unwrap(), bytes);
    entry.sha256 = entry.sha256.to_uppercase();
    assert_eq!(fetch(&store, &entry).await.unwrap().origin, Origin::Cache);
    assert_eq!(server.hits(), 1);
    drop(server);
    let restarted = open(folder.path());
    assert_eq!(&*fetch(&restarted, &entry).await.unwrap().bytes, &*bytes);
}

#[tokio::test]
async fn wrong_digests_are_told_with_both() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, other) = (component(1, 100), component(2, 100));
    let server = Server::of(bytes.clone()).await;
    let store = open(folder.path());
    let fault = store
        .fetch(&id(), &pinned(&server.url("/p.wasm?key=secret"), &other), &NoCluster)
        .await
        .unwrap_err();
    assert_eq!((fault.phase, fault.kind), (Phase::Verify, FaultKind::DigestMismatch));
    for part in [
        &Digest::of(&bytes).to_string(),
        &Digest::of(&other).to_string(),
        "/p.wasm?... has",
        "104 bytes",
    ] {
        assert!(fault.cause.contains(part), "{part}: {fault}");
    }
    assert_eq!(blobs(folder.path()), [""; 0]);
    assert_eq!(
        server.hits(),
        1,
        "other bytes do not become the right ones by asking again"
    );
}

#[tokio::test]
async fn wrong_entries_are_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let cases = [
        (
            "http://127.0.0.1:1/x",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc71",
            FaultKind::InvalidEntry,
            "sha256: this looks like SHA-1: 40",
        ),
        (
            "http://127.0.0.1:1/x",
            "abc",
            FaultKind::InvalidEntry,
            "sha256: 3 hexadecimal digits",
        ),
        (
            "/x.wasm",
            "",
            FaultKind::InvalidEntry,
            "has no scheme (write file:///x.wasm)",
        ),
        (
            "ftp://x/y",
            "",
            FaultKind::InvalidEntry,
            "only file, http, https, oci and bundled",
        ),
        ("", "", FaultKind::InvalidEntry, "location is empty"),
        (
            "oci://ghcr.io/x/y:1",
            "",
            FaultKind::UnsupportedRuntime,
            "oci:// locations are not enabled yet",
        ),
    ];
    for (location, sha256, kind, text) in cases {
        let mut entry = entry(location);
        entry.sha256 = sha256.into();
        let fault = store.fetch(&id(), &entry, &NoCluster).await.unwrap_err();
        assert_eq!((fault.phase, fault.kind), (Phase::Resolve, kind), "{location}");
        assert!(fault.to_string().contains(text), "{fault}");
    }
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let cases = [
        ("404 Not Found", 1, FaultKind::NotFound),
        ("401 Unauthorized", 1, FaultKind::BadAnswer),
        ("204 No Content", 1, FaultKind::BadAnswer),
        ("304 Not Modified", 1, FaultKind::BadAnswer),
        ("302 Found", 1, FaultKind::BadAnswer),
        ("500 Internal Server Error", 3, FaultKind::BadAnswer),
        ("429 Too Many Requests", 3, FaultKind::BadAnswer),
    ];
    for (status, hits, kind) in cases {
        let server = Server::start(move |exchange| exchange.answer(status, &[], b"")).await;
        let fault = store
            .fetch(&id(), &entry(&server.url("/")), &NoCluster)
            .await
            .unwrap_err();
        assert_eq!((fault.phase, fault.kind), (Phase::Fetch, kind), "{status}");
        assert_eq!(server.hits(), hits, "{status}");
        assert!(!fault.hint.is_empty());
    }
    // A server that wants to be left alone for a second is; one that wants an hour is not waited for.
    for (after, hits, least) in [("1", 3, Duration::from_secs(2)), ("3600", 1, Duration::ZERO)] {
        let server = Server::start(move |exchange| async move {
            exchange
                .answer("503 Service Unavailable", &[("retry-after", after)], b"")
                .await
        })
        .await;
        let began = Instant::now();
        assert!(fetch(&store, &entry(&server.url("/"))).await.is_err());
        assert_eq!(server.hits(), hits, "{after}");
        assert!(began.elapsed() >= least, "{after}: {:?}", began.elapsed());
    }
    let server = Server::start(|exchange| async move {
        let (status, body) = if exchange.number < 3 {
            ("503 Service Unavailable", vec![])
        } else {
            ("200 OK", component(1, 50))
        };
        exchange.answer(status, &[], &body).await
    })
    .await;
    assert_eq!(
        *fetch(&store, &entry(&server.url("/"))).await.unwrap().bytes,
        component(1, 50)
    );
}

#[tokio::test]
async fn nobody_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = fetch(&store, &entry("http://127.0.0.1:1/x")).await.unwrap_err();
    assert!(
        refused.contains("http://127.0.0.1:1/x: connection refused (check that the server runs"),
        "{refused}"
    );
    let unknown = fetch(&store, &entry("http://no-such-host.invalid/x"))
        .await
        .unwrap_err();
    assert!(
        unknown.contains("plugin example/plugin: fetch: http://no-such-host.invalid/x: "),
        "{unknown}"
    );
}

#[tokio::test]
async fn connections_that_break_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = Arc::new(component(7, 200_000));
    let whole = Arc::clone(&bytes);
    // Before a byte, in the middle, and a promise of more than there is.
    let server = Server::start(move |mut exchange| {
        let bytes = Arc::clone(&whole);
        async move {
            match exchange.number {
                1 => exchange.reset(),
                2 => {
                    exchange
                        .send("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n")
                        .await?;
                    exchange.send(&bytes[..70_000]).await?;
                }
                _ => exchange.answer("200 OK", &[], &bytes).await?,
            }
            Ok(())
        }
    })
    .await;
    assert_eq!(&*fetch(&store, &entry(&server.url("/"))).await.unwrap().bytes, &**bytes);
    assert_eq!(server.hits(), 3);

    let server = Server::start(|mut exchange| async move {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
        exchange.send(component(1, 400)).await
    })
    .await;
    let fault = fetch(&store, &entry(&server.url("/"))).await.unwrap_err();
    assert!(fault.contains("broke off after 400 of 1000 bytes: "), "{fault}");
    assert_eq!(server.hits(), 3);
    assert_eq!(blobs(folder.path()).len(), 1, "nothing is left of tries that failed");
}

#[tokio::test]
async fn a_length_that_lies_short_is_found_by_the_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = component(1, 1000);
    let sent = bytes.clone();
    let server = Server::start(move |mut exchange| {
        let sent = sent.clone();
        async move {
            exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n").await?;
            exchange.send(sent).await
        }
    })
    .await;
    let fault = fetch(&store, &pinned(&server.url("/"), &bytes)).await.unwrap_err();
    assert!(
        fault.contains("(a WebAssembly component, 400 bytes), and the entry wants"),
        "{fault}"
    );
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn silence_drips_and_floods_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(
        folder.path(),
        StoreConfig {
            idle_timeout: Duration::from_millis(200),
            total_timeout: Duration::from_secs(2),
            max_plugin: ByteSize::kibi(64),
            attempts: 2,
            ..config()
        },
    )
    .unwrap();
    let began = Instant::now();

    let silent = Server::start(|exchange| async move {
        sleep(Duration::from_mins(1)).await;
        drop(exchange);
        Ok(())
    })
    .await;
    let fault = store
        .fetch(&id(), &entry(&silent.url("/")), &NoCluster)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(
        fault.cause.ends_with("sent nothing for 200ms (0 bytes came)"),
        "{fault}"
    );

    let stalls = Server::start(|mut exchange| async move {
        exchange
            .send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n\0asm")
            .await?;
        sleep(Duration::from_mins(1)).await;
        Ok(())
    })
    .await;
    let fault = fetch(&store, &entry(&stalls.url("/"))).await.unwrap_err();
    assert!(fault.contains("sent nothing for 200ms (4 bytes came)"), "{fault}");
    assert_eq!((silent.hits(), stalls.hits()), (2, 2));

    let drips = Server::start(|mut exchange| async move {
        exchange.send(CHUNKED).await?;
        loop {
            exchange.send("1\r\nx\r\n").await?;
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let fault = fetch(&store, &entry(&drips.url("/"))).await.unwrap_err();
    assert!(fault.contains("took longer than 2s ("), "{fault}");

    let floods = Server::start(|mut exchange| async move {
        exchange.send(CHUNKED).await?;
        loop {
            exchange.send(format!("1000\r\n{}\r\n", "x".repeat(4096))).await?;
        }
    })
    .await;
    let fault = store
        .fetch(&id(), &entry(&floods.url("/")), &NoCluster)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge);
    assert!(
        fault.cause.ends_with("sends more, and a plugin has at most 64Ki"),
        "{fault}"
    );

    let announces = Server::start(|mut exchange| async move {
        exchange
            .send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")
            .await
    })
    .await;
    let fault = fetch(&store, &entry(&announces.url("/"))).await.unwrap_err();
    assert!(
        fault.contains("announces 99999999999 bytes, and a plugin has at most 64Ki"),
        "{fault}"
    );
    assert_eq!((floods.hits(), announces.hits()), (1, 1));

    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(blobs(folder.path()), [""; 0]);
}

#[tokio::test]
async fn redirects_are_followed_and_headers_stay_at_home() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = component(3, 500);
    let away = Server::of(bytes.clone()).await;
    let target = away.url("/elsewhere.wasm");
    let home = Server::start(move |exchange| {
        let target = target.clone();
        async move {
            let to = if exchange.request.starts_with("GET /a ") {
                "/b".to_owned()
            } else {
                target
            };
            exchange.answer("302 Found", &[("location", &to)], b"").await
        }
    })
    .await;
    let mut entry = entry(&home.url("/a"));
    entry.headers_from = headers_from("s");
    let secrets = OneSecret(
        "s",
        vec![("X-Token", "very-secret\n"), ("Authorization", "Bearer also-secret")],
    );
    let fetched = store.fetch(&id(), &entry, &secrets).await.unwrap();
    assert_eq!(&*fetched.bytes, &*bytes);
    for request in home.requests() {
        assert!(request.contains("x-token: very-secret\r\n") && request.contains("authorization: Bearer also-secret"));
    }
    assert_eq!((home.hits(), away.hits()), (2, 1));
    assert!(!away.requests().concat().contains("secret"), "{:?}", away.requests());

    let circle = Server::start(|exchange| exchange.answer("301 Moved", &[("location", "/again")], b"")).await;
    let fault = fetch(&store, &self::entry(&circle.url("/"))).await.unwrap_err();
    assert!(fault.contains("redirects more than 10 times"), "{fault}");
    assert_eq!(circle.hits(), 11);
    for target in ["ftp://x/y", "file:///etc/passwd", "http://"] {
        let server =
            Server::start(
                move |exchange| async move { exchange.answer("302 Found", &[("location", target)], b"").await },
            )
            .await;
        let fault = fetch(&store, &self::entry(&server.url("/"))).await.unwrap_err();
        assert!(fault.contains("redirects to "), "{fault}");
    }
}

#[tokio::test]
async fn secrets_that_are_wrong_are_told_without_their_value() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut entry = entry("http://127.0.0.1:1/");
    entry.headers_from = headers_from("s");
    let cases = [
        (OneSecret("other", vec![]), "Secret \"s\" of headersFrom does not exist"),
        (
            OneSecret("s", vec![("a b", "v-secret")]),
            "key \"a b\" of Secret \"s\" is no header name",
        ),
        (
            OneSecret("s", vec![("a", "v-secret\nx")]),
            "key \"a\" of Secret \"s\" has a value that is no header value",
        ),
    ];
    for (secrets, text) in cases {
        let fault = store.fetch(&id(), &entry, &secrets).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidEntry);
        assert!(
            fault.cause.contains(text) && !fault.to_string().contains("v-secret"),
            "{fault}"
        );
    }
    entry.headers_from = headers_from("");
    assert!(
        fetch(&store, &entry)
            .await
            .unwrap_err()
            .contains("headersFrom names no Secret")
    );
}

#[tokio::test]
async fn what_is_no_plugin_is_told_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // For a mainframe.
    let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    program[18..20].copy_from_slice(&[22, 0]);
    let cases: [(&[u8], FaultKind, &str); 5] = [
        (
            b"<html><title>Sign in</title>",
            FaultKind::NotAPlugin,
            "an HTML page with the title \"Sign in\"",
        ),
        (b"", FaultKind::NotAPlugin, "the bytes are empty"),
        (b"\0asm\x01\0\0\0", FaultKind::NotAPlugin, "a core WebAssembly module"),
        (
            b"{\"message\": \"no\"}",
            FaultKind::NotAPlugin,
            "a JSON document that says \"no\"",
        ),
        (
            &program[..4096],
            FaultKind::UnsupportedRuntime,
            "for s390x, and what runs here is",
        ),
    ];
    for (bytes, kind, text) in cases {
        let server = Server::of(bytes.to_vec()).await;
        for entry in [entry(&server.url("/")), pinned(&server.url("/"), bytes)] {
            let fault = store.fetch(&id(), &entry, &NoCluster).await.unwrap_err();
            assert_eq!((fault.phase, fault.kind), (Phase::Verify, kind));
            assert!(fault.cause.contains(text), "{fault}");
        }
    }
    assert_eq!(blobs(folder.path()), [""; 0]);
}

#[tokio::test]
async fn what_served_last_serves_again_when_the_server_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (component(1, 100), component(2, 100));
    let answer = Arc::new(Mutex::new(first.clone()));
    let current = Arc::clone(&answer);
    let server = Server::start(move |exchange| {
        let body = current.lock().unwrap().clone();
        async move { exchange.answer("200 OK", &[], &body).await }
    })
    .await;
    let entry = entry(&server.url("/p.wasm"));
    {
        let store = open(folder.path());
        let fetched = fetch(&store, &entry).await.unwrap();
        store.remember(&id(), &entry.location, &fetched).await.unwrap();
        // New bytes that never served are not good, and neither is a page in their place.
        *answer.lock().unwrap() = second.clone();
        assert_eq!(&*fetch(&store, &entry).await.unwrap().bytes, &*second);
        *answer.lock().unwrap() = b"<html>".to_vec();
        let fetched = fetch(&store, &entry).await.unwrap();
        assert_eq!(&*fetched.bytes, &*first);
        assert!(matches!(&fetched.origin, Origin::LastKnownGood(fault) if fault.kind == FaultKind::NotAPlugin));
    }
    drop(server);
    let store = open(folder.path());
    let fetched = fetch(&store, &entry).await.unwrap();
    assert_eq!(&*fetched.bytes, &*first);
    assert!(matches!(&fetched.origin, Origin::LastKnownGood(fault) if fault.kind == FaultKind::Unreachable));
    let good = store.last_known_good(&id()).await.unwrap();
    assert_eq!(good.digest, Digest::of(&first));
    assert_eq!(&*store.read(&id(), &good.digest).await.unwrap().unwrap().bytes, &*first);

    // Another location, another plugin, another digest: none of them is served these bytes.
    assert!(fetch(&store, &self::entry("http://127.0.0.1:1/other")).await.is_err());
    assert!(store.fetch(&named("example/other"), &entry, &NoCluster).await.is_err());
    assert!(fetch(&store, &pinned(&entry.location, &second[..50])).await.is_err());
    store.forget(&id()).await.unwrap();
    assert!(fetch(&store, &entry).await.is_err());
}

#[tokio::test]
async fn unchanged_bytes_are_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|exchange| async move {
        match exchange.header("if-none-match") {
            Some("\"v1\"") => exchange.answer("304 Not Modified", &[], b"").await,
            _ => {
                exchange
                    .answer("200 OK", &[("etag", "\"v1\"")], &component(1, 5000))
                    .await
            }
        }
    })
    .await;
    let entry = entry(&server.url("/"));
    for _ in 0..3 {
        assert_eq!(
            *fetch(&open(folder.path()), &entry).await.unwrap().bytes,
            component(1, 5000)
        );
    }
    let asked: Vec<bool> = server
        .requests()
        .iter()
        .map(|request| request.contains("if-none-match"))
        .collect();
    assert_eq!(asked, [false, true, true]);
    // Damaged bytes are not vouched for by a tag.
    let blob = folder
        .path()
        .join("blobs/sha256")
        .join(Digest::of(&component(1, 5000)).hex());
    std::fs::write(&blob, "damaged").unwrap();
    assert_eq!(
        *fetch(&open(folder.path()), &entry).await.unwrap().bytes,
        component(1, 5000)
    );
    assert!(!server.requests()[3].contains("if-none-match"));
}
