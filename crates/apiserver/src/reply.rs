//! Answers as bytes.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{error::ApiError, kind::View, list::Page, object::shown, store::Stored};

/// Body of an answer: all at once, or a watch that goes on.
pub type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// What of an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All of it.
    Full,
    /// `PartialObjectMetadata`.
    Metadata,
}

impl Shape {
    /// What `Accept` asks for: the first clause that can be served.
    pub(crate) fn negotiate(accept: &str) -> Result<Self, ApiError> {
        if accept.trim().is_empty() {
            return Ok(Self::Full);
        }
        for clause in accept.split(',') {
            let mut parts = clause.split(';').map(str::trim);
            let json = matches!(parts.next(), Some("application/json" | "application/*" | "*/*"));
            let shape = parts.find_map(|part| part.strip_prefix("as="));
            match shape {
                None if json => return Ok(Self::Full),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") if json => return Ok(Self::Metadata),
                _ => {}
            }
        }
        Err(ApiError::new(
            406,
            "only the following media types are accepted: application/json",
        ))
    }

    pub(crate) fn show(self, view: &View, stored: &Stored) -> Arc<Value> {
        let value = shown(view, stored);
        match self {
            Self::Full => value,
            Self::Metadata => {
                let mut map = Map::new();
                map.insert("apiVersion".into(), "meta.k8s.io/v1".into());
                map.insert("kind".into(), "PartialObjectMetadata".into());
                map.insert("metadata".into(), value.get("metadata").cloned().unwrap_or_default());
                Arc::new(Value::Object(map))
            }
        }
    }

    pub(crate) fn list(self, view: &View, page: &Page) -> Bytes {
        let (api_version, kind) = match self {
            Self::Full => (view.api_version(), format!("{}List", view.kind.kind)),
            Self::Metadata => ("meta.k8s.io/v1".into(), "PartialObjectMetadataList".into()),
        };
        let metadata = ListMeta {
            resource_version: page.revision.to_string(),
            next: (!page.next.is_empty() || (self == Self::Full && !view.kind.typed)).then_some(&page.next),
            remaining_item_count: page.remaining,
        };
        let bare = self == Self::Full && view.kind.typed;
        let item = |stored: &Arc<Stored>| match self.show(view, stored) {
            // The list says what its items are.
            mut value if bare => {
                if let Value::Object(map) = Arc::make_mut(&mut value) {
                    map.shift_remove("apiVersion");
                    map.shift_remove("kind");
                }
                value
            }
            value => value,
        };
        let items = page.items.iter().map(item).collect();
        encode(&List {
            kind,
            api_version,
            metadata,
            items,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: String,
    api_version: String,
    metadata: ListMeta<'a>,
    items: Vec<Arc<Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    resource_version: String,
    /// Of custom resources it is there even when it is empty.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    next: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_item_count: Option<usize>,
}

/// JSON bytes. Everything that is answered has string keys and no failing parts.
pub(crate) fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// An answer of JSON.
pub(crate) fn json(code: u16, body: Bytes) -> Response<ResponseBody> {
    respond(code, Full::new(body).boxed_unsync())
}

/// An answer with any body.
pub(crate) fn respond(code: u16, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// The answer to a refused request.
pub(crate) fn refuse(error: &ApiError) -> Response<ResponseBody> {
    let mut response = json(error.code, encode(&error.to_status()));
    if let Some(seconds) = error.details.as_ref().and_then(|details| details.retry_after_seconds) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
