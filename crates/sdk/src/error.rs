//! What a plugin answers with when it fails.

use std::fmt;

use crate::bindings::imports::rollcage::plugin::{
    http::HttpError, kubernetes::KubernetesError, secrets::SecretError, types,
};

/// An error that a plugin answers with: an ordinary answer, never counted as a fault of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The plugin's own configuration is wrong; the text names the field.
    InvalidConfig(String),
    /// Something the plugin depends on does not answer now.
    Unavailable {
        /// What does not answer, and how it failed.
        message: String,
        /// Milliseconds to wait before another try, when known.
        retry_after: Option<u32>,
    },
    /// Something the plugin depends on, or the host, refused it.
    Denied(String),
    /// An object was changed by somebody else in between.
    Conflict(String),
    /// Anything else.
    Internal(String),
}

impl Error {
    /// The configuration is wrong; name the field.
    pub fn invalid_config(message: impl Into<String>) -> Self {
        Self::InvalidConfig(message.into())
    }

    /// Something does not answer now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable {
            message: message.into(),
            retry_after: None,
        }
    }

    /// Anything else.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into())
    }

    /// The text alone.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidConfig(message)
            | Self::Unavailable { message, .. }
            | Self::Denied(message)
            | Self::Conflict(message)
            | Self::Internal(message) => message,
        }
    }

    /// The same kind of error with `context: ` before its text.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        let (Self::InvalidConfig(message)
        | Self::Unavailable { message, .. }
        | Self::Denied(message)
        | Self::Conflict(message)
        | Self::Internal(message)) = &mut self;
        *message = format!("{context}: {message}");
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidConfig(message) => Self::InvalidConfig(message),
            Error::Unavailable { message, retry_after } => {
                Self::Unavailable(types::Unavailable { message, retry_after })
            }
            Error::Denied(message) => Self::Denied(message),
            Error::Conflict(message) => Self::Conflict(message),
            Error::Internal(message) => Self::Internal(message),
        }
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(message) => Self::Denied(message),
            HttpError::InvalidRequest(message) => Self::InvalidConfig(message),
            HttpError::Dns(message)
            | HttpError::Connect(message)
            | HttpError::Tls(message)
            | HttpError::Timeout(message)
            | HttpError::Protocol(message) => Self::unavailable(message),
            HttpError::TooLarge(message) => Self::Internal(message),
        }
    }
}

impl From<KubernetesError> for Error {
    fn from(error: KubernetesError) -> Self {
        match error {
            KubernetesError::Denied(message) => Self::Denied(message),
            KubernetesError::Conflict(message) => Self::Conflict(message),
            KubernetesError::Unavailable(message) => Self::unavailable(message),
            KubernetesError::NotFound(message)
            | KubernetesError::Invalid(message)
            | KubernetesError::Other(message) => Self::Internal(message),
        }
    }
}

impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Denied(message) => Self::Denied(message),
            SecretError::Unavailable(message) => Self::unavailable(message),
            SecretError::NotFound(message) => Self::InvalidConfig(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_the_kind() {
        let error = Error::from(HttpError::Connect("connection refused".into())).context("querying prometheus");
        assert_eq!(error, Error::unavailable("querying prometheus: connection refused"));
        assert_eq!(error.to_string(), "querying prometheus: connection refused");
    }

    #[test]
    fn what_was_refused_stays_denied() {
        for error in [
            Error::from(HttpError::Denied("no".into())),
            Error::from(KubernetesError::Denied("no".into())),
            Error::from(SecretError::Denied("no".into())),
        ] {
            assert_eq!(types::Error::from(error), types::Error::Denied("no".into()));
        }
    }
}
