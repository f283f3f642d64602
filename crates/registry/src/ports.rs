//! The three ports over a [`Handle`]: every method waits for its turn, calls what serves, and learns from the end.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use rollcage_api::{
    analysis::{AnalysisRun, Measurement, Metric},
    rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, Verification, WeightDestination},
    step::{StepContext, StepResult},
};
use rollcage_core::{Call, CallError, Fault, FaultKind, MetricProvider, Phase, PluginId, Step, TrafficRouter};

use crate::{handle::Handle, loader::Port};

/// `guarded!(self, call, Kind, method(arguments))`: one guarded call of the port `Kind`.
macro_rules! guarded {
    ($handle:expr, $call:expr, $kind:ident, $method:ident($($argument:expr),*)) => {{
        let mut watched = $handle.watched(stringify!($method));
        let entered = match $handle.enter($call).await {
            Ok(entered) => entered,
            Err(refused) => return watched.ended(Err(refused)),
        };
        watched.entered();
        let Port::$kind(port) = entered.port() else {
            return watched.ended(Err(mismatch(&$handle.id).into()));
        };
        let result = entered.run(port.$method(entered.call(), $($argument),*)).await;
        watched.ended(entered.learn(result))
    }};
}

/// Loads are checked for the kind of their port, so that this is a bug of ours.
fn mismatch(id: &PluginId) -> Fault {
    Fault::new(
        id,
        Phase::Call,
        FaultKind::Host,
        format!("what serves is no {}", id.kind),
        "report this as a bug of Rollcage",
    )
}

#[async_trait]
impl MetricProvider for Handle {
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        guarded!(self, call, MetricProvider, run(run, metric))
    }

    async fn resume(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        guarded!(self, call, MetricProvider, resume(run, metric, measurement))
    }

    async fn terminate(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        guarded!(self, call, MetricProvider, terminate(run, metric, measurement))
    }

    async fn garbage_collect(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError> {
        guarded!(self, call, MetricProvider, garbage_collect(run, metric, limit))
    }

    async fn get_metadata(&self, call: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        guarded!(self, call, MetricProvider, get_metadata(metric))
    }
}

#[async_trait]
impl TrafficRouter for Handle {
    async fn update_hash(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[WeightDestination],
    ) -> Result<(), CallError> {
        guarded!(
            self,
            call,
            TrafficRouter,
            update_hash(rollout, canary_hash, stable_hash, additional)
        )
    }

    async fn set_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<(), CallError> {
        guarded!(self, call, TrafficRouter, set_weight(rollout, weight, additional))
    }

    async fn set_header_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetHeaderRoute,
    ) -> Result<(), CallError> {
        guarded!(self, call, TrafficRouter, set_header_route(rollout, route))
    }

    async fn set_mirror_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetMirrorRoute,
    ) -> Result<(), CallError> {
        guarded!(self, call, TrafficRouter, set_mirror_route(rollout, route))
    }

    async fn verify_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<Verification, CallError> {
        guarded!(self, call, TrafficRouter, verify_weight(rollout, weight, additional))
    }

    async fn remove_managed_routes(&self, call: &Call, rollout: &Arc<Rollout>) -> Result<(), CallError> {
        guarded!(self, call, TrafficRouter, remove_managed_routes(rollout))
    }

    fn capabilities(&self) -> Option<Vec<String>> {
        let serving = self.registry.serving(&self.id).ok()?;
        match &serving.loaded.port {
            Port::TrafficRouter(port) => port.capabilities(),
            Port::MetricProvider(_) | Port::Step(_) => None,
        }
    }
}

#[async_trait]
impl Step for Handle {
    async fn run(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        guarded!(self, call, Step, run(rollout, context))
    }

    async fn terminate(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        context: &StepContext,
    ) -> Result<StepResult, CallError> {
        guarded!(self, call, Step, terminate(rollout, context))
    }

    async fn abort(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        guarded!(self, call, Step, abort(rollout, context))
    }
}
