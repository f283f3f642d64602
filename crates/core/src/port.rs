//! The three ports: what the host calls, whatever runs behind it; and where the host gets them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use rollcage_api::{
    analysis::{AnalysisRun, Measurement, Metric},
    plugin::UnavailableEntry,
    rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, Verification, WeightDestination},
    step::{StepContext, StepResult},
};

use crate::{Call, CallError, Fault, PluginId};

/// Measures.
#[async_trait]
pub trait MetricProvider: Send + Sync + fmt::Debug {
    /// Takes a measurement, or begins one. `metric` has its arguments filled in.
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError>;
    /// Goes on with a measurement in flight.
    async fn resume(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError>;
    /// Ends a measurement in flight.
    async fn terminate(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError>;
    /// More than `limit` measurements are stored.
    async fn garbage_collect(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError>;
    /// Facts to show beside the metric.
    async fn get_metadata(&self, call: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError>;
}

/// Moves traffic. Every method may be repeated.
#[async_trait]
pub trait TrafficRouter: Send + Sync + fmt::Debug {
    /// Tells the pod-template hashes.
    async fn update_hash(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[WeightDestination],
    ) -> Result<(), CallError>;
    /// Sends a share of the traffic to the canary.
    async fn set_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<(), CallError>;
    /// Sets or removes a header route.
    async fn set_header_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetHeaderRoute,
    ) -> Result<(), CallError>;
    /// Sets or removes a mirror route.
    async fn set_mirror_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetMirrorRoute,
    ) -> Result<(), CallError>;
    /// Tells whether a weight has taken effect.
    async fn verify_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<Verification, CallError>;
    /// Removes every route made for the Rollout's managed routes.
    async fn remove_managed_routes(&self, call: &Call, rollout: &Arc<Rollout>) -> Result<(), CallError>;
    /// What the router says that it supports; `None` when it cannot say.
    fn capabilities(&self) -> Option<Vec<String>>;
}

/// Runs as a step of a Rollout.
#[async_trait]
pub trait Step: Send + Sync + fmt::Debug {
    /// Does the step's work, or a part of it.
    async fn run(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError>;
    /// The Rollout no longer waits for the step.
    async fn terminate(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        context: &StepContext,
    ) -> Result<StepResult, CallError>;
    /// The Rollout was aborted.
    async fn abort(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError>;
}

/// Where ports come from: the plugins that serve now, by name.
///
/// An `Err` of [`metric_provider`](Self::metric_provider), [`traffic_router`](Self::traffic_router) and
/// [`step`](Self::step) means that nothing was tried. [`NotUsableHere`](crate::FaultKind::NotUsableHere) is the object's
/// own mistake; with every other kind (the fault that ended the last load, or one of
/// [`FaultKind::is_not_serving`](crate::FaultKind::is_not_serving)) the object waits, for as long as
/// [`unavailable_policy`](Self::unavailable_policy) says.
///
/// A port that was handed out may be kept: every call of it goes to what serves then. When nothing serves any more, the
/// call ends with a fault whose kind `is_not_serving`; the fault's phase and cause are still those of the load.
pub trait PluginSource: Send + Sync + fmt::Debug {
    /// The metric provider `name`, for an object of `namespace`.
    fn metric_provider(&self, name: &str, namespace: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>>;
    /// The traffic router `name`, for an object of `namespace`.
    fn traffic_router(&self, name: &str, namespace: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>>;
    /// The step plugin `name`, for an object of `namespace`.
    fn step(&self, name: &str, namespace: &str) -> Result<Arc<dyn Step>, Box<Fault>>;
    /// What happens to objects while the plugin does not serve; the default for one without (readable) entry.
    fn unavailable_policy(&self, id: &PluginId) -> UnavailableEntry;
}
