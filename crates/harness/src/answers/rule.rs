//! Which requests are meant, and what they are answered with, as scenarios and cases write it.

use std::{collections::BTreeMap, path::PathBuf};

use rollcage_core::host::HttpRequest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::matching;

/// Answers for the requests that match.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HttpRule {
    /// `NAME:PORT` of the server.
    pub host: String,
    /// Method; any when empty.
    pub method: String,
    /// Path; any when empty.
    pub path: String,
    /// Parameters of the query string or of a form body that must be there, decoded.
    pub query: BTreeMap<String, String>,
    /// The whole body as text, or fields that its JSON has; any when absent.
    pub body: Option<Value>,
    /// A text that the decoded query string or the body holds; any when empty.
    pub contains: String,
    /// Given in turn; the last one is repeated.
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Answer {
    /// Status code; 200 when absent.
    pub status: Option<u16>,
    /// Headers; `content-type: application/json` when absent.
    pub headers: BTreeMap<String, String>,
    /// The body itself: a text, or anything else that is sent as JSON.
    pub body: Option<Value>,
    /// A file with the body, relative to the scenario or cases file.
    pub body_file: Option<PathBuf>,
    /// No answer at all: the connection fails with this text.
    pub fail: Option<String>,
}

/// A request that is meant: what is empty or absent is any.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RequestPattern {
    /// `NAME:PORT` of the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Method.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Parameters of the query string or of a form body that must be there, decoded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// The whole body as text, or fields that its JSON has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// A text that the decoded query string or the body holds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub contains: String,
    /// Headers that must be there with this value; names in any case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl HttpRule {
    /// The requests that it answers.
    pub fn pattern(&self) -> RequestPattern {
        RequestPattern {
            host: self.host.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            body: self.body.clone(),
            contains: self.contains.clone(),
            headers: BTreeMap::new(),
        }
    }
}

impl RequestPattern {
    /// Whether this request is meant.
    pub fn matches(&self, request: &HttpRequest) -> bool {
        let Ok(url) = reqwest::Url::parse(&request.url) else {
            return false;
        };
        let host = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let body = String::from_utf8_lossy(&request.body);
        let form = form_pairs(&body);
        let has = |name: &String, wanted: &String| {
            url.query_pairs().any(|(key, value)| key == *name && value == *wanted)
                || form.iter().any(|(key, value)| key == name && value == wanted)
        };
        let holds = |text: &str| text.contains(&self.contains);
        let header = |name: &String, wanted: &String| {
            let mut headers = request.headers.iter();
            headers.any(|(key, value)| key.eq_ignore_ascii_case(name) && value == wanted)
        };
        (self.host.is_empty() || self.host.eq_ignore_ascii_case(&host))
            && (self.method.is_empty() || self.method.eq_ignore_ascii_case(&request.method))
            && (self.path.is_empty() || self.path == url.path())
            && self.query.iter().all(|(name, wanted)| has(name, wanted))
            && self.headers.iter().all(|(name, wanted)| header(name, wanted))
            && self.body.as_ref().is_none_or(|wanted| body_is(wanted, &body))
            && (self.contains.is_empty()
                || url.query_pairs().any(|(_, value)| holds(&value))
                || holds(&body)
                || form.iter().any(|(_, value)| holds(value)))
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        let any = |text: &str, any: &str| {
            if text.is_empty() {
                any.to_owned()
            } else {
                text.to_owned()
            }
        };
        let mut text = format!(
            "{} {}{}",
            any(&self.method, "any method"),
            any(&self.host, "any server"),
            any(&self.path, "/*")
        );
        for (name, value) in &self.query {
            text.extend([" ", name, "=", value]);
        }
        if !self.contains.is_empty() {
            text.extend([" with ", &self.contains]);
        }
        if self.body.is_some() {
            text.push_str(" with a certain body");
        }
        text
    }
}

/// A text must be the whole body; anything else must be in its JSON.
fn body_is(wanted: &Value, body: &str) -> bool {
    match wanted {
        Value::String(text) => text == body,
        wanted => serde_json::from_str(body).is_ok_and(|found| matching::differences(wanted, &found).is_empty()),
    }
}

/// Pairs of a form body (`query=up%7Bjob%3D...`), decoded.
fn form_pairs(body: &str) -> Vec<(String, String)> {
    let mut url = reqwest::Url::parse("http://form.invalid/").ok();
    if let Some(url) = &mut url {
        url.set_query(Some(body));
    }
    url.iter()
        .flat_map(|url| url.query_pairs())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
