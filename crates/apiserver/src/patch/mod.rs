//! The ways to patch.

mod strategic;

use std::time::{Duration, Instant};

use json_patch::PatchOperation;
use serde_json::Value;

use crate::{error::ApiError, kind::View, limits::Limits, object::nests_within, store::size_of};

/// Operations in one JSON patch, as by the real server.
const OPERATIONS: usize = 10_000;

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A patch, read.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902.
    Json(Vec<PatchOperation>),
    /// Kubernetes' own, for kinds that the real server decodes.
    Strategic(Value),
}

impl Patch {
    /// Whether there is a patch of this content type, for any kind.
    pub(crate) fn is_known(content_type: &str) -> bool {
        matches!(
            content_type,
            "application/merge-patch+json" | "application/json-patch+json" | STRATEGIC
        )
    }

    /// Reads a body by its content type.
    pub(crate) fn parse(view: &View, content_type: &str, body: Value) -> Result<Self, ApiError> {
        match content_type {
            "application/merge-patch+json" if body.is_object() => Ok(Self::Merge(body)),
            "application/merge-patch+json" => Err(ApiError::bad_request("a merge patch must be a JSON object")),
            "application/json-patch+json" => {
                let count = body.as_array().map_or(0, Vec::len);
                if count > OPERATIONS {
                    let why = format!("The allowed maximum operations in a JSON patch is {OPERATIONS}, got {count}");
                    return Err(ApiError::too_large(why));
                }
                crate::object::read(body, "the JSON patch").map(Self::Json)
            }
            STRATEGIC if view.kind.typed && body.is_object() => Ok(Self::Strategic(body)),
            STRATEGIC if view.kind.typed => Err(ApiError::bad_request("a strategic merge patch must be a JSON object")),
            _ => {
                let more = if view.kind.typed {
                    ", application/strategic-merge-patch+json"
                } else {
                    ""
                };
                let why = format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml{more}"
                );
                Err(ApiError::new(415, why))
            }
        }
    }

    /// Changes `value`. On an error what is left of it is of no use.
    pub(crate) fn apply(&self, view: &View, value: &mut Value, limits: &Limits) -> Result<(), ApiError> {
        match self {
            Self::Merge(patch) => {
                json_patch::merge(value, patch);
                Ok(())
            }
            Self::Strategic(patch) => strategic::merge(&view.kind.lists, value, patch),
            Self::Json(operations) => json(value, operations, limits),
        }
    }
}

/// Real time that one JSON patch may take: ten thousand operations on the longest list would take minutes.
const TIME: Duration = Duration::from_secs(2);

/// Applies one operation after the other: a few `copy` operations double an object each, so it is measured on the way.
fn json(value: &mut Value, operations: &[PatchOperation], limits: &Limits) -> Result<(), ApiError> {
    let start = Instant::now();
    let mut copied = 0;
    for operation in operations {
        let placed = match operation {
            PatchOperation::Add(add) => Some(&add.value),
            PatchOperation::Replace(replace) => Some(&replace.value),
            PatchOperation::Move(from) => value.pointer(from.from.as_str()),
            PatchOperation::Copy(from) => value.pointer(from.from.as_str()),
            PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
        };
        let depth = (limits.depth * 2).saturating_sub(operation.path().count());
        if placed.is_some_and(|placed| !nests_within(placed, depth)) {
            return Err(ApiError::bad_request(format!(
                "the object is nested deeper than {} levels",
                limits.depth
            )));
        }
        if let (PatchOperation::Copy(_), Some(placed)) = (operation, placed) {
            copied += size_of(placed);
        }
        if copied > limits.object || start.elapsed() > TIME {
            return Err(ApiError::too_large("the JSON patch asks for too much work"));
        }
        // The real server does not say which operation it was.
        json_patch::patch_unsafe(value, std::slice::from_ref(operation))
            .map_err(|_| ApiError::generic(422, "the server rejected our request due to an error in our request"))?;
    }
    Ok(())
}
