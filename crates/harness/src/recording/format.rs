//! A recording as it is written: YAML, for people to read and to keep beside their cases.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use rollcage_core::host::{
    HttpFailure, HttpRequest, HttpResponse, KubernetesError, KubernetesRequest, KubernetesVerb, ResourceName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What this version writes and reads.
pub const VERSION: u32 = 1;

/// A whole recording.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recording {
    /// Version of the format.
    pub recording: u32,
    /// What was recorded: one session for `call` and `dev`, one a case for `test`.
    pub sessions: Vec<Session>,
}

/// What was asked in one call, case or play.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// When it began, by the plugin's clock.
    pub start: Timestamp,
    /// Secrets that were read, and their keys; values are never kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Vec<String>>,
    /// HTTP exchanges in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpExchange>,
    /// Kubernetes exchanges in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<KubernetesExchange>,
}

/// One HTTP exchange.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpExchange {
    /// Method and address.
    pub request: String,
    /// Request headers, for people: they are not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<(String, String)>,
    /// Request body.
    #[serde(default, skip_serializing_if = "Body::is_empty")]
    pub request_body: Body,
    /// Status; absent when there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers of the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Body of the answer.
    #[serde(default, skip_serializing_if = "Body::is_empty")]
    pub body: Body,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When the answer was there, by the plugin's clock.
    pub at: Timestamp,
}

/// A body: a text, or bytes as base64.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Bytes {
        /// Standard base64.
        base64: String,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Body {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes {
                base64: BASE64_STANDARD.encode(bytes),
            },
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes { base64 } => BASE64_STANDARD.decode(base64).unwrap_or_default(),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

/// Why there was no answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// `connect`, `dns`, `tls`, `timeout` or `protocol`.
    pub kind: String,
    /// The cause; milliseconds for `timeout`.
    pub cause: String,
}

impl Failure {
    /// Of a failure.
    pub fn of(failure: &HttpFailure) -> Self {
        let (kind, cause) = match failure {
            HttpFailure::Connect(cause) => ("connect", cause.clone()),
            HttpFailure::Dns(cause) => ("dns", cause.clone()),
            HttpFailure::Tls(cause) => ("tls", cause.clone()),
            HttpFailure::Timeout(after) => ("timeout", after.as_millis().to_string()),
            HttpFailure::Protocol(cause) => ("protocol", cause.clone()),
        };
        Self {
            kind: kind.to_owned(),
            cause,
        }
    }

    /// The failure.
    pub fn failure(&self) -> HttpFailure {
        let cause = self.cause.clone();
        match self.kind.as_str() {
            "dns" => HttpFailure::Dns(cause),
            "tls" => HttpFailure::Tls(cause),
            "timeout" => HttpFailure::Timeout(Duration::from_millis(cause.parse().unwrap_or(0))),
            "protocol" => HttpFailure::Protocol(cause),
            _ => HttpFailure::Connect(cause),
        }
    }
}

impl HttpExchange {
    /// Of a request and what came of it.
    pub fn of(request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>, at: Timestamp) -> Self {
        let (status, headers, body, failure) = match answer {
            Ok(response) => (
                Some(response.status),
                response.headers.clone(),
                Body::of(&response.body),
                None,
            ),
            Err(failure) => (None, Vec::new(), Body::default(), Some(Failure::of(failure))),
        };
        Self {
            request: format!("{} {}", request.method, request.url),
            request_headers: request.headers.clone(),
            request_body: Body::of(&request.body),
            status,
            headers,
            body,
            failure,
            at,
        }
    }

    /// What came of it.
    pub fn answer(&self) -> Result<HttpResponse, HttpFailure> {
        match (&self.failure, self.status) {
            (Some(failure), _) => Err(failure.failure()),
            (None, status) => Ok(HttpResponse {
                status: status.unwrap_or(200),
                headers: self.headers.clone(),
                body: self.body.bytes(),
            }),
        }
    }
}

/// One Kubernetes exchange.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesExchange {
    /// What was asked: `verb`, the object, and what was sent.
    pub request: Value,
    /// Plural of the kind.
    pub plural: String,
    /// Whether objects of the kind live in namespaces.
    pub namespaced: bool,
    /// The answer, or `{error: {kind, message}}`.
    pub answer: Value,
}

/// A request as it is written and compared.
pub fn kubernetes_request(request: &KubernetesRequest) -> Value {
    let (verb, name, sent) = match &request.verb {
        KubernetesVerb::Get { name } => ("get", name.as_str(), Value::Null),
        KubernetesVerb::List { labels } => ("list", "", json!(labels)),
        KubernetesVerb::Apply { name, object } => ("apply", name.as_str(), object.clone()),
        KubernetesVerb::MergePatch { name, patch } => ("merge-patch", name.as_str(), patch.clone()),
        KubernetesVerb::JsonPatch { name, patch } => ("json-patch", name.as_str(), patch.clone()),
        KubernetesVerb::Delete { name, resource_version } => ("delete", name.as_str(), json!(resource_version)),
    };
    let kind = &request.kind;
    json!({
        "verb": verb, "group": kind.group, "version": kind.version, "kind": kind.kind,
        "namespace": request.namespace, "name": name, "sent": sent,
    })
}

/// An answer as it is written.
pub fn kubernetes_answer(answer: &Result<Value, KubernetesError>) -> Value {
    match answer {
        Ok(value) => json!({"ok": value}),
        Err(error) => {
            let kind = match error {
                KubernetesError::Denied(_) => "denied",
                KubernetesError::NotFound(_) => "not-found",
                KubernetesError::Conflict(_) => "conflict",
                KubernetesError::Invalid(_) => "invalid",
                KubernetesError::Unavailable(_) => "unavailable",
                KubernetesError::Other(_) => "other",
            };
            json!({"error": {"kind": kind, "message": error.to_string()}})
        }
    }
}

impl KubernetesExchange {
    /// What the kind is called.
    pub fn resource(&self) -> ResourceName {
        ResourceName {
            plural: self.plural.clone(),
            namespaced: self.namespaced,
        }
    }

    /// What came of it.
    pub fn answer(&self) -> Result<Value, KubernetesError> {
        if let Some(ok) = self.answer.get("ok") {
            return Ok(ok.clone());
        }
        let text = |pointer: &str| {
            let text = self.answer.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let message = text("/error/message");
        Err(match text("/error/kind").as_str() {
            "denied" => KubernetesError::Denied(message),
            "not-found" => KubernetesError::NotFound(message),
            "conflict" => KubernetesError::Conflict(message),
            "invalid" => KubernetesError::Invalid(message),
            "unavailable" => KubernetesError::Unavailable(message),
            _ => KubernetesError::Other(message),
        })
    }

    /// On one line.
    pub fn summary(request: &Value) -> String {
        let text = |field: &str| request.get(field).and_then(Value::as_str).unwrap_or_default();
        format!(
            "{} {} {}/{}",
            text("verb"),
            text("kind"),
            text("namespace"),
            text("name")
        )
    }
}
