//! Logs without end.

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        loop {
            rollcage_sdk::info!("still here, still here, still here, still here");
        }
    }
}

export_metric_provider!(Guest);
