//! Waits for a server that never ends its answer.

use rollcage_sdk::{
    Error, export_metric_provider,
    http::Request,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, metric: &Metric) -> Result<Measurement, Error> {
        let response = Request::get(&metric_url(metric)?).send();
        Err(Error::unavailable(format!("{response:?}")))
    }
}

fn metric_url(metric: &Metric) -> Result<String, Error> {
    #[derive(serde::Deserialize)]
    struct Config {
        url: String,
    }
    metric.parse_config::<Config>().map(|config| config.url)
}

export_metric_provider!(Guest);
