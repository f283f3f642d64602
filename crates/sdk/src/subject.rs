//! The object of this call.

use serde_json::Value;

use crate::{Error, host};

/// The whole AnalysisRun or Rollout of this call, without managedFields, secret arguments as references. Parsing it
/// costs far more than a call: use the typed records where they hold what is needed.
pub fn object() -> Result<Value, Error> {
    serde_json::from_str(&host::subject_object()).map_err(|error| Error::internal(format!("subject: {error}")))
}
