//! Between a plugin's host calls and what answers them: keeps what was asked and answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use rollcage_apiserver::ApiServer;
use rollcage_core::{
    clock::Clock,
    host::{
        HostServices, HttpFailure, HttpRequest, HttpResponder, HttpResponse, Kubernetes, KubernetesError,
        KubernetesRequest, ObjectKind, ResourceName, Secrets, SecretsError,
    },
};
use serde_json::Value;

use super::{
    format::{HttpExchange, KubernetesExchange, Session, kubernetes_answer, kubernetes_request},
    mask,
};

/// Keeps one session.
#[derive(Debug)]
pub struct Recorder {
    name: String,
    start: Timestamp,
    inner: HostServices,
    /// The clock that stands still between exchanges, where the session has one.
    stepping: Option<Arc<SteppingClock>>,
    api: Option<Arc<ApiServer>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    http: Vec<HttpExchange>,
    /// Asked of the network, and not answered yet.
    waiting: Vec<HttpRequest>,
    kubernetes: Vec<KubernetesExchange>,
    secrets: BTreeMap<String, Vec<String>>,
    values: Vec<String>,
}

impl Recorder {
    /// Stands in for everything that `host` has. `real_time`: the host's clock is the machine's; plugins then see one that
    /// moves only when an answer comes or a sleep ends, so that a replay can show the same times.
    pub fn enter(name: &str, host: &mut HostServices, api: Option<Arc<ApiServer>>, real_time: bool) -> Arc<Self> {
        let stepping = real_time.then(|| Arc::new(SteppingClock::new()));
        if let Some(clock) = &stepping {
            host.clock = clock.clone();
        }
        let recorder = Arc::new(Self {
            name: name.to_owned(),
            start: host.clock.now(),
            inner: host.clone(),
            stepping,
            api,
            kept: Mutex::default(),
        });
        host.http = Some(recorder.clone());
        host.kubernetes = recorder.clone();
        host.secrets = recorder.clone();
        recorder
    }

    /// What was kept, without secrets. A request that never got its answer ended with the call.
    pub fn session(&self) -> Session {
        let at = self.inner.clock.now();
        let mut kept = self.kept();
        let waiting = std::mem::take(&mut kept.waiting);
        let lost = Err(HttpFailure::Protocol("no answer before the call ended".to_owned()));
        kept.http
            .extend(waiting.iter().map(|request| HttpExchange::of(request, &lost, at)));
        let mut values = kept.values.clone();
        values.extend(kept.http.iter().flat_map(mask::tokens_in));
        if let Some(api) = &self.api {
            values.extend(mask::secrets_of(api));
        }
        let masker = mask::masker(values);
        let (http, kubernetes) = (kept.http.iter().cloned(), kept.kubernetes.iter().cloned());
        Session {
            name: self.name.clone(),
            start: self.start,
            secrets: kept.secrets.clone(),
            http: http.map(|exchange| mask::http(exchange, &masker)).collect(),
            kubernetes: kubernetes.map(|exchange| mask::kubernetes(exchange, &masker)).collect(),
        }
    }

    fn keep(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>) {
        if let Some(clock) = &self.stepping {
            clock.step();
        }
        let at = self.inner.clock.now();
        self.kept().http.push(HttpExchange::of(request, answer, at));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HttpResponder for Recorder {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let answer = match &self.inner.http {
            Some(inner) => inner.respond(request).await,
            None => None,
        };
        match &answer {
            Some(answer) => self.keep(request, answer),
            None => self.kept().waiting.push(request.clone()),
        }
        answer
    }

    fn listens(&self) -> bool {
        true
    }

    fn heard(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>) {
        {
            let mut kept = self.kept();
            if let Some(index) = kept.waiting.iter().position(|waiting| waiting == request) {
                kept.waiting.remove(index);
            }
        }
        self.keep(request, answer);
        if let Some(inner) = &self.inner.http {
            inner.heard(request, answer);
        }
    }
}

#[async_trait]
impl Kubernetes for Recorder {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        self.inner.kubernetes.resolve(kind).await
    }

    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        let (asked, resource) = (kubernetes_request(&request), request.resource.clone());
        let answer = self.inner.kubernetes.request(manager, request).await;
        self.kept().kubernetes.push(KubernetesExchange {
            request: asked,
            plural: resource.plural,
            namespaced: resource.namespaced,
            answer: kubernetes_answer(&answer),
        });
        answer
    }
}

#[async_trait]
impl Secrets for Recorder {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        let secret = self.inner.secrets.read(name).await?;
        if let Some(secret) = &secret {
            let mut kept = self.kept();
            kept.values.extend(mask::texts(secret));
            kept.secrets.insert(name.to_owned(), secret.keys().cloned().collect());
        }
        Ok(secret)
    }
}

/// The machine's clock in steps: it moves when it is told to, and to the end of a sleep when that has passed.
#[derive(Debug)]
pub struct SteppingClock {
    state: Mutex<(Timestamp, Vec<Timestamp>)>,
}

impl SteppingClock {
    fn new() -> Self {
        Self {
            state: Mutex::new((Timestamp::now(), Vec::new())),
        }
    }

    fn step(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0.max(Timestamp::now());
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        let real = Timestamp::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = state.1.iter().copied().filter(|until| *until <= real).max();
        if let Some(until) = passed {
            state.0 = state.0.max(until);
            state.1.retain(|until| *until > real);
        }
        state.0
    }

    fn skip_to(&self, until: Timestamp) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.push(until);
        false
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn the_stepping_clock_stands_still_but_for_answers_and_sleeps() {
        let clock = SteppingClock::new();
        let start = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert_eq!(clock.now(), start);
        let until = start + SignedDuration::from_millis(2);
        assert!(!clock.skip_to(until));
        assert_eq!(clock.now(), until);
        clock.step();
        assert!(clock.now() > until);
    }
}
