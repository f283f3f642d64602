//! Addresses with a server behind them that counts: nobody gets there who may not.

use std::{process::Command, sync::Arc};

use super::support::{Server, Told, call, egress, get, host, http, missing, ok, send};
use crate::egress::{AddressClass, EgressError, SendOptions};

/// Spellings that reach a server on 127.0.0.1 of this machine when nothing stops them.
const LOOPBACK_SPELLINGS: [&str; 12] = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "0x7f000001",
    "127.0.0.1.",
    "①②⑦.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "0.0.0.0",
    "0",
];

#[tokio::test]
async fn loopback_as_an_address_needs_its_own_grant() {
    let server = Server::echo().await;
    for grants in [
        vec![],
        vec![server.grant("*")],
        vec![server.grant("localhost"), server.grant("name.test")],
    ] {
        let egress = egress(&http(grants), &host(), Arc::default());
        for spelling in LOOPBACK_SPELLINGS {
            let grant = missing(send(&egress, get(server.url(spelling))).await);
            assert!(grant.contains("127.0.0.1") || grant.contains("0.0.0.0"), "{grant}");
        }
    }
    assert_eq!(server.reached(), 0);

    let granted = [server.grant("127.0.0.1"), server.grant("0.0.0.0")];
    let egress = egress(&http(granted.into()), &host(), Arc::default());
    for spelling in LOOPBACK_SPELLINGS {
        let answer = send(&egress, get(server.url(spelling))).await.unwrap();
        assert_eq!(answer.status, 200, "{spelling}");
    }
    assert_eq!(server.reached(), LOOPBACK_SPELLINGS.len());
}

