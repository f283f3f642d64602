//! What conditions see as `result`, and what they say of it.

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, Metric};
use rollcage_core::condition::{self, Value};

use crate::bindings::rollcage::plugin::evaluate::Sample;

/// The sample as a value of the condition language.
pub(crate) fn value(sample: Sample) -> Result<Value, String> {
    Ok(match sample {
        Sample::Number(number) => Value::Float(number),
        Sample::Numbers(numbers) => Value::floats(numbers),
        Sample::Text(text) => Value::String(text.into()),
        Sample::Json(text) => Value::from_json(&text).map_err(|error| format!("the sample is no JSON: {error}"))?,
        Sample::Nothing => Value::Nil,
    })
}

/// What a metric's two conditions say of a sample; an error tells why they could not be evaluated.
pub(crate) fn assess(metric: &Metric, sample: Option<Sample>, now: Timestamp) -> Result<AnalysisPhase, String> {
    let value = value(sample.unwrap_or(Sample::Nothing))?;
    condition::assess_at(&metric.success_condition, &metric.failure_condition, &value, now)
}
