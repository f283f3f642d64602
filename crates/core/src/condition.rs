//! Argo's condition language: what `successCondition`, `failureCondition` and the times of a range query are written in.
//!
//! ```text
//! text -> lexer -> parser -> ast -> checker (types, against the actual result) -> optimizer -> interpreter -> Value
//!                                      |-> builtins (signatures)                               |-> builtins, gotime
//! ```
//!
//! The language is [expr](https://expr-lang.org) 1.17.8 with Argo's environment: `result`, `asInt`, `asFloat`, `isNaN`,
//! `isInf`, `isNil`, `default`. Values, types and error texts are Go's, because they are visible: an `int` is not a
//! `float64`, a name that is not there is an error before anything is computed, and the cause of an error goes into the
//! measurement's message word for word. `docs/compatibility.md` lists what differs, and the tests with the original hold
//! both to that.
//!
//! Invariants: any text ends as a value or as an error, within bounds on its length, its nesting, the elements and the text
//! that it builds, and the steps that it takes. Nothing is read but the arguments.

mod ast;
mod budget;
mod builtins;
mod checker;
mod environment;
mod error;
mod escape;
mod function;
mod gotime;
mod interpreter;
mod json;
mod lexer;
mod limits;
mod number;
mod optimizer;
mod parser;
mod quote;
mod regex;
mod token;
mod types;
mod value;

use jiff::Timestamp;
use rollcage_api::analysis::AnalysisPhase;

pub use error::{Budget, EvalError};
pub use function::Function;
pub use gotime::{Time, Zone};
pub(crate) use regex::small as small_regex;
pub use value::{Array, ArrayKind, IntKind, Key, Map, MapKind, Value};

use self::{environment::Environment, limits::Limits};

/// Evaluates a condition on the result of a measurement, at this moment.
pub fn condition(expression: &str, result: &Value) -> Result<bool, EvalError> {
    condition_at(expression, result, Timestamp::now())
}

/// Evaluates a condition on the result of a measurement. `now` is what the expression's `now()` gives.
pub fn condition_at(expression: &str, result: &Value, now: Timestamp) -> Result<bool, EvalError> {
    match value_at(expression, result, now)? {
        Value::Bool(verdict) => Ok(verdict),
        other => Err(EvalError::Outcome {
            expected: "bool",
            got: other.type_name().into(),
        }),
    }
}

/// Evaluates an expression on the result of a measurement, whatever comes out of it.
pub fn value_at(expression: &str, result: &Value, now: Timestamp) -> Result<Value, EvalError> {
    let limits = Limits::DEFAULT;
    if usize::try_from(result.depth()).is_ok_and(|depth| depth > limits.value_depth) {
        return Err(Budget::ValueDepth(limits.value_depth).into());
    }
    evaluate(expression, &Environment::of_condition(result.clone(), now), limits)
}

/// Evaluates the time that an expression such as `now() - duration("1h")` stands for. There is no `result` in it.
pub fn time(expression: &str, now: Timestamp) -> Result<Timestamp, EvalError> {
    match evaluate(expression, &Environment::of_time(now), Limits::DEFAULT)? {
        Value::Time(time) => Ok(time.timestamp()),
        other => Err(EvalError::Outcome {
            expected: "time.Time",
            got: other.type_name().into(),
        }),
    }
}

fn evaluate(expression: &str, environment: &Environment, limits: Limits) -> Result<Value, EvalError> {
    let mut tree = parser::parse(expression, &limits)?;
    checker::check(&mut tree, environment)?;
    optimizer::optimize(&mut tree)?;
    interpreter::evaluate(&tree, environment, limits)
}

/// The verdict on a result: `success` and `failure` are conditions, empty where there is none. The error is the message of
/// a measurement that ends as [`AnalysisPhase::Error`].
pub fn assess(success: &str, failure: &str, result: &Value) -> Result<AnalysisPhase, String> {
    assess_at(success, failure, result, Timestamp::now())
}

/// The same with another moment for `now()`.
pub fn assess_at(success: &str, failure: &str, result: &Value, now: Timestamp) -> Result<AnalysisPhase, String> {
    let holds = |field: &str, condition: &str| {
        if condition.is_empty() {
            return Ok(None);
        }
        condition_at(condition, result, now).map(Some).map_err(|cause| {
            let cause = if is_nil_or_empty(result) {
                NO_DATA.to_owned()
            } else {
                cause.to_string()
            };
            format!("could not evaluate {field} \"{condition}\": {cause}")
        })
    };
    let succeeds = holds("successCondition", success)?;
    let fails = holds("failureCondition", failure)?;
    Ok(match (succeeds, fails) {
        (_, Some(true)) | (Some(false), None) => AnalysisPhase::Failed,
        (Some(false), Some(false)) => AnalysisPhase::Inconclusive,
        (None | Some(true), None | Some(false)) => AnalysisPhase::Successful,
    })
}

/// Why nothing could be evaluated, whatever the evaluation itself said.
const NO_DATA: &str = "metric result is nil or empty: no data returned from the metric provider";

fn is_nil_or_empty(result: &Value) -> bool {
    match result {
        Value::Nil => true,
        Value::Array(array) => array.items().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
