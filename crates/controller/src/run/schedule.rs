//! When which AnalysisRun is looked at, and by how many workers.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::{Api, Client, ResourceExt as _, api::PartialObjectMeta, runtime::watcher::Event};
use rollcage_api::analysis::AnalysisRun;
use rollcage_core::{PluginId, clock::Clock};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::{Id, JoinError, JoinSet},
};

use super::{
    observe::{Observer, PassReport},
    options::Selector,
};
use crate::{
    AnalysisReconciler, Outcome, ReconcileError,
    queue::{Key, Queue},
    watch::follow as follow_for_ever,
};

/// Longest sleep: the wall clock, which due times are told in, may be set.
const NAP: Duration = Duration::from_secs(30);

/// The queue, and who waits for it.
#[derive(Debug)]
pub(super) struct Scheduler {
    queue: Mutex<Queue>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

type Ended = Result<Outcome, ReconcileError>;

impl Scheduler {
    pub(super) fn new(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            clock,
            observer,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object changed.
    pub(super) fn wake(&self, key: Key) {
        self.observer.seen(&key.0, &key.1);
        self.queue().wake(key, self.clock.now());
        self.changed.notify_one();
    }

    /// The object is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.observer.gone(&key.0, &key.1);
        self.queue().forget(key);
    }

    /// These plugins changed their states.
    pub(super) fn plugins_changed(&self, plugins: &[PluginId]) {
        let now = self.clock.now();
        let mut queue = self.queue();
        for plugin in plugins {
            queue.plugin_changed(plugin, now);
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Does what is due, for ever.
    pub(super) async fn work(&self, reconciler: Arc<AnalysisReconciler>, threads: usize) -> Infallible {
        let workers = Arc::new(Semaphore::new(threads.max(1)));
        let mut passes = JoinSet::new();
        let mut keys: HashMap<Id, (Key, Instant)> = HashMap::new();
        loop {
            tokio::select! {
                biased;
                Some(ended) = passes.join_next_with_id() => self.ended(&mut keys, ended),
                (permit, key) = self.next(&workers) => {
                    let (reconciler, of) = (reconciler.clone(), key.clone());
                    let task = passes.spawn(async move {
                        let _permit = permit;
                        reconciler.reconcile(&of.0, &of.1).await
                    });
                    keys.insert(task.id(), (key, Instant::now()));
                }
            }
        }
    }

    /// The next object, when it is due and there is a worker for it. Nothing is lost when this is dropped.
    async fn next(&self, workers: &Arc<Semaphore>) -> (OwnedSemaphorePermit, Key) {
        // Never closed.
        let Ok(permit) = workers.clone().acquire_owned().await else {
            return std::future::pending().await;
        };
        loop {
            let now = self.clock.now();
            let next = {
                let mut queue = self.queue();
                if let Some(key) = queue.take(now) {
                    return (permit, key);
                }
                queue.next()
            };
            let nap = next.map_or(NAP, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
            tokio::select! {
                () = tokio::time::sleep(nap.min(NAP)) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn ended(&self, keys: &mut HashMap<Id, (Key, Instant)>, ended: Result<(Id, Ended), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some((key, began)) = keys.remove(&id) else { return };
        let phase = match &ended {
            Ok((_, Ok(outcome))) => Some(outcome.phase.as_str()),
            _ => None,
        };
        self.observer.pass(&PassReport {
            kind: "AnalysisRun",
            namespace: &key.0,
            name: &key.1,
            took: began.elapsed(),
            failed: phase.is_none(),
            phase: phase.unwrap_or_default(),
        });
        let now = self.clock.now();
        match ended {
            Ok((_, Ok(outcome))) => self.queue().done(key, now, outcome.requeue_at, outcome.waiting_for),
            Ok((_, Err(error))) => {
                let cause = error.cause();
                tracing::warn!(namespace = key.0, name = key.1, %error, cause, "the pass failed and is tried again");
                self.queue().failed(key, now);
            }
            Err(error) => {
                tracing::error!(namespace = key.0, name = key.1, %error, "the pass panicked and is tried again");
                self.queue().failed(key, now);
            }
        }
        self.changed.notify_one();
    }
}

/// Watches the AnalysisRuns that are ours.
pub(super) async fn follow(client: Client, selector: &Selector, scheduler: &Scheduler) -> Infallible {
    let api: Api<PartialObjectMeta<AnalysisRun>> = match &selector.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    follow_for_ever(api, selector.config(), "watch AnalysisRuns", |event| match event {
        Ok(Event::Apply(run) | Event::InitApply(run)) => scheduler.wake(key(&run)),
        Ok(Event::Delete(run)) => scheduler.forget(&key(&run)),
        Ok(Event::Init | Event::InitDone) | Err(_) => {}
    })
    .await
}

fn key(run: &PartialObjectMeta<AnalysisRun>) -> Key {
    (run.namespace().unwrap_or_default(), run.name_any())
}
