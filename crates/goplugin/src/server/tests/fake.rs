//! A plugin of all kinds that does what the names in its calls say.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use rollcage_api::{
    analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric},
    plugin::PluginKind,
    rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, Verification, WeightDestination},
    step::{StepContext, StepPhase, StepResult},
};
use rollcage_core::{
    Call, CallError, Fault, FaultKind, MetricProvider, Phase, PluginError, PluginErrorKind, PluginId, Step,
    TrafficRouter,
};
use tokio::time::sleep;

use crate::server::Served;

/// A plugin that does what the names in its calls say.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) serves: bool,
}

fn id() -> PluginId {
    PluginId {
        kind: PluginKind::MetricProvider,
        name: "a/b".to_owned(),
    }
}

fn behave(name: &str) -> Result<(), CallError> {
    match name {
        "error" => Err(PluginError {
            kind: PluginErrorKind::Unavailable,
            message: "no, says the plugin".to_owned(),
            retry_after: None,
        }
        .into()),
        "silent" => Err(PluginError {
            kind: PluginErrorKind::Internal,
            message: String::new(),
            retry_after: None,
        }
        .into()),
        "fault" => Err(Fault::new(&id(), Phase::Call, FaultKind::Trap, "unreachable", "look at it").into()),
        "panic" => panic!("boom"),
        _ => Ok(()),
    }
}

fn of_rollout(rollout: &Rollout) -> Result<(), CallError> {
    behave(rollout.metadata.name.as_deref().unwrap_or_default())
}

impl Fake {
    fn port<T: ?Sized>(&self, port: Arc<T>) -> Result<Arc<T>, Box<Fault>> {
        if self.serves {
            return Ok(port);
        }
        let kind = FaultKind::Loading;
        Err(Box::new(Fault::new(
            &id(),
            Phase::Fetch,
            kind,
            "it is on its way",
            "wait",
        )))
    }
}

#[async_trait]
impl Served for Fake {
    fn name(&self) -> String {
        "a/b".to_owned()
    }
    async fn metric_provider(&self, _: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>> {
        self.port(Arc::new(Fake { serves: true }))
    }
    async fn traffic_router(&self, _: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>> {
        self.port(Arc::new(Fake { serves: true }))
    }
    async fn step(&self, _: &str) -> Result<Arc<dyn Step>, Box<Fault>> {
        self.port(Arc::new(Fake { serves: true }))
    }
}

#[async_trait]
impl MetricProvider for Fake {
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        behave(&metric.name)?;
        if let Some(millis) = metric.name.strip_prefix("slow ") {
            sleep(Duration::from_millis(millis.parse().unwrap())).await;
        }
        Ok(Measurement {
            phase: AnalysisPhase::Successful,
            value: metric.name.clone(),
            message: format!(
                "{} {:?} {:?}",
                call.namespace,
                metric.provider.plugin.get("a/b"),
                run.spec.args.len()
            ),
            started_at: Some("2024-01-02T03:04:05Z".parse().unwrap()),
            metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            ..Measurement::default()
        })
    }
    async fn resume(
        &self,
        _: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        behave(&metric.name)?;
        Ok(Measurement {
            value: "resumed".to_owned(),
            ..measurement.clone()
        })
    }
    async fn terminate(
        &self,
        _: &Call,
        _: &Arc<AnalysisRun>,
        _: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        Ok(measurement.clone())
    }
    async fn garbage_collect(
        &self,
        _: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError> {
        behave(&metric.name)?;
        assert_eq!(limit, 3);
        Ok(())
    }
    async fn get_metadata(&self, _: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        behave(&metric.name)?;
        Ok(BTreeMap::from([("query".to_owned(), metric.name.clone())]))
    }
}

#[async_trait]
impl TrafficRouter for Fake {
    async fn update_hash(
        &self,
        _: &Call,
        rollout: &Arc<Rollout>,
        _: &str,
        _: &str,
        _: &[WeightDestination],
    ) -> Result<(), CallError> {
        of_rollout(rollout)
    }
    async fn set_weight(
        &self,
        _: &Call,
        rollout: &Arc<Rollout>,
        _: i32,
        _: &[WeightDestination],
    ) -> Result<(), CallError> {
        of_rollout(rollout)
    }
    async fn set_header_route(&self, _: &Call, rollout: &Arc<Rollout>, _: &SetHeaderRoute) -> Result<(), CallError> {
        of_rollout(rollout)
    }
    async fn set_mirror_route(&self, _: &Call, rollout: &Arc<Rollout>, _: &SetMirrorRoute) -> Result<(), CallError> {
        of_rollout(rollout)
    }
    async fn verify_weight(
        &self,
        _: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        _: &[WeightDestination],
    ) -> Result<Verification, CallError> {
        of_rollout(rollout)?;
        Ok(match weight {
            0 => Verification::NotVerified,
            1 => Verification::Verified,
            _ => Verification::NotImplemented,
        })
    }
    async fn remove_managed_routes(&self, _: &Call, rollout: &Arc<Rollout>) -> Result<(), CallError> {
        of_rollout(rollout)
    }
    fn capabilities(&self) -> Option<Vec<String>> {
        None
    }
}

#[async_trait]
impl Step for Fake {
    async fn run(&self, _: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        of_rollout(rollout)?;
        Ok(StepResult {
            phase: Some(StepPhase::Running),
            message: context.plugin_name.clone(),
            requeue_after: Some(rollcage_api::GoDuration(Duration::from_secs(30))),
            status: context.status.clone(),
        })
    }
    async fn terminate(&self, _: &Call, rollout: &Arc<Rollout>, _: &StepContext) -> Result<StepResult, CallError> {
        of_rollout(rollout).map(|()| StepResult::default())
    }
    async fn abort(&self, _: &Call, rollout: &Arc<Rollout>, _: &StepContext) -> Result<StepResult, CallError> {
        of_rollout(rollout).map(|()| StepResult::default())
    }
}
