//! A metric provider that asks a server and ends its measurement in `resume`. Its first argument names the one rule of
//! metric providers that it breaks; without it, it keeps them all.

use std::cell::Cell;

use rollcage_sdk::{
    Error, export_metric_provider,
    http::Request,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase, Sample},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: String,
}

#[derive(Default)]
struct Provider {
    breaks: String,
    calls: Cell<u32>,
}

impl Provider {
    fn ask(&self, metric: &Metric) -> Result<String, Error> {
        let config: Config = if self.breaks == "garbage-configuration" {
            serde_json::from_str(&metric.config).map_err(|error| Error::internal(error.to_string()))?
        } else {
            metric.parse_config()?
        };
        let response = Request::get(config.url).send();
        if self.breaks == "server-down" {
            return Ok(response.expect("an answer").text());
        }
        if self.breaks == "server-down-kind" {
            return Ok(response.map_err(|error| Error::internal(error.to_string()))?.text());
        }
        Ok(response?.ok()?.text())
    }
}

impl MetricProvider for Provider {
    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        self.breaks = args.first().cloned().unwrap_or_default();
        Ok(())
    }

    fn run(&self, _run: &AnalysisRun, metric: &Metric) -> Result<Measurement, Error> {
        let value = self.ask(metric)?;
        self.calls.set(self.calls.get() + 1);
        Ok(Measurement::running(None).with_metadata("first", value))
    }

    fn resume(&self, _run: &AnalysisRun, metric: &Metric, measurement: Measurement) -> Result<Measurement, Error> {
        if self.breaks == "restart" && self.calls.get() == 0 {
            return Ok(Measurement::running(None));
        }
        let value = self.ask(metric)?;
        let first = measurement.metadata("first").unwrap_or_default().to_owned();
        Ok(Measurement::measured(format!("{first} {value}"), Sample::Text(value)))
    }

    fn terminate(&self, _run: &AnalysisRun, _metric: &Metric, measurement: Measurement) -> Result<Measurement, Error> {
        if self.breaks == "terminate" {
            return Ok(Measurement::running(None));
        }
        let first = measurement.metadata("first").unwrap_or_default();
        Ok(Measurement::finished(Phase::Inconclusive, first))
    }
}

export_metric_provider!(Provider);
