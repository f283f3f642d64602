//! Whether a call ended as expected.

use rollcage_apiserver::{ChangeType, Difference as ObjectDifference, without_bookkeeping};
use rollcage_core::{CallError, CallUsage, Fault, PluginError};
use serde::Serialize;
use serde_json::{Value, json};

use super::file::{ChangeKind, Expect, ExpectedChange, ExpectedDenial, ExpectedLine};
use crate::{
    answers::{Asked, RequestPattern},
    matching,
    surroundings::object_name,
};

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Which expectation, such as `answer` or `changes`.
    pub expectation: String,
    /// What is expected and what was found, one line each.
    pub differences: Vec<String>,
    /// Unified diff from expected to found, where both are values.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Problem {
    /// A problem of one line.
    pub fn new(expectation: &str, difference: impl Into<String>) -> Self {
        Self {
            expectation: expectation.to_owned(),
            differences: vec![difference.into()],
            diff: String::new(),
            hint: String::new(),
        }
    }

    /// With what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }
}

/// What a call did.
#[derive(Debug)]
pub struct Found<'a> {
    /// How it ended.
    pub answer: &'a Result<Value, CallError>,
    /// What it used.
    pub usage: &'a CallUsage,
    /// What became of objects.
    pub changes: &'a [ObjectDifference],
    /// What it asked over HTTP.
    pub asked: &'a [Asked],
}

/// Everything that is not as expected.
pub fn judge(expect: &Expect, found: &Found<'_>) -> Vec<Problem> {
    let mut problems = Vec::from_iter(end(expect, found.answer));
    problems.extend(found.asked.iter().filter(|asked| !asked.matched).map(unmatched));
    if let Some(expected) = &expect.changes {
        problems.extend(changes(expected, found.changes));
    }
    if let Some(expected) = &expect.log {
        problems.extend(log(expected, &found.usage.log));
    }
    if let Some(expected) = &expect.denials {
        problems.extend(denials(expected, found.usage));
    }
    if let Some(expected) = &expect.requests {
        problems.extend(requests(expected, found.asked));
    }
    problems
}

fn end(expect: &Expect, answer: &Result<Value, CallError>) -> Option<Problem> {
    match (&expect.error, &expect.fault, answer) {
        (None, None, Ok(found)) => {
            let expected = expect.answer.as_ref()?;
            compared("answer", expected, found)
        }
        (None, None, Err(error)) => {
            let expected = "an answer";
            Some(unexpected("answer", expected, error))
        }
        (Some(expected), _, Err(CallError::Plugin(found))) => {
            let wanted = fields([
                ("kind", Some(json!(expected.kind))),
                ("message", holding(&expected.message)),
                ("retryAfter", expected.retry_after.map(|after| json!(after.to_string()))),
            ]);
            compared("error", &wanted, &error_json(found))
        }
        (_, Some(expected), Err(CallError::Fault(found))) => {
            let wanted = fields([
                ("kind", Some(json!(expected.kind))),
                ("phase", expected.phase.as_ref().map(|phase| json!(phase))),
                ("cause", holding(&expected.cause)),
            ]);
            compared("fault", &wanted, &fault_json(found))
        }
        (Some(_), _, Err(error)) => Some(unexpected("error", "an error of the plugin's own", error)),
        (_, Some(_), Err(error)) => Some(unexpected("fault", "a fault", error)),
        (Some(expected), _, Ok(found)) => {
            let (kind, found) = (json!(expected.kind), matching::shown(found));
            Some(Problem::new(
                "error",
                format!("expected an error ({kind}), found the answer {found}"),
            ))
        }
        (_, Some(expected), Ok(found)) => {
            let text = format!(
                "expected a fault ({}), found the answer {}",
                expected.kind,
                matching::shown(found)
            );
            Some(Problem::new("fault", text))
        }
    }
}

fn unexpected(expectation: &str, expected: &str, error: &CallError) -> Problem {
    match error {
        CallError::Plugin(error) => Problem::new(
            expectation,
            format!(
                "expected {expected}, found the plugin's error {}: {}",
                json!(error.kind),
                error.message
            ),
        ),
        CallError::Fault(fault) => {
            let text = format!(
                "expected {expected}, found a fault in {}: {}: {}",
                fault.phase, fault.kind, fault.cause
            );
            let mut problem = Problem::new(expectation, text).hint(&fault.hint);
            problem
                .differences
                .extend(fault.backtrace.iter().map(|frame| format!("  at {frame}")));
            problem
        }
    }
}

fn compared(expectation: &str, expected: &Value, found: &Value) -> Option<Problem> {
    let differences = matching::differences(expected, found);
    (!differences.is_empty()).then(|| Problem {
        expectation: expectation.to_owned(),
        differences: differences.iter().map(ToString::to_string).collect(),
        diff: matching::diff(expected, found),
        hint: String::new(),
    })
}

fn unmatched(asked: &Asked) -> Problem {
    let text = asked.answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
    Problem::new("http", text)
        .hint("add the answer to given.http (`answers: [{fail: TEXT}]` for a server that does not answer)")
}

