//! The step's configuration. Fields of the request are named as those of Argo's web metric provider.

use rollcage_sdk::{Error, duration, http::Request};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

const DEFAULT_INTERVAL: u32 = 30_000;
/// Controllers take 30 s for what is not longer than this.
pub(crate) const SHORTEST_INTERVAL: u32 = 10_000;
const LONGEST_INTERVAL: u32 = 24 * 60 * 60 * 1000;
const DEFAULT_TIMEOUT_SECONDS: u32 = 10;

/// What a step's `config` may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Config {
    url: String,
    method: String,
    headers: Vec<Header>,
    body: String,
    json_body: Option<Value>,
    timeout_seconds: u32,
    insecure: bool,
    /// Statuses that may say go.
    pub(crate) expected_status: Expected,
    /// Says go, of an answer's body; empty: every body does.
    pub(crate) success_condition: String,
    /// Says no for good, of an answer's body.
    pub(crate) failure_condition: String,
    interval: Option<String>,
    timeout: Option<String>,
    attempts: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    key: String,
    value: String,
}

/// Statuses; none stands for any 2xx.
#[derive(Debug, Default)]
pub(crate) struct Expected(Vec<u16>);

impl Expected {
    pub(crate) fn has(&self, status: u16) -> bool {
        if self.0.is_empty() {
            (200..300).contains(&status)
        } else {
            self.0.contains(&status)
        }
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = match Value::deserialize(deserializer)? {
            Value::Null => Vec::new(),
            Value::Array(values) => values,
            value => vec![value],
        };
        let status = |value: &Value| {
            let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
            status
                .filter(|status| (100..600).contains(status))
                .ok_or_else(|| de::Error::custom(format!("{value} is no status: a number from 100 to 599")))
        };
        values.iter().map(status).collect::<Result<_, _>>().map(Self)
    }
}

/// How long the gate waits. Times are milliseconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Between two tries.
    pub(crate) interval: u32,
    /// From the first try.
    pub(crate) timeout: Option<u64>,
    /// Tries.
    pub(crate) attempts: Option<u32>,
}

impl Config {
    /// The request of a try.
    pub(crate) fn request(&self) -> Result<Request, Error> {
        if self.url.is_empty() {
            return Err(Error::invalid_config("url is missing"));
        }
        let has_scheme = |scheme: &str| {
            let start = self.url.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        if !has_scheme("http://") && !has_scheme("https://") {
            return Err(Error::invalid_config("url: neither http://... nor https://..."));
        }
        let method = if self.method.is_empty() { "GET" } else { &self.method };
        if !matches!(method, "GET" | "POST" | "PUT") {
            return Err(Error::invalid_config(format!(
                "method: {method:?} is not one of GET, POST, PUT"
            )));
        }
        let mut request = Request::new(method, &self.url);
        match &self.json_body {
            Some(_) if !self.body.is_empty() => {
                return Err(Error::invalid_config("jsonBody: set either body or jsonBody, not both"));
            }
            Some(_) if method == "GET" => return Err(Error::invalid_config("jsonBody: a GET has none")),
            None if method == "GET" && !self.body.is_empty() => {
                return Err(Error::invalid_config("body: a GET has none"));
            }
            Some(json) => request = request.json_body(json)?,
            None => request = request.body(self.body.as_bytes()),
        }
        for header in &self.headers {
            request = request.header(&header.key, &header.value);
        }
        let seconds = match self.timeout_seconds {
            0 => DEFAULT_TIMEOUT_SECONDS,
            seconds => seconds,
        };
        Ok(request
            .timeout(seconds.saturating_mul(1000))
            .skip_tls_verify(self.insecure))
    }

    /// How long to wait.
    pub(crate) fn waiting(&self) -> Result<Waiting, Error> {
        let interval = match milliseconds("interval", self.interval.as_deref())? {
            None => DEFAULT_INTERVAL,
            Some(interval) => u32::try_from(interval).unwrap_or(u32::MAX),
        };
        if interval <= SHORTEST_INTERVAL || interval > LONGEST_INTERVAL {
            return Err(Error::invalid_config(
                "interval: more than 10s and up to 24h (of 10s or less, controllers make 30s)",
            ));
        }
        if self.attempts == Some(0) {
            return Err(Error::invalid_config("attempts: at least 1"));
        }
        Ok(Waiting {
            interval,
            timeout: milliseconds("timeout", self.timeout.as_deref())?,
            attempts: self.attempts,
        })
    }

    /// The address for people: parameters may be nobody's business.
    pub(crate) fn shown_url(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }
}

fn milliseconds(field: &str, text: Option<&str>) -> Result<Option<u64>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let nanoseconds = duration::parse(text).map_err(|error| Error::invalid_config(format!("{field}: {error}")))?;
    let milliseconds = u64::try_from(nanoseconds / 1_000_000).unwrap_or_default();
    if milliseconds == 0 {
        return Err(Error::invalid_config(format!("{field}: {text:?} is no time to wait")));
    }
    Ok(Some(milliseconds))
}

