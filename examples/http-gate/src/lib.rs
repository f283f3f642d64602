//! A step that waits until a URL says go.
//!
//! ```text
//! run ──> config ──> request ──┬─ failureCondition holds ─────────────────────────> Failed
//!                              ├─ expected status, and successCondition holds ────> Successful
//!                              └─ anything else ──┬─ time and tries left ─────────> Running, asked again after `interval`
//!                                                 └─ none ────────────────────────> Failed
//! ```
//!
//! Between two tries it keeps when it began and how often it asked; nothing is held that would have to be undone.

mod config;

use rollcage_sdk::{
    Error, Wants, evaluate, export_step,
    http::{HttpError, Response},
    info,
    metric::Sample,
    step::{Context, Outcome, Rollout, Step},
    time::Timestamp,
    warn,
};
use serde::{Deserialize, Serialize};

use crate::config::{Config, SHORTEST_INTERVAL, Waiting};

/// The plugin.
#[derive(Default)]
struct HttpGate;

/// What one try leaves for the next.
#[derive(Deserialize, Serialize)]
struct State {
    /// When the first try was made.
    since: String,
    tries: u32,
}

/// What the URL says.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Go,
    No(String),
    NotYet(String),
}

impl Step for HttpGate {
    fn wants() -> Wants {
        Wants {
            http: vec!["*".to_owned()],
            ..Wants::default()
        }
    }

    fn run(&self, _rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        let config: Config = context.parse_config()?;
        let waiting = config.waiting()?;
        let before: Option<State> = context.parse_state()?;
        let mut state = before.unwrap_or_else(|| State {
            since: Timestamp::now().to_string(),
            tries: 0,
        });
        state.tries = state.tries.saturating_add(1);
        let word = ask(&config)?;
        let (url, tries) = (config.shown_url(), state.tries);
        let outcome = match word {
            Word::Go => Outcome::successful().with_message(format!("{url} says go (try {tries})")),
            Word::No(why) => Outcome::failed(format!("{url} says no: {why}")),
            Word::NotYet(why) => match waiting.requeue_after(&state)? {
                Ok(requeue_after) => {
                    info!("{url} does not say go yet: {why}");
                    Outcome::running(requeue_after)
                        .with_message(format!("{url} does not say go yet (try {tries}): {why}"))
                }
                Err(limit) => Outcome::failed(format!("{url} did not say go {limit}: {why}")),
            },
        };
        outcome.with_state(&state)
    }

    fn terminate(&self, _rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        stopped(context)
    }

    fn abort(&self, _rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        stopped(context)
    }
}

/// There is nothing to undo, and nobody to ask.
fn stopped(context: &Context) -> Result<Outcome, Error> {
    let state: Option<State> = context.parse_state()?;
    let tries = state.map_or(0, |state| state.tries);
    Ok(Outcome::successful().with_message(format!("no longer waiting (tries: {tries})")))
}

impl Waiting {
    /// Milliseconds to the next try; `Err` with the limit when there is none.
    fn requeue_after(&self, state: &State) -> Result<Result<u32, String>, Error> {
        if self.attempts.is_some_and(|attempts| state.tries >= attempts) {
            return Ok(Err(format!("in {} tries", state.tries)));
        }
        let Some(timeout) = self.timeout else {
            return Ok(Ok(self.interval));
        };
        let since = Timestamp::parse(&state.since)
            .ok_or_else(|| Error::internal(format!("state of the last run: {:?} is no time", state.since)))?;
        let left = timeout.saturating_sub(milliseconds_since(since));
        if left == 0 {
            return Ok(Err(format!("within {} s ({} tries)", timeout / 1000, state.tries)));
        }
        // The last try comes when the time is over, not an interval later.
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        Ok(Ok(self.interval.min(left.max(SHORTEST_INTERVAL + 1))))
    }
}

/// A clock that was set back counts as no time.
fn milliseconds_since(since: Timestamp) -> u64 {
    let milliseconds =
        |time: Timestamp| time.seconds().saturating_mul(1000) + i64::from(time.nanoseconds() / 1_000_000);
    u64::try_from(milliseconds(Timestamp::now()).saturating_sub(milliseconds(since))).unwrap_or_default()
}

/// One try.
fn ask(config: &Config) -> Result<Word, Error> {
    let request = config.request()?;
    match request.send() {
        Ok(response) => Ok(word(config, &response)),
        // Waiting does not help.
        Err(error @ (HttpError::Denied(_) | HttpError::InvalidRequest(_) | HttpError::TooLarge(_))) => {
            let what = format!("{} {}", request.method, config.shown_url());
            Err(Error::from(error).context(what))
        }
        Err(error) => Ok(Word::NotYet(Error::from(error).message().to_owned())),
    }
}

fn word(config: &Config, response: &Response) -> Word {
    let status = response.status;
    if !config.expected_status.has(status) {
        return Word::NotYet(format!("status {status}"));
    }
    let body = response.text();
    let sample = if serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok() {
        Sample::Json(body)
    } else {
        Sample::Text(body)
    };
    let holds = |field: &str, condition: &str| {
        evaluate::condition(condition, &sample).map_err(|error| {
            warn!("{field}: {error}");
            Word::NotYet(format!("status {status}, {field}: {error}"))
        })
    };
    if !config.failure_condition.is_empty() {
        match holds("failureCondition", &config.failure_condition) {
            Ok(true) => return Word::No(format!("failureCondition holds: {}", config.failure_condition)),
            Ok(false) => {}
            Err(not_yet) => return not_yet,
        }
    }
    if config.success_condition.is_empty() {
        return Word::Go;
    }
    match holds("successCondition", &config.success_condition) {
        Ok(true) => Word::Go,
        Ok(false) => Word::NotYet(format!(
            "status {status}, successCondition does not hold: {}",
            config.success_condition
        )),
        Err(not_yet) => not_yet,
    }
}

export_step!(HttpGate);

#[cfg(test)]
mod tests;