fn changes(expected: &[ExpectedChange], found: &[ObjectDifference]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut told = Vec::new();
    for wanted in expected {
        let Some((index, change)) = found
            .iter()
            .enumerate()
            .find(|(index, change)| object_name(change) == wanted.object && !told.contains(index))
        else {
            problems.push(Problem::new("changes", format!("{} is not changed", wanted.object)));
            continue;
        };
        told.push(index);
        let kind = kind_of(change.change);
        if wanted.change != ChangeKind::Any && wanted.change != kind {
            let (wanted_kind, kind) = (format!("{:?}", wanted.change), format!("{kind:?}"));
            let text = format!(
                "{}: expected {}, found {}",
                wanted.object,
                wanted_kind.to_lowercase(),
                kind.to_lowercase()
            );
            problems.push(Problem::new("changes", text));
        }
        if let Some(to) = &wanted.to {
            let after = change.after.as_deref().map_or(Value::Null, without_bookkeeping);
            if let Some(mut problem) = compared("changes", to, &after) {
                for line in &mut problem.differences {
                    *line = format!("{}: {line}", wanted.object);
                }
                problems.push(problem);
            }
        }
    }
    for (_, change) in found.iter().enumerate().filter(|(index, _)| !told.contains(index)) {
        let kind = format!("{:?}", kind_of(change.change)).to_lowercase();
        let mut problem = Problem::new(
            "changes",
            format!("{} is {kind}, and not expected", object_name(change)),
        );
        problem.diff = crate::surroundings::object_diff(change).diff;
        problems.push(problem);
    }
    problems
}

fn kind_of(change: ChangeType) -> ChangeKind {
    match change {
        ChangeType::Added => ChangeKind::Added,
        ChangeType::Modified => ChangeKind::Modified,
        ChangeType::Deleted => ChangeKind::Deleted,
    }
}

fn log(expected: &[ExpectedLine], found: &[(String, String)]) -> Option<Problem> {
    let is = |wanted: &ExpectedLine, (level, line): &(String, String)| match wanted {
        ExpectedLine::Text(text) => line.contains(text),
        ExpectedLine::WithLevel { level: wanted, text } => level == wanted && line.contains(text),
    };
    let mut rest = found.iter();
    let missing = expected.iter().find(|wanted| !rest.any(|line| is(wanted, line)));
    match missing {
        Some(ExpectedLine::Text(text)) => Some(Problem::new("log", format!("no line (in this order) with {text:?}"))),
        Some(ExpectedLine::WithLevel { level, text }) => Some(Problem::new(
            "log",
            format!("no {level} line (in this order) with {text:?}"),
        )),
        None if expected.is_empty() && !found.is_empty() => {
            Some(Problem::new("log", format!("expected no line, found {}", found.len())))
        }
        None => None,
    }
}

fn denials(expected: &[ExpectedDenial], usage: &CallUsage) -> Vec<Problem> {
    let mut left: Vec<_> = usage.denials.iter().collect();
    let mut problems = Vec::new();
    for wanted in expected {
        let found = left.iter().position(|denial| {
            (wanted.capability.is_empty() || wanted.capability == denial.capability)
                && denial.wanted.contains(&wanted.wanted)
        });
        match found {
            Some(index) => {
                left.remove(index);
            }
            None => problems.push(Problem::new(
                "denials",
                format!("no {} denial of {:?}", wanted.capability, wanted.wanted),
            )),
        }
    }
    problems.extend(left.iter().map(|denial| {
        Problem::new("denials", format!("{} {} is denied", denial.capability, denial.wanted))
            .hint(format!("grant it in the entry: {}", denial.grant))
    }));
    problems
}

fn requests(expected: &[RequestPattern], found: &[Asked]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let line = |asked: &Asked| format!("{} {}", asked.request.method, asked.request.url);
    for index in 0..expected.len().max(found.len()) {
        match (expected.get(index), found.get(index)) {
            (Some(wanted), Some(asked)) if wanted.matches(&asked.request) => {}
            (Some(wanted), Some(asked)) => {
                let mut problem = Problem::new(
                    "requests",
                    format!("[{index}]: expected {}, found {}", wanted.summary(), line(asked)),
                );
                let body = String::from_utf8_lossy(&asked.request.body);
                if !body.is_empty() {
                    problem
                        .differences
                        .push(format!("  its body: {}", matching::shown(&json!(body))));
                }
                problems.push(problem);
            }
            (Some(wanted), None) => {
                problems.push(Problem::new(
                    "requests",
                    format!("[{index}]: {} is not sent", wanted.summary()),
                ));
            }
            (None, Some(asked)) => {
                problems.push(Problem::new(
                    "requests",
                    format!("[{index}]: {} is sent, and not expected", line(asked)),
                ));
            }
            (None, None) => {}
        }
    }
    problems
}

/// An object of those fields that are there.
fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// A text with this part, if there is one.
fn holding(part: &str) -> Option<Value> {
    (!part.is_empty()).then(|| json!({"$contains": part}))
}

/// A plugin's error as it is expected.
pub fn error_json(error: &PluginError) -> Value {
    let after = error
        .retry_after
        .map(|after| json!(rollcage_api::GoDuration(after).to_string()));
    fields([
        ("kind", Some(json!(error.kind))),
        ("message", Some(json!(error.message))),
        ("retryAfter", after),
    ])
}

/// A fault as it is expected.
pub fn fault_json(fault: &Fault) -> Value {
    json!({"kind": fault.kind, "phase": fault.phase, "cause": fault.cause})
}
