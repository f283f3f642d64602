//! Spins in `init`, before any method.

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn init(&mut self, _args: &[String]) -> Result<(), Error> {
        loop {
            std::hint::black_box(0);
        }
    }

    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        Ok(Measurement::finished(Phase::Successful, ""))
    }
}

export_metric_provider!(Guest);
