//! AnalysisRuns: one pass over one object, from what is stored to what is to be stored.
//!
//! ```text
//! get -> begin (core) -> read Secrets -> ask plugins, side by side -> finish (core) -> patch -> Events -> Outcome
//!                                                                        ^    conflict, and only others' fields changed
//!                                                                        '------------------------------------'
//! ```
//!
//! The object comes from the caller's cache, where there is one, else from the API server.
//!
//! The caller queues: it never runs two passes over one object at the same time, and starts one for every change of the
//! object (our own writes included), at [`Outcome::requeue_at`], and when a plugin of [`Outcome::waiting_for`] changes its
//! state.

mod ask;
mod cache;
mod object;
mod secrets;
mod worker;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client,
    api::{DeleteParams, PartialObjectMeta, Preconditions},
};
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun};
use rollcage_core::{
    PluginId, PluginSource,
    analysis::{self, Begin, Decision, Excess, Plan, ResolveError},
    clock::Clock,
    secret::Masker,
};

use self::{
    cache::Look,
    object::{Malformed, Raw, Stored, reference},
    secrets::Unread,
    worker::Gates,
    write::Written,
};
pub(crate) use self::{
    cache::{Due, Taken},
    object::Raw as RawRun,
};
pub use self::{
    cache::{Finished, RunCache},
    worker::Worker,
};
use crate::{
    error::{Doing, ReconcileError},
    events::EventRecorder,
    guard::OwnWrites,
    jobs::Jobs,
};

/// When an object is looked at again that is older than our own last write of it.
const STALE_PAUSE: Duration = Duration::from_millis(100);

/// How often a pass is brought together with a newer object before it starts over, and measures anew: more often than
/// somebody who writes all the time can be in the way, at the rate of our requests.
const MERGES: usize = 50;

/// How often what was measured is tried to be stored while the API server is away: for half a minute.
const TRIES: u32 = 20;

/// Pauses between these tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Brings AnalysisRuns to their verdicts.
pub struct AnalysisReconciler {
    client: Client,
    /// For Secrets.
    core: Client,
    jobs: Jobs,
    cache: Option<Arc<RunCache>>,
    gates: Gates,
    registry: Arc<dyn PluginSource>,
    clock: Arc<dyn Clock>,
    events: EventRecorder,
    writes: OwnWrites,
}

impl fmt::Debug for AnalysisReconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalysisReconciler")
            .field("registry", &self.registry)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// When to look at the object again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// At this time, which may be past. Without one nothing but a change of the object asks for it: the run ended for good.
    pub requeue_at: Option<Timestamp>,
    /// When one of these plugins changes its state.
    pub waiting_for: Vec<PluginId>,
    /// The run's phase after the pass; `Unset` when there is no such run.
    pub phase: AnalysisPhase,
}

/// What a pass did before anything was written, so that it can be written into a newer object too.
struct Pass {
    plan: Plan,
    attempts: Vec<analysis::Attempt>,
    masker: Masker,
    told: Vec<Excess>,
}

impl Pass {
    fn decide(&self, run: &AnalysisRun, now: Timestamp) -> Decision {
        let recorded = self.plan.record(run, &self.attempts, &self.masker);
        analysis::finish(recorded, &self.plan, &self.attempts, &self.told, now)
    }
}

impl AnalysisReconciler {
    /// Works on the runs behind `client` with the plugins of `registry`, at the times of `clock`.
    pub fn new(client: Client, registry: Arc<dyn PluginSource>, clock: Arc<dyn Clock>) -> Self {
        Self {
            events: EventRecorder::at_once(client.clone(), clock.clone()),
            core: client.clone(),
            jobs: Jobs::new(client.clone(), clock.clone()),
            cache: None,
            gates: Gates::default(),
            client,
            registry,
            clock,
            writes: OwnWrites::default(),
        }
    }

    /// Other clients for Secrets and Jobs, and for Events, which are written while passes go on.
    #[must_use]
    pub fn with_clients(mut self, core: Client, events: Client) -> Self {
        self.jobs = Jobs::new(core.clone(), self.clock.clone());
        self.core = core;
        self.events = EventRecorder::behind(events, self.clock.clone());
        self
    }

