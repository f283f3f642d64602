//! Takes a denied request for granted, and traps.

use rollcage_sdk::{
    Error, export_metric_provider,
    http::Request,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        let response = Request::get("http://not-granted.example:80/")
            .send()
            .expect("the answer");
        Ok(Measurement::finished(Phase::Successful, response.status.to_string()))
    }
}

export_metric_provider!(Guest);
