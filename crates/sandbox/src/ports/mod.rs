//! The three ports over a component: objects are trimmed to the contract's views on the way in, answers get their meaning
//! on the way out.

mod metric;
mod router;
mod step;
mod view;

use rollcage_api::plugin::PluginKind;
use rollcage_core::{CallError, Fault, FaultKind, Phase};

use crate::{
    bindings::rollcage::plugin::types,
    contract::Method,
    instance::{Live, denied, is_denied, plugin_error},
    plugin::Answer,
    policy::Policy,
    stop::Stop,
};

/// Compares the types of all functions with the contract's.
pub(crate) fn check_types(live: &mut Live, kind: PluginKind) -> Result<(), Box<Fault>> {
    live.check::<(), types::Description>(Method::Describe)?;
    match kind {
        PluginKind::MetricProvider => metric::check_types(live),
        PluginKind::TrafficRouter => router::check_types(live),
        PluginKind::Step => step::check_types(live),
    }
}

/// What a plugin answered, with what is needed to make sense of it.
struct Answered<T> {
    value: T,
    masker: rollcage_core::secret::Masker,
}

/// Tells an answer from an error, and an error from a fault that looks like one.
fn answered<T>(policy: &Policy, answer: Answer<Result<T, types::Error>>) -> Result<Answered<T>, CallError> {
    let Answer { value, denials, masker } = answer;
    match value {
        Ok(value) => Ok(Answered { value, masker }),
        Err(error) => {
            let mut error = plugin_error(error);
            error.message = masker.mask(&error.message).into_owned();
            if is_denied(&error, &denials) {
                Err(CallError::Fault(denied(policy, Phase::Call, error.message, &denials)))
            } else {
                Err(error.into())
            }
        }
    }
}

/// A fault of an answer that the contract's types allow, but not its words.
fn invalid(policy: &Policy, cause: impl Into<String>) -> CallError {
    Stop::new(FaultKind::InvalidAnswer, cause)
        .into_fault(policy, Phase::Call)
        .into()
}
