//! HTTP through the host: one bounded request out, one bounded response in.
//!
//! ```no_run
//! # use rollcage_sdk::{Error, http::Request};
//! # fn load() -> Result<u32, Error> {
//! #[derive(serde::Deserialize)]
//! struct Load { active: u32 }
//!
//! let load: Load = Request::get("http://load.example:8080/now").timeout(2_000).send()?.ok()?.json()?;
//! # Ok(load.active)
//! # }
//! ```

use serde::{Serialize, de::DeserializeOwned};

pub use crate::bindings::imports::rollcage::plugin::http::{HttpError, Request, Response};
use crate::{Error, Pair, host};

impl Request {
    /// A request of any method to an absolute `http` or `https` address.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            skip_tls_verify: false,
        }
    }

    /// `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Sets a header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.headers.retain(|header| !header.name.eq_ignore_ascii_case(&name));
        self.headers.push(Pair { name, value });
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json_body(self, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|error| Error::internal(format!("request body: {error}")))?;
        Ok(self.header("Content-Type", "application/json").body(body))
    }

    /// Milliseconds for the whole exchange.
    #[must_use]
    pub fn timeout(mut self, milliseconds: u32) -> Self {
        self.timeout = Some(milliseconds);
        self
    }

    /// Does not check the server's certificate; the entry's grant must say `insecure`.
    #[must_use]
    pub fn skip_tls_verify(mut self, skip: bool) -> Self {
        self.skip_tls_verify = skip;
        self
    }

    /// Sends the request and waits for the whole response, whatever its status.
    pub fn send(&self) -> Result<Response, HttpError> {
        host::http_send(self)
    }
}

impl Response {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.as_str())
    }

    /// The response itself when its status is 2xx. 401 and 403 become [`Error::Denied`], 429 and 5xx
    /// [`Error::Unavailable`] (with the server's Retry-After in seconds), others [`Error::Internal`].
    pub fn ok(self) -> Result<Self, Error> {
        let message = format!("status {}: {}", self.status, excerpt(&self.text()));
        match self.status {
            200..=299 => Ok(self),
            401 | 403 => Err(Error::Denied(message)),
            429 | 500..=599 => Err(Error::Unavailable {
                message,
                retry_after: self
                    .header("retry-after")
                    .and_then(|seconds| seconds.trim().parse::<u32>().ok())
                    .map(|seconds| seconds.saturating_mul(1000)),
            }),
            _ => Err(Error::Internal(message)),
        }
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::internal(format!("response body: {error}")))
    }
}

/// As much of a body as an error message should hold.
fn excerpt(text: &str) -> String {
    const LENGTH: usize = 200;
    let text = text.trim();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: Vec<Pair>) -> Response {
        Response {
            status,
            headers,
            body: b"why".to_vec(),
        }
    }

    #[test]
    fn a_header_is_set_once() {
        let request = Request::get("http://a").header("Accept", "a").header("accept", "b");
        assert_eq!(request.headers, [Pair::new("accept", "b")]);
    }

    #[test]
    fn statuses_become_typed_errors() {
        assert!(response(204, vec![]).ok().is_ok());
        assert_eq!(response(403, vec![]).ok(), Err(Error::Denied("status 403: why".into())));
        assert_eq!(response(404, vec![]).ok(), Err(Error::internal("status 404: why")));
        assert_eq!(
            response(503, vec![Pair::new("Retry-After", "7")]).ok(),
            Err(Error::Unavailable {
                message: "status 503: why".into(),
                retry_after: Some(7000)
            })
        );
    }

    #[test]
    fn long_bodies_are_cut_between_characters() {
        assert_eq!(excerpt(&"é".repeat(300)), format!("{}...", "é".repeat(200)));
    }
}
