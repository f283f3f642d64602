//! The loop: what is due is done; when nothing is under way, time moves on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rollcage_api::{GoDuration, analysis::AnalysisRun};
use rollcage_apiserver::{ApiServer, Change, ChangeType, Subscription};
use rollcage_controller::{
    AnalysisReconciler, Outcome, ReconcileError,
    queue::{Key, Queue},
};
use rollcage_core::clock::Clock;
use rollcage_registry::{ConfigMaps, Registry, Snapshot};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};

use super::{
    actions,
    report::{DevReport, EventReport, PluginReport, RunReport},
    scenario::{Action, Scenario},
    servers::Servers,
};
use crate::{clock::ScenarioClock, error::CommandError, manifests::Manifests, plugins};

/// How long runs are held back at the start, at most, while plugins load.
const WARM_UP: SignedDuration = SignedDuration::from_secs(10);
/// Longest time that a scenario plays, unless it says so itself.
const UNTIL: SignedDuration = SignedDuration::from_hours(24);

/// Everything that a play needs.
pub struct Stage {
    pub api: Arc<ApiServer>,
    pub client: kube::Client,
    pub clock: Arc<ScenarioClock>,
    pub registry: Registry,
    pub servers: Servers,
    /// Namespace of the plugin configuration.
    pub namespace: String,
}

/// A scenario being played.
pub struct Play {
    stage: Stage,
    reconciler: Arc<AnalysisReconciler>,
    changes: Subscription,
    /// A change that ended a wait, to be taken with the others.
    woken_by: Option<Change>,
    states: watch::Receiver<Arc<Snapshot>>,
    queue: Queue,
    passes: JoinSet<Pass>,
    /// Until when runs are held back while plugins load for the first time; none once they have.
    warming: Option<Timestamp>,
    actions: VecDeque<Action>,
    scenario: Scenario,
    config: ConfigMaps,
    /// Whether the registry has been told.
    configured: bool,
    runs: BTreeMap<Key, Value>,
    events: Vec<EventReport>,
    problems: Vec<String>,
}

/// A pass that ended.
struct Pass {
    key: Key,
    result: Result<Outcome, ReconcileError>,
}

/// What to do next.
enum Next {
    Again,
    WaitUntil(Option<Timestamp>),
    End,
}

impl Play {
    /// Sets the stage.
    pub fn new(stage: Stage, mut scenario: Scenario, manifests: Manifests) -> Self {
        let changes = stage.api.subscribe();
        let problems = manifests.load_into(&stage.api);
        scenario.actions.sort_by_key(|action| action.at);
        let plugins = Arc::new(stage.registry.clone());
        let reconciler = AnalysisReconciler::new(stage.client.clone(), plugins, stage.clock.clone());
        Self {
            reconciler: Arc::new(reconciler),
            changes,
            woken_by: None,
            states: stage.registry.watch(),
            queue: Queue::default(),
            passes: JoinSet::new(),
            warming: stage.clock.start().checked_add(WARM_UP).ok(),
            actions: std::mem::take(&mut scenario.actions).into(),
            scenario,
            config: ConfigMaps::default(),
            configured: false,
            runs: BTreeMap::new(),
            events: Vec::new(),
            problems,
            stage,
        }
    }

    /// Plays to the end.
    pub async fn run(mut self, view: &mut (dyn FnMut(&DevReport) + Send)) -> Result<DevReport, CommandError> {
        loop {
            let next = self.step().await?;
            view(&self.report());
            match next {
                Next::Again => {}
                Next::WaitUntil(at) => {
                    if !self.wait(at).await {
                        self.problems.push("interrupted".to_owned());
                        break;
                    }
                }
                Next::End => break,
            }
        }
        let report = self.report();
        Ok(report)
    }

