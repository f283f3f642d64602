//! Plugins' states: who waits for them, and whether all had their chance.

use std::{convert::Infallible, sync::Arc, time::Duration};

use rollcage_registry::{PluginStatus, Registry};
use tokio::sync::watch;

use super::schedule::Scheduler;

/// Wakes the objects that wait for a plugin whose state changed, and says what people should know about the configuration.
pub(super) async fn follow(registry: &Registry, scheduler: &Scheduler) -> Infallible {
    let mut states = registry.watch();
    let mut before = states.borrow_and_update().clone();
    loop {
        if states.changed().await.is_err() {
            // The registry lives as long as we do.
            std::future::pending::<()>().await;
        }
        let now = states.borrow_and_update().clone();
        for note in now.notes.iter().filter(|note| !before.notes.contains(note)) {
            tracing::warn!("{note}");
        }
        let is_new = |old: Option<&Arc<PluginStatus>>, new: &Arc<PluginStatus>| !old.is_some_and(|old| old == new);
        let changed = now
            .plugins
            .iter()
            .filter(|(id, new)| is_new(before.plugins.get(id), new));
        let gone = before.plugins.keys().filter(|id| !now.plugins.contains_key(id));
        let changed: Vec<_> = changed.map(|(id, _)| id).chain(gone).cloned().collect();
        scheduler.plugins_changed(&changed);
        before = now;
    }
}

/// Returns when the first configuration was read and all of its plugins have loaded or failed to, or when they had their
/// time.
pub(super) async fn warm(registry: Registry, mut configured: watch::Receiver<bool>, patience: Duration) {
    let settled = async {
        // The settings live as long as we do.
        let _ = configured.wait_for(|configured| *configured).await;
        registry.settled().await;
    };
    if tokio::time::timeout(patience, settled).await.is_err() {
        tracing::warn!(?patience, "plugins are still loading: work begins all the same");
    }
}
