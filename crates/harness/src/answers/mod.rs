//! HTTP answers of a scenario or a case, in the network's place.

mod rule;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use rollcage_core::host::{HttpFailure, HttpRequest, HttpResponder, HttpResponse};
use serde_json::Value;

pub use self::rule::{Answer, HttpRule, RequestPattern};

/// Answers by rules: the first that matches a request gives its next answer.
#[derive(Debug)]
pub struct Answers {
    rules: Vec<Rule>,
    /// What was asked, for those who check it; `None`: what no rule matches goes to the network, and nothing is kept.
    asked: Option<Mutex<Vec<Asked>>>,
    /// Whether a request that no rule matches fails, instead of going to the network.
    refuses: bool,
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request, credentials included.
    pub request: HttpRequest,
    /// The answer, or why there was none.
    pub answer: Result<HttpResponse, HttpFailure>,
    /// Whether it was to be expected: a rule matched, or the network was to be asked.
    pub matched: bool,
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRule {
    /// Which one, from 0.
    pub index: usize,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub hint: &'static str,
}

#[derive(Debug)]
struct Rule {
    wanted: RequestPattern,
    answers: Vec<Result<HttpResponse, HttpFailure>>,
    given: AtomicUsize,
}

impl Answers {
    /// For a scenario: a request that no rule matches goes to the network. Paths are relative to `dir`.
    pub fn before_network(dir: &Path, rules: &[HttpRule]) -> Result<Arc<Self>, WrongRule> {
        Ok(Arc::new(Self {
            rules: read(dir, rules)?,
            asked: None,
            refuses: false,
        }))
    }

    /// For a case: a request that no rule matches fails, and all requests are kept. Paths are relative to `dir`.
    pub fn without_network(dir: &Path, rules: &[HttpRule]) -> Result<Arc<Self>, WrongRule> {
        Ok(Arc::new(Self {
            rules: read(dir, rules)?,
            asked: Some(Mutex::default()),
            refuses: true,
        }))
    }

    /// For a case that is recorded or replayed: a request that no rule matches goes to the network, and all requests are
    /// kept.
    pub fn listening(dir: &Path, rules: &[HttpRule]) -> Result<Arc<Self>, WrongRule> {
        Ok(Arc::new(Self {
            rules: read(dir, rules)?,
            asked: Some(Mutex::default()),
            refuses: false,
        }))
    }

    /// What was asked since the last time, in order.
    pub fn take_asked(&self) -> Vec<Asked> {
        let asked = self
            .asked
            .as_ref()
            .map(|asked| asked.lock().unwrap_or_else(PoisonError::into_inner));
        asked.map(|mut asked| std::mem::take(&mut *asked)).unwrap_or_default()
    }

    fn keep(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>, matched: bool) {
        if let Some(asked) = &self.asked {
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(Asked {
                request: request.clone(),
                answer: answer.clone(),
                matched,
            });
        }
    }

    fn by_rule(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let rule = self.rules.iter().find(|rule| rule.wanted.matches(request))?;
        let turn = rule
            .given
            .fetch_add(1, Ordering::Relaxed)
            .min(rule.answers.len().saturating_sub(1));
        rule.answers.get(turn).cloned()
    }