    /// Does everything that is due now.
    async fn step(&mut self) -> Result<Next, CommandError> {
        let now = self.stage.clock.now();
        // Before the changes are taken: what a pass wrote is among them, and the play does not end without it.
        while let Some(pass) = self.passes.try_join_next() {
            self.pass_ended(pass, now);
        }
        while self.actions.front().is_some_and(|action| self.at(action) <= now) {
            if let Some(action) = self.actions.pop_front() {
                actions::perform(&action, &self.stage.client, &self.stage.servers).await?;
            }
        }
        self.take_changes(now);
        self.stage.registry.retry_due();
        self.take_states(now);
        let hold = self.is_held(now);
        let due = if hold { Vec::new() } else { self.queue.take_due(now) };
        for key in due {
            let reconciler = Arc::clone(&self.reconciler);
            self.passes.spawn(async move {
                let result = reconciler.reconcile(&key.0, &key.1).await;
                Pass { key, result }
            });
        }
        Ok(self.next(now))
    }

    /// Whether runs wait because plugins load. On a clock that jumps time stands still meanwhile, so that a run that is
    /// looked at only when its plugins have loaded loses nothing; on one that walks only the start is waited for, as a
    /// controller warms its plugins before it leads.
    fn is_held(&mut self, now: Timestamp) -> bool {
        let loading = !self.stage.registry.snapshot().is_settled();
        self.warming = self.warming.filter(|until| loading && now < *until);
        loading && (self.stage.clock.is_jumping() || self.warming.is_some())
    }

    fn next(&self, now: Timestamp) -> Next {
        let busy = self.queue.is_running() || !self.stage.registry.snapshot().is_settled();
        let due = [
            self.queue.next(),
            self.actions.front().map(|action| self.at(action)),
            self.stage.registry.next_retry(),
        ];
        let due = due.into_iter().flatten().min();
        let until = self.stage.clock.start()
            + self
                .scenario
                .until
                .map_or(UNTIL, |until| SignedDuration::try_from(until.0).unwrap_or(UNTIL));
        if due.is_some_and(|at| at <= now) && !busy {
            return Next::Again;
        }
        if busy {
            return Next::WaitUntil(None);
        }
        let over = self.actions.is_empty() && self.runs.values().all(is_completed);
        match due {
            Some(at) if !over && at <= until => Next::WaitUntil(Some(at)),
            _ => Next::End,
        }
    }

    /// Waits until `at` on the scenario's clock (`None`: for what is under way), or until something changes. False: the
    /// user has had enough.
    async fn wait(&mut self, at: Option<Timestamp>) -> bool {
        let pause = at.map_or(Duration::from_secs(1), |at| self.stage.clock.advance_to(at));
        if pause.is_zero() {
            return true;
        }
        tokio::select! {
            // The view shows the time: wake up once a second.
            () = tokio::time::sleep(pause.min(Duration::from_secs(1))) => {}
            Some(pass) = self.passes.join_next() => {
                let now = self.stage.clock.now();
                self.pass_ended(pass, now);
            }
            _ = self.states.changed() => {}
            Ok(change) = self.changes.next() => self.woken_by = Some(change),
            _ = tokio::signal::ctrl_c() => return false,
        }
        true
    }

    fn pass_ended(&mut self, pass: Result<Pass, tokio::task::JoinError>, now: Timestamp) {
        match pass {
            Ok(Pass {
                key,
                result: Ok(outcome),
            }) => self.queue.done(key, now, outcome.requeue_at, outcome.waiting_for),
            Ok(Pass {
                key,
                result: Err(error),
            }) => {
                tracing::warn!(namespace = key.0, name = key.1, %error, "the pass failed and is tried again");
                self.queue.failed(key, now);
            }
            Err(error) => self.problems.push(format!("a pass ended unexpectedly: {error}")),
        }
    }

