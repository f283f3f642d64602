//! Between a plugin and its host: counts what is asked, and spoils it as a conformance case wants.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use rollcage_core::host::{
    HttpFailure, HttpRequest, HttpResponder, HttpResponse, Kubernetes, KubernetesError, KubernetesRequest,
    KubernetesVerb, ObjectKind, ResourceName,
};
use serde_json::Value;
use tokio::sync::Notify;

use super::super::run::World;

/// What is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Watch,
    /// The answer to the request of this number (from 0) never arrives, though it was done.
    CutOff(usize),
    /// The first write finds that the object has changed.
    Conflict,
    /// No server answers.
    ServersDown,
}

/// Stands between.
#[derive(Debug)]
pub struct Meddler {
    plan: Plan,
    kubernetes: Arc<dyn Kubernetes>,
    http: Option<Arc<dyn HttpResponder>>,
    asked: AtomicUsize,
    writes: AtomicUsize,
    reached: Notify,
}

impl Meddler {
    /// Puts one into a world.
    pub fn enter(world: &mut World, plan: Plan) -> Arc<Self> {
        let host = &mut world.surroundings.host;
        let meddler = Arc::new(Self {
            plan,
            kubernetes: Arc::clone(&host.kubernetes),
            http: host.http.clone(),
            asked: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            reached: Notify::new(),
        });
        host.kubernetes = meddler.clone();
        host.http = Some(meddler.clone());
        meddler
    }

    /// Requests so far, of every kind.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Kubernetes requests so far that write.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// The request that is to be cut off has been done.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// After a request was done: is this the one whose answer never arrives?
    async fn cut_off(&self, number: usize) {
        if self.plan == Plan::CutOff(number) {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Kubernetes for Meddler {
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        self.kubernetes.resolve(kind).await
    }

    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let writes = !matches!(request.verb, KubernetesVerb::Get { .. } | KubernetesVerb::List { .. });
        let write = if writes {
            self.writes.fetch_add(1, Ordering::SeqCst)
        } else {
            0
        };
        if writes && write == 0 && self.plan == Plan::Conflict {
            let text = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(KubernetesError::Conflict(text.to_owned()));
        }
        let answer = self.kubernetes.request(manager, request).await;
        self.cut_off(number).await;
        answer
    }
}

#[async_trait]
impl HttpResponder for Meddler {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        if self.plan == Plan::ServersDown {
            return Some(Err(HttpFailure::Connect("connection refused".to_owned())));
        }
        let answer = match &self.http {
            Some(http) => http.respond(request).await,
            None => None,
        };
        self.cut_off(number).await;
        answer
    }
}