    /// Reads runs out of `cache`, which somebody keeps up to date.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<RunCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// The run ended or is gone: nothing more will be written.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.writes.forget(namespace, name);
    }

    /// Waits until all Events so far are written, or could not be.
    pub async fn events_written(&self) {
        self.events.written().await;
    }

    /// Tells people that somebody else writes a run that is ours.
    pub async fn tell_of_conflict(&self, run: &ObjectMeta, who: &str, pause: Duration) {
        let seconds = pause.as_secs();
        let event = analysis::Event {
            warning: true,
            reason: "ConflictingController".to_owned(),
            message: format!(
                "the status was also written by {who:?}: this controller leaves the run alone for {seconds} s; give each \
                 controller an --instance-id of its own, or stop one of them"
            ),
        };
        self.events.publish(reference(run), vec![event]).await;
    }

    /// One pass over one run. One that does not exist is nothing to do.
    pub async fn reconcile(&self, namespace: &str, name: &str) -> Result<Outcome, ReconcileError> {
        self.reconcile_at(&mut Worker::default(), namespace, name).await
    }

    /// One pass over one run, at a place that is left to others while plugins are asked.
    pub async fn reconcile_at(
        &self,
        worker: &mut Worker,
        namespace: &str,
        name: &str,
    ) -> Result<Outcome, ReconcileError> {
        let Some(object) = self.look(namespace, name).await? else {
            self.writes.forget(namespace, name);
            return Ok(Outcome::default());
        };
        let now = self.clock.now();
        if self.writes.is_stale(namespace, name, &object.metadata) {
            return Ok(Outcome {
                requeue_at: now.checked_add(STALE_PAUSE).ok(),
                ..Outcome::default()
            });
        }
        // A change that was our own write.
        if let Some(at) = self
            .writes
            .rest(namespace, name, &object.metadata)
            .filter(|at| *at > now)
        {
            return Ok(Outcome {
                requeue_at: Some(at),
                phase: object.phase(),
                ..Outcome::default()
            });
        }
        let stored = match Stored::read(Arc::unwrap_or_clone(object)) {
            Ok(stored) => stored,
            Err(malformed) => return self.malformed(*malformed).await,
        };
        match analysis::begin(&stored.run, now) {
            Begin::Deleting => Ok(Outcome {
                phase: stored.run.status.phase,
                ..Outcome::default()
            }),
            Begin::Completed { delete_at } => self.completed(&stored, delete_at, now).await,
            Begin::Ended(decision) => self.conclude(&stored, *decision).await,
            Begin::Measure(plan) => self.measure(worker, stored, *plan).await,
        }
    }

    fn api(&self, namespace: &str) -> Api<Raw> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The run as it is known.
    async fn look(&self, namespace: &str, name: &str) -> Result<Option<Arc<Raw>>, ReconcileError> {
        let Some(cache) = &self.cache else {
            return Ok(self.get(namespace, name).await?.map(Arc::new));
        };
        match cache.look(&(namespace.to_owned(), name.to_owned())) {
            Look::Absent => Ok(None),
            Look::Active(run) => Ok(Some(run)),
            Look::Finished => Ok(self.get(namespace, name).await?.map(Arc::new)),
        }
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<Raw>, ReconcileError> {
        self.api(namespace)
            .get_opt(name)
            .await
            .map_err(|source| ReconcileError::new(Doing::Read, namespace, name, source))
    }

    /// Deletes a run whose time is over.
    async fn completed(
        &self,
        stored: &Stored,
        delete_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Outcome, ReconcileError> {
        let outcome = Outcome {
            requeue_at: delete_at.filter(|at| *at > now),
            phase: stored.run.status.phase,
            ..Outcome::default()
        };
        if delete_at.is_none_or(|at| at > now) {
            self.writes.forget(&stored.namespace, &stored.name);
            return Ok(outcome);
        }
        let exactly_this = DeleteParams {
            preconditions: Some(Preconditions {
                uid: stored.run.metadata.uid.clone(),
                resource_version: Some(stored.version.clone()),
            }),
            ..DeleteParams::background()
        };
        let api: Api<PartialObjectMeta<AnalysisRun>> = Api::namespaced(self.client.clone(), &stored.namespace);
        match api.delete(&stored.name, &exactly_this).await {
            Ok(_) => tracing::info!(
                namespace = stored.namespace,
                name = stored.name,
                "deleted: its time was over"
            ),
            // Gone already, or changed: the change brings another pass.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(source) => {
                return Err(ReconcileError::new(
                    Doing::Delete,
                    &stored.namespace,
                    &stored.name,
                    source,
                ));
            }
        }
        Ok(outcome)
    }

    /// Asks plugins for what is due and stores what they say.
    async fn measure(&self, worker: &mut Worker, stored: Stored, plan: Plan) -> Result<Outcome, ReconcileError> {
        let prepared = match self.prepare(&stored, &plan).await {
            Ok(prepared) => prepared,
            Err(Unread::Invalid(error)) => {
                let decision = analysis::unresolved(&stored.run, &error.to_string(), self.clock.now());
                return self.conclude(&stored, decision).await;
            }
            Err(Unread::NotNow { secret, source }) => {
                return Err(ReconcileError::new(
                    Doing::ReadSecret(secret),
                    &stored.namespace,
                    &stored.name,
                    source,
                ));
            }
        };
        let attempts = worker.away(self.ask(&stored, &plan, &prepared)).await;
        let mut pass = Pass {
            masker: prepared.arguments.masker.clone(),
            plan,
            attempts,
            told: Vec::new(),
        };
        let recorded = pass.plan.record(&stored.run, &pass.attempts, &pass.masker);
        pass.told = worker.away(self.tell_excess(&stored, &pass.plan, recorded)).await;
        self.store(stored, &pass).await
    }

    /// Arguments with their values, and the metrics that are due with these filled in.
    async fn prepare(&self, stored: &Stored, plan: &Plan) -> Result<Prepared, Unread> {
        if plan.tasks.is_empty() {
            return Ok(Prepared::default());
        }
        let spec = &stored.run.spec;
        let secrets = secrets::read(&self.core, &stored.namespace, &spec.args).await?;
        let arguments = analysis::with_secrets(&spec.args, &secrets)?;
        let mut budget = rollcage_core::template::MAX_OUTPUT;
        let metrics: Result<Vec<_>, ResolveError> = plan
            .tasks
            .iter()
            .filter_map(|task| spec.metrics.get(task.index))
            .map(|metric| analysis::metric(metric, &arguments, &mut budget))
            .collect();
        Ok(Prepared {
            metrics: metrics?,
            arguments,
        })
    }

    /// Writes a pass, into a newer object when that one differs in nothing that the pass looked at.
    async fn store(&self, mut stored: Stored, pass: &Pass) -> Result<Outcome, ReconcileError> {
        for _ in 0..MERGES {
            let decision = pass.decide(&stored.run, self.clock.now());
            match self.keep_trying(|| self.write(&stored, &decision)).await? {
                Written::Yes => return Ok(self.done(&stored, decision).await),
                Written::Gone => return Ok(Outcome::default()),
                Written::TooLarge => return self.too_large(&stored).await,
                Written::Conflict => {}
            }
            let newer = self.keep_trying(|| self.get(&stored.namespace, &stored.name)).await?;
            let Some(newer) = newer else {
                return Ok(Outcome::default());
            };
            let version = newer.metadata.resource_version.as_deref();
            self.writes.wrote(&stored.namespace, &stored.name, version);
            let Ok(newer) = Stored::read(newer) else { break };
            if newer.run.status == decision.status && newer.is_same_work(&stored) {
                // It was our own write whose answer got lost.
                return Ok(self.done(&newer, decision).await);
            }
            if !newer.has_same_records(&stored) || !newer.is_same_work(&stored) {
                break;
            }
            stored = newer;
        }
        tracing::info!(
            namespace = stored.namespace,
            name = stored.name,
            "changed in between: what was measured is dropped, and the run looked at anew"
        );
        Ok(self.again(stored.run.status.phase))
    }

    /// Waits for an API server that is away. A pass over a cached run would otherwise be tried again without having read
    /// anything, and ask its plugins once more each time.
    async fn keep_trying<T, F>(&self, mut act: impl FnMut() -> F) -> Result<T, ReconcileError>
    where
        F: Future<Output = Result<T, ReconcileError>>,
    {
        let mut tries = if self.cache.is_some() { TRIES } else { 1 };
        let (mut pause, longest) = PAUSES;
        loop {
            let ended = act().await;
            tries -= 1;
            match ended {
                Err(error) if tries > 0 && error.may_pass() => {
                    if pause == PAUSES.0 {
                        tracing::warn!(%error, cause = error.cause(), "it is tried again; what was measured is kept");
                    }
                    tokio::time::sleep(pause).await;
                    pause = longest.min(pause * 2);
                }
                ended => return ended,
            }
        }
    }

    /// Writes a decision for which nobody was asked.
    async fn conclude(&self, stored: &Stored, decision: Decision) -> Result<Outcome, ReconcileError> {
        match self.write(stored, &decision).await? {
            Written::Yes => Ok(self.done(stored, decision).await),
            Written::Gone => Ok(Outcome::default()),
            Written::TooLarge => self.too_large(stored).await,
            Written::Conflict => Ok(self.behind(stored.run.status.phase)),
        }
    }

    async fn malformed(&self, malformed: Malformed) -> Result<Outcome, ReconcileError> {
        if malformed.has_ended {
            return Ok(Outcome {
                phase: AnalysisPhase::Error,
                ..Outcome::default()
            });
        }
        let message = format!("AnalysisRun is malformed: {}", malformed.reason);
        self.end(&malformed.metadata, message, true).await
    }

    /// What a pass came to does not fit beside what is there already: the run ends, and what was measured goes.
    async fn too_large(&self, stored: &Stored) -> Result<Outcome, ReconcileError> {
        let message = "AnalysisRun is too large: what was measured cannot be stored in it; make its spec and metadata \
                       smaller, or keep fewer measurements (measurementRetention)";
        self.end(&stored.run.metadata, message.to_owned(), false).await
    }

    /// The run ends with an error and this message; where not even that fits into it, an Event says so.
    async fn end(&self, run: &ObjectMeta, message: String, keep_results: bool) -> Result<Outcome, ReconcileError> {
        let phase = AnalysisPhase::Error;
        let mut event = analysis::Event::run_completed(phase);
        match self.write_error(run, message.clone(), keep_results).await? {
            Written::Yes => {}
            Written::TooLarge => event.message = message,
            Written::Conflict => return Ok(self.behind(AnalysisPhase::Unset)),
            Written::Gone => return Ok(Outcome::default()),
        }
        self.events.publish(reference(run), vec![event]).await;
        Ok(Outcome {
            phase,
            ..Outcome::default()
        })
    }

    /// Somebody has written a newer version, which a cache may not have yet.
    fn behind(&self, phase: AnalysisPhase) -> Outcome {
        let mut outcome = self.again(phase);
        if self.cache.is_some() {
            outcome.requeue_at = self.clock.now().checked_add(STALE_PAUSE).ok();
        }
        outcome
    }

    fn again(&self, phase: AnalysisPhase) -> Outcome {
        Outcome {
            requeue_at: Some(self.clock.now()),
            phase,
            ..Outcome::default()
        }
    }

    async fn done(&self, stored: &Stored, decision: Decision) -> Outcome {
        let (before, after) = (&stored.run.status, &decision.status);
        if before.phase != after.phase || before.message != after.message {
            tracing::info!(
                namespace = stored.namespace,
                name = stored.name,
                phase = after.phase.as_str(),
                message = after.message,
                "analysis run"
            );
        }
        // What waits for a plugin is woken by it, too.
        if let Some(at) = decision.wake_at.filter(|_| decision.waiting_for.is_empty()) {
            self.writes.rests_until(&stored.namespace, &stored.name, at);
        }
        self.events
            .publish(reference(&stored.run.metadata), decision.events)
            .await;
        Outcome {
            requeue_at: decision.wake_at,
            waiting_for: decision.waiting_for,
            phase: decision.status.phase,
        }
    }
}

/// What plugins are asked with.
#[derive(Debug, Default)]
struct Prepared {
    arguments: analysis::Arguments,
    /// One for each task, in their order.
    metrics: Vec<rollcage_api::analysis::Metric>,
}
