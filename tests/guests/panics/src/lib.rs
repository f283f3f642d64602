//! Panics with a message, deep inside.

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        ratio(0);
        Ok(Measurement::finished(Phase::Successful, ""))
    }
}

#[inline(never)]
fn ratio(requests: u32) -> u32 {
    assert!(requests > 0, "no requests to divide by");
    100 / requests
}

export_metric_provider!(Guest);
