//! HTTP answers of a scenario, in the network's place.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use rollcage_core::host::{HttpRequest, HttpResponder, HttpResponse};

use super::scenario::{Answer, HttpRule};
use crate::error::CommandError;

/// A scenario's answers. A request that no rule matches goes to the network.
#[derive(Debug)]
pub struct Answers {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    wanted: HttpRule,
    answers: Vec<Result<HttpResponse, String>>,
    given: AtomicUsize,
}

impl Answers {
    /// Reads the bodies of all answers. Paths are relative to `dir`.
    pub fn read(dir: &Path, rules: Vec<HttpRule>) -> Result<Arc<Self>, CommandError> {
        let rules = rules
            .into_iter()
            .enumerate()
            .map(|(index, wanted)| {
                let field = format!("scenario.yaml: http[{index}]");
                if wanted.host.is_empty() || wanted.answers.is_empty() {
                    return Err(CommandError::usage(
                        format!("{field}: host or answers is missing"),
                        "a rule names a server as NAME:PORT and gives at least one answer",
                    ));
                }
                let answers = wanted
                    .answers
                    .iter()
                    .map(|answer| read(dir, &field, answer))
                    .collect::<Result<_, _>>()?;
                Ok(Rule {
                    wanted,
                    answers,
                    given: AtomicUsize::new(0),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { rules }))
    }
}

fn read(dir: &Path, field: &str, answer: &Answer) -> Result<Result<HttpResponse, String>, CommandError> {
    if let Some(fail) = &answer.fail {
        return Ok(Err(fail.clone()));
    }
    let body = match (&answer.body, &answer.body_file) {
        (Some(_), Some(_)) => {
            return Err(CommandError::usage(
                format!("{field}: both body and bodyFile"),
                "give one of them",
            ));
        }
        (Some(body), None) => body.clone().into_bytes(),
        (None, None) => Vec::new(),
        (None, Some(file)) => std::fs::read(dir.join(file)).map_err(|error| {
            CommandError::usage(
                format!("{field}: bodyFile {}: {error}", dir.join(file).display()),
                "bodyFile is relative to the scenario",
            )
        })?,
    };
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if headers.is_empty() {
        headers.push(("content-type".into(), "application/json".into()));
    }
    Ok(Ok(HttpResponse {
        status: answer.status.unwrap_or(200),
        headers,
        body,
    }))
}

#[async_trait]
impl HttpResponder for Answers {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, String>> {
        let url = reqwest::Url::parse(&request.url).ok()?;
        let rule = self.rules.iter().find(|rule| rule.wanted.matches(&url, request))?;
        let turn = rule
            .given
            .fetch_add(1, Ordering::Relaxed)
            .min(rule.answers.len().saturating_sub(1));
        rule.answers.get(turn).cloned()
    }
}

impl HttpRule {
    fn matches(&self, url: &reqwest::Url, request: &HttpRequest) -> bool {
        let host = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let holds = |text: &str| text.contains(&self.contains);
        self.host.eq_ignore_ascii_case(&host)
            && (self.method.is_empty() || self.method.eq_ignore_ascii_case(&request.method))
            && (self.path.is_empty() || self.path == url.path())
            && (self.contains.is_empty()
                || url.query_pairs().any(|(_, value)| holds(&value))
                || holds(&String::from_utf8_lossy(&request.body))
                || form_pairs(&request.body).any(|value| holds(&value)))
    }
}

/// Values of a form body (`query=up%7Bjob%3D...`), decoded.
fn form_pairs(body: &[u8]) -> impl Iterator<Item = String> {
    let query = String::from_utf8_lossy(body).into_owned();
    let mut url = reqwest::Url::parse("http://form.invalid/").ok();
    if let Some(url) = &mut url {
        url.set_query(Some(&query));
    }
    let values: Vec<String> = url
        .iter()
        .flat_map(|url| url.query_pairs())
        .map(|(_, value)| value.into_owned())
        .collect();
    values.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, body: &str) -> HttpRequest {
        HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[tokio::test]
    async fn answers_come_in_turn_and_the_last_one_stays() {
        let rules: Vec<HttpRule> = rollcage_api::yaml::from_str(
            "scenario.yaml",
            "- {host: 'p:9090', path: /q, contains: 'up{', answers: [{body: one}, {status: 500}, {fail: gone}]}",
        )
        .unwrap();
        let answers = Answers::read(Path::new("."), rules).unwrap();
        let asked = request("POST", "http://P:9090/q", "query=up%7Bjob%3D%22a%22%7D");
        let ask = || answers.respond(&asked);
        assert_eq!(ask().await.unwrap().unwrap().body, b"one");
        assert_eq!(ask().await.unwrap().unwrap().status, 500);
        for _ in 0..2 {
            assert_eq!(ask().await.unwrap().unwrap_err(), "gone");
        }
        assert!(
            answers
                .respond(&request("GET", "http://p:9090/other?query=up{", ""))
                .await
                .is_none()
        );
        assert!(
            answers
                .respond(&request("GET", "http://p:9091/q?query=up{", ""))
                .await
                .is_none()
        );
    }
}
