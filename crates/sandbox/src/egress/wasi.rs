//! `wasi:http` outgoing over the same guard, with streaming bodies.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderName, header};
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

use super::{
    call::{EgressCall, InFlight},
    error::EgressError,
    failure::classify,
    guard::{Egress, End, Granted, OutBody, bounded},
    headers::is_hosts_own,
    mask::{Patterns, StreamMask},
};

/// Bytes that one write of a request's body may have: what the host buffers for each.
const CHUNK: usize = 64 * 1024;

/// What a store hands to `wasi:http`: the guard, for one call.
#[derive(Debug)]
pub struct WasiEgress {
    egress: Egress,
    call: EgressCall,
}

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiEgress {
    /// For one call.
    pub fn new(egress: Egress, call: EgressCall) -> Self {
        Self { egress, call }
    }

    /// What can be said at once; the rest is the returned future.
    fn begin(
        &self,
        request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<impl Future<Output = Sent> + Send + 'static, EgressError> {
        let (parts, body) = request.into_parts();
        let length = parts.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let url = parts.uri.to_string();
        let granted = self
            .egress
            .grant(&self.call, parts.method.as_str(), &url, headers, None, false)?;
        let in_flight = self.call.begin(&granted.target, &granted.grant)?;
        self.call.note_request();
        let body = self.out_body(body, length);
        Ok(exchange(
            self.egress.clone(),
            self.call.clone(),
            granted,
            body,
            options,
            in_flight,
        ))
    }

    fn out_body(&self, body: WasiBody, length: Option<u64>) -> OutBody {
        if body.is_end_stream() || body.size_hint().exact() == Some(0) {
            return OutBody::Whole(Bytes::new());
        }
        let call = self.call.clone();
        let counted =
            BodyDataStream::new(body).map(move |data| -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
                let data = data?;
                call.take_out(data.len())?;
                Ok(data)
            });
        OutBody::Stream {
            body: reqwest::Body::wrap_stream(counted),
            length,
        }
    }
}

impl WasiHttpHooks for WasiEgress {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        match self.begin(request, options.unwrap_or_default()) {
            Ok(exchange) => Box::new(exchange),
            Err(error) => {
                self.call.note_error(&error);
                Box::new(async move { Err(to_wasi(&error)) })
            }
        }
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        std::sync::Arc::new(is_forbidden)
    }

    /// The guard sets it from the address.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// `Content-Length` is the guest's to set: `wasi:http` checks it against the body.
fn is_forbidden(name: &HeaderName) -> bool {
    *name != header::CONTENT_LENGTH && is_hosts_own(name)
}

async fn exchange(
    egress: Egress,
    call: EgressCall,
    granted: Granted,
    body: OutBody,
    options: RequestOptions,
    mut in_flight: InFlight,
) -> Sent {
    // A time-out for the connection alone cannot be told from the first byte's here: both together bound the head.
    let head = options
        .first_byte_timeout
        .map(|first| first.saturating_add(options.connect_timeout.unwrap_or_default()));
    let end = End::of(&call, head);
    let server = granted.target.to_string();
    let (inner, shared) = (egress.clone(), call.clone());
    let head = async move {
        let response = inner.answer(&shared, &granted, body).await?;
        Ok((granted, response))
    };
    let (granted, response) = match egress.run(end, server, head).await {
        Ok(answered) => answered,
        Err(error) => {
            call.note_error(&error);
            in_flight.settle(Some(&error));
            return Err(to_wasi(&error));
        }
    };
    in_flight.answered(response.status().as_u16());
    let (parts, body) = response.into_parts();
    let (sender, receiver) = mpsc::channel(1);
    let pump = Pump {
        call,
        granted,
        patterns: egress.patterns(),
        between: options.between_bytes_timeout,
        sender,
    };
    egress.spawn(pump.run(body, in_flight));
    let response = http::Response::from_parts(parts, body_of(receiver));
    Ok((response, Box::new(async { Ok(()) })))
}

