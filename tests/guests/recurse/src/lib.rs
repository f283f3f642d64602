//! Calls itself for ever.

use rollcage_sdk::{
    Error, export_metric_provider,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        Err(Error::internal(recurse(0).to_string()))
    }
}

#[expect(unconditional_recursion, reason = "what this guest is for")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = [depth; 32];
    std::hint::black_box(&frame);
    recurse(depth + 1) + frame[(depth % 32) as usize]
}

export_metric_provider!(Guest);