    fn take_changes(&mut self, now: Timestamp) {
        let changes = match self.changes.drain() {
            Ok(changes) => changes,
            Err(lagged) => {
                self.problems.push(lagged.to_string());
                return;
            }
        };
        let mut config_changed = false;
        for change in self.woken_by.take().into_iter().chain(changes) {
            match change.gvk.kind.as_str() {
                "AnalysisRun" => self.take_run(&change, now),
                "Job" if change.change == ChangeType::Added => self.take_job(&change, now),
                "Event" if change.change != ChangeType::Deleted => {
                    let at = now.duration_since(self.stage.clock.start()).as_secs_f64();
                    self.events.push(EventReport::of(&change.object, at));
                }
                "ConfigMap" if change.namespace == self.stage.namespace => {
                    config_changed |= plugins::take_config(&mut self.config, &change);
                }
                _ => {}
            }
        }
        // Without any ConfigMap, too: bundled plugins need none.
        if config_changed || !std::mem::replace(&mut self.configured, true) {
            self.stage.registry.configure(&self.config);
        }
    }

    fn take_run(&mut self, change: &Change, now: Timestamp) {
        let key = (change.namespace.clone(), change.name.clone());
        if change.change == ChangeType::Deleted {
            self.runs.remove(&key);
            self.queue.forget(&key);
        } else {
            self.runs.insert(key.clone(), Value::clone(&change.object));
            self.queue.wake(key, now);
        }
    }

    /// A new Job is somebody's work from here to the end that the scenario says.
    fn take_job(&mut self, job: &Change, now: Timestamp) {
        let metric = job
            .object
            .pointer("/metadata/annotations/analysisrun.argoproj.io~1metric-name");
        let metric = metric.and_then(Value::as_str).unwrap_or_default();
        let Some(rule) = self.scenario.jobs.iter().find(|rule| rule.is_about(metric)) else {
            return;
        };
        let since_start = now.duration_since(self.stage.clock.start());
        let at = GoDuration(
            Duration::try_from(since_start)
                .unwrap_or_default()
                .saturating_add(rule.after.0),
        );
        let place = self.actions.partition_point(|action| action.at <= at);
        let what = rule.end_of(&job.namespace, &job.name);
        self.actions.insert(place, Action { at, what });
    }

    fn take_states(&mut self, now: Timestamp) {
        if self.states.has_changed().unwrap_or(false) {
            let states = self.states.borrow_and_update().clone();
            for id in states.plugins.keys() {
                self.queue.plugin_changed(id, now);
            }
        }
    }

    fn at(&self, action: &Action) -> Timestamp {
        self.stage.clock.start() + SignedDuration::try_from(action.at.0).unwrap_or_default()
    }

    /// The state of everything.
    fn report(&self) -> DevReport {
        let expectations = &self.scenario.expect;
        let mut problems = self.problems.clone();
        let mut runs = Vec::new();
        for ((namespace, name), object) in &self.runs {
            match serde_path_to_error::deserialize::<_, AnalysisRun>(object) {
                Ok(run) => runs.push(RunReport::of(&run, expectations)),
                Err(error) => {
                    problems.push(format!(
                        "AnalysisRun {namespace}/{name}: {}: {}",
                        error.path(),
                        error.inner()
                    ));
                }
            }
        }
        let known = problems.len();
        for expectation in expectations {
            if !runs.iter().any(|run| expectation.is_about(&run.namespace, &run.name)) {
                problems.push(format!(
                    "scenario.yaml: there is no AnalysisRun {:?}",
                    expectation.analysis_run
                ));
            }
        }
        let missing = problems.len() > known;
        let broken = expectations.is_empty() && !problems.is_empty();
        let plugins: Vec<PluginReport> = plugins::reports(&self.states.borrow());
        DevReport {
            ok: runs.iter().all(|run| run.as_expected) && !missing && !broken,
            virtual_seconds: self
                .stage
                .clock
                .now()
                .duration_since(self.stage.clock.start())
                .as_secs_f64(),
            plugins,
            analysis_runs: runs,
            events: self.events.clone(),
            problems,
        }
    }
}

fn is_completed(run: &Value) -> bool {
    let phase = run.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    matches!(phase, "Successful" | "Failed" | "Error" | "Inconclusive")
}
