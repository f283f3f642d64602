//! What a refused request answers: the `Status` object, with the code and reason of the real API server.

use serde::Serialize;
use serde_json::{Value, json};

use crate::kind::View;

/// `reason` of a `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Reason {
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 409 on create.
    AlreadyExists,
    /// 409 on any other write.
    Conflict,
    /// 410: a continue token or an exact version whose history is gone.
    Expired,
    /// 410: a watch from a version whose history is gone.
    Gone,
    /// 413.
    RequestEntityTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 422.
    Invalid,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
    /// 504.
    Timeout,
    /// None of these; an empty `reason` on the wire.
    #[serde(rename = "")]
    Unknown,
}

impl Reason {
    /// The reason that the real server gives with an HTTP code.
    pub fn of(code: u16) -> Self {
        match code {
            400 => Self::BadRequest,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            409 => Self::Conflict,
            410 => Self::Expired,
            413 => Self::RequestEntityTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::Invalid,
            429 => Self::TooManyRequests,
            500 => Self::InternalError,
            503 => Self::ServiceUnavailable,
            504 => Self::Timeout,
            _ => Self::Unknown,
        }
    }
}

/// One of several causes of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of cause: `FieldValueInvalid`, `FieldManagerConflict`, ...
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// Path of the field, as `spec.replicas`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What a refusal is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Plural resource name or kind, whichever the real server gives.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// UID of the object, where one was deleted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Each cause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP code.
    pub code: u16,
    /// The machine-readable reason.
    pub reason: Reason,
    /// In words.
    pub message: String,
    /// What it is about. Boxed: errors travel in every result.
    pub details: Option<Box<Details>>,
}

