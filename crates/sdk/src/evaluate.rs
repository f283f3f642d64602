//! Argo's condition language, for plugins that decide themselves. A metric provider that leaves the phase of its
//! measurement out ([`crate::metric::Measurement::measured`]) does not need it.

pub use crate::bindings::imports::rollcage::plugin::evaluate::{Sample, Verdict};
use crate::{Error, host, time::Timestamp};

/// Evaluates one condition with `sample` as `result`.
pub fn condition(expression: &str, sample: &Sample) -> Result<bool, Error> {
    host::condition(expression, sample).map_err(Error::Internal)
}

/// Applies a metric's two conditions (empty: none) as Argo's own providers do.
pub fn assess(success_condition: &str, failure_condition: &str, sample: &Sample) -> Result<Verdict, Error> {
    host::assess(success_condition, failure_condition, sample).map_err(Error::Internal)
}

/// Evaluates an expression that gives a time, such as `now() - duration("1h")`.
pub fn time(expression: &str) -> Result<Timestamp, Error> {
    let text = host::evaluate_time(expression).map_err(Error::Internal)?;
    Timestamp::parse(&text).ok_or_else(|| Error::internal(format!("the host answered `{text}` instead of a time")))
}