#[tokio::test]
async fn a_name_that_leads_to_a_special_address_reaches_nobody() {
    let server = Server::echo().await;
    for (address, class) in [
        ("127.0.0.1", AddressClass::Loopback),
        ("::ffff:127.0.0.1", AddressClass::Loopback),
        ("0.0.0.0", AddressClass::Unspecified),
        ("::", AddressClass::Unspecified),
        ("::1", AddressClass::Loopback),
        ("169.254.169.254", AddressClass::Metadata),
        ("169.254.1.1", AddressClass::LinkLocal),
        ("fe80::1", AddressClass::LinkLocal),
        ("fd00:ec2::254", AddressClass::Metadata),
        ("100.100.100.200", AddressClass::Metadata),
        ("64:ff9b::7f00:1", AddressClass::Loopback),
        ("2002:7f00:1::", AddressClass::Loopback),
        ("::127.0.0.1", AddressClass::Reserved),
        ("224.0.0.1", AddressClass::Multicast),
        ("255.255.255.255", AddressClass::Broadcast),
        ("240.0.0.1", AddressClass::Reserved),
    ] {
        let names = Arc::new(Told::default().name("name.test", &[&[address]]));
        for grant in ["name.test", "*"] {
            let egress = egress(&http(vec![server.grant(grant)]), &host(), names.clone());
            let error = send(&egress, get(server.url("name.test"))).await.unwrap_err();
            let EgressError::Denied {
                address: denied,
                denial,
                ..
            } = &error
            else {
                panic!("{address}: {error}");
            };
            assert_eq!(*denied, Some(class), "{address}");
            assert!(denial.grant.contains(&server.port.to_string()), "{error}");
            assert!(!error.to_string().contains("query"), "{error}");
        }
    }
    assert_eq!(server.reached(), 0);

    let names = Arc::new(Told::default().name("name.test", &[&["127.0.0.1"]]));
    let granted = [server.grant("name.test"), server.grant("127.0.0.0/8")];
    let egress = egress(&http(granted.into()), &host(), names);
    assert_eq!(send(&egress, get(server.url("name.test"))).await.unwrap().status, 200);
    assert_eq!(server.reached(), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_reaches_nobody() {
    let server = Server::echo().await;
    let public: &[&str] = &["93.184.215.14"];
    let loopback: &[&str] = &["127.0.0.1"];
    let both: &[&str] = &["127.0.0.1", "93.184.215.14", "::ffff:127.0.0.1"];
    let names = Arc::new(Told::default().name("rebind.test", &[public, loopback, both]));
    let egress = egress(&http(vec![server.grant("rebind.test")]), &host(), names.clone());

    // One look-up a connection: what was checked is what is connected to, so the second answer comes too late.
    let error = send(&egress, get(server.url("rebind.test"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error}");
    assert_eq!((names.lookups(), server.reached()), (1, 0));

    let error = send(&egress, get(server.url("rebind.test"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Denied { .. }), "{error}");
    assert_eq!((names.lookups(), server.reached()), (2, 0));

    // Of a mixed answer only the public address is tried.
    let error = send(&egress, get(server.url("rebind.test"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error}");
    assert_eq!((names.lookups(), server.reached()), (3, 0));
}

#[tokio::test]
async fn a_name_that_is_not_granted_is_not_looked_up() {
    let server = Server::echo().await;
    let names = Arc::new(Told::default().name("other.test", &[&["127.0.0.1"]]));
    let granted = [server.grant("name.test"), server.grant("127.0.0.1")];
    let egress = egress(&http(granted.into()), &host(), names.clone());
    let grant = missing(send(&egress, get(server.url("other.test"))).await);
    assert_eq!(grant, format!(r#"http: ["other.test:{}"]"#, server.port));
    assert_eq!((names.lookups(), server.reached()), (0, 0));

    let error = send(&egress, get(server.url("name.test"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Dns { .. }), "{error}");
}

#[tokio::test]
async fn localhost_is_this_machine_whatever_a_name_server_says() {
    let server = Server::echo().await;
    let names = Arc::new(Told::default().name("localhost", &[&["93.184.215.14"]]));
    let egress = egress(&http(vec![server.grant("localhost")]), &host(), names.clone());
    for spelling in ["localhost", "LocalHost", "localhost."] {
        let seen = call();
        let request = get(server.url(spelling));
        let answer = egress.send(&seen.call, request, SendOptions::default()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(seen.usage.lock().unwrap().http_requests, 1);
    }
    assert_eq!((names.lookups(), server.reached()), (0, 3));
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /path?query=1 HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains(&format!("host: localhost:{}\r\n", server.port)),
        "{request}"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let other = Server::echo().await;
    for (status, location) in [
        (301, other.url("127.0.0.1")),
        (302, other.url("localhost")),
        (307, "//169.254.169.254/".to_owned()),
        (308, "/again".to_owned()),
    ] {
        let answer = format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let server = Server::answering(answer).await;
        let granted = [
            server.grant("127.0.0.1"),
            other.grant("127.0.0.1"),
            other.grant("localhost"),
        ];
        let egress = egress(&http(granted.into()), &host(), Arc::default());
        let answer = send(&egress, get(server.url("127.0.0.1"))).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.headers.contains(&("location".into(), location)));
        assert_eq!(server.reached(), 1);
    }
    assert_eq!(other.reached(), 0);
}

/// The environment names a proxy in a process of its own, because it cannot be changed in this one.
#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_is_asked() {
    const URL: &str = "ROLLCAGE_TEST_URL";
    if let Ok(url) = std::env::var(URL) {
        let port = url.rsplit(':').next().unwrap().trim_end_matches('/');
        let grant = rollcage_api::plugin::HttpGrant::Host(format!("127.0.0.1:{port}"));
        let egress = egress(&http(vec![grant]), &host(), Arc::default());
        assert_eq!(send(&egress, get(url)).await.unwrap().status, 200);
        return;
    }
    let server = Server::answering(ok("hello")).await;
    let proxy = Server::answering(ok("proxy")).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "egress::tests::addresses::no_proxy_is_asked", "--nocapture"]);
    child.env(URL, format!("http://127.0.0.1:{}/", server.port));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, format!("http://127.0.0.1:{}", proxy.port));
    }
    let output = tokio::task::spawn_blocking(move || child.output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((server.reached(), proxy.reached()), (1, 0));
}
