//! What every request goes through.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use kube::client::Body;
use tower::{BoxError, Service, ServiceExt as _, util::BoxCloneService};

use super::{
    fence::{Fence, NotLeading},
    limiter::Limiter,
    request::{Aim, ApiRequest},
    transport::{Answer, Transport},
};
use crate::run::Observer;

/// Longest time of a read; of a watch, until it begins.
const READ: Duration = Duration::from_secs(30);

/// Largest answer that is kept in memory: more than any page of a list.
const ANSWER: usize = 256 << 20;

/// How often a read is sent, if the API server has no time for it.
const TRIES: u32 = 5;

/// Pause before a read is sent again; it doubles every time.
const PAUSE: Duration = Duration::from_millis(100);

/// A service with the rules of this module around it. Cheap to clone.
#[derive(Clone)]
pub struct Guarded {
    free: Transport,
    fenced: Option<(Fence, Transport)>,
    limiter: Option<Limiter>,
    pauses: Option<Limiter>,
    name: &'static str,
    write: Duration,
    observer: Arc<dyn Observer>,
}

impl Guarded {
    pub(super) fn new(free: Transport, name: &'static str, write: Duration, observer: Arc<dyn Observer>) -> Self {
        Self {
            free,
            fenced: None,
            limiter: None,
            pauses: None,
            name,
            write,
            observer,
        }
    }

    /// Around any service, such as one of an API server in the same process.
    pub fn around<S, B>(service: S, name: &'static str, write: Duration, observer: Arc<dyn Observer>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service
            .map_err(Into::into)
            .map_response(|response| response.map(|body| body.map_err(Into::into).boxed_unsync()));
        Self::new(BoxCloneService::new(service), name, write, observer)
    }

    /// At this rate.
    #[must_use]
    pub fn limited(self, limiter: Limiter) -> Self {
        Self {
            limiter: Some(limiter.clone()),
            pauses: Some(limiter),
            ..self
        }
    }

    /// Whoever keeps this rate, and is not us, pauses when the API server says so.
    #[must_use]
    pub fn pausing(self, limiter: Limiter) -> Self {
        Self {
            pauses: Some(limiter),
            ..self
        }
    }

    /// Writes go another way, while the fence is open.
    pub(super) fn fenced(self, fenced: Option<(Fence, Transport)>) -> Self {
        Self { fenced, ..self }
    }

    /// Writes go only while the fence is open.
    #[must_use]
    pub fn behind(self, fence: Fence) -> Self {
        let way = self.free.clone();
        self.fenced(Some((fence, way)))
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        let aim = Aim::of(&request);
        let (parts, body) = request.into_parts();
        // Kept, so that reads can be sent again.
        let body = body.collect_bytes().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            self.check(&aim)?;
            if let Some(limiter) = &self.limiter {
                limiter.pass("").await;
            }
            // After the wait, which may have been long; and once more whenever bytes go out.
            self.check(&aim)?;
            let began = Instant::now();
            let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
            let answer = exchange(self.way(&aim), self.limit(&aim), &aim, request).await;
            self.observer.request(&ApiRequest {
                client: self.name,
                verb: aim.verb,
                resource: &aim.resource,
                namespace: &aim.namespace,
                code: answer.as_ref().map_or(0, |answer| answer.status().as_u16()),
                took: began.elapsed(),
            });
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return Err(error),
            };
            if !has_no_time(answer.status()) {
                return Ok(answer);
            }
            if let (Some(pause), Some(limiter)) = (retry_after(&answer), &self.pauses) {
                limiter.pause(pause);
            }
            if tries >= TRIES || !aim.is_read() {
                return Ok(answer);
            }
            let pause = retry_after(&answer).unwrap_or_default().min(READ);
            tokio::time::sleep(pause.max(PAUSE * (1 << tries))).await;
        }
    }

    fn check(&self, aim: &Aim) -> Result<(), NotLeading> {
        match &self.fenced {
            Some((fence, _)) if !aim.is_read() => fence.check(),
            _ => Ok(()),
        }
    }

    fn way(&self, aim: &Aim) -> Transport {
        match &self.fenced {
            Some((_, fenced)) if !aim.is_read() => fenced.clone(),
            _ => self.free.clone(),
        }
    }

    fn limit(&self, aim: &Aim) -> Duration {
        if aim.is_read() { READ } else { self.write }
    }
}

/// One request and the whole of its answer; of a watch, its beginning.
async fn exchange(
    way: Transport,
    limit: Duration,
    aim: &Aim,
    request: Request<Body>,
) -> Result<Response<Answer>, BoxError> {
    let exchanged = async {
        let answer = match way.oneshot(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(error),
        };
        if aim.is_watch() && answer.status().is_success() {
            return Ok(answer);
        }
        let (parts, body) = answer.into_parts();
        let bytes = whole(body).await?;
        let body: UnsyncBoxBody<Bytes, BoxError> = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        Ok(Response::from_parts(parts, body))
    };
    match tokio::time::timeout(limit, exchanged).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("the API server does not answer within {limit:?}").into()),
    }
}

/// All of an answer's body, up to a bound.
async fn whole(mut body: Answer) -> Result<Bytes, BoxError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err(error),
        };
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > ANSWER {
                return Err(format!("the answer is larger than {ANSWER} bytes").into());
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.freeze())
}

/// The API server says to come back.
fn has_no_time(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

impl Service<Request<Body>> for Guarded {
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
