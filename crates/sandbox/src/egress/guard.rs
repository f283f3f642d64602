//! The guard itself: one for every plugin.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use rollcage_api::plugin::Permissions;
use rollcage_core::host::{HostServices, HttpFailure, HttpRequest, HttpResponder, HttpResponse};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::{
    call::EgressCall,
    clients::Clients,
    credentials::Credentials,
    error::{EgressError, GrantError},
    failure::classify,
    grants::{Grants, Trust, parse_method},
    headers,
    mask::Patterns,
    names::{Names, SystemNames},
    target::Target,
};

/// The way out for one plugin. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Egress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    grants: Arc<Grants>,
    credentials: Credentials,
    clients: Clients,
    responder: Option<Arc<dyn HttpResponder>>,
    /// Where input and output happens: the host's own threads, never a guest's.
    runtime: Handle,
}

/// How one request is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOptions {
    /// Time for the whole exchange; the call's deadline holds all the same.
    pub timeout: Option<Duration>,
    /// The server's certificate is not checked, which the grant must allow.
    pub skip_tls_verify: bool,
}

/// A request that was granted.
pub(super) struct Granted {
    pub(super) target: Target,
    /// The server as the entry writes it.
    pub(super) grant: Arc<str>,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    trust: Trust,
}

impl Egress {
    /// Reads a plugin's grants and credentials. `runtime` is where connections live; it needs I/O and time.
    pub fn new(permissions: &Permissions, host: &HostServices, runtime: Handle) -> Result<Self, GrantError> {
        Self::with_names(permissions, host, runtime, Arc::new(SystemNames::default()))
    }

    /// The same with a resolver of one's own.
    pub fn with_names(
        permissions: &Permissions,
        host: &HostServices,
        runtime: Handle,
        names: Arc<dyn Names>,
    ) -> Result<Self, GrantError> {
        Self::with_source(permissions, host, runtime, names, None)
    }

    pub(super) fn with_source(
        permissions: &Permissions,
        host: &HostServices,
        runtime: Handle,
        names: Arc<dyn Names>,
        source: Option<std::net::IpAddr>,
    ) -> Result<Self, GrantError> {
        let grants = Arc::new(Grants::parse(&permissions.http)?);
        Ok(Self(Arc::new(Inner {
            credentials: Credentials::parse(&permissions.credentials, host.secrets.clone())?,
            clients: Clients::new(grants.clone(), names, source),
            grants,
            responder: host.http.clone(),
            runtime,
        })))
    }

    /// Sends a whole request and waits for the whole answer. May be awaited on any thread.
    pub async fn send(
        &self,
        call: &EgressCall,
        request: HttpRequest,
        options: SendOptions,
    ) -> Result<HttpResponse, EgressError> {
        let result = self.send_whole(call, request, options).await;
        if let Err(error) = &result {
            call.note_error(error);
        }
        result
    }

    async fn send_whole(
        &self,
        call: &EgressCall,
        request: HttpRequest,
        options: SendOptions,
    ) -> Result<HttpResponse, EgressError> {
        let HttpRequest {
            method,
            url,
            headers,
            body,
        } = request;
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let granted = self.grant(call, &method, &url, headers, Some(length), options.skip_tls_verify)?;
        // Before the server has anything to do with it.
        call.take_out(body.len())
            .inspect_err(|error| call.ended(Some(&granted.grant), error.end()))?;
        let mut in_flight = call.begin(&granted.target, &granted.grant)?;
        let server = granted.target.to_string();
        call.note_request();

        let end = End::of(call, options.timeout);
        let (inner, shared) = (self.0.clone(), call.clone());
        let exchange = async move {
            let answer = inner.answer(&shared, &granted, OutBody::Whole(body.into())).await?;
            inner.read_whole(&shared, &granted, answer).await
        };
        let result = self.run(end, server, exchange).await;
        if let Ok(answer) = &result {
            in_flight.answered(answer.status);
        }
        in_flight.settle(result.as_ref().err());
        result
    }

    /// Everything that can be said before the network is asked. What is refused is told to the call.
    pub(super) fn grant(
        &self,
        call: &EgressCall,
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
        length: Option<u64>,
        skip_tls_verify: bool,
    ) -> Result<Granted, EgressError> {
        let mut grant = None;
        self.grant_to(&mut grant, method, url, headers, length, skip_tls_verify)
            .inspect_err(|error| call.ended(grant.as_deref(), error.end()))
    }

    fn grant_to(
        &self,
        grant: &mut Option<Arc<str>>,
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
        length: Option<u64>,
        skip_tls_verify: bool,
    ) -> Result<Granted, EgressError> {
        let method = parse_method(method).map_err(EgressError::InvalidRequest)?;
        let target = Target::parse(url)?;
        *grant = self.0.grants.naming(&target).cloned();
        let trust = self.0.grants.check(&target, &method, skip_tls_verify)?;
        let headers = headers::outgoing(headers, &target, length)?;
        Ok(Granted {
            // What passes the check has one.
            grant: grant.clone().unwrap_or_default(),
            target,
            method,
            headers,
            trust,
        })
    }

