//! The plugin's configuration: the fields of Argo's `provider.prometheus`.

use base64::{Engine, engine::general_purpose::STANDARD};
use rollcage_sdk::Error;
use serde::Deserialize;
use serde_json::Value;

const DEFAULT_TIMEOUT_SECONDS: i64 = 30;

/// The configuration. An unknown field is an error: it would be one in Argo's own schema.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `http(s)://HOST[:PORT][/PREFIX]`.
    pub(crate) address: String,
    /// PromQL.
    pub(crate) query: String,
    /// Makes it a query over a range of time.
    pub(crate) range_query: Option<RangeQuery>,
    /// Request headers.
    pub(crate) headers: Vec<Header>,
    /// Seconds.
    timeout: Option<i64>,
    /// Does not check the server's certificate.
    pub(crate) insecure: bool,
    authentication: Authentication,
}

/// A range of time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeQuery {
    /// An expression that gives a time.
    #[serde(default)]
    pub(crate) start: String,
    /// An expression that gives a time.
    #[serde(default)]
    pub(crate) end: String,
    /// A duration.
    #[serde(default)]
    pub(crate) step: String,
}

/// A request header.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// Its name.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Authentication {
    basic_auth: BasicAuth,
    #[serde(deserialize_with = "unsupported::sigv4")]
    sigv4: (),
    #[serde(deserialize_with = "unsupported::oauth2")]
    oauth2: (),
    #[serde(deserialize_with = "unsupported::azure")]
    azure: (),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BasicAuth {
    username: String,
    password: String,
}

impl Config {
    /// Milliseconds for a request.
    pub(crate) fn timeout(&self) -> Result<u32, Error> {
        let seconds = self.timeout.unwrap_or(DEFAULT_TIMEOUT_SECONDS);
        if seconds < 0 {
            return Err(Error::invalid_config(
                "timeout: prometheus timeout should not be negative",
            ));
        }
        Ok(u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX))
    }

    /// Value of the Authorization header that `basicAuth` asks for.
    pub(crate) fn authorization(&self) -> Option<String> {
        let BasicAuth { username, password } = &self.authentication.basic_auth;
        (!username.is_empty() || !password.is_empty()).then(|| basic(username, password))
    }
}

/// Value of a Basic Authorization header.
pub(crate) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// Ways to authenticate that need more than a header: they are refused by name, not ignored.
mod unsupported {
    use serde::{Deserialize, Deserializer, de::Error};

    use super::{Value, is_set};

    fn refuse<'de, D: Deserializer<'de>>(deserializer: D, instead: &str) -> Result<(), D::Error> {
        if is_set(&Value::deserialize(deserializer)?) {
            return Err(D::Error::custom(format!("not supported by this plugin; {instead}")));
        }
        Ok(())
    }

    pub(super) fn sigv4<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        refuse(deserializer, "put a signing proxy in front of the server")
    }

    pub(super) fn oauth2<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        refuse(
            deserializer,
            "let the plugin's entry attach a token (permissions.credentials)",
        )
    }

    pub(super) fn azure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        refuse(
            deserializer,
            "let the plugin's entry attach a token (permissions.credentials)",
        )
    }
}

/// Whether anything in it says something; Argo's objects often carry empty ones.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_set),
        Value::Object(fields) => fields.values().any(is_set),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use rollcage_sdk::config::parse;

    use super::*;

    fn error(json: &str) -> String {
        match parse::<Config>(json).and_then(|config| config.timeout()).unwrap_err() {
            Error::InvalidConfig(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let cases = [
            (
                r#"{"authentication":{"sigv4":{"region":"eu-west-1"}}}"#,
                "authentication.sigv4: not supported",
            ),
            (
                r#"{"authentication":{"oauth2":{"tokenUrl":"https://x"}}}"#,
                "authentication.oauth2: not supported",
            ),
            (
                r#"{"authentication":{"azure":{"clientId":"x"}}}"#,
                "authentication.azure: not supported",
            ),
            (
                r#"{"authentication":{"bearer":{}}}"#,
                "authentication.bearer: unknown field",
            ),
            (r#"{"adress":"http://x"}"#, "adress: unknown field"),
            (
                r#"{"timeout":-1}"#,
                "timeout: prometheus timeout should not be negative",
            ),
            (r#"{"timeout":"1"}"#, "timeout: invalid type: string"),
            (r#"{"headers":[{"key":"a"}]}"#, "headers[0]: missing field `value`"),
        ];
        for (json, expected) in cases {
            let message = error(json);
            assert!(message.starts_with(expected), "{json}: {message}");
        }
    }

    #[test]
    fn empty_authentication_says_nothing() {
        let json = r#"{"authentication":{"sigv4":{"region":""},"oauth2":{},"basicAuth":{}}}"#;
        let config = parse::<Config>(json).unwrap();
        assert_eq!((config.authorization(), config.timeout()), (None, Ok(30_000)));
    }
}
