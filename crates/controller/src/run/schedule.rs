//! When which AnalysisRun is looked at, and by how many workers; only while we lead.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rollcage_core::{PluginId, clock::Clock};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::{Id, JoinError, JoinSet},
};

use super::observe::{Observer, PassReport};
use crate::{
    AnalysisReconciler, Outcome, ReconcileError,
    analysis::{Due, RunCache, Worker},
    queue::{Key, Queue},
};

/// Longest sleep: the wall clock, which due times are told in, may be set.
const NAP: Duration = Duration::from_secs(30);

/// How often it is looked whether the last pass has ended.
const DRAIN: Duration = Duration::from_millis(20);

/// The queue, and who waits for it.
#[derive(Debug)]
pub(super) struct Scheduler {
    queue: Mutex<Queue>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    /// Nothing more is begun.
    draining: watch::Sender<bool>,
}

type Ended = Result<Outcome, ReconcileError>;

/// The passes that are under way.
#[derive(Default)]
struct Passes {
    tasks: JoinSet<Ended>,
    keys: HashMap<Id, (Key, Instant)>,
}

impl Scheduler {
    pub(super) fn new(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            clock,
            observer,
            draining: watch::Sender::new(false),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object changed.
    pub(super) fn wake(&self, key: Key, due: Due) {
        let mut queue = self.queue();
        match due {
            Due::Now => queue.wake(key, self.clock.now()),
            Due::DeleteAt(at) => queue.wake(key, at),
            Due::Never => queue.forget(&key),
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// The object is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.queue().forget(key);
    }

    /// The object is left alone for so long.
    pub(super) fn hold(&self, key: Key, pause: Duration) {
        let until = self.clock.now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
        self.queue().hold(key, until);
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

    /// Looks at everything that goes on again and again, should a change ever have been missed.
    pub(super) async fn resync(&self, cache: &RunCache, every: Duration) -> Infallible {
        loop {
            tokio::time::sleep(every).await;
            let now = self.clock.now();
            let mut queue = self.queue();
            for key in cache.active() {
                queue.wake(key, now);
            }
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// Begins nothing more, and waits for what is under way.
    pub(super) async fn drain(&self, patience: Duration) {
        self.draining.send_replace(true);
        let drained = async {
            while self.queue().is_running() {
                tokio::time::sleep(DRAIN).await;
            }
        };
        if tokio::time::timeout(patience, drained).await.is_err() {
            tracing::warn!(?patience, "passes are given up: the next leader begins them anew");
        }
    }

    /// Does what is due, for ever, while we lead. What is under way when we no longer do is given up.
    pub(super) async fn work(
        &self,
        reconciler: &Arc<AnalysisReconciler>,
        threads: usize,
        mut leading: watch::Receiver<bool>,
    ) -> Infallible {
        let places = Arc::new(Semaphore::new(threads.max(1)));
        loop {
            // The sender lives as long as we do.
            let _ = leading.wait_for(|leading| *leading).await;
            self.observer.leading(true);
            let mut passes = Passes::default();
            let lost = async {
                let _ = leading.wait_for(|leading| !*leading).await;
            };
            tokio::select! {
                biased;
                () = lost => {}
                never = self.lead(reconciler, &places, &mut passes) => match never {},
            }
            self.observer.leading(false);
            passes.tasks.shutdown().await;
            let now = self.clock.now();
            for (key, _) in passes.keys.into_values() {
                self.queue().given_up(key, now);
            }
        }
    }

    async fn lead(
        &self,
        reconciler: &Arc<AnalysisReconciler>,
        places: &Arc<Semaphore>,
        passes: &mut Passes,
    ) -> Infallible {
        loop {
            tokio::select! {
                biased;
                Some(ended) = passes.tasks.join_next_with_id() => self.ended(passes, ended),
                (mut worker, key) = self.next(places) => {
                    let (reconciler, of) = (reconciler.clone(), key.clone());
                    let task = passes.tasks.spawn(async move {
                        reconciler.reconcile_at(&mut worker, &of.0, &of.1).await
                    });
                    passes.keys.insert(task.id(), (key, Instant::now()));
                }
            }
        }
    }

    /// The next object, when it is due and there is a worker for it. Nothing is lost when this is dropped.
    async fn next(&self, places: &Arc<Semaphore>) -> (Worker, Key) {
        let worker = Worker::at(places).await;
        let mut draining = self.draining.subscribe();
        loop {
            if *draining.borrow_and_update() {
                return std::future::pending().await;
            }
            let now = self.clock.now();
            let next = {
                let mut queue = self.queue();
                if let Some(key) = queue.take(now) {
                    return (worker, key);
                }
                queue.next()
            };
            let nap = next.map_or(NAP, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
            tokio::select! {
                () = tokio::time::sleep(nap.min(NAP)) => {}
                () = self.changed.notified() => {}
                _ = draining.changed() => {}
            }
        }
    }

    fn ended(&self, passes: &mut Passes, ended: Result<(Id, Ended), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some((key, began)) = passes.keys.remove(&id) else {
            return;
        };
        let failed = !matches!(ended, Ok((_, Ok(_))));
        self.observer.pass(&PassReport {
            kind: "AnalysisRun",
            namespace: &key.0,
            name: &key.1,
            took: began.elapsed(),
            failed,
            phase: match &ended {
                Ok((_, Ok(outcome))) => outcome.phase.as_str(),
                _ => "",
            },
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
