//! Which AnalysisRuns are due, and when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rollcage_core::PluginId;

/// Namespace and name.
pub type Key = (String, String);

/// One wake-up time an object; an object never runs twice at the same time.
#[derive(Debug, Default)]
pub struct Queue {
    due: BTreeMap<Key, Timestamp>,
    running: BTreeSet<Key>,
    waiting: BTreeMap<Key, Vec<PluginId>>,
}

impl Queue {
    /// Wakes an object at `at`, or earlier if it is due earlier already.
    pub fn wake(&mut self, key: Key, at: Timestamp) {
        let due = self.due.entry(key).or_insert(at);
        *due = at.min(*due);
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &Key) {
        self.due.remove(key);
        self.waiting.remove(key);
    }

    /// A plugin's state changed: wakes the objects that wait for it.
    pub fn plugin_changed(&mut self, plugin: &PluginId, now: Timestamp) {
        let woken: Vec<Key> = self
            .waiting
            .iter()
            .filter(|(_, plugins)| plugins.contains(plugin))
            .map(|(key, _)| key.clone())
            .collect();
        for key in woken {
            self.wake(key, now);
        }
    }

    /// Takes every object that is due and not running.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Key> {
        let ready: Vec<Key> = self
            .due
            .iter()
            .filter(|(key, at)| **at <= now && !self.running.contains(*key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &ready {
            self.due.remove(key);
            self.running.insert(key.clone());
        }
        ready
    }

    /// A pass ended.
    pub fn done(&mut self, key: Key, again: Option<Timestamp>, waiting_for: Vec<PluginId>) {
        self.running.remove(&key);
        if let Some(at) = again {
            self.wake(key.clone(), at);
        }
        if waiting_for.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.waiting.insert(key, waiting_for);
        }
    }

    /// Whether a pass is under way.
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// The next due time.
    pub fn next(&self) -> Option<Timestamp> {
        self.due
            .iter()
            .filter(|(key, _)| !self.running.contains(*key))
            .map(|(_, at)| *at)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::plugin::PluginKind;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(name: &str) -> Key {
        ("default".into(), name.into())
    }

    #[test]
    fn the_earliest_wake_up_counts() {
        let mut queue = Queue::default();
        queue.wake(key("a"), at(20));
        queue.wake(key("a"), at(10));
        queue.wake(key("a"), at(30));
        assert_eq!(queue.next(), Some(at(10)));
        assert!(queue.take_due(at(9)).is_empty());
        assert_eq!(queue.take_due(at(10)), [key("a")]);
    }

    #[test]
    fn an_object_never_runs_twice_at_the_same_time() {
        let mut queue = Queue::default();
        queue.wake(key("a"), at(0));
        assert_eq!(queue.take_due(at(0)).len(), 1);
        queue.wake(key("a"), at(0));
        assert!(queue.take_due(at(1)).is_empty());
        assert_eq!(queue.next(), None);
        queue.done(key("a"), None, Vec::new());
        assert_eq!(queue.take_due(at(1)).len(), 1);
    }

    #[test]
    fn a_plugin_wakes_those_that_wait_for_it() {
        let plugin = PluginId {
            kind: PluginKind::MetricProvider,
            name: "a/b".into(),
        };
        let mut queue = Queue::default();
        queue.done(key("a"), Some(at(300)), vec![plugin.clone()]);
        queue.plugin_changed(&plugin, at(5));
        assert_eq!(queue.take_due(at(5)), [key("a")]);
        queue.done(key("a"), None, Vec::new());
        queue.plugin_changed(&plugin, at(6));
        assert_eq!(queue.next(), None);
    }
}
