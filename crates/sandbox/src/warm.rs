//! Instances that are kept for the next call.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rollcage_api::plugin::{InstanceMode, InstancesEntry};

use crate::instance::Live;

/// A plugin's idle instances, the most recently used last.
pub(crate) struct Warm {
    entry: InstancesEntry,
    idle: Mutex<Vec<Live>>,
}

impl Warm {
    pub(crate) fn new(entry: &InstancesEntry) -> Self {
        Self {
            entry: entry.clone(),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Whether instances are kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.entry.mode == InstanceMode::Warm && self.entry.max > 0
    }

    /// How often idle instances are looked at.
    pub(crate) fn period(&self) -> Duration {
        (self.entry.idle.0 / 2).clamp(Duration::from_millis(10), Duration::from_mins(1))
    }

    /// An instance that has served before.
    pub(crate) fn take(&self) -> Option<Live> {
        if !self.is_on() {
            return None;
        }
        let live = self.lock().pop()?;
        // Too old: the caller's turn is not the time to drop it, but the next one would be.
        (live.idle_since.elapsed() < self.entry.idle.0).then_some(live)
    }

    /// Keeps an instance whose call ended well; gives it back when it is not to be kept.
    pub(crate) fn put(&self, mut live: Live) -> Option<Live> {
        live.calls = live.calls.saturating_add(1);
        live.idle_since = Instant::now();
        let mut idle = self.lock();
        if live.calls < self.entry.calls && idle.len() < usize::try_from(self.entry.max).unwrap_or(usize::MAX) {
            idle.push(live);
            None
        } else {
            Some(live)
        }
    }

    /// Drops instances that were not used for long.
    pub(crate) fn reap(&self) {
        let old: Vec<Live> = {
            let mut idle = self.lock();
            let fresh = idle
                .iter()
                .position(|live| live.idle_since.elapsed() < self.entry.idle.0);
            let end = fresh.unwrap_or(idle.len());
            idle.drain(..end).collect()
        };
        drop(old);
    }

    /// How many are idle.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Live>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
