//! What a step plugin is given and answers (Argo's `RpcStepContext` and `RpcStepResult`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::GoDuration;

/// What the controller hands to a step plugin beside the Rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepContext {
    /// `<namespace>/<name>` of the plugin as the step names it.
    pub plugin_name: String,
    /// The step's `config`, untouched; null when absent.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub config: Value,
    /// What the plugin's last `run` left in `status`; null on the first call.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub status: Value,
}

/// Phase of a step operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepPhase {
    /// Not finished: call `run` again after the back-off.
    Running,
    /// Finished well.
    Successful,
    /// Finished badly: the Rollout is aborted.
    Failed,
    /// The attempt failed: it is tried again.
    Error,
}

/// A step plugin's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepResult {
    /// Absent: the phase stays as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<StepPhase>,
    /// For people; shown in the Rollout's status.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How long to wait before the next `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeue_after: Option<GoDuration>,
    /// Opaque state that the next call gets back; null leaves none.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub status: Value,
}
