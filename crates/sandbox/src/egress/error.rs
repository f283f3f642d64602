//! Why a request has no answer, in the kinds that the contract's `http-error` has.

use std::time::Duration;

use rollcage_core::{Denial, host::HttpEnd};

use super::address::AddressClass;

/// A grant or credential of an entry that cannot be used as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct GrantError {
    /// Where in the entry, such as `permissions.http[2]`.
    pub field: String,
    /// What is wrong and how to write it.
    pub problem: String,
}

/// Why a request has no answer. Texts hold no secret value, no path and no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Nothing grants it.
    #[error("{why}; the entry does not grant it: {}", denial.grant)]
    Denied {
        /// What was asked for, and the missing grant.
        denial: Denial,
        /// What was tried, in a few words.
        why: String,
        /// Set when the name is granted, but not the address that it leads to.
        address: Option<AddressClass>,
    },
    /// The request itself is wrong.
    #[error("{0}")]
    InvalidRequest(String),
    /// A credential of the entry cannot be attached.
    #[error("credential {name}: {cause}")]
    Credential {
        /// Its name in the entry.
        name: String,
        /// Why.
        cause: String,
    },
    /// The name has no address.
    #[error("{server}: the name has no address: {cause}")]
    Dns {
        /// `NAME:PORT`.
        server: String,
        /// The resolver's words.
        cause: String,
    },
    /// No connection.
    #[error("{server}: no connection: {cause}")]
    Connect {
        /// `NAME:PORT`.
        server: String,
        /// The system's words.
        cause: String,
        /// Whether there was no sign of the server at all.
        timed_out: bool,
    },
    /// The server did not answer the last times; it was not asked again.
    #[error("{server}: not asked, because it did not answer in time before; next try in {} s", after.as_secs().max(1))]
    Paused {
        /// `NAME:PORT`.
        server: String,
        /// When another try may help.
        after: Duration,
    },
    /// The handshake failed, or the certificate is not trusted.
    #[error("{server}: TLS: {cause}")]
    Tls {
        /// `NAME:PORT`.
        server: String,
        /// The TLS library's words.
        cause: String,
    },
    /// No (whole) answer in time.
    #[error("{server}: no whole answer within {} ms", after.as_millis())]
    Timeout {
        /// `NAME:PORT`.
        server: String,
        /// How long was waited.
        after: Duration,
        /// Whether it was the deadline of the call, not that of the request, that passed.
        call_deadline: bool,
    },
    /// More than the plugin may send or take.
    #[error("{0}")]
    TooLarge(String),
    /// The server broke the protocol or the connection.
    #[error("{server}: {cause}")]
    Protocol {
        /// `NAME:PORT`.
        server: String,
        /// What it did.
        cause: String,
    },
    /// The host itself failed.
    #[error("the host failed: {0}")]
    Host(String),
}

/// The cases of the contract's `http-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressErrorKind {
    /// `denied`.
    Denied,
    /// `invalid-request`.
    InvalidRequest,
    /// `dns`.
    Dns,
    /// `connect`.
    Connect,
    /// `tls`.
    Tls,
    /// `timeout`.
    Timeout,
    /// `too-large`.
    TooLarge,
    /// `protocol`.
    Protocol,
}

impl EgressError {
    /// The case of the contract's `http-error`; its text is this error's.
    pub fn kind(&self) -> EgressErrorKind {
        match self {
            Self::Denied { .. } | Self::Credential { .. } => EgressErrorKind::Denied,
            Self::InvalidRequest(_) => EgressErrorKind::InvalidRequest,
            Self::Dns { .. } => EgressErrorKind::Dns,
            Self::Connect { .. } | Self::Paused { .. } | Self::Host(_) => EgressErrorKind::Connect,
            Self::Tls { .. } => EgressErrorKind::Tls,
            Self::Timeout { .. } => EgressErrorKind::Timeout,
            Self::TooLarge(_) => EgressErrorKind::TooLarge,
            Self::Protocol { .. } => EgressErrorKind::Protocol,
        }
    }

    /// As it is counted.
    pub(super) fn end(&self) -> HttpEnd {
        match self {
            Self::Denied { .. } => HttpEnd::Denied,
            Self::InvalidRequest(_) => HttpEnd::InvalidRequest,
            Self::Credential { .. } => HttpEnd::Credential,
            Self::Dns { .. } => HttpEnd::Dns,
            Self::Connect { .. } => HttpEnd::Connect,
            Self::Paused { .. } => HttpEnd::Paused,
            Self::Tls { .. } => HttpEnd::Tls,
            Self::Timeout { .. } => HttpEnd::Timeout,
            Self::TooLarge(_) => HttpEnd::TooLarge,
            Self::Protocol { .. } => HttpEnd::Protocol,
            Self::Host(_) => HttpEnd::Host,
        }
    }

    /// The denial, if it is one.
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied { denial, .. } => Some(denial),
            _ => None,
        }
    }

    /// Whether the call's own deadline passed while waiting for a server.
    pub fn is_call_deadline(&self) -> bool {
        matches!(
            self,
            Self::Timeout {
                call_deadline: true,
                ..
            }
        )
    }

    /// Whether the server had its say, well or badly, within the time.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Connect { timed_out, .. } => !timed_out,
            Self::Tls { .. } | Self::Protocol { .. } | Self::TooLarge(_) => true,
            Self::Denied { .. }
            | Self::InvalidRequest(_)
            | Self::Credential { .. }
            | Self::Dns { .. }
            | Self::Paused { .. }
            | Self::Timeout { .. }
            | Self::Host(_) => false,
        }
    }
}
