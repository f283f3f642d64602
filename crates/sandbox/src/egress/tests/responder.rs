//! Answers in the network's place: the same guard, the same masking.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rollcage_api::plugin::Permissions;
use rollcage_core::host::{HostServices, HttpFailure, HttpRequest, HttpResponder, HttpResponse};

use super::support::{Kept, Server, call, call_of, credential, egress, get, host, http, missing, send};
use crate::egress::{Egress, EgressErrorKind, SendOptions};

#[derive(Debug, Default)]
struct Scenario(Mutex<Vec<HttpRequest>>);

#[async_trait]
impl HttpResponder for Scenario {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        self.0.lock().unwrap().push(request.clone());
        let path = request.url.rsplit('/').next().unwrap();
        let answer = |body: String, headers: &[(&str, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect();
            Some(Ok(HttpResponse {
                status: 200,
                headers,
                body: body.into(),
            }))
        };
        match path {
            "echo" => answer(format!("{:?}", request.headers), &[("X-Own", "secret-value")]),
            "large" => answer("x".repeat(1_000_000), &[]),
            "bad" => answer(String::new(), &[("no header", "x")]),
            "down" => Some(Err(HttpFailure::Connect("connection refused".into()))),
            "slow" => std::future::pending().await,
            _ => None,
        }
    }
}

fn guard(grants: Vec<rollcage_api::plugin::HttpGrant>) -> (Egress, Arc<Scenario>) {
    let secrets = Arc::new(Kept::default());
    secrets.set("prom", "secret-value");
    let permissions = Permissions {
        credentials: vec![credential("prom", "X-Key", &["name.test:80".to_owned()])],
        ..http(grants)
    };
    let scenario: Arc<Scenario> = Arc::default();
    let services = HostServices {
        secrets,
        http: Some(scenario.clone()),
        ..host()
    };
    (egress(&permissions, &services, Arc::default()), scenario)
}

#[tokio::test]
async fn the_guard_stands_before_a_scenario_too() {
    let (egress, scenario) = guard(vec![rollcage_api::plugin::HttpGrant::Host("name.test:80".into())]);
    assert_eq!(
        missing(send(&egress, get("http://other.test/echo")).await),
        r#"http: ["other.test:80"]"#
    );
    send(&egress, get("http://169.254.169.254/echo")).await.unwrap_err();
    assert!(scenario.0.lock().unwrap().is_empty());

    // No name is resolved: a scenario needs no network.
    let seen = call();
    let answer = egress
        .send(&seen.call, get("http://NAME.test/echo"), SendOptions::default())
        .await
        .unwrap();
    assert_eq!(seen.usage.lock().unwrap().http_requests, 1);
    let request = scenario.0.lock().unwrap().remove(0);
    assert_eq!((&*request.method, &*request.url), ("GET", "http://name.test/echo"));
    assert!(
        request.headers.contains(&("x-key".into(), "secret-value".into())),
        "{request:?}"
    );
    assert_eq!(answer.headers, [("x-own".to_owned(), "*****".to_owned())]);
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.contains("*****") && !body.contains("secret-value"), "{body}");
}

#[tokio::test]
async fn a_scenario_is_bounded_as_a_server_is() {
    let (egress, _) = guard(vec![rollcage_api::plugin::HttpGrant::Host("name.test:80".into())]);
    for (path, kind) in [
        ("large", EgressErrorKind::TooLarge),
        ("bad", EgressErrorKind::Protocol),
        ("down", EgressErrorKind::Connect),
        ("slow", EgressErrorKind::Timeout),
    ] {
        let seen = call_of(Duration::from_millis(500));
        let url = format!("http://name.test/{path}");
        let error = egress
            .send(&seen.call, get(url), SendOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn what_a_scenario_does_not_answer_goes_to_the_network() {
    let server = Server::echo().await;
    let (egress, scenario) = guard(vec![server.grant("127.0.0.1")]);
    assert_eq!(send(&egress, get(server.url("127.0.0.1"))).await.unwrap().status, 200);
    assert_eq!((scenario.0.lock().unwrap().len(), server.reached()), (1, 1));
}

/// Hears what the network answers.
#[derive(Debug, Default)]
struct Listener(Mutex<Vec<(String, Result<HttpResponse, HttpFailure>)>>);

#[async_trait]
impl HttpResponder for Listener {
    async fn respond(&self, _: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        None
    }

    fn listens(&self) -> bool {
        true
    }

    fn heard(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>) {
        self.0.lock().unwrap().push((request.url.clone(), answer.clone()));
    }
}

#[tokio::test]
async fn one_who_listens_hears_what_the_plugin_gets_and_bounds_hold() {
    let echo = Server::echo().await;
    let large = Server::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n{}",
        "x".repeat(400_000)
    ))
    .await;
    let cut = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let grants = [&echo, &large, &cut].map(|server| server.grant("127.0.0.1"));
    let listener: Arc<Listener> = Arc::default();
    let services = HostServices {
        http: Some(listener.clone()),
        ..host()
    };
    let egress = egress(&http(grants.to_vec()), &services, Arc::default());

    let answer = send(&egress, get(echo.url("127.0.0.1"))).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains("GET"), "{answer:?}");
    let kind = |error: crate::egress::EgressError| error.kind();
    let error = send(&egress, get(large.url("127.0.0.1"))).await.unwrap_err();
    assert_eq!(kind(error), EgressErrorKind::TooLarge);
    let error = send(&egress, get(cut.url("127.0.0.1"))).await.unwrap_err();
    assert_eq!(kind(error), EgressErrorKind::Protocol);

    let heard = listener.0.lock().unwrap();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[0].1.as_ref().unwrap().body, answer.body);
    assert!(heard[1..].iter().all(|(_, answer)| answer.is_err()), "{heard:?}");
}
