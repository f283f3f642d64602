//! The three ports over a component: objects are trimmed to the contract's views on the way in, answers get their meaning
//! on the way out.

mod metric;
mod router;
mod step;
mod view;

use rollcage_api::plugin::PluginKind;
use rollcage_core::{CallError, Denial, Fault, FaultKind, Phase, PluginError, PluginErrorKind};

use crate::{
    bindings::rollcage::plugin::types,
    contract::Method,
    instance::{Live, grant_hint},
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

/// Tells an answer from an error.
///
/// An error that says no more than that a host call was denied is a fault: the operator has to grant something.
fn answered<T>(policy: &Policy, answer: Answer<Result<T, types::Error>>) -> Result<Answered<T>, CallError> {
    let Answer { value, denials, masker } = answer;
    match value {
        Ok(value) => Ok(Answered { value, masker }),
        Err(error) => {
            let (kind, message, retry_after) = match error {
                types::Error::InvalidConfig(message) => (PluginErrorKind::InvalidConfig, message, None),
                types::Error::Unavailable(error) => {
                    let after = error.retry_after.map(|ms| std::time::Duration::from_millis(ms.into()));
                    (PluginErrorKind::Unavailable, error.message, after)
                }
                types::Error::Denied(message) => (PluginErrorKind::Denied, message, None),
                types::Error::Conflict(message) => (PluginErrorKind::Conflict, message, None),
                types::Error::Internal(message) => (PluginErrorKind::Internal, message, None),
            };
            let message = masker.mask(&message).into_owned();
            if let Some(fault) = denied(policy, kind, &message, &denials) {
                return Err(fault.into());
            }
            Err(PluginError {
                kind,
                message,
                retry_after,
            }
            .into())
        }
    }
}

fn denied(policy: &Policy, kind: PluginErrorKind, message: &str, denials: &[Denial]) -> Option<Fault> {
    denials.first()?;
    let because = kind == PluginErrorKind::Denied || denials.iter().any(|denial| message.contains(&denial.grant));
    because.then(|| Fault::new(&policy.id, Phase::Call, FaultKind::Denied, message, grant_hint(denials)))
}

/// A fault of an answer that the contract's types allow, but not its words.
fn invalid(policy: &Policy, cause: impl Into<String>) -> CallError {
    Stop::new(FaultKind::InvalidAnswer, cause)
        .into_fault(policy, Phase::Call)
        .into()
}
