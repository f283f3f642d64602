//! Real time as an argument, so that breakers can be tested without waiting.

use std::{fmt, time::Instant};

/// Tells how much real time passes. Breakers use it: they are about the machine, not about what objects see.
pub trait Monotonic: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Instant;
}

/// The machine's monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMonotonic;

impl Monotonic for SystemMonotonic {
    fn now(&self) -> Instant {
        Instant::now()
    }
}
