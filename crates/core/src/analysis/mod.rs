//! AnalysisRuns as Argo Rollouts understands them (spec 3.1, 4, 6.1): functions from an object and a time to a decision.
//!
//! ```text
//! AnalysisRun -> begin: resolve (placeholders) -> validate -> rules (dryRun, retention) -> tasks (what is due)
//!   caller: reads Secrets, asks plugins ------------------------------------------------------> attempts
//! a Rollout: templates (collect, flatten), rollout_args -> spec of a new AnalysisRun
//! attempts -> finish: record (counters, masking) -> retention -> assess (metrics, run, summary) -> wake, ttl -> Decision
//! ```
//!
//! Invariants: nothing here calls anybody or reads a clock; the object is the only state, so any replica can take over
//! between any two passes. Times are cut to whole seconds before they are used, as they will be when they are read back.
//! A name that a secret is part of stays a placeholder, and no text that a plugin wrote gets into a status unmasked.
//!
//! What differs from Argo on purpose: runs that end early by an error get `completedAt`, deletion has a timer ([`ttl`]),
//! a plugin that does not serve holds its metrics instead of failing them ([`waiting`]), secrets are masked in values and
//! metadata too ([`record`]), and nothing is measured or resumed more than once a second ([`tasks`], [`record`]).

#![cfg_attr(
    test,
    expect(clippy::needless_pass_by_value, reason = "rows of tables are made in place")
)]

mod assess;
mod counts;
mod event;
pub mod job;
mod pass;
mod provider;
mod record;
mod resolve;
mod retention;
mod rollout_args;
mod rules;
mod summary;
mod tasks;
mod templates;
mod ttl;
mod validate;
mod verdict;
mod waiting;
mod wake;

use std::time::Duration;

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisRun, MetricResult};

pub use event::Event;
pub use pass::{Begin, Decision, Plan, begin, finish, unresolved};
pub use provider::{NotBuiltIn, PluginProvider, Provider, provider};
pub use record::{Attempt, Outcome, Taken, answered, failed, metadata, wants_metadata};
pub use resolve::{Arguments, ResolveError, SecretData, metric, secret_names, with_secrets};
pub use retention::Excess;
pub use rollout_args::{FieldError, Hashes, rollout_arguments};
pub use tasks::{Action, Task};
pub use templates::{Collected, Cycle, Templates, TemplatesError, collect, flatten, merge_arguments, run_spec};
pub use ttl::delete_at;
pub use waiting::{ANNOTATION as WAITING_ANNOTATION, Absence, Patience, Waiting, absence, nothing_was_tried};

/// How long after an error a metric is tried again, and how long a metric without interval waits (spec 4.3).
pub const RETRY: Duration = Duration::from_secs(10);

/// Whole seconds are all that Kubernetes keeps of a time.
const RESOLUTION: Duration = Duration::from_secs(1);

/// What is stored of `time`.
fn stored(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second() - i64::from(time.subsec_nanosecond() < 0)).unwrap_or(time)
}

/// The first whole second that is not before `time`.
fn stored_up(time: Timestamp) -> Timestamp {
    let down = stored(time);
    if down == time { time } else { after(down, RESOLUTION) }
}

/// `time` plus `duration`, or the end of time.
fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The result of a metric.
fn result<'a>(run: &'a AnalysisRun, metric: &str) -> Option<&'a MetricResult> {
    run.status.metric_results.iter().find(|result| result.name == metric)
}

/// Whether the run is to end early (spec 4.3): it was asked to, or a metric that counts already ended it.
pub fn is_terminating(run: &AnalysisRun) -> bool {
    use rollcage_api::analysis::AnalysisPhase::{Error, Failed, Inconclusive};
    run.spec.terminate
        || run
            .status
            .metric_results
            .iter()
            .any(|result| !result.dry_run && matches!(result.phase, Failed | Error | Inconclusive))
}
