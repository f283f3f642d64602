//! The leader's fence: writes pass only while nobody else can lead.
//!
//! The time is that of `CLOCK_BOOTTIME`, which goes on while the machine sleeps, as the other replicas' clocks do; nothing
//! sets it. A process that was stopped, or a machine that slept, finds the fence closed the moment it goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Nobody has to lead.
const ALWAYS: u64 = u64::MAX;

/// Until when writes pass. Cheap to clone; all clones are one fence.
#[derive(Clone, Debug)]
pub struct Fence {
    /// Nanoseconds since boot.
    open_until: Arc<AtomicU64>,
}

/// The write was not sent: this replica does not lead, or no longer knows that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sent: this replica does not lead, or cannot be sure of it")]
pub struct NotLeading;

impl Fence {
    /// Lets no write pass until it is opened.
    pub fn closed() -> Self {
        Self {
            open_until: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Lets every write pass, for ever: there is no election.
    pub fn open() -> Self {
        Self {
            open_until: Arc::new(AtomicU64::new(ALWAYS)),
        }
    }

    /// Lets writes pass until `moment`.
    pub fn open_until(&self, moment: Moment) {
        self.open_until.store(moment.0, Ordering::SeqCst);
    }

    /// Lets no write pass from here on.
    pub fn close(&self) {
        self.open_until.store(0, Ordering::SeqCst);
    }

    /// Whether a write may be sent in this very moment.
    pub fn check(&self) -> Result<(), NotLeading> {
        let until = self.open_until.load(Ordering::SeqCst);
        if until == ALWAYS || Moment::now().0 < until {
            Ok(())
        } else {
            Err(NotLeading)
        }
    }
}

/// A moment on the clock of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or_default();
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanoseconds).min(ALWAYS - 1))
    }

    /// How long ago it was; nothing, if it is to come.
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }

    /// How long until then; nothing, if it is past.
    pub fn left(self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(Self::now().0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_closes_by_itself() {
        let fence = Fence::closed();
        assert_eq!(fence.check(), Err(NotLeading));
        fence.open_until(Moment::now().after(Duration::from_millis(200)));
        assert_eq!(fence.clone().check(), Ok(()));
        std::thread::sleep(Duration::from_millis(250));
        assert_eq!(fence.check(), Err(NotLeading));
        fence.open_until(Moment::now().after(Duration::MAX));
        assert_eq!(fence.check(), Ok(()));
        fence.close();
        assert_eq!(fence.check(), Err(NotLeading));
        assert_eq!(Fence::open().check(), Ok(()));
    }
}
