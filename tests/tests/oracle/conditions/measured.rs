//! Results of measurements, for both sides.

use rollcage_core::condition::Value;
use serde_json::{Value as Json, json};

/// A result as a provider of metrics gives it.
#[derive(Clone, Debug)]
pub(super) enum Measured {
    /// What came as JSON.
    Json(Json),
    /// A `float64`, also one that JSON cannot hold.
    Number(f64),
    /// A `[]float64`.
    Numbers(Vec<f64>),
}

impl Measured {
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Json(json) => Value::from_json(&json.to_string()).expect("it is JSON"),
            Self::Number(number) => Value::Float(*number),
            Self::Numbers(numbers) => Value::floats(numbers.iter().copied()),
        }
    }

    /// The same for the oracle.
    pub(super) fn request(&self) -> Json {
        match self {
            Self::Json(json) => json!({ "json": json }),
            Self::Number(number) => json!({ "float64": text(*number) }),
            Self::Numbers(numbers) => {
                json!({ "float64s": numbers.iter().copied().map(text).collect::<Vec<_>>() })
            }
        }
    }
}

impl From<Json> for Measured {
    fn from(json: Json) -> Self {
        Self::Json(json)
    }
}

/// Both languages read each other's numbers.
fn text(number: f64) -> String {
    number.to_string()
}
