//! Answers host calls out of a recording, and knows what was asked otherwise.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use rollcage_apiserver::ApiServer;
use rollcage_core::{
    clock::Clock,
    host::{
        HostServices, HttpFailure, HttpRequest, HttpResponder, HttpResponse, Kubernetes, KubernetesError,
        KubernetesRequest, ObjectKind, ResourceName, Secrets, SecretsError,
    },
    secret::MASK,
};
use serde_json::Value;

use super::{
    format::{Body, KubernetesExchange, Session, kubernetes_request},
    mask,
};
use crate::clock::ScenarioClock;

/// Plays one session.
#[derive(Debug)]
pub struct Player {
    session: Session,
    inner: HostServices,
    /// Where there is an API, it answers for Kubernetes; the recording is only held against what is asked.
    api: Option<Arc<ApiServer>>,
    /// The clock that moves with the recording, where the session has one.
    clock: Option<Arc<ScenarioClock>>,
    played: Mutex<Played>,
}

#[derive(Debug, Default)]
struct Played {
    http: Vec<bool>,
    kubernetes: Vec<bool>,
    values: Vec<String>,
    not_recorded: Vec<String>,
}

impl Player {
    /// Stands in for everything that `host` has. `real_time`: the host's clock is the machine's, and is replaced by one
    /// that moves with the recording.
    pub fn enter(session: Session, host: &mut HostServices, api: Option<Arc<ApiServer>>, real_time: bool) -> Arc<Self> {
        let clock = real_time.then(|| Arc::new(ScenarioClock::new(session.start, true)));
        if let Some(clock) = &clock {
            host.clock = clock.clone();
        }
        let player = Arc::new(Self {
            played: Mutex::new(Played {
                http: vec![false; session.http.len()],
                kubernetes: vec![false; session.kubernetes.len()],
                ..Played::default()
            }),
            session,
            inner: host.clone(),
            api,
            clock,
        });
        host.http = Some(player.clone());
        host.kubernetes = player.clone();
        host.secrets = player.clone();
        player
    }

    /// What was asked otherwise than recorded, one line each.
    pub fn differences(&self) -> Vec<String> {
        let played = self.played();
        let asked = played
            .not_recorded
            .iter()
            .map(|text| format!("asked, but not recorded: {text}"));
        let left = |done: &[bool], index: usize| done.get(index) == Some(&false);
        let http = self.session.http.iter().enumerate();
        let http = http
            .filter(|(index, _)| left(&played.http, *index))
            .map(|(_, exchange)| exchange.request.clone());
        let kubernetes = self.session.kubernetes.iter().enumerate();
        let kubernetes = kubernetes
            .filter(|(index, _)| left(&played.kubernetes, *index))
            .map(|(_, exchange)| KubernetesExchange::summary(&exchange.request));
        let missing = http
            .chain(kubernetes)
            .map(|text| format!("recorded, but not asked: {text}"));
        asked.chain(missing).collect()
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next recorded answer to this request.
    fn next(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let mut played = self.played();
        let mut values = played.values.clone();
        if let Some(api) = &self.api {
            values.extend(mask::secrets_of(api));
        }
        let masker = mask::masker(values);
        let line = masker.mask(&format!("{} {}", request.method, request.url)).into_owned();
        let body = mask::body(&Body::of(&request.body), &masker);
        let found = self.session.http.iter().enumerate().find(|(index, exchange)| {
            played.http.get(*index) == Some(&false) && exchange.request == line && exchange.request_body == body
        });
        let Some((index, exchange)) = found else {
            let has: Vec<&str> = self
                .session
                .http
                .iter()
                .map(|exchange| exchange.request.as_str())
                .collect();
            let text = match &body {
                Body::Text(text) if !text.is_empty() => format!("{line} with the body {text:.200}"),
                _ => line,
            };
            played.not_recorded.push(text.clone());
            return Err(HttpFailure::Connect(format!(
                "not recorded: {text}; the recording has: {}",
                if has.is_empty() {
                    "none".to_owned()
                } else {
                    has.join("; ")
                }
            )));
        };
        if let Some(done) = played.http.get_mut(index) {
            *done = true;
        }
        if let Some(clock) = &self.clock {
            clock.skip_to(exchange.at);
        }
        exchange.answer()
    }
}

#[async_trait]
impl HttpResponder for Player {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let answer = self.next(request);
        if let Some(inner) = &self.inner.http {
            inner.heard(request, &answer);
        }
        Some(answer)
    }
}

#[async_trait]
impl Kubernetes for Player {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        if self.api.is_some() {
            return self.inner.kubernetes.resolve(kind).await;
        }
        let is = |exchange: &&KubernetesExchange| {
            let text = |field: &str| exchange.request.get(field).and_then(Value::as_str).unwrap_or_default();
            text("group") == kind.group && text("version") == kind.version && text("kind") == kind.kind
        };
        let known = self
            .session
            .kubernetes
            .iter()
            .find(is)
            .map(KubernetesExchange::resource);
        known.ok_or_else(|| KubernetesError::NotFound(format!("the recording knows no kind {}", kind.kind)))
    }

    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        let mut asked = KubernetesExchange {
            request: kubernetes_request(&request),
            plural: String::new(),
            namespaced: true,
            answer: Value::Null,
        };
        let recorded = {
            let mut played = self.played();
            let mut values = played.values.clone();
            values.extend(self.api.iter().flat_map(|api| mask::secrets_of(api)));
            asked = mask::kubernetes(asked, &mask::masker(values));
            let found = self.session.kubernetes.iter().enumerate().find(|(index, exchange)| {
                played.kubernetes.get(*index) == Some(&false) && exchange.request == asked.request
            });
            if let Some((index, exchange)) = found {
                if let Some(done) = played.kubernetes.get_mut(index) {
                    *done = true;
                }
                Some(exchange)
            } else {
                played.not_recorded.push(KubernetesExchange::summary(&asked.request));
                None
            }
        };
        if self.api.is_some() {
            return self.inner.kubernetes.request(manager, request).await;
        }
        recorded.map_or_else(
            || {
                let text = KubernetesExchange::summary(&asked.request);
                Err(KubernetesError::Unavailable(format!("not recorded: {text}")))
            },
            KubernetesExchange::answer,
        )
    }
}

#[async_trait]
impl Secrets for Player {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        if let Some(secret) = self.inner.secrets.read(name).await? {
            self.played().values.extend(mask::texts(&secret));
            return Ok(Some(secret));
        }
        // Its values were masked, and so they are in what is compared.
        let keys = self.session.secrets.get(name);
        let masked = |key: &String| (key.clone(), MASK.as_bytes().to_vec());
        Ok(keys.map(|keys| keys.iter().map(masked).collect()))
    }
}
