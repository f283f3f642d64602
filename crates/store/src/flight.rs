//! One piece of work for all who want the same at the same time.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::sync::watch;

/// Work in progress by key. Whoever comes while it goes on gets its progress and its result; it is dropped when nobody
/// waits any more.
pub(crate) struct Flights<K, P, T: Clone> {
    running: Mutex<HashMap<K, Running<P, T>>>,
}

type Running<P, T> = (WeakShared<BoxFuture<'static, T>>, watch::Receiver<P>);

impl<K: Eq + Hash, P: Copy + Default, T: Clone> Flights<K, P, T> {
    pub(crate) fn new() -> Self {
        Self {
            running: Mutex::new(HashMap::new()),
        }
    }

    /// Joins the work for `key`, or begins it, and waits for its end. `report` gets its progress.
    pub(crate) async fn join(
        &self,
        key: K,
        begin: impl FnOnce(watch::Sender<P>) -> BoxFuture<'static, T>,
        report: &(dyn Fn(P) + Send + Sync),
    ) -> T {
        let (mut flight, mut progress) = self.find_or_begin(key, begin);
        loop {
            tokio::select! {
                biased;
                result = &mut flight => return result,
                Ok(()) = progress.changed() => report(*progress.borrow_and_update()),
            }
        }
    }

    fn find_or_begin(
        &self,
        key: K,
        begin: impl FnOnce(watch::Sender<P>) -> BoxFuture<'static, T>,
    ) -> (Shared<BoxFuture<'static, T>>, watch::Receiver<P>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds, or has its result, is over.
        running.retain(|_, (flight, _)| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        if let Some((flight, progress)) = running.get(&key)
            && let Some(flight) = flight.upgrade()
        {
            return (flight, progress.clone());
        }
        let (sender, progress) = watch::channel(P::default());
        let flight = begin(sender).shared();
        if let Some(weak) = flight.downgrade() {
            running.insert(key, (weak, progress.clone()));
        }
        (flight, progress)
    }
}

impl<K, P, T: Clone> fmt::Debug for Flights<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}
