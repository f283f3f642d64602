//! What the host does for plugins, as traits: the edges differ (cluster, `dev`, `test`), the meaning does not.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use crate::clock::{Clock, SystemClock};

/// Everything that the host does for plugins.
#[derive(Clone, Debug)]
pub struct HostServices {
    /// Kubernetes objects.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// Secrets of the configuration's namespace.
    pub secrets: Arc<dyn Secrets>,
    /// Answers in the network's place.
    pub http: Option<Arc<dyn HttpResponder>>,
    /// The time that guests see.
    pub clock: Arc<dyn Clock>,
}

impl HostServices {
    /// Without a cluster, with the real network and the real clock.
    pub fn without_cluster() -> Self {
        Self {
            kubernetes: Arc::new(NoCluster),
            secrets: Arc::new(NoCluster),
            http: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Kubernetes, after the grant was checked and before the client.
#[async_trait]
pub trait Kubernetes: Send + Sync + fmt::Debug {
    /// Plural name of a kind (`Ingress` -> `ingresses`) and whether it is namespaced; grants speak of plurals.
    async fn resolve(&self, kind: &ObjectKind) -> Result<ResourceName, KubernetesError>;
    /// Does it, under the plugin's name as field manager.
    async fn request(&self, manager: &str, request: KubernetesRequest) -> Result<Value, KubernetesError>;
}

/// A type of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKind {
    /// API group; empty is the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// How the API server calls a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName {
    /// Plural, lower case.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesRequest {
    /// Type of object.
    pub kind: ObjectKind,
    /// Its name in paths.
    pub resource: ResourceName,
    /// Namespace; empty for cluster-scoped kinds, and for all namespaces in a list.
    pub namespace: String,
    /// What to do.
    pub verb: KubernetesVerb,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum KubernetesVerb {
    /// Read one.
    Get {
        /// Its name.
        name: String,
    },
    /// Read all with these labels; the answer is a JSON array of objects.
    List {
        /// Labels that must be equal.
        labels: BTreeMap<String, String>,
    },
    /// Server-side apply.
    Apply {
        /// Its name.
        name: String,
        /// The fields.
        object: Value,
    },
    /// JSON merge patch.
    MergePatch {
        /// Its name.
        name: String,
        /// The patch.
        patch: Value,
    },
    /// JSON patch.
    JsonPatch {
        /// Its name.
        name: String,
        /// The operations.
        patch: Value,
    },
    /// Delete one; the answer is null.
    Delete {
        /// Its name.
        name: String,
        /// It must still have this resourceVersion.
        resource_version: Option<String>,
    },
}

/// Why a Kubernetes request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubernetesError {
    /// Refused.
    #[error("{0}")]
    Denied(String),
    /// No such object or type.
    #[error("{0}")]
    NotFound(String),
    /// Changed in between, or exists already.
    #[error("{0}")]
    Conflict(String),
    /// The object is wrong.
    #[error("{0}")]
    Invalid(String),
    /// No answer now.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Secrets by name and key, out of one namespace that the host chose.
#[async_trait]
pub trait Secrets: Send + Sync + fmt::Debug {
    /// All keys and values of a Secret; `None` when it does not exist.
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError>;

    /// A number for what [`read`](Self::read) would give now, where that is known without asking: as long as it stays the
    /// same, so does the Secret. `None` where only reading tells.
    fn revision(&self, name: &str) -> Option<u64> {
        let _ = name;
        None
    }
}

/// Secrets cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretsError(pub String);

/// Answers HTTP requests in the network's place, for scenarios and test cases. Asked after the grant was checked.
#[async_trait]
pub trait HttpResponder: Send + Sync + fmt::Debug {
    /// The answer to a request, or `None` to send it to the network.
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>>;

    /// Whether it wants to hear what the network answered. Answers are then read whole before the plugin gets them.
    fn listens(&self) -> bool {
        false
    }

    /// What the network answered to a request that was not responded to, credentials not yet masked.
    fn heard(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>) {
        let _ = (request, answer);
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// No connection.
    Connect(String),
    /// The name has no address.
    Dns(String),
    /// The handshake failed, or the certificate is not trusted.
    Tls(String),
    /// No whole answer within this time.
    Timeout(Duration),
    /// The server broke the protocol or the connection.
    Protocol(String),
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(cause) | Self::Dns(cause) | Self::Tls(cause) | Self::Protocol(cause) => f.write_str(cause),
            Self::Timeout(after) => write!(f, "no whole answer within {} ms", after.as_millis()),
        }
    }
}

/// Keeps one plugin from waiting again and again for a server that does not answer. Belongs to a plugin, travels in
/// [`Call::targets`](crate::Call::targets); a target is written as in [`Fault::waiting_for`](crate::Fault::waiting_for).
pub trait TargetGate: Send + Sync + fmt::Debug {
    /// Asked before a request leaves, after the grant was checked. `Err`: do not send; another try may help after this
    /// long.
    fn admit(&self, target: &str) -> Result<(), Duration>;
    /// The target answered, well or badly, in time.
    fn answered(&self, target: &str);
    /// A request ended, or was refused. `grant` is the server as the entry writes it; none, where no grant names it.
    fn ended(&self, grant: Option<&str>, end: HttpEnd) {
        let _ = (grant, end);
    }
}

/// How a plugin's request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpEnd {
    /// The server answered with this status.
    Answered(u16),
    /// No grant allows it.
    Denied,
    /// It is no request that can be sent.
    InvalidRequest,
    /// Its credential cannot be had.
    Credential,
    /// The server did not answer the last times, and was not asked.
    Paused,
    /// The name has no address.
    Dns,
    /// No connection.
    Connect,
    /// The handshake failed, or the certificate is not trusted.
    Tls,
    /// No answer in time.
    Timeout,
    /// More bytes than a call may send or take.
    TooLarge,
    /// The server broke the protocol or the connection.
    Protocol,
    /// The plugin, or the call, gave it up.
    Cancelled,
    /// The host failed.
    Host,
}

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method, upper case.
    pub method: String,
    /// Absolute address.
    pub url: String,
    /// Headers, credentials included.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// A host without a cluster: no Kubernetes, no Secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCluster;

#[async_trait]
impl Kubernetes for NoCluster {
    async fn resolve(&self, _: &ObjectKind) -> Result<ResourceName, KubernetesError> {
        Err(KubernetesError::Unavailable("there is no Kubernetes API here".into()))
    }

    async fn request(&self, _: &str, _: KubernetesRequest) -> Result<Value, KubernetesError> {
        Err(KubernetesError::Unavailable("there is no Kubernetes API here".into()))
    }
}

#[async_trait]
impl Secrets for NoCluster {
    async fn read(&self, _: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        Ok(None)
    }
}
