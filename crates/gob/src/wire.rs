//! What Argo's RPC packages and net/rpc wrap objects in.
//!
//! Arguments are generic over the objects in them: `RunArgs { analysis_run: &run, metric: &metric }` is sent,
//! `RunArgs<Option<AnalysisRun>, Metric>` is read. Fields have Go's order and meaning; what was not sent is the default.

use std::collections::BTreeMap;

use rollcage_api::step::StepResult;
use serde::{Deserialize, Serialize};

use crate::{Type, types};

/// Head of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// `Service.Method`.
    pub service_method: String,
    /// Number of the call on its stream.
    pub seq: u64,
}

/// Head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Response {
    /// As in the call.
    pub service_method: String,
    /// As in the call.
    pub seq: u64,
    /// Why there is no reply; empty when there is one.
    pub error: String,
}

/// Nothing: the reply of `Control.Ping` and `Control.Quit`, and what follows a [`Response`] with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// `Run` of a metric provider, registered as `RunArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunArgs<R, M> {
    /// The AnalysisRun: an `Option` when read.
    #[serde(default)]
    pub analysis_run: R,
    /// The metric.
    #[serde(default)]
    pub metric: M,
}

/// `Resume` and `Terminate` of a metric provider, registered as `TerminateAndResumeArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredArgs<R, M, N> {
    /// The AnalysisRun: an `Option` when read.
    #[serde(default)]
    pub analysis_run: R,
    /// The metric.
    #[serde(default)]
    pub metric: M,
    /// The measurement in flight.
    #[serde(default)]
    pub measurement: N,
}

/// `GarbageCollect` of a metric provider, registered as `GarbageCollectArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GarbageCollectArgs<R, M> {
    /// The AnalysisRun: an `Option` when read.
    #[serde(default)]
    pub analysis_run: R,
    /// The metric.
    #[serde(default)]
    pub metric: M,
    /// How many measurements are kept.
    #[serde(default)]
    pub limit: i64,
}

/// `GetMetadata` of a metric provider, registered as `GetMetadataArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetMetadataArgs<M> {
    /// The metric.
    #[serde(default)]
    pub metric: M,
}

/// `UpdateHash` of a traffic router, registered as `UpdateHashArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateHashArgs<R, D> {
    /// The Rollout.
    #[serde(default)]
    pub rollout: R,
    /// Pod-template hash of the canary.
    #[serde(default)]
    pub canary_hash: String,
    /// Pod-template hash of the stable pods.
    #[serde(default)]
    pub stable_hash: String,
    /// Further destinations: a slice when sent, a `Vec` when read.
    #[serde(default)]
    pub additional_destinations: D,
}

/// `SetWeight` and `VerifyWeight` of a traffic router, registered as `SetWeightAndVerifyWeightArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightArgs<R, D> {
    /// The Rollout.
    #[serde(default)]
    pub rollout: R,
    /// Share of the canary.
    #[serde(default)]
    pub desired_weight: i32,
    /// Further destinations: a slice when sent, a `Vec` when read.
    #[serde(default)]
    pub additional_destinations: D,
}

/// `SetHeaderRoute` of a traffic router, registered as `SetHeaderArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetHeaderArgs<R, H> {
    /// The Rollout.
    #[serde(default)]
    pub rollout: R,
    /// The route.
    #[serde(default)]
    pub set_header_route: H,
}

/// `SetMirrorRoute` of a traffic router, registered as `SetMirrorArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetMirrorArgs<R, H> {
    /// The Rollout.
    #[serde(default)]
    pub rollout: R,
    /// The route.
    #[serde(default)]
    pub set_mirror_route: H,
}

/// `RemoveManagedRoutes` of a traffic router, registered as `RemoveManagedRoutesArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutArgs<R> {
    /// The Rollout.
    #[serde(default)]
    pub rollout: R,
}

/// Every method of a step, registered as `step.RunArgs`, `step.TerminateArgs` and `step.AbortArgs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepArgs<R, C> {
    /// The Rollout: an `Option` when read.
    #[serde(default)]
    pub rollout: R,
    /// What the step is: an `Option` when read.
    #[serde(default)]
    pub context: C,
}

/// A plugin's own error; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcError {
    /// What went wrong.
    #[serde(default)]
    pub error_string: String,
}

/// Reply of `VerifyWeight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyWeightResponse {
    /// 0 is not verified, 1 verified, 2 not implemented; anything else is not verified.
    #[serde(default)]
    pub verified: i32,
    /// The plugin's own error.
    #[serde(default)]
    pub err: RpcError,
}

/// Reply of every method of a step. A delay below zero is read as none, which Argo makes of it as well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepResponse {
    /// What the step has come to.
    #[serde(default)]
    pub result: StepResult,
    /// The plugin's own error.
    #[serde(default)]
    pub error: RpcError,
}

/// Reply of `GetMetadata`.
pub type Metadata = BTreeMap<String, String>;

/// The type of an argument by the name that Argo registers.
pub fn argument(name: &str) -> Option<Type> {
    Some(match name {
        "RunArgs" => types::METRIC_RUN_ARGS,
        "TerminateAndResumeArgs" => types::METRIC_TERMINATE_AND_RESUME_ARGS,
        "GarbageCollectArgs" => types::METRIC_GARBAGE_COLLECT_ARGS,
        "GetMetadataArgs" => types::METRIC_GET_METADATA_ARGS,
        "UpdateHashArgs" => types::ROUTER_UPDATE_HASH_ARGS,
        "SetWeightAndVerifyWeightArgs" => types::ROUTER_SET_WEIGHT_AND_VERIFY_WEIGHT_ARGS,
        "SetHeaderArgs" => types::ROUTER_SET_HEADER_ARGS,
        "SetMirrorArgs" => types::ROUTER_SET_MIRROR_ARGS,
        "RemoveManagedRoutesArgs" => types::ROUTER_REMOVE_MANAGED_ROUTES_ARGS,
        "step.RunArgs" => types::STEP_RUN_ARGS,
        "step.TerminateArgs" => types::STEP_TERMINATE_ARGS,
        "step.AbortArgs" => types::STEP_ABORT_ARGS,
        // Argo registers it, and never sends it so.
        "RpcError" => types::TYPES_RPC_ERROR,
        _ => return None,
    })
}
