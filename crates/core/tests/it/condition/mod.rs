//! Argo's condition language.

mod bounds;
mod documented;
mod original;
mod phases;
mod times;

use jiff::Timestamp;
use rollcage_core::condition::{EvalError, Value, condition_at};
use serde_json::Value as Json;

/// The moment that all tests are at: noon of 2026-08-17.
pub(crate) fn now() -> Timestamp {
    Timestamp::constant(1_786_968_000, 0)
}

/// What a condition says about a result out of JSON.
pub(crate) fn holds(expression: &str, result: Json) -> Result<bool, EvalError> {
    condition_at(expression, &Value::from(result), now())
}
