//! What a Rollout's status says of its state, for people and for `kubectl wait`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::or_default;
use crate::analysis::seconds;

/// Why the controller waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PauseCondition {
    /// `CanaryPauseStep`, `InconclusiveAnalysisRun` and the like.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub start_time: Option<Timestamp>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// One aspect of the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutCondition {
    /// `Progressing`, `Available` and the like.
    #[serde(
        rename = "type",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// When it was last looked at with a result.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub last_update_time: Option<Timestamp>,
    /// When `status` was last another one.
    #[serde(skip_serializing_if = "Option::is_none", with = "seconds")]
    pub last_transition_time: Option<Timestamp>,
    /// Why, in one word. Always written, as Go does.
    #[serde(deserialize_with = "or_default")]
    pub reason: String,
    /// Why, in a sentence. Always written, as Go does.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
