//! Credentials: attached where they belong, seen by nobody.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use rollcage_api::plugin::{CredentialGrant, Permissions};
use rollcage_core::host::{HostServices, HttpRequest};
use tokio::io::AsyncWriteExt;

use super::support::{Kept, Server, call, credential, egress, get, host, http, ok, send};
use crate::egress::{Egress, EgressError, EgressErrorKind, SendOptions};

const TOKEN: &str = "Bearer t0p/secret\"token";

fn guard(servers: &[&Server], credentials: Vec<CredentialGrant>, secrets: Arc<Kept>) -> Egress {
    let permissions = Permissions {
        credentials,
        ..http(servers.iter().map(|server| server.grant("127.0.0.1")).collect())
    };
    egress(&permissions, &HostServices { secrets, ..host() }, Arc::default())
}

fn server_of(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port)
}

fn token() -> Arc<Kept> {
    let kept = Kept::default();
    kept.set("prom", &format!("{TOKEN}\n"));
    Arc::new(kept)
}

#[tokio::test]
async fn a_credential_goes_to_its_servers_and_to_no_other() {
    let (mine, other) = (Server::echo().await, Server::echo().await);
    let credentials = vec![credential("prom", "Authorization", &[server_of(&mine)])];
    let egress = guard(&[&mine, &other], credentials, token());
    for server in [&mine, &other] {
        let request = HttpRequest {
            headers: vec![
                ("authorization".into(), "the guest's".into()),
                ("AUTHORIZATION".into(), "too".into()),
            ],
            ..get(server.url("127.0.0.1"))
        };
        send(&egress, request).await.unwrap();
    }
    let received = mine.requests().remove(0);
    assert_eq!(received.matches("authorization").count(), 1, "{received}");
    assert!(received.contains(&format!("authorization: {TOKEN}\r\n")), "{received}");
    let received = other.requests().remove(0);
    assert!(
        received.contains("authorization: the guest's\r\n") && !received.contains("t0p"),
        "{received}"
    );
}

/// Secrets that somebody watches.
#[derive(Debug, Default)]
struct Watched {
    kept: Kept,
    revision: std::sync::atomic::AtomicU64,
}

#[async_trait::async_trait]
impl rollcage_core::host::Secrets for Watched {
    async fn read(
        &self,
        name: &str,
    ) -> Result<Option<std::collections::BTreeMap<String, Vec<u8>>>, rollcage_core::host::SecretsError> {
        self.kept.read(name).await
    }

