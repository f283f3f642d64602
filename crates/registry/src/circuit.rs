//! The decisions of a circuit breaker: a pure state machine over instants that come in as arguments.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rollcage_api::plugin::BreakerEntry;
use serde::Serialize;

/// Pause before the first half-open probe; it doubles with every probe that fails.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Faults that a circuit remembers at most, whatever the entry says.
pub(crate) const MAX_FAULTS: u32 = 10_000;

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Faults within `window` that open it.
    pub faults: usize,
    /// Length of the window.
    pub window: Duration,
    /// Longest pause between two probes.
    pub max_pause: Duration,
}

impl From<&BreakerEntry> for Rules {
    fn from(entry: &BreakerEntry) -> Self {
        Self {
            faults: entry.faults.clamp(1, MAX_FAULTS) as usize,
            window: entry.window.0,
            max_pause: entry.max_pause.0,
        }
    }
}

/// Whether calls pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Every call passes.
    #[default]
    Closed,
    /// No call passes.
    Open,
    /// One call at a time passes, to find out.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
enum Position {
    Closed,
    /// No call until `until`.
    Open {
        until: Instant,
        pause: Duration,
    },
    /// A probe is under way; it lapses at `lapses`.
    Probing {
        lapses: Instant,
        pause: Duration,
    },
}

/// The right to try once. Its result counts only while the circuit is in the same position as when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    epoch: u64,
    probe: bool,
}

/// One circuit.
#[derive(Debug)]
pub(crate) struct Circuit {
    rules: Rules,
    position: Position,
    /// Grows with every change of position, so that what began before does not count after.
    epoch: u64,
    recent: VecDeque<Instant>,
}

