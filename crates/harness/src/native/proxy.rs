//! An HTTP proxy that asks a responder first, and the network for what it does not answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, Method, StatusCode, header};
use rollcage_core::host::{HttpFailure, HttpRequest, HttpResponder, HttpResponse};
use tokio::net::TcpListener;

/// Largest body of a request or an answer.
const BODY: usize = 16 << 20;
/// Longest time for an answer of the network.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone)]
struct Proxy {
    responder: Arc<dyn HttpResponder>,
    network: reqwest::Client,
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, responder: Arc<dyn HttpResponder>) {
    let network = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build();
    let network = match network {
        Ok(network) => network,
        Err(error) => {
            tracing::warn!(%error, "no proxy for native plugins");
            return;
        }
    };
    let router = Router::new().fallback(answer).with_state(Proxy { responder, network });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::warn!(%error, "the proxy of native plugins no longer listens");
    }
}

async fn answer(State(proxy): State<Proxy>, request: Request) -> Response {
    if request.method() == Method::CONNECT || request.uri().scheme().is_none() {
        let text = "only http:// requests are answered here: what is encrypted cannot be seen\n";
        return plain(StatusCode::NOT_IMPLEMENTED, text.to_owned());
    }
    let request = match read(request).await {
        Ok(request) => request,
        Err(text) => return plain(StatusCode::PAYLOAD_TOO_LARGE, text),
    };
    let answer = if let Some(answer) = proxy.responder.respond(&request).await {
        answer
    } else {
        let answer = proxy.ask(&request).await;
        proxy.responder.heard(&request, &answer);
        answer
    };
    match answer {
        Ok(answer) => respond(answer),
        Err(failure) => plain(StatusCode::BAD_GATEWAY, format!("{failure}\n")),
    }
}

async fn read(request: Request) -> Result<HttpRequest, String> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY)
        .await
        .map_err(|error| error.to_string())?;
    Ok(HttpRequest {
        method: head.method.to_string(),
        url: head.uri.to_string(),
        headers: texts(&head.headers),
        body: body.to_vec(),
    })
}

/// Headers that are not those of the connection.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let of_connection = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::HOST,
        header::PROXY_AUTHORIZATION,
    ];
    headers
        .iter()
        .filter(|(name, _)| !of_connection.contains(name) && *name != "proxy-connection")
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        })
        .collect()
}

impl Proxy {
    async fn ask(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let failure = |error: reqwest::Error| {
            if error.is_timeout() {
                HttpFailure::Timeout(PATIENCE)
            } else if error.is_connect() {
                HttpFailure::Connect(causes(&error))
            } else {
                HttpFailure::Protocol(causes(&error))
            }
        };
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|error| HttpFailure::Protocol(error.to_string()))?;
        let mut asked = self.network.request(method, &request.url).body(request.body.clone());
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        let mut answer = asked.send().await.map_err(failure)?;
        let (status, headers) = (answer.status().as_u16(), texts(answer.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failure)? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY {
                return Err(HttpFailure::Protocol(format!("the answer has more than {BODY} bytes")));
            }
        }
        Ok(HttpResponse { status, headers, body })
    }
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn respond(answer: HttpResponse) -> Response {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(answer.body))
        .unwrap_or_else(|error| plain(StatusCode::BAD_GATEWAY, format!("{error}\n")))
}

fn plain(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
