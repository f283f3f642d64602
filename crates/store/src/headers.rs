//! Request headers out of Secrets.

use http::{HeaderMap, HeaderName, HeaderValue};
use rollcage_api::plugin::HeadersFrom;
use rollcage_core::{FaultKind, Phase, host::Secrets};

use crate::problem::Problem;

/// Every key and value of the named Secrets as a header. No value is ever part of an error.
pub(crate) async fn headers(from: &[HeadersFrom], secrets: &dyn Secrets) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for source in from {
        let name = &source.secret_ref.name;
        if name.is_empty() {
            let hint = "write headersFrom: [{secretRef: {name: NAME}}]";
            return Err(Problem::entry("headersFrom names no Secret", hint));
        }
        let values = secrets.read(name).await.map_err(|error| {
            let cause = format!("Secret {name:?} of headersFrom cannot be read: {error}");
            let hint = "the configuration's namespace has to be readable";
            Problem::new(Phase::Fetch, FaultKind::Unreachable, cause, hint).retryable()
        })?;
        let Some(values) = values else {
            let cause = format!("Secret {name:?} of headersFrom does not exist");
            return Err(Problem::entry(
                cause,
                "create it in the configuration's namespace, or remove it from the entry",
            ));
        };
        for (key, value) in values {
            let invalid = |what: &str| {
                let cause = format!("key {key:?} of Secret {name:?} {what}");
                Problem::entry(
                    cause,
                    "keys become header names, and values header values: one line of text each",
                )
            };
            let header = HeaderName::try_from(key.as_str()).map_err(|_| invalid("is no header name"))?;
            // Secrets made from files end with a line break that nobody means.
            let value = value.strip_suffix(b"\n").unwrap_or(&value);
            let value = value.strip_suffix(b"\r").unwrap_or(value);
            let mut value =
                HeaderValue::from_bytes(value).map_err(|_| invalid("has a value that is no header value"))?;
            value.set_sensitive(true);
            headers.append(header, value);
        }
    }
    Ok(headers)
}
