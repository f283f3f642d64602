//! A host for tests: plugins run natively under `cargo test`, and what they ask of the host is answered here.
//!
//! ```
//! use rollcage_sdk::{http::{Request, Response}, testing::Host};
//!
//! let host = Host::new().on_http(|request| {
//!     assert_eq!(request.url, "http://load.example/now");
//!     Ok(Response { status: 200, headers: vec![], body: b"7".to_vec() })
//! });
//! let body = host.run(|| Request::get("http://load.example/now").send().unwrap().text());
//! assert_eq!((body.as_str(), host.requests().len()), ("7", 1));
//! ```
//!
//! It knows no grants and no limits: those are tested with `rollcage plugin call`.

mod kubernetes;

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

pub use kubernetes::{Change, Verb};
use serde_json::Value;

use crate::{
    bindings::imports::rollcage::plugin::evaluate::{Sample, Verdict},
    http::{HttpError, Request, Response},
    kubernetes::Reference,
    log::Level,
    secrets::SecretError,
    time::Timestamp,
};

type OnHttp = Rc<dyn Fn(&Request) -> Result<Response, HttpError>>;
type OnCondition = Rc<dyn Fn(&str, &Sample) -> Result<bool, String>>;
type OnAssess = Rc<dyn Fn(&str, &str, &Sample) -> Result<Verdict, String>>;
type OnTime = Rc<dyn Fn(&str) -> Result<String, String>>;

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// What the plugin asks of the host is answered from here while [`Host::run`] runs.
#[derive(Clone)]
pub struct Host(Rc<RefCell<State>>);

struct State {
    http: OnHttp,
    condition: OnCondition,
    assess: OnAssess,
    time: OnTime,
    objects: kubernetes::Objects,
    secrets: BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    subject: Value,
    now: Timestamp,
    requests: Vec<Request>,
    lines: Vec<(Level, String)>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Default for Host {
    fn default() -> Self {
        let missing = "this test's Host does not evaluate: set it up with on_";
        Self(Rc::new(RefCell::new(State {
            http: Rc::new(|request| Err(HttpError::Denied(format!("{} is not granted", request.url)))),
            condition: Rc::new(move |_, _| Err(format!("{missing}condition"))),
            assess: Rc::new(move |_, _, _| Err(format!("{missing}assess"))),
            time: Rc::new(move |_| Err(format!("{missing}time"))),
            objects: kubernetes::Objects::default(),
            secrets: BTreeMap::new(),
            environment: Vec::new(),
            subject: Value::Object(serde_json::Map::new()),
            now: Timestamp::parse("2026-01-01T00:00:00Z").unwrap_or(Timestamp::EPOCH),
            requests: Vec::new(),
            lines: Vec::new(),
        })))
    }
}

impl Host {
    /// A host that denies every request, holds no objects and no secrets, at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers HTTP requests.
    #[must_use]
    pub fn on_http(self, answer: impl Fn(&Request) -> Result<Response, HttpError> + 'static) -> Self {
        self.0.borrow_mut().http = Rc::new(answer);
        self
    }

    /// Answers `evaluate::condition(expression, sample)`.
    #[must_use]
    pub fn on_condition(self, answer: impl Fn(&str, &Sample) -> Result<bool, String> + 'static) -> Self {
        self.0.borrow_mut().condition = Rc::new(answer);
        self
    }

    /// Answers `evaluate::assess(success, failure, sample)`.
    #[must_use]
    pub fn on_assess(self, answer: impl Fn(&str, &str, &Sample) -> Result<Verdict, String> + 'static) -> Self {
        self.0.borrow_mut().assess = Rc::new(answer);
        self
    }

    /// Answers `evaluate::time(expression)` with RFC 3339.
    #[must_use]
    pub fn on_time(self, answer: impl Fn(&str) -> Result<String, String> + 'static) -> Self {
        self.0.borrow_mut().time = Rc::new(answer);
        self
    }

    /// Holds a Kubernetes object; it needs apiVersion, kind and metadata.name.
    #[must_use]
    pub fn with_object(self, object: Value) -> Self {
        self.0.borrow_mut().objects.insert(object);
        self
    }

    /// Holds a readable secret.
    #[must_use]
    pub fn with_secret(self, name: &str, value: &str) -> Self {
        self.0.borrow_mut().secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn with_env(self, name: &str, value: &str) -> Self {
        self.0
            .borrow_mut()
            .environment
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the object of the call.
    #[must_use]
    pub fn with_subject(self, object: Value) -> Self {
        self.0.borrow_mut().subject = object;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        self.0.borrow_mut().now = now;
        self
    }

    /// Runs plugin code against this host. Code outside finds no host.
    pub fn run<R>(&self, code: impl FnOnce() -> R) -> R {
        struct Restore(Option<Host>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self.clone())));
        code()
    }

    /// Requests sent so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.borrow().requests.clone()
    }