    /// Runs an exchange on the host's threads until it ends, its time is over, or nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        end: End,
        server: String,
        exchange: impl Future<Output = Result<T, EgressError>> + Send + 'static,
    ) -> Result<T, EgressError> {
        let task = self.0.runtime.spawn(async move {
            match tokio::time::timeout_at(end.at.into(), exchange).await {
                Ok(result) => result,
                Err(_) => Err(end.timeout(server)),
            }
        });
        match AbortOnDropHandle::new(task).await {
            Ok(result) => result,
            Err(error) => Err(EgressError::Host(format!("the exchange was lost: {error}"))),
        }
    }

    /// The answer's head, checked and masked; its body is neither yet.
    pub(super) async fn answer(
        &self,
        call: &EgressCall,
        granted: &Granted,
        body: OutBody,
    ) -> Result<http::Response<reqwest::Body>, EgressError> {
        self.0.answer(call, granted, body).await
    }

    /// Runs something to its end on the host's threads.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.runtime.spawn(task));
    }

    /// What is masked in answers.
    pub(super) fn patterns(&self) -> Patterns {
        self.0.credentials.patterns()
    }
}

impl Inner {
    async fn answer(
        &self,
        call: &EgressCall,
        granted: &Granted,
        body: OutBody,
    ) -> Result<http::Response<reqwest::Body>, EgressError> {
        let mut headers = granted.headers.clone();
        self.credentials
            .attach(&granted.target, &mut headers, call.masker())
            .await?;
        if !self.credentials.is_empty() {
            // A compressed answer could hide a value from the mask.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let response = match self.ask_responder(granted, &headers, body).await? {
            Responded::Answer(response) => response,
            Responded::Nothing(body) => self.ask_network(granted, headers, body).await?,
            Responded::Listens(responder, request) => {
                let body = OutBody::Whole(request.body.clone().into());
                let answered = self.ask_network(granted, headers, body).await;
                let whole = match answered {
                    Ok(response) => whole(call, granted, response).await,
                    Err(error) => Err(error),
                };
                responder.heard(&request, &whole.clone().map_err(|error| failure_of(&error)));
                response_of(whole?).map_err(|error| protocol(granted, &error))?
            }
        };
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.credentials.refused(&granted.target);
        }
        self.check_head(call, granted, response)
    }

    async fn ask_responder(
        &self,
        granted: &Granted,
        headers: &HeaderMap,
        body: OutBody,
    ) -> Result<Responded, EgressError> {
        let Some(responder) = &self.responder else {
            return Ok(Responded::Nothing(body));
        };
        let body = body.whole().await?;
        let request = HttpRequest {
            method: granted.method.to_string(),
            url: granted.target.url().to_string(),
            headers: pairs(headers),
            body: body.to_vec(),
        };
        match responder.respond(&request).await {
            None if responder.listens() => Ok(Responded::Listens(Arc::clone(responder), request)),
            None => Ok(Responded::Nothing(OutBody::Whole(body))),
            Some(Err(failure)) => Err(error_of(failure, granted)),
            Some(Ok(answer)) => {
                let response = response_of(answer).map_err(|error| protocol(granted, &error))?;
                Ok(Responded::Answer(response))
            }
        }
    }

    async fn ask_network(
        &self,
        granted: &Granted,
        headers: HeaderMap,
        body: OutBody,
    ) -> Result<http::Response<reqwest::Body>, EgressError> {
        let client = self.clients.get(granted.target.port(), &granted.trust)?;
        let mut request = reqwest::Request::new(granted.method.clone(), granted.target.url().clone());
        *request.headers_mut() = headers;
        match body {
            OutBody::Whole(body) if body.is_empty() && !expects_body(&granted.method) => {}
            OutBody::Whole(body) => *request.body_mut() = Some(body.into()),
            OutBody::Stream { body, length } => {
                if let Some(length) = length {
                    request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
                }
                *request.body_mut() = Some(body);
            }
        }
        let response = client
            .execute(request)
            .await
            .map_err(|error| classify(&error, &granted.target))?;
        Ok(response.into())
    }

    fn check_head(
        &self,
        call: &EgressCall,
        granted: &Granted,
        response: http::Response<reqwest::Body>,
    ) -> Result<http::Response<reqwest::Body>, EgressError> {
        let (mut parts, body) = response.into_parts();
        let patterns = self.credentials.patterns();
        if parts.status.is_informational() {
            return Err(EgressError::Protocol {
                server: granted.target.to_string(),
                cause: "the server wants another protocol".into(),
            });
        }
        let encoding = parts.headers.get(header::CONTENT_ENCODING);
        if !patterns.is_empty()
            && encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(EgressError::Protocol {
                server: granted.target.to_string(),
                cause:
                    "the answer is compressed although that was not asked for, so credentials cannot be masked in it"
                        .into(),
            });
        }
        parts.headers = bounded(call, &parts.headers, &patterns)?;
        if !patterns.is_empty() && granted.method != Method::HEAD {
            // Masking may change the length.
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        Ok(http::Response::from_parts(parts, body))
    }

    async fn read_whole(
        &self,
        call: &EgressCall,
        granted: &Granted,
        response: http::Response<reqwest::Body>,
    ) -> Result<HttpResponse, EgressError> {
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| classify(&error, &granted.target))?;
            if let Ok(data) = frame.into_data() {
                call.take_in(data.len())?;
                bytes.extend_from_slice(&data);
            }
        }
        Ok(HttpResponse {
            status: parts.status.as_u16(),
            headers: pairs(&parts.headers),
            body: self.credentials.patterns().mask(bytes.into()).into(),
        })
    }
}