impl ApiError {
    /// A refusal with no details and the usual reason of `code`.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: Reason::of(code),
            message: message.into(),
            details: None,
        }
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 404 for one object.
    pub(crate) fn not_found(view: &View, name: &str) -> Self {
        Self::about(
            404,
            Reason::NotFound,
            format!("{} \"{name}\" not found", view.qualified()),
            view,
            name,
        )
    }

    /// A refusal that is about nothing in particular, which the real server says by empty details.
    pub(crate) fn generic(code: u16, message: impl Into<String>) -> Self {
        Self {
            details: Some(Box::default()),
            ..Self::new(code, message)
        }
    }

    /// 404 for a path that nothing serves.
    pub(crate) fn no_route() -> Self {
        Self::generic(404, "the server could not find the requested resource")
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        Self::generic(405, "the server does not allow this method on the requested resource")
    }

    /// 422 for an option of a request: `CreateOptions`, `PatchOptions` ...
    pub(crate) fn option(options: &str, cause: Cause) -> Self {
        let message = format!(
            "{options}.meta.k8s.io \"\" is invalid: {}: {}",
            cause.field, cause.message
        );
        let details = Details {
            group: "meta.k8s.io".into(),
            kind: options.into(),
            causes: vec![cause],
            ..Details::default()
        };
        Self {
            details: Some(Box::new(details)),
            ..Self::new(422, message)
        }
    }

    /// 422: an update has to say which version it is based on.
    pub(crate) fn no_version(view: &View, name: &str) -> Self {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        let said = format!(
            "{} \"{name}\" is invalid: metadata.resourceVersion: {message}",
            view.qualified()
        );
        let cause = Cause {
            reason: "FieldValueInvalid",
            message,
            field: "metadata.resourceVersion".into(),
        };
        let mut error = Self::about(422, Reason::Invalid, said, view, name);
        if let Some(details) = &mut error.details {
            details.causes = vec![cause];
        }
        error
    }

    /// 409: a deletion is meant for another object, or for an older version of it.
    pub(crate) fn precondition(view: &View, name: &str, why: &str) -> Self {
        let kind = &view.kind.kind;
        let kind = if view.group.is_empty() {
            kind.clone()
        } else {
            format!("{kind}.{}", view.group)
        };
        let message = format!("Operation cannot be fulfilled on {kind} \"{name}\": {why}");
        let mut error = Self::about(409, Reason::Conflict, message, view, name);
        if let Some(details) = &mut error.details {
            details.kind.clone_from(&view.kind.kind);
        }
        error
    }

    /// 409 on create.
    pub(crate) fn already_exists(view: &View, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", view.qualified());
        Self::about(409, Reason::AlreadyExists, message, view, name)
    }

    /// 409 on any other write.
    pub(crate) fn conflict(view: &View, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            view.qualified()
        );
        Self::about(409, Reason::Conflict, message, view, name)
    }

    /// 409: the object is newer than what the writer saw.
    pub(crate) fn modified(view: &View, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(view, name, why)
    }

    /// 403 for one object.
    pub(crate) fn forbidden(view: &View, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", view.qualified());
        Self::about(403, Reason::Forbidden, message, view, name)
    }

    /// 422 with each field that is wrong.
    pub(crate) fn invalid(view: &View, name: &str, mut causes: Vec<Cause>) -> Self {
        causes.truncate(MAX_CAUSES);
        let said: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let said = match said.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let kind = &view.kind.kind;
        let kind = if view.group.is_empty() {
            kind.clone()
        } else {
            format!("{kind}.{}", view.group)
        };
        let mut error = Self::new(422, format!("{kind} \"{name}\" is invalid: {said}"));
        let details = Details {
            name: name.into(),
            group: view.group.clone(),
            kind: view.kind.kind.clone(),
            causes,
            ..Details::default()
        };
        error.details = Some(Box::new(details));
        error
    }

    /// 410 for a list.
    pub(crate) fn expired() -> Self {
        let why = "the provided continue parameter or resource version is too old to show a consistent list; \
                   start a new list without it";
        Self::new(410, why)
    }

    /// 410 for a watch.
    pub(crate) fn too_old(asked: u64, oldest: u64) -> Self {
        Self::new(410, format!("too old resource version: {asked} ({oldest})"))
    }

    /// 504 for a version that does not exist yet.
    pub(crate) fn too_new(asked: u64, current: u64) -> Self {
        let mut error = Self::new(504, format!("Too large resource version: {asked}, current: {current}"));
        let cause = Cause {
            reason: "ResourceVersionTooLarge",
            message: "Too large resource version".into(),
            field: String::new(),
        };
        error.details = Some(Box::new(Details {
            causes: vec![cause],
            retry_after_seconds: Some(1),
            ..Details::default()
        }));
        error
    }

    /// 413.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, message)
    }

    /// With a time to wait, which also becomes the `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = Some(seconds);
        self
    }

    /// The `Status` object.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(map) = status.as_object_mut() {
            if self.reason == Reason::Unknown {
                map.shift_remove("reason");
            }
            if let Some(details) = &self.details {
                map.insert("details".into(), json!(details));
            }
        }
        status
    }

    fn about(code: u16, reason: Reason, message: String, view: &View, name: &str) -> Self {
        let details = Details {
            name: name.into(),
            group: view.group.clone(),
            kind: view.kind.plural.clone(),
            ..Details::default()
        };
        Self {
            code,
            reason,
            message,
            details: Some(Box::new(details)),
        }
    }
}

/// A hostile object can be wrong in a million places.
pub(crate) const MAX_CAUSES: usize = 32;

/// A field whose value is not acceptable.
pub(crate) fn field_invalid(field: impl Into<String>, value: &str, why: &str) -> Cause {
    let shown: String = value.chars().take(256).collect();
    Cause {
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {shown:?}: {why}"),
        field: field.into(),
    }
}

/// A field that must be there.
pub(crate) fn field_required(field: impl Into<String>, why: &str) -> Cause {
    Cause {
        reason: "FieldValueRequired",
        message: format!("Required value: {why}"),
        field: field.into(),
    }
}

/// A field that must not be set so.
pub(crate) fn field_forbidden(field: impl Into<String>, why: &str) -> Cause {
    Cause {
        reason: "FieldValueForbidden",
        message: format!("Forbidden: {why}"),
        field: field.into(),
    }
}

/// A field that has none of its few values.
pub(crate) fn field_not_supported(field: impl Into<String>, value: &str, supported: &str) -> Cause {
    Cause {
        reason: "FieldValueNotSupported",
        message: format!("Unsupported value: {value}: supported values: {supported}"),
        field: field.into(),
    }
}

/// A field that holds too much.
pub(crate) fn field_too_long(field: impl Into<String>, most: usize) -> Cause {
    Cause {
        reason: "FieldValueTooLong",
        message: format!("Too long: may not be more than {most} bytes"),
        field: field.into(),
    }
}
