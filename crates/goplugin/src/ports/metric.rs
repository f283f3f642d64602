//! A metric provider.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use rollcage_api::analysis::{AnalysisRun, Measurement, Metric};
use rollcage_core::{Call, CallError, MetricProvider, secret::Masker};
use rollcage_gob::{EncodeError, Encoded, Encoder, types, wire};

use super::{refused, sent::Sent};
use crate::service::Service;

/// The port of a native metric provider.
#[derive(Clone, Debug)]
pub struct NativeMetricProvider {
    service: Arc<Service>,
    runs: Arc<Sent<AnalysisRun>>,
}

impl NativeMetricProvider {
    /// Calls this plugin, which is one.
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            runs: Arc::new(Sent::new(types::ANALYSIS_RUN)),
        }
    }

    /// The AnalysisRun as every method takes it. What is wrong with it is the error of the call.
    fn encoded(&self, run: &Arc<AnalysisRun>) -> Result<Encoded, EncodeError> {
        self.runs.encoded(run).map_err(|error| error.within("analysisRun"))
    }

    async fn again(
        &self,
        method: &'static str,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        let args = self.encoded(run).map(|analysis_run| wire::MeasuredArgs {
            analysis_run,
            metric,
            measurement,
        });
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| {
            encoder.interface(
                "TerminateAndResumeArgs",
                types::METRIC_TERMINATE_AND_RESUME_ARGS,
                &args?,
                to,
            )
        };
        let answer = self
            .service
            .call(call, method, argument, |value| value.decode(types::MEASUREMENT))
            .await?;
        Ok(masked(answer, &call.secrets))
    }
}

fn masked(measurement: Measurement, masker: &Masker) -> Measurement {
    if masker.is_empty() {
        return measurement;
    }
    Measurement {
        message: masker.mask(&measurement.message).into_owned(),
        value: masker.mask(&measurement.value).into_owned(),
        metadata: masked_map(measurement.metadata, masker),
        ..measurement
    }
}

fn masked_map(map: BTreeMap<String, String>, masker: &Masker) -> BTreeMap<String, String> {
    map.into_iter()
        .map(|(name, value)| (masker.mask(&name).into_owned(), masker.mask(&value).into_owned()))
        .collect()
}

#[async_trait]
impl MetricProvider for NativeMetricProvider {
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        let args = self
            .encoded(run)
            .map(|analysis_run| wire::RunArgs { analysis_run, metric });
        let argument =
            |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.interface("RunArgs", types::METRIC_RUN_ARGS, &args?, to);
        let answer = self
            .service
            .call(call, "Plugin.Run", argument, |value| value.decode(types::MEASUREMENT))
            .await?;
        Ok(masked(answer, &call.secrets))
    }

    async fn resume(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.again("Plugin.Resume", call, run, metric, measurement).await
    }

    async fn terminate(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.again("Plugin.Terminate", call, run, metric, measurement).await
    }

    async fn garbage_collect(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError> {
        let args = self.encoded(run).map(|analysis_run| wire::GarbageCollectArgs {
            analysis_run,
            metric,
            limit: limit.into(),
        });
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| {
            encoder.interface("GarbageCollectArgs", types::METRIC_GARBAGE_COLLECT_ARGS, &args?, to)
        };
        let answer = self
            .service
            .call(call, "Plugin.GarbageCollect", argument, |value| {
                value.decode(types::TYPES_RPC_ERROR)
            })
            .await?;
        refused(&answer, &call.secrets)
    }

    async fn get_metadata(&self, call: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        let args = wire::GetMetadataArgs { metric };
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| {
            encoder.interface("GetMetadataArgs", types::METRIC_GET_METADATA_ARGS, &args, to)
        };
        let answer = self
            .service
            .call(call, "Plugin.GetMetadata", argument, |value| {
                value.decode(types::STRINGS)
            })
            .await?;
        Ok(masked_map(answer, &call.secrets))
    }
}
