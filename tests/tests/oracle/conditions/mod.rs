//! Conditions: `rollcage_core::condition` against Argo's `utils/evaluate`, values and error texts.

mod documented;
mod generate;
mod generated;
mod measured;
mod recorded;
mod rules;
mod times;

use rollcage_core::condition;
use rollcage_tests::oracle::Oracle;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use measured::Measured;

/// Rows of the page on compatibility by which outcomes may differ.
pub(crate) fn documented_differences() -> impl Iterator<Item = &'static str> {
    rules::RULES.iter().map(|rule| rule.row)
}

/// A condition, and the result of a measurement that it is about.
#[derive(Clone, Debug)]
struct Case {
    condition: String,
    result: Measured,
}

/// What came of it: the verdict, or the text of the error.
type Outcome = Result<bool, String>;

/// How the original failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Before anything was computed.
    Compile,
    /// While it was computed.
    Run,
    /// It computed something other than a bool.
    Outcome,
}

/// The original's answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Original {
    Verdict { holds: bool },
    Failure { error: String, stage: Stage },
}

impl Original {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Verdict { holds } => Ok(*holds),
            Self::Failure { error, .. } => Err(error.clone()),
        }
    }

    fn stage(&self) -> Option<Stage> {
        match self {
            Self::Verdict { .. } => None,
            Self::Failure { stage, .. } => Some(*stage),
        }
    }
}

impl Case {
    fn here(&self) -> Outcome {
        condition::condition(&self.condition, &self.result.value()).map_err(|error| error.to_string())
    }
}

/// The original's answers, in the same order.
fn ask(oracle: &mut Oracle, cases: &[Case]) -> anyhow::Result<Vec<Original>> {
    let requests: Vec<Json> = cases
        .iter()
        .map(|case| json!({ "condition": case.condition, "result": case.result.request() }))
        .collect();
    let answers = oracle.ask_all("conditions.evaluate", &requests)?;
    answers
        .into_iter()
        .map(|answer| Ok(serde_json::from_value(answer.map_err(anyhow::Error::msg)?)?))
        .collect()
}

/// What differs, as lines to read.
fn show(case: &Case, original: &Outcome, here: &Outcome) -> String {
    let Case { condition, result } = case;
    let result = result.request();
    format!("{condition:?}\n  result:   {result}\n  original: {original:?}\n  here:     {here:?}")
}