    fn revision(&self, _: &str) -> Option<u64> {
        Some(self.revision.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_watched_value_is_read_when_it_changes_and_then_counts_at_once() {
    let server = Server::echo().await;
    let watched = Arc::new(Watched::default());
    watched.kept.set("prom", "first");
    let permissions = Permissions {
        credentials: vec![credential("prom", "X-Token", &[server_of(&server)])],
        ..http(vec![server.grant("127.0.0.1")])
    };
    let secrets = watched.clone();
    let egress = egress(&permissions, &HostServices { secrets, ..host() }, Arc::default());
    for _ in 0..3 {
        send(&egress, get(server.url("127.0.0.1"))).await.unwrap();
    }
    assert_eq!(watched.kept.reads(), 1);
    watched.kept.set("prom", "second");
    watched.revision.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    send(&egress, get(server.url("127.0.0.1"))).await.unwrap();
    assert_eq!(watched.kept.reads(), 2);
    let requests = server.requests();
    assert!(requests[2].contains("x-token: first\r\n"), "{requests:?}");
    assert!(requests[3].contains("x-token: second\r\n"), "{requests:?}");
}

#[tokio::test]
async fn an_answer_never_holds_the_value() {
    let shapes = [
        TOKEN.to_owned(),
        "t0p/secret\"token".into(),
        serde_json::to_string(TOKEN).unwrap(),
        "Bearer+t0p%2Fsecret%22token".into(),
        "Bearer%20t0p%2Fsecret%22token".into(),
        BASE64_STANDARD.encode(TOKEN),
    ];
    for shape in shapes {
        // Chunk by chunk and byte by byte, in the body and in headers.
        let chunks = shape.chars().fold(String::new(), |chunks, byte| {
            chunks + "1\r\n" + &byte.to_string() + "\r\n"
        });
        let answer = format!(
            "HTTP/1.1 200 OK\r\nX-You-Sent: <{shape}>\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n<\r\n{chunks}1\r\n>\r\n0\r\n\r\n"
        );
        let server = Server::answering(answer).await;
        let credentials = vec![credential("prom", "X-Token", &[server_of(&server)])];
        let egress = guard(&[&server], credentials, token());
        let seen = call();
        let answer = egress
            .send(&seen.call, get(server.url("127.0.0.1")), SendOptions::default())
            .await
            .unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        let header = answer.headers.iter().find(|(name, _)| name == "x-you-sent").unwrap();
        for text in [&body, &header.1] {
            assert!(
                text.contains("*****") && !text.contains("t0p") && !text.contains("dDBw"),
                "{shape}: {text}"
            );
        }
        // And everything else that leaves the call masks it, too.
        assert!(!seen.masker.current().mask(&format!("log: {shape}")).contains("t0p"));
    }
}

#[tokio::test]
async fn another_server_cannot_tell_either() {
    let mine = Server::echo().await;
    let other = Server::answering(ok(&format!("I know {TOKEN}"))).await;
    let credentials = vec![credential("prom", "Authorization", &[server_of(&mine)])];
    let egress = guard(&[&mine, &other], credentials, token());
    send(&egress, get(mine.url("127.0.0.1"))).await.unwrap();
    let answer = send(&egress, get(other.url("127.0.0.1"))).await.unwrap();
    assert_eq!(answer.body, b"I know *****");
    // The body is shorter than announced; the announcement is gone.
    assert!(!answer.headers.iter().any(|(name, _)| name == "content-length"));
}

#[tokio::test]
async fn a_compressed_answer_is_refused_because_it_may_hide_the_value() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz").await;
    let request = HttpRequest {
        headers: vec![("Accept-Encoding".into(), "gzip".into())],
        ..get(server.url("127.0.0.1"))
    };
    let without = guard(&[&server], Vec::new(), Arc::default());
    assert_eq!(send(&without, request.clone()).await.unwrap().body, b"xyz");
    assert!(server.requests()[0].contains("accept-encoding: gzip\r\n"));

    let with = guard(
        &[&server],
        vec![credential("prom", "Authorization", &[server_of(&server)])],
        token(),
    );
    let error = send(&with, request).await.unwrap_err();
    assert!(matches!(error, EgressError::Protocol { .. }), "{error}");
    assert!(server.requests()[1].contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn values_are_read_seldom_and_again_when_refused() {
    let server = Server::start(|mut stream, server| async move {
        let request = server.read_request(&mut stream).await?;
        let status = if request.contains("new") {
            "200 OK"
        } else {
            "401 Unauthorized"
        };
        stream
            .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .await
    })
    .await;
    let secrets = Arc::new(Kept::default());
    secrets.set("prom", "old-value");
    let egress = guard(
        &[&server],
        vec![credential("prom", "X-Key", &[server_of(&server)])],
        secrets.clone(),
    );
    for _ in 0..5 {
        assert_eq!(send(&egress, get(server.url("127.0.0.1"))).await.unwrap().status, 401);
    }
    assert_eq!(secrets.reads(), 1);
    secrets.set("prom", "new-value");
    // A value that is refused right after it was read is not read again for a moment.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(send(&egress, get(server.url("127.0.0.1"))).await.unwrap().status, 401);
    assert_eq!(send(&egress, get(server.url("127.0.0.1"))).await.unwrap().status, 200);
    assert_eq!(secrets.reads(), 2);
}

#[tokio::test]
async fn a_value_that_is_not_there_sends_nothing() {
    let server = Server::echo().await;
    let secrets = Arc::new(Kept::default());
    let egress = guard(
        &[&server],
        vec![credential("prom", "X-Key", &[server_of(&server)])],
        secrets.clone(),
    );
    for (value, part) in [
        (None, "there is no Secret prom"),
        (Some("unreadable"), "the API server is away"),
        (Some("two\nlines"), "is no header value"),
        (Some(" \n"), "is no header value"),
    ] {
        if let Some(value) = value {
            secrets.set("prom", value);
        }
        let error = send(&egress, get(server.url("127.0.0.1"))).await.unwrap_err();
        assert_eq!(error.kind(), EgressErrorKind::Denied);
        assert!(
            error.to_string().contains(part) && !error.to_string().contains("lines"),
            "{error}"
        );
    }
    assert_eq!(server.reached(), 0);
    secrets.set("prom", "fine");
    send(&egress, get(server.url("127.0.0.1"))).await.unwrap();
    // An API server that goes away stops no measurement at once.
    secrets.set("prom", "unreadable");
    send(&egress, get(server.url("127.0.0.1"))).await.unwrap();
    assert_eq!(server.reached(), 2);
}

#[tokio::test]
async fn an_entry_that_cannot_be_used_says_where_and_why() {
    let hosts = ["a.test:443".to_owned()];
    let broken = |change: &dyn Fn(&mut CredentialGrant)| {
        let mut grant = credential("prom", "Authorization", &hosts);
        change(&mut grant);
        let permissions = Permissions {
            credentials: vec![grant],
            ..Permissions::default()
        };
        Egress::new(&permissions, &host(), tokio::runtime::Handle::current())
    };
    assert!(broken(&|_| ()).is_ok());
    assert!(broken(&|grant| (grant.header, grant.hosts, grant.readable) = (String::new(), Vec::new(), true)).is_ok());
    for (change, part) in [
        (
            &(|grant: &mut CredentialGrant| grant.header = "X Y".into()) as &dyn Fn(&mut CredentialGrant),
            "no header name",
        ),
        (&|grant| grant.header = "Host".into(), "belongs to the host"),
        (&|grant| grant.hosts.clear(), "needs the servers"),
        (&|grant| grant.header.clear(), "nothing to send"),
        (&|grant| grant.hosts = vec!["*:443".into()], "to every server"),
        (&|grant| grant.hosts = vec!["a.test".into()], "a port is missing"),
        (&|grant| grant.secret_ref = None, "secretRef: missing"),
    ] {
        let error = broken(change).unwrap_err().to_string();
        assert!(
            error.starts_with("permissions.credentials[0]: \"prom\": ") && error.contains(part),
            "{error}"
        );
    }
}
