//! One pass (spec 4.2), in two halves: before and after plugins are asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, AnalysisRunStatus, Metric};

use super::{
    Attempt, Event, Excess, Outcome, Patience, Task, Waiting, assess,
    provider::provider,
    record::{self, How, MESSAGE, cut},
    resolve, retention, rules, stored, tasks, ttl,
    validate::{self, InvalidSpec},
    wake,
};
use crate::{PluginId, secret::Masker};

/// The first half.
#[derive(Clone, Debug)]
pub enum Begin {
    /// It is being deleted: nothing is done.
    Deleting,
    /// It ended before.
    Completed {
        /// When it is to be deleted.
        delete_at: Option<Timestamp>,
    },
    /// It ends now, because it is wrong.
    Ended(Box<Decision>),
    /// Ask, then [`finish`].
    Measure(Box<Plan>),
}

/// What a pass does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The run's metrics with placeholders for secrets, in its order.
    pub metrics: Vec<Metric>,
    /// What is due.
    pub tasks: Vec<Task>,
    /// Whether the run ends early.
    pub terminating: bool,
    dry_run: BTreeSet<String>,
    retention: BTreeMap<String, i32>,
}

/// What a pass decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To be stored.
    pub status: AnalysisRunStatus,
    /// To be stored in [`ANNOTATION`](super::WAITING_ANNOTATION).
    pub waiting: Waiting,
    /// To be told once the status is stored.
    pub events: Vec<Event>,
    /// When to look again.
    pub wake_at: Option<Timestamp>,
    /// Plugins whose next change of state is a reason to look again.
    pub waiting_for: Vec<PluginId>,
}

/// Looks at a run and says what is due.
pub fn begin(run: &AnalysisRun, now: Timestamp) -> Begin {
    if run.metadata.deletion_timestamp.is_some() {
        return Begin::Deleting;
    }
    if run.status.phase.is_completed() {
        return Begin::Completed {
            delete_at: ttl::delete_at(run),
        };
    }
    let metrics = match resolve::metrics(&run.spec.metrics, &resolve::placeholders(&run.spec.args)) {
        Ok(metrics) => metrics,
        Err(error) => return Begin::Ended(Box::new(unresolved(run, &error.to_string(), now))),
    };
    let rules = validate::validate(&metrics).and_then(|()| {
        let dry_run = rules::dry_run(&run.spec, &metrics)?;
        Ok::<_, InvalidSpec>((dry_run, rules::retention(&run.spec, &metrics)?))
    });
    match rules {
        Ok((dry_run, retention)) => Begin::Measure(Box::new(Plan {
            tasks: tasks::due(run, &metrics, now),
            terminating: super::is_terminating(run),
            metrics,
            dry_run,
            retention,
        })),
        Err(error) => Begin::Ended(Box::new(ended(run, format!("Analysis spec invalid: {error}"), now))),
    }
}

/// The run ends because its arguments cannot be resolved.
pub fn unresolved(run: &AnalysisRun, error: &str, now: Timestamp) -> Decision {
    ended(run, format!("Unable to resolve metric arguments: {error}"), now)
}

/// The run ends with an error. Argo leaves `completedAt` empty here, so that such runs are never deleted.
fn ended(run: &AnalysisRun, message: String, now: Timestamp) -> Decision {
    let mut run = run.clone();
    run.status.phase = AnalysisPhase::Error;
    run.status.message = cut(message, MESSAGE);
    run.status.completed_at.get_or_insert_with(|| stored(now));
    Decision {
        events: vec![Event::run_completed(AnalysisPhase::Error)],
        wake_at: ttl::delete_at(&run),
        status: run.status,
        waiting: Waiting::default(),
        waiting_for: Vec::new(),
    }
}

impl Plan {
    /// Names of the metrics that decide nothing.
    pub fn dry_run(&self) -> &BTreeSet<String> {
        &self.dry_run
    }

    /// How many measurements are kept, by metric, where a rule says so.
    pub fn retention(&self) -> &BTreeMap<String, i32> {
        &self.retention
    }