/// When an exchange is over, and what that means.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) at: Instant,
    began: Instant,
    call_deadline: bool,
}

impl End {
    /// The earlier of a request's own time-out and the call's deadline.
    pub(super) fn of(call: &EgressCall, timeout: Option<Duration>) -> Self {
        let began = Instant::now();
        let own = timeout.and_then(|timeout| began.checked_add(timeout));
        let own = own.filter(|own| *own < call.deadline());
        Self {
            at: own.unwrap_or(call.deadline()),
            began,
            call_deadline: own.is_none(),
        }
    }

    pub(super) fn timeout(self, server: String) -> EgressError {
        EgressError::Timeout {
            server,
            after: self.at.saturating_duration_since(self.began),
            call_deadline: self.call_deadline,
        }
    }
}

/// A request's body.
pub(super) enum OutBody {
    /// All of it.
    Whole(Bytes),
    /// As the guest writes it, already counted, with the length that the guest announced.
    Stream { body: reqwest::Body, length: Option<u64> },
}

impl OutBody {
    async fn whole(self) -> Result<Bytes, EgressError> {
        match self {
            Self::Whole(body) => Ok(body),
            Self::Stream { body, .. } => match body.collect().await {
                Ok(collected) => Ok(collected.to_bytes()),
                Err(error) => Err(EgressError::InvalidRequest(format!(
                    "the request's body broke off: {error}"
                ))),
            },
        }
    }
}

/// Headers or trailers of an answer: bounded, counted, masked.
pub(super) fn bounded(call: &EgressCall, received: &HeaderMap, patterns: &Patterns) -> Result<HeaderMap, EgressError> {
    let mut kept = headers::incoming(received)?;
    call.take_in(headers::size(&kept))?;
    if !patterns.is_empty() {
        for value in kept.values_mut() {
            let masked = patterns.mask(Bytes::copy_from_slice(value.as_bytes()));
            *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static(rollcage_core::secret::MASK));
        }
    }
    Ok(kept)
}

/// Methods whose empty body is announced as `Content-Length: 0`, as servers expect it.
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

/// What came of asking a responder.
enum Responded {
    Answer(http::Response<reqwest::Body>),
    /// The network is to be asked.
    Nothing(OutBody),
    /// The same, and the responder wants to hear what it says.
    Listens(Arc<dyn HttpResponder>, HttpRequest),
}

/// A whole answer for one who listens, no larger than what the call may still take.
async fn whole(
    call: &EgressCall,
    granted: &Granted,
    response: http::Response<reqwest::Body>,
) -> Result<HttpResponse, EgressError> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| classify(&error, &granted.target))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
            call.has_room_for(bytes.len())?;
        }
    }
    Ok(HttpResponse {
        status: parts.status.as_u16(),
        headers: pairs(&parts.headers),
        body: bytes,
    })
}

fn protocol(granted: &Granted, error: &http::Error) -> EgressError {
    EgressError::Protocol {
        server: granted.target.to_string(),
        cause: error.to_string(),
    }
}

/// A failure that a responder gives, as if the network had given it.
fn error_of(failure: HttpFailure, granted: &Granted) -> EgressError {
    let server = granted.target.to_string();
    match failure {
        HttpFailure::Connect(cause) => EgressError::Connect {
            server,
            cause,
            timed_out: false,
        },
        HttpFailure::Dns(cause) => EgressError::Dns { server, cause },
        HttpFailure::Tls(cause) => EgressError::Tls { server, cause },
        HttpFailure::Timeout(after) => EgressError::Timeout {
            server,
            after,
            call_deadline: false,
        },
        HttpFailure::Protocol(cause) => EgressError::Protocol { server, cause },
    }
}

/// The network's failure for one who listens.
fn failure_of(error: &EgressError) -> HttpFailure {
    match error {
        EgressError::Connect { cause, .. } => HttpFailure::Connect(cause.clone()),
        EgressError::Dns { cause, .. } => HttpFailure::Dns(cause.clone()),
        EgressError::Tls { cause, .. } => HttpFailure::Tls(cause.clone()),
        EgressError::Timeout { after, .. } => HttpFailure::Timeout(*after),
        EgressError::Protocol { cause, .. } => HttpFailure::Protocol(cause.clone()),
        error => HttpFailure::Protocol(error.to_string()),
    }
}

fn response_of(answer: HttpResponse) -> Result<http::Response<reqwest::Body>, http::Error> {
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.body.into())
}
