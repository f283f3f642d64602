//! What is asked of the server.

use rollcage_sdk::{Error, duration, evaluate, time::Timestamp};

use crate::{
    address::{Address, encode_form},
    config::Config,
};

/// A query: at one time, or over a range of it.
pub(crate) struct Query {
    path: &'static str,
    parameters: Vec<(String, String)>,
}

impl Query {
    /// Evaluates what the configuration says of time.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let query = ("query", config.query.clone());
        let (path, parameters) = match &config.range_query {
            None => ("/api/v1/query", vec![query, ("time", unix(Timestamp::now()))]),
            Some(range) => {
                let time = |field: &str, expression: &str| {
                    let time = evaluate::time(expression);
                    time.map_err(|error| invalid(field, "time", error.message()))
                };
                let start = time("start", &range.start)?;
                let end = time("end", &range.end)?;
                let step = duration::parse(&range.step).map_err(|error| invalid("step", "duration", &error))?;
                (
                    "/api/v1/query_range",
                    vec![
                        query,
                        ("start", unix(start)),
                        ("end", unix(end)),
                        ("step", seconds(step)),
                    ],
                )
            }
        };
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok(Self {
            path,
            parameters: parameters.collect(),
        })
    }

    /// The endpoint.
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// The parameters, with those that the address itself carries.
    pub(crate) fn form(&self, address: &Address) -> String {
        let ours = |name: &str| self.parameters.iter().any(|(own, _)| own == name);
        let mut parameters: Vec<_> = address.parameters().filter(|(name, _)| !ours(name)).collect();
        parameters.extend(self.parameters.iter().cloned());
        encode_form(parameters)
    }
}

fn invalid(field: &str, kind: &str, cause: &str) -> Error {
    Error::invalid_config(format!("failed to parse rangeQuery.{field} as {kind}: {cause}"))
}

/// Seconds since the epoch, as Prometheus' own client sends them.
#[expect(clippy::cast_precision_loss, reason = "a double is what the server reads it into")]
fn unix(time: Timestamp) -> String {
    (time.seconds() as f64 + f64::from(time.nanoseconds()) / 1e9).to_string()
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a double is what the server reads it into")]
fn seconds(nanoseconds: i64) -> String {
    let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    (whole as f64 + rest as f64 / 1e9).to_string()
}