    /// Lines logged so far.
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.0.borrow().lines.clone()
    }

    /// Changes of Kubernetes objects so far.
    pub fn changes(&self) -> Vec<Change> {
        self.0.borrow().objects.changes().to_vec()
    }

    /// An object as it is now.
    pub fn object(&self, object: &Reference) -> Option<Value> {
        self.0.borrow().objects.find(object)
    }
}

/// The functions behind [`crate::host`].
pub(crate) mod imports {
    use super::{CURRENT, HttpError, Level, Reference, Request, Response, Sample, SecretError, State, Verdict};
    use crate::{
        Pair,
        kubernetes::{Kind, KubernetesError, PatchType},
    };

    const OUTSIDE: &str = "outside of a component: run the plugin inside rollcage_sdk::testing::Host::run";

    fn with<R>(outside: impl FnOnce() -> R, inside: impl FnOnce(&mut State) -> R) -> R {
        match CURRENT.with_borrow(Clone::clone) {
            Some(host) => inside(&mut host.0.borrow_mut()),
            None => outside(),
        }
    }

    pub(crate) fn http_send(request: &Request) -> Result<Response, HttpError> {
        let answer = with(
            || None,
            |state| {
                state.requests.push(request.clone());
                Some(state.http.clone())
            },
        );
        answer.map_or_else(|| Err(HttpError::Denied(OUTSIDE.to_owned())), |answer| answer(request))
    }

    pub(crate) fn condition(expression: &str, sample: &Sample) -> Result<bool, String> {
        let answer = with(|| None, |state| Some(state.condition.clone()));
        answer.map_or_else(|| Err(OUTSIDE.to_owned()), |answer| answer(expression, sample))
    }

    pub(crate) fn assess(success: &str, failure: &str, sample: &Sample) -> Result<Verdict, String> {
        let answer = with(|| None, |state| Some(state.assess.clone()));
        answer.map_or_else(|| Err(OUTSIDE.to_owned()), |answer| answer(success, failure, sample))
    }

    pub(crate) fn evaluate_time(expression: &str) -> Result<String, String> {
        let answer = with(|| None, |state| Some(state.time.clone()));
        answer.map_or_else(|| Err(OUTSIDE.to_owned()), |answer| answer(expression))
    }

    pub(crate) fn log_write(level: Level, message: &str) {
        with(
            || eprintln!("{level:?}: {message}"),
            |state| state.lines.push((level, message.to_owned())),
        );
    }

    pub(crate) fn secret_get(name: &str) -> Result<String, SecretError> {
        with(
            || Err(SecretError::Unavailable(OUTSIDE.to_owned())),
            |state| {
                let secret = state.secrets.get(name).cloned();
                secret.ok_or_else(|| SecretError::Denied(format!("secret `{name}` is not granted")))
            },
        )
    }

    pub(crate) fn subject_object() -> String {
        with(|| "{}".to_owned(), |state| state.subject.to_string())
    }

    pub(crate) fn environment() -> Vec<(String, String)> {
        with(Vec::new, |state| state.environment.clone())
    }

    pub(crate) fn now() -> (u64, u32) {
        with(
            || {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                (now.as_secs(), now.subsec_nanos())
            },
            |state| {
                (
                    u64::try_from(state.now.seconds()).unwrap_or_default(),
                    state.now.nanoseconds(),
                )
            },
        )
    }

    fn objects<R>(
        inside: impl FnOnce(&mut super::kubernetes::Objects) -> Result<R, KubernetesError>,
    ) -> Result<R, KubernetesError> {
        with(
            || Err(KubernetesError::Unavailable(OUTSIDE.to_owned())),
            |state| inside(&mut state.objects),
        )
    }

    pub(crate) fn kubernetes_get(object: &Reference) -> Result<String, KubernetesError> {
        objects(|objects| objects.get(object).map(|value| value.to_string()))
    }

    pub(crate) fn kubernetes_list(
        kind: &Kind,
        namespace: &str,
        labels: &[Pair],
    ) -> Result<Vec<String>, KubernetesError> {
        objects(|objects| {
            Ok(objects
                .list(kind, namespace, labels)
                .iter()
                .map(ToString::to_string)
                .collect())
        })
    }

    pub(crate) fn kubernetes_apply(object: &Reference, json: &str) -> Result<String, KubernetesError> {
        objects(|objects| objects.apply(object, json).map(|value| value.to_string()))
    }

    pub(crate) fn kubernetes_patch(
        object: &Reference,
        patch_type: PatchType,
        json: &str,
    ) -> Result<String, KubernetesError> {
        objects(|objects| objects.patch(object, patch_type, json).map(|value| value.to_string()))
    }

    pub(crate) fn kubernetes_delete(object: &Reference, resource_version: Option<&str>) -> Result<(), KubernetesError> {
        objects(|objects| objects.delete(object, resource_version))
    }
}
