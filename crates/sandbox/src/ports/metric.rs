//! A metric provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric};
use rollcage_core::{Call, CallError, Fault, MetricProvider};

use super::{Answered, answered, invalid, view};
use crate::{
    bindings::{
        exports::rollcage::plugin::metrics,
        rollcage::plugin::types::{self, Pair},
    },
    contract::Method,
    instance::Live,
    plugin::WasmPlugin,
    sample,
    size::Size as _,
    subject::Subject,
};

type Measured = Result<metrics::Measurement, types::Error>;
type Done = Result<(), types::Error>;
type Facts = Result<Vec<Pair>, types::Error>;

pub(super) fn check_types(live: &mut Live) -> Result<(), Box<Fault>> {
    type Again = (metrics::AnalysisRun, metrics::Metric, metrics::Measurement);
    live.check::<(metrics::AnalysisRun, metrics::Metric), Measured>(Method::Run)?;
    live.check::<Again, Measured>(Method::Resume)?;
    live.check::<Again, Measured>(Method::Terminate)?;
    live.check::<(metrics::AnalysisRun, metrics::Metric, u32), Done>(Method::GarbageCollect)?;
    live.check::<(metrics::Metric,), Facts>(Method::GetMetadata)
}

impl WasmPlugin {
    async fn again(
        &self,
        method: Method,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        let params = (
            view::analysis_run(run, call),
            view::metric(metric, &self.id().name),
            view::measurement(measurement),
        );
        let input = params.0.size() + params.1.size() + params.2.size();
        let subject = Subject::AnalysisRun(Arc::clone(run));
        let answer = self.invoke::<_, Measured>(method, call, subject, input, params).await?;
        let answer = answered(self.policy(), answer)?;
        let began = measurement.started_at.unwrap_or_else(|| self.policy().host.clock.now());
        self.measurement(answer, metric, began)
    }

    /// Gives an answer its meaning.
    fn measurement(
        &self,
        answer: Answered<metrics::Measurement>,
        metric: &Metric,
        began: Timestamp,
    ) -> Result<Measurement, CallError> {
        let Answered { value: answer, masker } = answer;
        let time = |field: &str, text: Option<String>| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => match text.parse::<Timestamp>() {
                Ok(time) => Ok(Some(time)),
                Err(_) => Err(invalid(
                    self.policy(),
                    format!("{field} is no RFC 3339 time: {:?}", masker.mask(text)),
                )),
            },
        };
        let started_at = time("started-at", answer.started_at)?;
        let finished_at = time("finished-at", answer.finished_at)?;
        let resume_at = time("resume-at", answer.resume_at)?;
        let mut message = answer.message;
        let phase = match answer.phase {
            Some(metrics::Phase::Running) => AnalysisPhase::Running,
            Some(metrics::Phase::Successful) => AnalysisPhase::Successful,
            Some(metrics::Phase::Failed) => AnalysisPhase::Failed,
            Some(metrics::Phase::Inconclusive) => AnalysisPhase::Inconclusive,
            Some(metrics::Phase::Error) => AnalysisPhase::Error,
            None => match sample::assess(metric, answer.sample, self.policy().host.clock.now()) {
                Ok(phase) => phase,
                Err(cause) => {
                    message = cause;
                    AnalysisPhase::Error
                }
            },
        };
        let now = || self.policy().host.clock.now();
        Ok(Measurement {
            phase,
            message: masker.mask(&message).into_owned(),
            started_at: Some(started_at.unwrap_or(began)),
            finished_at: if phase.is_completed() {
                Some(finished_at.unwrap_or_else(now))
            } else {
                None
            },
            value: masker.mask(&answer.value).into_owned(),
            metadata: masked(answer.metadata, &masker),
            resume_at,
        })
    }
}

fn masked(pairs: Vec<Pair>, masker: &rollcage_core::secret::Masker) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|pair| {
            (
                masker.mask(&pair.name).into_owned(),
                masker.mask(&pair.value).into_owned(),
            )
        })
        .collect()
}

#[async_trait]
impl MetricProvider for WasmPlugin {
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        let began = self.policy().host.clock.now();
        let params = (view::analysis_run(run, call), view::metric(metric, &self.id().name));
        let input = params.0.size() + params.1.size();
        let subject = Subject::AnalysisRun(Arc::clone(run));
        let answer = self
            .invoke::<_, Measured>(Method::Run, call, subject, input, params)
            .await?;
        let answer = answered(self.policy(), answer)?;
        self.measurement(answer, metric, began)
    }

    async fn resume(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.again(Method::Resume, call, run, metric, measurement).await
    }

    async fn terminate(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.again(Method::Terminate, call, run, metric, measurement).await
    }

    async fn garbage_collect(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError> {
        let params = (
            view::analysis_run(run, call),
            view::metric(metric, &self.id().name),
            limit,
        );
        let input = params.0.size() + params.1.size();
        let subject = Subject::AnalysisRun(Arc::clone(run));
        let answer = self
            .invoke::<_, Done>(Method::GarbageCollect, call, subject, input, params)
            .await?;
        answered(self.policy(), answer).map(|answer| answer.value)
    }

    async fn get_metadata(&self, call: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        let params = (view::metric(metric, &self.id().name),);
        let input = params.0.size();
        let answer = self
            .invoke::<_, Facts>(Method::GetMetadata, call, Subject::Nothing, input, params)
            .await?;
        let Answered { value, masker } = answered(self.policy(), answer)?;
        Ok(masked(value, &masker))
    }
}
