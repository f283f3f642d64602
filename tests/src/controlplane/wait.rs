//! Waiting for what a control plane and a controller do in their own time.

use std::time::{Duration, Instant};

/// Long enough on a machine that is busy with something else; a test that passes never waits so long.
const PATIENCE: Duration = Duration::from_secs(90);

/// Looks again and again until there is something, and gives it.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "after {PATIENCE:?} still not: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same for what is true or not.
pub async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    eventually(what, async || is().await.then_some(())).await;
}