    fn no_answer(&self, request: &HttpRequest) -> String {
        let has: Vec<String> = self.rules.iter().map(|rule| rule.wanted.summary()).collect();
        let has = if has.is_empty() {
            "none".to_owned()
        } else {
            has.join("; ")
        };
        format!("no answer for {} {}; the case has: {has}", request.method, request.url)
    }
}

fn read(dir: &Path, rules: &[HttpRule]) -> Result<Vec<Rule>, WrongRule> {
    let of_rule = |(index, rule): (usize, &HttpRule)| {
        let wrong = |(cause, hint)| WrongRule { index, cause, hint };
        if rule.host.is_empty() || rule.answers.is_empty() {
            return Err(wrong((
                "host or answers is missing".to_owned(),
                "a rule names a server as NAME:PORT and gives at least one answer",
            )));
        }
        let answers = rule.answers.iter().map(|answer| read_answer(dir, answer));
        Ok(Rule {
            wanted: rule.pattern(),
            answers: answers.collect::<Result<_, _>>().map_err(wrong)?,
            given: AtomicUsize::new(0),
        })
    };
    rules.iter().enumerate().map(of_rule).collect()
}

fn read_answer(dir: &Path, answer: &Answer) -> Result<Result<HttpResponse, HttpFailure>, (String, &'static str)> {
    if let Some(fail) = &answer.fail {
        return Ok(Err(HttpFailure::Connect(fail.clone())));
    }
    let body = match (&answer.body, &answer.body_file) {
        (Some(_), Some(_)) => return Err(("both body and bodyFile".to_owned(), "give one of them")),
        (Some(Value::String(body)), None) => body.clone().into_bytes(),
        (Some(body), None) => body.to_string().into_bytes(),
        (None, None) => Vec::new(),
        (None, Some(file)) => std::fs::read(dir.join(file)).map_err(|error| {
            (
                format!("bodyFile {}: {error}", dir.join(file).display()),
                "bodyFile is relative to the file that names it",
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
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let found = self.by_rule(request);
        let matched = found.is_some();
        let answer = match found {
            None if !self.refuses => return None,
            None => Err(HttpFailure::Connect(self.no_answer(request))),
            Some(answer) => answer,
        };
        self.keep(request, &answer, matched);
        Some(answer)
    }

    fn listens(&self) -> bool {
        self.asked.is_some() && !self.refuses
    }

    fn heard(&self, request: &HttpRequest, answer: &Result<HttpResponse, HttpFailure>) {
        self.keep(request, answer, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, body: &str) -> HttpRequest {
        HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: vec![("Authorization".into(), "Bearer t".into())],
            body: body.as_bytes().to_vec(),
        }
    }

    fn rules(yaml: &str) -> Vec<HttpRule> {
        rollcage_api::yaml::from_str("scenario.yaml", yaml).unwrap()
    }

    #[tokio::test]
    async fn answers_come_in_turn_and_the_last_one_stays() {
        let rules =
            rules("- {host: 'p:9090', path: /q, contains: 'up{', answers: [{body: one}, {status: 500}, {fail: gone}]}");
        let answers = Answers::before_network(Path::new("."), &rules).unwrap();
        let asked = request("POST", "http://P:9090/q", "query=up%7Bjob%3D%22a%22%7D");
        let ask = || answers.respond(&asked);
        assert_eq!(ask().await.unwrap().unwrap().body, b"one");
        assert_eq!(ask().await.unwrap().unwrap().status, 500);
        for _ in 0..2 {
            assert_eq!(ask().await.unwrap().unwrap_err(), HttpFailure::Connect("gone".into()));
        }
        for other in ["http://p:9090/other?query=up{", "http://p:9091/q?query=up{"] {
            assert!(answers.respond(&request("GET", other, "")).await.is_none(), "{other}");
        }
    }

    #[tokio::test]
    async fn a_case_answers_everything_and_keeps_it() {
        let rules = rules("- {host: 'p:9090', query: {query: up}, answers: [{body: {a: 1}}]}");
        let answers = Answers::without_network(Path::new("."), &rules).unwrap();
        let found = answers
            .respond(&request("GET", "http://p:9090/x?query=up&t=1", ""))
            .await;
        assert_eq!(found.unwrap().unwrap().body, br#"{"a":1}"#);
        let found = answers
            .respond(&request("GET", "http://p:9090/x?query=upper", ""))
            .await;
        let error = found.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no answer for GET http://p:9090/x?query=upper; the case has: any method p:9090/* query=up"
        );
        let asked = answers.take_asked();
        assert_eq!(
            asked.iter().map(|asked| asked.matched).collect::<Vec<_>>(),
            [true, false]
        );
        assert!(answers.take_asked().is_empty());
    }

    #[test]
    fn patterns_see_bodies_and_headers() {
        let asked = request("POST", "http://p:9090/q", r#"{"a": {"b": 1, "c": 2}}"#);
        for (pattern, holds) in [
            ("{body: {a: {b: 1}}}", true),
            ("{body: {a: {b: 2}}}", false),
            ("{body: '{\"a\": {\"b\": 1, \"c\": 2}}'}", true),
            ("{body: '{}'}", false),
            ("{headers: {authorization: Bearer t}}", true),
            ("{headers: {authorization: Bearer u}}", false),
            ("{method: post, host: 'p:9090'}", true),
        ] {
            let pattern: RequestPattern = rollcage_api::yaml::from_str("t", pattern).unwrap();
            assert_eq!(pattern.matches(&asked), holds, "{pattern:?}");
        }
    }

    #[test]
    fn a_wrong_rule_is_named() {
        for (yaml, cause) in [
            ("- {answers: [{}]}", "host or answers is missing"),
            ("- {host: 'a:1'}", "host or answers is missing"),
            (
                "- {host: 'a:1', answers: [{body: x, bodyFile: y}]}",
                "both body and bodyFile",
            ),
        ] {
            let wrong = Answers::without_network(Path::new("."), &rules(yaml)).unwrap_err();
            assert_eq!((wrong.index, wrong.cause.as_str()), (0, cause));
        }
    }
}
