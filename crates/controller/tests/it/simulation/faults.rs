//! An API server behind a connection that loses, delays and cuts.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube::{Client, client::Body};
use rollcage_apiserver::{ApiServer, ResponseBody};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::{Service as _, service_fn};

use super::chance::Chance;

/// What goes wrong, and what went wrong in the pass that is under way.
#[derive(Debug)]
pub struct Faults {
    chance: Chance,
    pub calm: AtomicBool,
    /// The process ends here.
    pub crash: Notify,
    /// The run as it was, version by version.
    history: Mutex<Vec<Value>>,
    /// What others write before the next patch arrives.
    pub edit: Mutex<Option<Value>>,
    happened: Mutex<Happened>,
}

/// What went wrong in a pass.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// An old version was handed out.
    pub stale: bool,
    /// What somebody else wrote during the pass.
    pub edited: Option<Value>,
    /// An Event was not written.
    pub no_event: bool,
    pub told: Vec<&'static str>,
}

impl Faults {
    pub fn new(chance: Chance) -> Self {
        Self {
            chance,
            calm: AtomicBool::new(false),
            crash: Notify::new(),
            history: Mutex::default(),
            edit: Mutex::default(),
            happened: Mutex::default(),
        }
    }

    pub fn take_happened(&self) -> Happened {
        std::mem::take(&mut self.happened.lock().unwrap())
    }

    /// A version that may be handed out again later.
    pub fn remember(&self, object: &Value) {
        self.history.lock().unwrap().push(object.clone());
    }

    fn happens(&self, percent: usize, what: &'static str) -> bool {
        let happens = !self.calm.load(Ordering::SeqCst) && self.chance.percent(percent);
        if happens {
            self.happened.lock().unwrap().told.push(what);
        }
        happens
    }

    async fn maybe_crash(&self, percent: usize, what: &'static str) {
        if self.happens(percent, what) {
            self.crash.notify_one();
            pending::<()>().await;
        }
    }

    fn old_version(&self) -> Option<Value> {
        let history = self.history.lock().unwrap();
        let (current, past) = history.split_last()?;
        let old = past.get(past.len().checked_sub(1 + self.chance.below(3))?)?;
        (old != current).then(|| old.clone())
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<ResponseBody> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()).boxed_unsync())
        .unwrap()
}

fn down() -> Response<ResponseBody> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "down", "code": 500});
    answer(StatusCode::INTERNAL_SERVER_ERROR, &body)
}

/// A client whose requests go through `faults`.
pub fn client(server: &Arc<ApiServer>, faults: &Arc<Faults>) -> Client {
    let (server, faults) = (server.clone(), faults.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (server, faults) = (server.clone(), faults.clone());
        async move { Ok::<_, Infallible>(exchange(&server, &faults, request).await) }
    });
    Client::new(service, "default")
}

async fn exchange(server: &Arc<ApiServer>, faults: &Faults, request: Request<Body>) -> Response<ResponseBody> {
    let mut api = server.service();
    let path = request.uri().path().to_owned();
    if path.contains("/secrets/") && faults.happens(5, "a Secret could not be read") {
        return down();
    }
    if path.ends_with("/events") && faults.happens(5, "an Event was not written") {
        faults.happened.lock().unwrap().no_event = true;
        return down();
    }
    let is_run = path.contains("/analysisruns/");
    match *request.method() {
        Method::GET if is_run => {
            if faults.happens(3, "the run could not be read") {
                return down();
            }
            if faults.happens(6, "the run was read as it had been")
                && let Some(old) = faults.old_version()
            {
                faults.happened.lock().unwrap().stale = true;
                return answer(StatusCode::OK, &old);
            }
        }
        Method::PATCH if is_run => {
            faults.maybe_crash(2, "crashed before the write").await;
            if faults.happens(4, "the write was lost") {
                return down();
            }
            let edit = faults.edit.lock().unwrap().take();
            if let Some(edit) = edit {
                let request = Request::patch(&path)
                    .header("content-type", "application/merge-patch+json")
                    .body(Body::from(edit.to_string().into_bytes()))
                    .unwrap();
                let Ok(_) = api.call(request).await;
                faults.happened.lock().unwrap().edited = Some(edit);
            }
        }
        _ => {}
    }
    let is_write = is_run && request.method() == Method::PATCH;
    let Ok(response) = api.call(request).await;
    if is_write {
        faults.maybe_crash(2, "crashed after the write").await;
        if faults.happens(4, "the answer to the write was lost") {
            return down();
        }
    }
    response
}
