//! Answers a hundred megabytes.

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        Ok(Measurement::finished(Phase::Successful, "x".repeat(40 << 20)))
    }
}

export_metric_provider!(Guest);
