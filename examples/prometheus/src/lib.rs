//! Argo's Prometheus provider as a component.
//!
//! ```text
//! metric.config ──> config ──> query: POST /api/v1/query[_range] ──> answer: values, warnings
//!                                                                       └──> measurement: value as text, sample for the host
//! ```
//!
//! The verdict is the host's: it applies the metric's conditions to the sample.

mod address;
mod answer;
mod config;
mod query;

use rollcage_sdk::{
    Error, Pair, Wants, env, export_metric_provider,
    http::{Request, Response},
    metric::{AnalysisRun, Measurement, Metric, MetricProvider},
    warn,
};

use crate::{address::Address, config::Config};

/// Names the server of metrics that name none, as for Argo's controller.
const ADDRESS_VARIABLE: &str = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS";

/// The plugin.
#[derive(Default)]
struct Prometheus {
    /// `--address`: the server of metrics that name none.
    default_address: Option<String>,
}

impl MetricProvider for Prometheus {
    fn wants() -> Wants {
        Wants {
            http: vec!["*".to_owned()],
            env: vec![ADDRESS_VARIABLE.to_owned()],
            ..Wants::default()
        }
    }

    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            self.default_address = match arg.split_once('=') {
                Some(("--address", value)) => Some(value.to_owned()),
                None if arg == "--address" => args.next().cloned(),
                _ => return Err(Error::invalid_config(format!("args: unknown argument `{arg}`"))),
            };
        }
        Ok(())
    }

    fn run(&self, _run: &AnalysisRun, metric: &Metric) -> Result<Measurement, Error> {
        let config: Config = metric.parse_config()?;
        let address = self.address(&config)?;
        let query = query::Query::new(&config)?;
        let answer = answer::parse(&send(&config, &address, &query)?)?;
        let mut measurement = Measurement::measured(answer.value, answer.sample);
        if !answer.warnings.is_empty() {
            let quoted: Vec<_> = answer.warnings.iter().map(|warning| format!("\"{warning}\"")).collect();
            let warnings = quoted.join(", ");
            warn!("Prometheus returned the following warnings: {warnings}");
            measurement = measurement.with_metadata("warnings", warnings);
        }
        Ok(measurement)
    }

    fn metadata(&self, metric: &Metric) -> Result<Vec<Pair>, Error> {
        // A configuration that cannot be read is the measurement's error.
        Ok(match metric.parse_config::<Config>() {
            Ok(config) if !config.query.is_empty() => vec![Pair::new("ResolvedPrometheusQuery", config.query)],
            _ => Vec::new(),
        })
    }
}

impl Prometheus {
    fn address(&self, config: &Config) -> Result<Address, Error> {
        let is_set = |address: &String| !address.is_empty();
        let address = Some(config.address.clone())
            .filter(is_set)
            .or_else(|| self.default_address.clone().filter(is_set))
            .or_else(|| env::var(ADDRESS_VARIABLE).filter(is_set))
            .ok_or_else(|| Error::invalid_config("address: prometheus address is not configured"))?;
        Address::parse(&address).ok_or_else(|| {
            Error::invalid_config(format!("address: prometheus address is not in url format: {address}"))
        })
    }
}

/// Posts the query; a server that takes no POST is asked again with GET.
fn send(config: &Config, address: &Address, query: &query::Query) -> Result<Response, Error> {
    let form = query.form(address);
    let url = address.url(query.path());
    let post = Request::post(&url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form.clone());
    let response = exchange(config, address, post)?;
    if matches!(response.status, 405 | 501) {
        let get = Request::get(format!("{}?{form}", address.url_without_query(query.path())));
        return exchange(config, address, get);
    }
    Ok(response)
}

fn exchange(config: &Config, address: &Address, mut request: Request) -> Result<Response, Error> {
    if let Some(authorization) = config.authorization().or_else(|| address.authorization()) {
        request = request.header("Authorization", authorization);
    }
    for header in &config.headers {
        request = request.header(&header.key, &header.value);
    }
    let request = request.timeout(config.timeout()?).skip_tls_verify(config.insecure);
    request
        .send()
        .map_err(|error| Error::from(error).context(format!("{} {}", request.method, request.url)))
}

export_metric_provider!(Prometheus);

#[cfg(test)]
mod tests;