impl Circuit {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            position: Position::Closed,
            epoch: 0,
            recent: VecDeque::new(),
        }
    }

    /// Asks for a try. A probe that has not ended after `lease` no longer keeps the next one from being given.
    /// `Err`: how long until the next try may pass.
    pub(crate) fn admit(&mut self, now: Instant, lease: Duration) -> Result<Ticket, Duration> {
        let (due, pause) = match self.position {
            Position::Closed => {
                return Ok(Ticket {
                    epoch: self.epoch,
                    probe: false,
                });
            }
            Position::Open { until, pause } => (until, pause),
            Position::Probing { lapses, pause } => (lapses, pause),
        };
        if now < due {
            return Err(due - now);
        }
        self.turn(Position::Probing {
            lapses: now.checked_add(lease).unwrap_or(now),
            pause,
        });
        Ok(Ticket {
            epoch: self.epoch,
            probe: true,
        })
    }

    /// How long nothing passes from now on; `None` when a try would pass.
    pub(crate) fn refuses(&self, now: Instant) -> Option<Duration> {
        match self.position {
            Position::Closed => None,
            Position::Open { until: due, .. } | Position::Probing { lapses: due, .. } => {
                due.checked_duration_since(now).filter(|left| !left.is_zero())
            }
        }
    }

    /// Whether the ticket's try may still begin.
    pub(crate) fn is_valid(&self, ticket: Ticket) -> bool {
        ticket.epoch == self.epoch
    }

    /// The try ended well. True when that closed the circuit.
    pub(crate) fn success(&mut self, ticket: Ticket) -> bool {
        let closes = ticket.probe && self.is_valid(ticket);
        if closes {
            self.recent.clear();
            self.turn(Position::Closed);
        }
        closes
    }

    /// The try ended badly. `Some(pause)` when that opened the circuit for so long.
    pub(crate) fn fault(&mut self, ticket: Ticket, now: Instant) -> Option<Duration> {
        if !self.is_valid(ticket) {
            return None;
        }
        let pause = match self.position {
            Position::Probing { pause, .. } => pause.saturating_mul(2),
            Position::Open { .. } => return None,
            Position::Closed => {
                while self
                    .recent
                    .front()
                    .is_some_and(|at| now.saturating_duration_since(*at) > self.rules.window)
                {
                    self.recent.pop_front();
                }
                self.recent.push_back(now);
                if self.recent.len() < self.rules.faults {
                    return None;
                }
                FIRST_PAUSE
            }
        }
        .min(self.rules.max_pause);
        self.recent.clear();
        self.turn(Position::Open {
            until: now.checked_add(pause).unwrap_or(now),
            pause,
        });
        Some(pause)
    }

    /// The try did not happen, or says nothing: the next one may probe at once.
    pub(crate) fn abandon(&mut self, ticket: Ticket, now: Instant) {
        if let Position::Probing { pause, .. } = self.position
            && ticket.probe
            && self.is_valid(ticket)
        {
            self.turn(Position::Open { until: now, pause });
        }
    }

    /// A ticket for a result whose beginning was not noted: it belongs to the present position.
    pub(crate) fn present(&self) -> Ticket {
        Ticket {
            epoch: self.epoch,
            probe: matches!(self.position, Position::Probing { .. }),
        }
    }

    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.position {
            Position::Closed => BreakerState::Closed,
            Position::Open { until, .. } if now < until => BreakerState::Open,
            Position::Open { .. } | Position::Probing { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether it was never needed, or no longer: closed, and without a fault in the window.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        matches!(self.position, Position::Closed)
            && self
                .recent
                .back()
                .is_none_or(|at| now.saturating_duration_since(*at) > self.rules.window)
    }

    fn turn(&mut self, position: Position) {
        self.position = position;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_mins(1);

    fn rules() -> Rules {
        Rules::from(&BreakerEntry::default())
    }

    /// `f` fault, `s` success, `a` abandoned, `+N` N milliseconds pass; a call is tried first, `x` expects that it is
    /// refused. Ends in the given state.
    #[test]
    fn opens_probes_and_closes() {
        use BreakerState::{Closed, HalfOpen, Open};
        for (script, state) in [
            ("f f f f", Closed),
            ("f f f f f", Open),
            ("f f f f f x", Open),
            // The window slides: the first fault has left it.
            ("f +31000 f f f f", Closed),
            ("f +29000 f f f f", Open),
            // Successes do not wash faults away: a plugin that fails every other call is broken.
            ("f s f s f s f s f", Open),
            ("f f f f f +999 x", Open),
            ("f f f f f +1000", HalfOpen),
            ("f f f f f +1000 s", Closed),
            ("f f f f f +1000 s f f f f", Closed),
            ("f f f f f +1000 f", Open),
            ("f f f f f +1000 f +1999 x", Open),
            ("f f f f f +1000 f +2000 f +3999 x +1", HalfOpen),
            // 1, 2, 4, 8, 16, 32, then never longer than 60.
            (
                "f f f f f +1000 f +2000 f +4000 f +8000 f +16000 f +32000 f +59999 x +1 f +60000",
                HalfOpen,
            ),
            // A probe that did not happen leaves the way open for the next one.
            ("f f f f f +1000 a s", Closed),
            // After closing, the pause begins at a second again.
            ("f f f f f +1000 f +2000 s f f f f f +1000 s", Closed),
        ] {
            let mut circuit = Circuit::new(rules());
            let mut now = Instant::now();
            for step in script.split_whitespace() {
                if let Some(millis) = step.strip_prefix('+') {
                    now += Duration::from_millis(millis.parse().unwrap());
                    continue;
                }
                let ticket = circuit.admit(now, LEASE);
                if step == "x" {
                    assert!(ticket.is_err(), "{script}: {step}");
                    continue;
                }
                let ticket = ticket.unwrap_or_else(|_| panic!("{script}: refused at {step}"));
                match step {
                    "f" => drop(circuit.fault(ticket, now)),
                    "s" => drop(circuit.success(ticket)),
                    _ => circuit.abandon(ticket, now),
                }
            }
            assert_eq!(circuit.state(now), state, "{script}");
        }
    }

    #[test]
    fn one_probe_at_a_time_and_only_it_counts() {
        let mut circuit = Circuit::new(rules());
        let start = Instant::now();
        let early: Vec<_> = (0..7).map(|_| circuit.admit(start, LEASE).unwrap()).collect();
        let opened: Vec<_> = early[..6].iter().map(|t| circuit.fault(*t, start)).collect();
        assert_eq!(opened[4], Some(FIRST_PAUSE));
        assert_eq!(opened[5], None, "already open");
        let later = start + FIRST_PAUSE;
        let probe = circuit.admit(later, LEASE).unwrap();
        assert_eq!(circuit.admit(later, LEASE), Err(LEASE));
        assert!(!circuit.success(early[6]), "a call from before says nothing now");
        assert_eq!(circuit.fault(early[6], later), None);
        assert!(circuit.success(probe));
        assert!(circuit.admit(later, LEASE).is_ok() && circuit.admit(later, LEASE).is_ok());
    }

    #[test]
    fn a_probe_that_never_ends_lapses() {
        let mut circuit = Circuit::new(rules());
        let mut now = Instant::now();
        for _ in 0..5 {
            let ticket = circuit.admit(now, LEASE).unwrap();
            circuit.fault(ticket, now);
        }
        now += FIRST_PAUSE;
        let lost = circuit.admit(now, LEASE).unwrap();
        now += LEASE;
        let probe = circuit.admit(now, LEASE).unwrap();
        assert!(!circuit.success(lost));
        assert!(circuit.success(probe));
    }

    #[test]
    fn odd_rules_are_survived() {
        let rules = Rules::from(&BreakerEntry {
            faults: 0,
            window: rollcage_api::GoDuration(Duration::ZERO),
            max_pause: rollcage_api::GoDuration(Duration::ZERO),
        });
        let mut circuit = Circuit::new(rules);
        let now = Instant::now();
        let ticket = circuit.admit(now, LEASE).unwrap();
        assert_eq!(circuit.fault(ticket, now), Some(Duration::ZERO));
        assert!(circuit.admit(now, LEASE).is_ok());
    }
}