    /// The run with what was measured, not yet assessed.
    pub fn record(&self, run: &AnalysisRun, attempts: &[Attempt], masker: &Masker) -> AnalysisRun {
        let mut run = run.clone();
        for attempt in attempts {
            if let Outcome::Taken(taken) = &attempt.outcome {
                let how = How {
                    dry_run: self.dry_run.contains(&attempt.metric),
                    masker,
                    by_plugin: attempt.plugin.is_some(),
                };
                record::record(&mut run.status, &attempt.metric, &attempt.action, taken.clone(), how);
            }
        }
        run
    }

    /// The metrics of which more is stored than is kept.
    pub fn excess(&self, recorded: &AnalysisRun) -> Vec<Excess> {
        retention::excess(recorded, &self.metrics, &self.retention)
    }
}

/// The second half: `recorded` is what [`Plan::record`] made, `told` the excess whose providers were told.
pub fn finish(
    mut recorded: AnalysisRun,
    plan: &Plan,
    attempts: &[Attempt],
    told: &[Excess],
    now: Timestamp,
) -> Decision {
    let mut events = Vec::new();
    let (phase, message) = assess::assess(&mut recorded, &plan.metrics, &plan.dry_run, now, &mut events);
    let status = &mut recorded.status;
    if phase != status.phase {
        status.phase = phase;
        status.message = cut(message, MESSAGE);
        if phase.is_completed() {
            events.push(Event::run_completed(phase));
            status.completed_at.get_or_insert_with(|| stored(now));
        }
    }
    let completed = phase.is_completed();
    let waits: Vec<(&str, &Patience)> = attempts
        .iter()
        .filter_map(|attempt| match &attempt.outcome {
            Outcome::Waits(patience) if !completed => Some((attempt.metric.as_str(), patience)),
            _ => None,
        })
        .collect();
    let waiting = waiting(&recorded, plan, attempts);
    if !completed {
        events.extend(began_to_wait(&Waiting::of(&recorded), &waits));
        // A run that goes on has no other message.
        let mut messages: Vec<String> = waits.iter().map(|(_, patience)| patience.message()).collect();
        messages.dedup();
        recorded.status.message = cut(messages.join("; "), MESSAGE);
    }
    retention::trim(&mut recorded.status, &plan.retention, told);
    let mut waiting_for: Vec<PluginId> = waits.iter().map(|(_, patience)| patience.plugin.clone()).collect();
    waiting_for.sort();
    waiting_for.dedup();
    Decision {
        wake_at: wake::next(&recorded, &plan.metrics, &waits, now),
        status: recorded.status,
        waiting,
        events,
        waiting_for,
    }
}

/// Since when the run waits for whom, after this pass.
fn waiting(run: &AnalysisRun, plan: &Plan, attempts: &[Attempt]) -> Waiting {
    let mut waiting = Waiting::of(run);
    for attempt in attempts {
        let Some(plugin) = &attempt.plugin else { continue };
        match &attempt.outcome {
            Outcome::Waits(patience) => waiting.absent(plugin, patience.since),
            Outcome::Taken(taken) => match taken.absent_since {
                Some(since) => waiting.absent(plugin, since),
                None => waiting.served(plugin),
            },
        }
    }
    let needed: BTreeSet<String> = plan
        .metrics
        .iter()
        .filter(|metric| !super::result(run, &metric.name).is_some_and(|result| result.phase.is_completed()))
        .filter_map(|metric| Some(provider(metric).ok()?.plugin()?.plugin.name))
        .collect();
    let over = run.status.phase.is_completed();
    waiting.retain(|name| !over && needed.contains(name));
    waiting
}

/// One event for each plugin that the run did not wait for before.
fn began_to_wait(before: &Waiting, waits: &[(&str, &Patience)]) -> Vec<Event> {
    let mut told = BTreeSet::new();
    waits
        .iter()
        .filter(|(_, patience)| before.since(&patience.plugin).is_none() && told.insert(&patience.plugin))
        .map(|(_, patience)| Event::waiting(&cut(patience.message(), MESSAGE)))
        .collect()
}
