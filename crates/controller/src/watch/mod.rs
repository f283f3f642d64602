//! Watches that go on for ever: errors are said once, and waited out.

use std::{
    convert::Infallible,
    fmt,
    pin::pin,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;

use crate::error::told;

/// Pause after the first failure; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A failure that comes so long after the last one is a new trouble: a watch of something that never changes has no event to
/// tell that it worked in between.
const CALM: Duration = Duration::from_mins(1);

/// Follows what `api` has, for ever. `each` is told every event, and every reason why there are none.
///
/// A watch that is cut goes on where it was; one whose place is gone begins anew, with [`Event::Init`].
pub async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    what: &str,
    mut each: impl FnMut(Result<Event<K>, String>),
) -> Infallible
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let mut trouble = Trouble::new(what);
    loop {
        let mut events = pin!(watcher::watcher(api.clone(), config.clone()));
        // Never ends; the loop is for the compiler.
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    // `Init` comes before anything was asked.
                    if !matches!(event, Event::Init) {
                        trouble.is_over();
                    }
                    each(Ok(event));
                }
                Err(error) => {
                    if let Some(reason) = reason(&error) {
                        trouble.is(&reason);
                        each(Err(reason));
                    }
                    tokio::time::sleep(trouble.pause()).await;
                }
            }
        }
    }
}

/// Why a watch does not go on; none, if it only has to begin anew.
fn reason(error: &watcher::Error) -> Option<String> {
    use watcher::Error;
    match error {
        Error::WatchError(status) if status.code == 410 => None,
        Error::WatchError(status) => Some(status.message.clone()),
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            if matches!(error, kube::Error::Api(status) if status.code == 410) {
                return None;
            }
            Some(told(error))
        }
        Error::NoResourceVersion => Some(error.to_string()),
    }
}

/// Something that does not work, said once for each reason, and again when it works.
#[derive(Debug)]
pub struct Trouble {
    what: String,
    said: Option<String>,
    pause: Duration,
    /// When it failed last.
    failed: Option<Instant>,
}

impl Trouble {
    /// There is none. `what` completes `cannot ...`.
    pub fn new(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            said: None,
            pause: FIRST_PAUSE,
            failed: None,
        }
    }

    /// It does not work, for this reason.
    pub fn is(&mut self, reason: &str) {
        if self.said.as_deref() == Some(reason) {
            tracing::debug!(reason, "still cannot {}", self.what);
        } else {
            tracing::warn!(reason, "cannot {}: it is tried again and again", self.what);
            self.said = Some(reason.to_owned());
        }
    }

    /// It works.
    pub fn is_over(&mut self) {
        if self.said.take().is_some() {
            tracing::info!("can {} again", self.what);
        }
        self.pause = FIRST_PAUSE;
    }

    /// How long to wait before the next try: longer every time, and not the same for everybody.
    pub fn pause(&mut self) -> Duration {
        self.pause_at(Instant::now())
    }

    fn pause_at(&mut self, now: Instant) -> Duration {
        if self.failed.is_some_and(|failed| now.duration_since(failed) > CALM) {
            self.pause = FIRST_PAUSE;
        }
        self.failed = Some(now);
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_works_again() {
        let mut trouble = Trouble::new("read");
        let pauses: Vec<_> = (0..10).map(|_| trouble.pause()).collect();
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE, "{pauses:?}");
        assert!(
            pauses[9] >= LONGEST_PAUSE / 2 && pauses[9] <= LONGEST_PAUSE,
            "{pauses:?}"
        );
        trouble.is_over();
        assert!(trouble.pause() <= FIRST_PAUSE);
    }

    #[test]
    fn a_failure_after_a_long_time_is_a_new_one() {
        let mut trouble = Trouble::new("read");
        let began = Instant::now();
        let pauses = (0..10).map(|second| trouble.pause_at(began + Duration::from_secs(second)));
        assert!(pauses.last().unwrap() >= LONGEST_PAUSE / 2);
        assert!(trouble.pause_at(began + CALM) >= LONGEST_PAUSE / 2, "not yet");
        assert!(trouble.pause_at(began + 3 * CALM) <= FIRST_PAUSE);
    }
}