#[cfg(test)]
mod tests {
    use rollcage_sdk::config::parse;

    use super::*;

    fn read(json: &str) -> Result<(Request, Waiting), Error> {
        let config: Config = parse(json)?;
        Ok((config.request()?, config.waiting()?))
    }

    #[test]
    fn what_is_absent_has_a_default() {
        let (request, waiting) = read(r#"{"url":"http://g/x"}"#).unwrap();
        assert_eq!((request.method.as_str(), request.timeout), ("GET", Some(10_000)));
        assert!(request.headers.is_empty() && request.body.is_empty() && !request.skip_tls_verify);
        let expected = Waiting {
            interval: 30_000,
            timeout: None,
            attempts: None,
        };
        assert_eq!(waiting, expected);
    }

    #[test]
    fn statuses_are_one_or_many() {
        for (json, status, has) in [
            ("null", 204, true),
            ("[]", 301, false),
            ("202", 202, true),
            ("202", 200, false),
            ("[200, 404]", 404, true),
        ] {
            let config: Config = parse(&format!(r#"{{"expectedStatus":{json}}}"#)).unwrap();
            assert_eq!(config.expected_status.has(status), has, "{json}: {status}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, expected) in [
            ("{}", "url is missing"),
            (r#"{"url":"gate:80"}"#, "url: neither http://"),
            (
                r#"{"url":"http://g","method":"DELETE"}"#,
                "method: \"DELETE\" is not one",
            ),
            (r#"{"url":"http://g","body":"x"}"#, "body: a GET has none"),
            (r#"{"url":"http://g","jsonBody":{}}"#, "jsonBody: a GET has none"),
            (
                r#"{"url":"http://g","method":"PUT","body":"x","jsonBody":{}}"#,
                "jsonBody: set either",
            ),
            (r#"{"url":"http://g","interval":"10s"}"#, "interval: more than"),
            (r#"{"url":"http://g","interval":"25h"}"#, "interval: more than"),
            (r#"{"url":"http://g","interval":"5"}"#, "interval: time: missing unit"),
            (r#"{"url":"http://g","timeout":"-1m"}"#, "timeout: \"-1m\" is no time"),
            (r#"{"url":"http://g","attempts":0}"#, "attempts: at least 1"),
            (
                r#"{"url":"http://g","expectedStatus":["2xx"]}"#,
                "expectedStatus: \"2xx\" is no status",
            ),
            (
                r#"{"url":"http://g","expectedStatus":99}"#,
                "expectedStatus: 99 is no status",
            ),
            (
                r#"{"url":"http://g","headers":[{"key":"a"}]}"#,
                "headers[0]: missing field",
            ),
            (r#"{"uri":"http://g"}"#, "uri: unknown field"),
        ] {
            let error = read(json).unwrap_err();
            assert!(matches!(error, Error::InvalidConfig(_)), "{json}: {error:?}");
            assert!(error.message().starts_with(expected), "{json}: {error}");
        }
    }
}
