//! Answers well 99 times and logs without end on the hundredth call.

use std::cell::Cell;

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest {
    calls: Cell<u32>,
}

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() >= 100 {
            loop {
                rollcage_sdk::info!("enough, enough, enough, enough, enough, enough");
            }
        }
        Ok(Measurement::finished(Phase::Successful, self.calls.get().to_string()))
    }
}

export_metric_provider!(Guest);
