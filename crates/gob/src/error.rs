//! What can be wrong with an object or with a stream.

use std::fmt;

/// Why an object cannot be encoded. Nothing of it was written.
///
/// Every write of a field may answer it, so it is small.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", Place(&.0.path), .0.reason)]
pub struct EncodeError(Box<Misfit>);

#[derive(Debug)]
struct Misfit {
    /// Field names, innermost first.
    path: Vec<&'static str>,
    reason: String,
}

impl EncodeError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(Box::new(Misfit {
            path: Vec::new(),
            reason: reason.into(),
        }))
    }

    /// The same, of an object whose field this is.
    #[cold]
    pub fn within(mut self, field: &'static str) -> Self {
        self.0.path.push(field);
        self
    }
}

impl serde::ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A message longer than [`Limits::message`](crate::Limits::message).
    #[error("a message of {length} bytes; at most {limit} are read")]
    TooLong {
        /// Bytes announced.
        length: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// The stream is no gob stream, or not one that is read to its end.
    #[error("{0}")]
    Stream(String),
    /// A value does not fit the type that it is to have.
    #[error("{}{reason}", Place(path))]
    Value {
        /// Field names, innermost first.
        path: Vec<&'static str>,
        /// What does not fit.
        reason: String,
    },
}

impl DecodeError {
    /// Whether the stream has ended with it. Otherwise only this value is lost, and the next message can be read.
    pub fn ends_stream(&self) -> bool {
        !matches!(self, Self::Value { .. })
    }

    pub(crate) fn stream(reason: impl Into<String>) -> Self {
        Self::Stream(reason.into())
    }

    pub(crate) fn value(reason: impl Into<String>) -> Self {
        Self::Value {
            path: Vec::new(),
            reason: reason.into(),
        }
    }

    pub(crate) fn within(mut self, field: &'static str) -> Self {
        if let Self::Value { path, .. } = &mut self {
            path.push(field);
        }
        self
    }

    /// The same inside a definition, which others depend on.
    pub(crate) fn in_stream(self) -> Self {
        match self {
            Self::Value { reason, .. } => Self::Stream(reason),
            other => other,
        }
    }
}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::value(message.to_string())
    }
}

/// Where it was: `spec.replicas: `.
struct Place<'a>(&'a [&'static str]);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, field) in self.0.iter().rev().enumerate() {
            write!(f, "{}{field}", if at == 0 { "" } else { "." })?;
        }
        f.write_str(if self.0.is_empty() { "" } else { ": " })
    }
}
