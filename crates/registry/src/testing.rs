//! Fakes for unit tests.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::monotonic::Monotonic;

/// Real time that passes when told.
#[derive(Debug)]
pub(crate) struct FakeMonotonic(Mutex<Instant>);

impl Default for FakeMonotonic {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl FakeMonotonic {
    pub(crate) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Monotonic for FakeMonotonic {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}
