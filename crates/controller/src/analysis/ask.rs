//! Asking plugins and Jobs: everything that is due side by side, each call under its own deadline.

use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisRun, Measurement, Metric};
use rollcage_core::{
    Call, CallError, Fault, MetricProvider,
    analysis::{self, Absence, Action, Attempt, Excess, Outcome, Plan, PluginProvider, Provider, Taken, Task, Waiting},
};

use super::{AnalysisReconciler, Prepared, object::Stored};

/// Calls of one run at the same time: more would fill a plugin's queue, and only delay the runs of others.
const SIDE_BY_SIDE: usize = 32;

/// What all calls of a pass have in common.
struct Asking<'a> {
    run: Arc<AnalysisRun>,
    call: Call,
    waiting: Waiting,
    plan: &'a Plan,
}

impl AnalysisReconciler {
    pub(super) async fn ask(&self, stored: &Stored, plan: &Plan, prepared: &Prepared) -> Vec<Attempt> {
        let asking = Asking {
            run: Arc::new(stored.run.clone()),
            call: Call {
                secrets: prepared.arguments.masker.clone(),
                arguments: prepared.arguments.public(),
                ..Call::for_namespace(&stored.namespace)
            },
            waiting: Waiting::of(&stored.run),
            plan,
        };
        let asked: Vec<_> = plan
            .tasks
            .iter()
            .zip(&prepared.metrics)
            .map(|(task, metric)| self.attempt(&asking, task, metric))
            .collect();
        stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await
    }

    async fn attempt(&self, asking: &Asking<'_>, task: &Task, metric: &Metric) -> Attempt {
        let now = self.clock.now();
        let attempt = |plugin, outcome| Attempt {
            metric: task.name.clone(),
            action: task.action.clone(),
            plugin,
            outcome,
        };
        let provider = match analysis::provider(metric) {
            Ok(Provider::Plugin(provider)) => provider,
            Ok(Provider::Job) => {
                // Names of Jobs hold no secrets either.
                let name = task.name.clone();
                let metric = Metric { name, ..metric.clone() };
                let (began, answer) = self.exchange(asking, task, &metric, &self.jobs).await;
                let measurement = analysis::answered(&task.action, answer, true, began, self.clock.now());
                return attempt(None, taken(measurement));
            }
            Err(error) => {
                let measurement = analysis::failed(&task.action, error.to_string(), now, now);
                return attempt(None, taken(measurement));
            }
        };
        let name = &provider.plugin.name;
        let outcome = match self.registry.metric_provider(name, &asking.call.namespace) {
            Err(fault) => self.absent(asking, task, &provider, &fault),
            Ok(port) => self.call(asking, task, &provider, metric, port.as_ref()).await,
        };
        attempt(Some(provider.plugin), outcome)
    }

    /// The call that a task is, with the time at which it began.
    async fn exchange(
        &self,
        asking: &Asking<'_>,
        task: &Task,
        metric: &Metric,
        port: &dyn MetricProvider,
    ) -> (Timestamp, Result<Measurement, CallError>) {
        let (call, run) = (&asking.call, &asking.run);
        let began = self.clock.now();
        let answer = match &task.action {
            Action::Run => port.run(call, run, metric).await,
            Action::Resume(measurement) => port.resume(call, run, metric, measurement).await,
            Action::Terminate(measurement) => port.terminate(call, run, metric, measurement).await,
        };
        (began, answer)
    }

    async fn call(
        &self,
        asking: &Asking<'_>,
        task: &Task,
        provider: &PluginProvider,
        metric: &Metric,
        port: &dyn MetricProvider,
    ) -> Outcome {
        let (call, run) = (&asking.call, &asking.run);
        let metric = provider.metric(metric.clone());
        let asked = self.exchange(asking, task, &metric, port);
        let (began, answer) = match &task.action {
            // An end waits for nobody.
            Action::Terminate(_) => asked.await,
            _ => self.gates.pass(&provider.plugin, &call.namespace, asked).await,
        };
        let faulted = match &answer {
            Err(CallError::Fault(fault)) if analysis::nothing_was_tried(fault) => {
                return self.absent(asking, task, provider, fault);
            }
            answer => matches!(answer, Err(CallError::Fault(_))),
        };
        let own_words = provider.in_place_of.is_some();
        let measurement = analysis::answered(&task.action, answer, own_words, began, self.clock.now());
        // A plugin that just broke down is not asked for more.
        let metadata = if !faulted && analysis::wants_metadata(run, &task.name) {
            Some(analysis::metadata(port.get_metadata(call, &metric).await, own_words))
        } else {
            None
        };
        Outcome::Taken(Taken {
            measurement,
            metadata,
            absent_since: None,
        })
    }

    /// Nothing was tried: the metric waits, or the try counts as an error.
    fn absent(&self, asking: &Asking<'_>, task: &Task, provider: &PluginProvider, fault: &Fault) -> Outcome {
        let now = self.clock.now();
        let since = asking.waiting.since(&provider.plugin);
        let patience = self.registry.unavailable_policy(&provider.plugin).after.0;
        let absent_since = match analysis::absence(fault, asking.plan.terminating, since, patience, now) {
            Absence::Wait(patience) => return Outcome::Waits(patience),
            Absence::Error(since) => Some(since),
            Absence::Refused => None,
        };
        Outcome::Taken(Taken {
            measurement: analysis::failed(&task.action, fault.to_string(), now, now),
            metadata: None,
            absent_since,
        })
    }

    /// Tells providers whose oldest measurements are to go; those that could not be told are left out of the answer.
    pub(super) async fn tell_excess(&self, stored: &Stored, plan: &Plan, recorded: AnalysisRun) -> Vec<Excess> {
        let excess = plan.excess(&recorded);
        if excess.is_empty() {
            return excess;
        }
        let run = Arc::new(recorded);
        let call = Call::for_namespace(&stored.namespace);
        let mut told = Vec::with_capacity(excess.len());
        for excess in excess {
            match self.tell(&call, &run, plan, &excess).await {
                Ok(()) => told.push(excess),
                Err(error) => tracing::warn!(
                    namespace = stored.namespace,
                    name = stored.name,
                    metric = excess.name,
                    error,
                    "measurements are kept: their provider could not be told that they are to go"
                ),
            }
        }
        told
    }

    /// With placeholders for secrets, as in Argo.
    async fn tell(&self, call: &Call, run: &Arc<AnalysisRun>, plan: &Plan, excess: &Excess) -> Result<(), String> {
        let Some(metric) = plan.metrics.get(excess.index) else {
            return Ok(());
        };
        let limit = u32::try_from(excess.limit).unwrap_or(u32::MAX);
        let told = match analysis::provider(metric) {
            Ok(Provider::Plugin(provider)) => {
                let port = self.registry.metric_provider(&provider.plugin.name, &call.namespace);
                let port = port.map_err(|fault| fault.to_string())?;
                port.garbage_collect(call, run, &provider.metric(metric.clone()), limit)
                    .await
            }
            Ok(Provider::Job) => self.jobs.garbage_collect(call, run, metric, limit).await,
            // A provider that nothing stands for has nothing to forget.
            Err(_) => Ok(()),
        };
        told.map_err(|error| error.to_string())
    }
}

fn taken(measurement: Measurement) -> Outcome {
    Outcome::Taken(Taken {
        measurement,
        metadata: None,
        absent_since: None,
    })
}
