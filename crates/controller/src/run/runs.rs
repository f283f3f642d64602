//! The watch of AnalysisRuns: the cache is kept up to date whether we lead or not, so that whoever takes over can begin.

use std::{convert::Infallible, sync::Arc, time::Duration};

use kube::{Api, Client, runtime::watcher::Event};
use rollcage_core::clock::Clock;
use tokio::sync::watch;

use super::{observe::Observer, options::Selector, schedule::Scheduler};
use crate::{
    AnalysisReconciler,
    analysis::{Due, RawRun, RunCache, Taken},
    watch::follow,
};

/// How long an object is left alone that another controller writes, too.
const HANDS_OFF: Duration = Duration::from_mins(5);

/// What the watch works with.
pub(super) struct Runs {
    pub cache: Arc<RunCache>,
    pub scheduler: Arc<Scheduler>,
    pub reconciler: Arc<AnalysisReconciler>,
    pub observer: Arc<dyn Observer>,
    pub clock: Arc<dyn Clock>,
    pub leading: watch::Receiver<bool>,
}

impl Runs {
    /// Watches the runs that are ours.
    pub async fn follow(self, client: Client, selector: &Selector) -> Infallible {
        let api: Api<RawRun> = match &selector.namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        follow(api, selector.config(), "watch AnalysisRuns", |event| match event {
            Ok(Event::Init) => self.cache.begin(),
            Ok(Event::Apply(run) | Event::InitApply(run)) => {
                if let Some(taken) = self.cache.apply(run, self.clock.now()) {
                    self.take(taken);
                }
            }
            Ok(Event::InitDone) => {
                for key in self.cache.end() {
                    self.gone(&key);
                }
            }
            Ok(Event::Delete(run)) => {
                let key = self.cache.delete(&run.metadata);
                self.gone(&key);
            }
            Err(_) => {}
        })
        .await
    }

    fn gone(&self, key: &(String, String)) {
        self.observer.gone(&key.0, &key.1);
        self.scheduler.forget(key);
        self.reconciler.forget(&key.0, &key.1);
    }

    fn take(&self, taken: Taken) {
        let Taken { key, due, foreign } = taken;
        self.observer.seen(&key.0, &key.1);
        if due != Due::Now {
            self.reconciler.forget(&key.0, &key.1);
        }
        if let Some(foreign) = foreign.filter(|_| *self.leading.borrow()) {
            let (who, metadata) = *foreign;
            tracing::warn!(
                namespace = key.0,
                name = key.1,
                who,
                "another controller writes this AnalysisRun, too: it is left alone for {HANDS_OFF:?}"
            );
            self.observer.foreign_write("AnalysisRun");
            let reconciler = self.reconciler.clone();
            // Ends with its one request.
            tokio::spawn(async move { reconciler.tell_of_conflict(&metadata, &who, HANDS_OFF).await });
            if due == Due::Now {
                self.scheduler.hold(key, HANDS_OFF);
                return;
            }
        }
        self.scheduler.wake(key, due);
    }
}