/// Carries an answer's body from the connection to the guest: on the host's threads, bounded, masked.
struct Pump {
    call: EgressCall,
    granted: Granted,
    patterns: Patterns,
    between: Option<Duration>,
    sender: mpsc::Sender<Piece>,
}

/// What a body is made of. Without `End` it broke off.
enum Piece {
    Frame(Frame<Bytes>),
    Error(EgressError),
    End,
}

impl Pump {
    async fn run(self, body: reqwest::Body, in_flight: InFlight) {
        let sender = self.sender.clone();
        let last = tokio::select! {
            biased;
            // The guest has no more interest; the connection is dropped with the body.
            () = sender.closed() => return,
            last = self.carry(body) => last,
        };
        in_flight.settle(match &last {
            Piece::Error(error) => Some(error),
            Piece::Frame(_) | Piece::End => None,
        });
        let _ = sender.send(last).await;
    }

    async fn carry(self, mut body: reqwest::Body) -> Piece {
        let mut mask = StreamMask::new(self.patterns.clone());
        loop {
            let end = End::of(&self.call, self.between);
            let frame = match tokio::time::timeout_at(end.at.into(), body.frame()).await {
                Err(_) => return Piece::Error(end.timeout(self.granted.target.to_string())),
                Ok(Some(Err(error))) => return Piece::Error(classify(&error, &self.granted.target)),
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => {
                    let rest = mask.finish();
                    if !rest.is_empty() {
                        self.hand_over(Frame::data(rest)).await;
                    }
                    return Piece::End;
                }
            };
            let frame = match self.process(frame, &mut mask) {
                Ok(Some(frame)) => frame,
                Ok(None) => continue,
                Err(error) => return Piece::Error(error),
            };
            self.hand_over(frame).await;
        }
    }

    fn process(&self, frame: Frame<Bytes>, mask: &mut StreamMask) -> Result<Option<Frame<Bytes>>, EgressError> {
        match frame.into_data() {
            Ok(data) => {
                self.call.take_in(data.len())?;
                let data = mask.push(data);
                Ok((!data.is_empty()).then(|| Frame::data(data)))
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Ok(Some(Frame::trailers(bounded(&self.call, &trailers, &self.patterns)?))),
                Err(_) => Ok(None),
            },
        }
    }

    /// Waits for the guest, which `run` gives up together with its interest; the call's end takes that away.
    async fn hand_over(&self, frame: Frame<Bytes>) {
        let _ = self.sender.send(Piece::Frame(frame)).await;
    }
}

fn body_of(receiver: mpsc::Receiver<Piece>) -> WasiBody {
    let pieces = stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Frame(frame)) => Some((Ok(frame), Some(receiver))),
            Some(Piece::End) => None,
            Some(Piece::Error(error)) => Some((Err(to_wasi(&error)), None)),
            None => Some((Err(Error::HttpResponseIncomplete), None)),
        }
    });
    StreamBody::new(Pin::from(Box::new(pieces) as Box<dyn futures::Stream<Item = _> + Send>)).boxed_unsync()
}

/// `wasi:http`'s own words; those without a place for ours are told in the call's denials and faults.
fn to_wasi(error: &EgressError) -> Error {
    let text = || Some(error.to_string());
    match error {
        EgressError::Denied { address: Some(_), .. } => Error::DestinationIpProhibited,
        EgressError::Denied { .. } => Error::HttpRequestDenied,
        EgressError::Credential { .. } => Error::ConfigurationError,
        EgressError::Dns { .. } => Error::DnsError {
            rcode: text(),
            info_code: None,
        },
        EgressError::Connect { .. } => Error::ConnectionRefused,
        EgressError::Paused { .. } => Error::DestinationUnavailable,
        EgressError::Tls { .. } => Error::TlsCertificateError,
        EgressError::Timeout { .. } => Error::HttpResponseTimeout,
        EgressError::TooLarge(_) => Error::HttpResponseBodySize(None),
        EgressError::Protocol { .. } => Error::HttpProtocolError,
        EgressError::InvalidRequest(_) | EgressError::Host(_) => Error::InternalError(text()),
    }
}
