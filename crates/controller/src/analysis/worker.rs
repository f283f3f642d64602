//! How many passes work at the same time, and how many of one namespace wait for one plugin.
//!
//! A pass that waits for a plugin gives its place to another, so that a slow plugin holds back nobody else's runs. What waits
//! for one plugin is bounded for each namespace: the rest waits here, where no deadline runs, and not in the plugin's queue.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use rollcage_core::PluginId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of one plugin for one namespace at the same time.
const CALLS: usize = 16;

/// A place to work at.
#[derive(Debug, Default)]
pub struct Worker {
    places: Option<Arc<Semaphore>>,
    place: Option<OwnedSemaphorePermit>,
}

impl Worker {
    /// One of `places`, as soon as one is free.
    pub async fn at(places: &Arc<Semaphore>) -> Self {
        Self {
            // Never closed.
            place: places.clone().acquire_owned().await.ok(),
            places: Some(places.clone()),
        }
    }

    /// Waits for something, and leaves the place to others meanwhile.
    pub(super) async fn away<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.place = None;
        let waited = wait.await;
        if let Some(places) = &self.places {
            self.place = places.clone().acquire_owned().await.ok();
        }
        waited
    }
}

/// The calls that are under way, by plugin and namespace.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<(PluginId, String), Arc<Semaphore>>>);

impl Gates {
    /// Calls when it is this namespace's turn.
    pub async fn pass<T>(&self, plugin: &PluginId, namespace: &str, call: impl Future<Output = T>) -> T {
        let key = (plugin.clone(), namespace.to_owned());
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let gate = gates
                .entry(key.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(CALLS)));
            gate.clone()
        };
        let _gone = Gone { gates: self, key };
        // Never closed.
        let _turn = gate.acquire_owned().await;
        call.await
    }
}

/// A gate that nobody uses is forgotten, whatever becomes of the call.
struct Gone<'a> {
    gates: &'a Gates,
    key: (PluginId, String),
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let mut gates = self.gates.0.lock().unwrap_or_else(PoisonError::into_inner);
        // All places are free: no other call is under way, and who is about to wait holds the gate itself.
        let is_free = |gate: &Arc<Semaphore>| gate.available_permits() == CALLS && Arc::strong_count(gate) == 1;
        if gates.get(&self.key).is_some_and(is_free) {
            gates.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use rollcage_api::plugin::PluginKind;

    use super::*;

    #[tokio::test]
    async fn who_waits_leaves_the_place_to_others() {
        let places = Arc::new(Semaphore::new(1));
        let mut worker = Worker::at(&places).await;
        assert_eq!(places.available_permits(), 0);
        worker.away(async { assert_eq!(places.available_permits(), 1) }).await;
        assert_eq!(places.available_permits(), 0);
        drop(worker);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn calls_of_a_namespace_are_bounded_and_gates_forgotten() {
        let plugin = PluginId {
            kind: PluginKind::MetricProvider,
            name: "a/b".into(),
        };
        let gates = Gates::default();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let call = |namespace: &'static str| {
            let (gates, plugin, now, most) = (&gates, &plugin, &now, &most);
            gates.pass(plugin, namespace, async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                now.fetch_sub(1, Ordering::SeqCst);
            })
        };
        futures::future::join_all((0..40).map(|_| call("a"))).await;
        assert_eq!(most.load(Ordering::SeqCst), CALLS);
        futures::future::join_all((0..40).map(|n| call(if n % 2 == 0 { "a" } else { "b" }))).await;
        assert_eq!(most.load(Ordering::SeqCst), 2 * CALLS);
        assert!(gates.0.lock().unwrap().is_empty());
    }
}
