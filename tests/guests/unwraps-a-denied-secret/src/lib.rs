//! Takes a denied secret for granted, and traps.

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        let secret = rollcage_sdk::secrets::get("admin").expect("the secret");
        Ok(Measurement::finished(Phase::Successful, secret))
    }
}

export_metric_provider!(Guest);
