//! Answers in the network's place: the same guard, the same masking.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rollcage_api::plugin::Permissions;
use rollcage_core::host::{HostServices, HttpRequest, HttpResponder, HttpResponse};

use super::support::{Kept, Server, call, call_of, credential, egress, get, host, http, missing, send};
use crate::egress::{Egress, EgressErrorKind, SendOptions};

#[derive(Debug, Default)]
struct Scenario(Mutex<Vec<HttpRequest>>);

#[async_trait]
impl HttpResponder for Scenario {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, String>> {
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
            "down" => Some(Err("connection refused".into())),
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
