//! Time as an argument.

use jiff::Timestamp;

/// Tells the time that objects and guests see. Limits and deadlines do not use it: they are always real.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;

    /// A guest sleeps until `until`. A virtual clock moves there at once and answers true; the real one answers false,
    /// and the caller waits.
    fn skip_to(&self, until: Timestamp) -> bool {
        let _ = until;
        false
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
