//! Why a pass could not be finished. Trying again later may help.

use std::fmt;

/// A pass that could not be finished; nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server did not do what it was asked to.
    #[error("{doing} {namespace}/{name}")]
    Api {
        /// What it was asked to do.
        doing: Doing,
        /// Namespace of the object.
        namespace: String,
        /// Name of the object.
        name: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// What was decided cannot be written as JSON.
    #[error("cannot write the status of {namespace}/{name} as JSON")]
    Unwritable {
        /// Namespace of the object.
        namespace: String,
        /// Name of the object.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// What the API server was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// To hand out an object.
    Read,
    /// To hand out this Secret for an object.
    ReadSecret(String),
    /// To change an object.
    Write,
    /// To delete an object.
    Delete,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("cannot read"),
            Self::ReadSecret(name) => write!(f, "cannot read the secret {name:?} for"),
            Self::Write => f.write_str("cannot write"),
            Self::Delete => f.write_str("cannot delete"),
        }
    }
}

/// What an error of the client means to people: the API server's own words, or every cause in its turn.
pub fn told(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return if status.message.is_empty() {
            format!("the API server answers {} {}", status.code, status.reason)
        } else {
            status.message.clone()
        };
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Whether the same request may work in a moment: the API server is away, has too much to do, or has just started and does
/// not know its rules yet.
pub(crate) fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 401 | 403 | 429) || status.code >= 500,
        _ => true,
    }
}

impl ReconcileError {
    /// What is behind it, in words for people.
    pub fn cause(&self) -> String {
        match self {
            Self::Api { source, .. } => told(source),
            Self::Unwritable { source, .. } => source.to_string(),
        }
    }

    /// Whether the same pass may work in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Api { source, .. } => may_pass(source),
            Self::Unwritable { .. } => false,
        }
    }

    pub(crate) fn new(doing: Doing, namespace: &str, name: &str, source: kube::Error) -> Self {
        Self::Api {
            doing,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        }
    }

    pub(crate) fn unwritable(namespace: &str, name: &str, source: serde_json::Error) -> Self {
        Self::Unwritable {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source,
        }
    }
}
