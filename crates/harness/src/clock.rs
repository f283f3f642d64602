//! The scenario's clock: it jumps from one due time to the next, or walks beside the real one.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use jiff::{SignedDuration, Timestamp};
use rollcage_core::clock::Clock;

/// A clock that starts where the scenario says.
#[derive(Debug)]
pub struct ScenarioClock {
    start: Timestamp,
    pace: Pace,
}

#[derive(Debug)]
enum Pace {
    /// Stands still until it is moved.
    Jumping(Mutex<Timestamp>),
    /// As fast as real time since then.
    Walking(Instant),
}

impl ScenarioClock {
    /// A clock that starts at `start`; `jumping` stands still until it is moved.
    pub fn new(start: Timestamp, jumping: bool) -> Self {
        let pace = if jumping {
            Pace::Jumping(Mutex::new(start))
        } else {
            Pace::Walking(Instant::now())
        };
        Self { start, pace }
    }

    /// When it started.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Whether it stands still until it is moved.
    pub fn is_jumping(&self) -> bool {
        matches!(self.pace, Pace::Jumping(_))
    }

    /// How long to wait, in real time, until the clock shows `until`; a jumping clock is moved there and waits no time.
    pub fn advance_to(&self, until: Timestamp) -> std::time::Duration {
        if self.skip_to(until) {
            return std::time::Duration::ZERO;
        }
        until.duration_since(self.now()).try_into().unwrap_or_default()
    }
}

impl Clock for ScenarioClock {
    fn now(&self) -> Timestamp {
        match &self.pace {
            Pace::Jumping(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
            Pace::Walking(since) => {
                let elapsed = SignedDuration::try_from(since.elapsed()).unwrap_or_default();
                self.start.saturating_add(elapsed).unwrap_or(self.start)
            }
        }
    }

    fn skip_to(&self, until: Timestamp) -> bool {
        match &self.pace {
            Pace::Jumping(now) => {
                let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
                *now = until.max(*now);
                true
            }
            Pace::Walking(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jumping_clock_only_moves_forward() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = ScenarioClock::new(start, true);
        let later = start + SignedDuration::from_secs(60);
        assert!(clock.advance_to(later).is_zero());
        assert!(clock.advance_to(start).is_zero());
        assert_eq!(clock.now(), later);
    }

    #[test]
    fn a_walking_clock_is_waited_for() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = ScenarioClock::new(start, false);
        let wait = clock.advance_to(start + SignedDuration::from_secs(3600));
        assert!(wait.as_secs() > 3500 && wait.as_secs() <= 3600, "{wait:?}");
        assert!(!clock.skip_to(start));
    }
}
