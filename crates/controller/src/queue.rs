//! Which objects are due, and when. Whoever drives it has the clock: the machine's in a cluster, a scenario's in `dev`.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use rollcage_core::PluginId;

/// Namespace and name.
pub type Key = (String, String);

/// Pause after the first failure of an object; it doubles with every further one (spec 8.1).
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One wake-up time an object; an object never runs twice at the same time.
#[derive(Debug, Default)]
pub struct Queue {
    /// When each is due, those that run included.
    due: HashMap<Key, Timestamp>,
    /// Those of `due` that do not run, the earliest first.
    order: BTreeSet<(Timestamp, Key)>,
    /// Those that run, and how many changes of plugins there had been when they began.
    running: HashMap<Key, u64>,
    waiting: HashMap<Key, Vec<PluginId>>,
    /// Those that are left alone, and until when.
    held: HashMap<Key, Timestamp>,
    /// Failures in a row.
    failures: HashMap<Key, u32>,
    /// How many changes of plugins there were.
    changes: u64,
    /// Which of them was the last of each plugin.
    changed: HashMap<PluginId, u64>,
}

impl Queue {
    /// Wakes an object at `at`, or earlier if it is due earlier already.
    pub fn wake(&mut self, key: Key, at: Timestamp) {
        let due = self.due.get(&key).copied();
        let at = self.held.get(&key).map_or(at, |until| at.max(*until));
        let at = due.map_or(at, |due| due.min(at));
        if due == Some(at) {
            return;
        }
        if !self.running.contains_key(&key) {
            if let Some(due) = due {
                self.order.remove(&(due, key.clone()));
            }
            self.order.insert((at, key.clone()));
        }
        self.due.insert(key, at);
    }

    /// Leaves the object alone until then, whatever wakes it.
    pub fn hold(&mut self, key: Key, until: Timestamp) {
        if let Some(due) = self.due.remove(&key) {
            self.order.remove(&(due, key.clone()));
        }
        self.held.insert(key.clone(), until);
        self.wake(key, until);
    }

    /// There is nothing more to do about the object.
    pub fn forget(&mut self, key: &Key) {
        if let Some(due) = self.due.remove(key) {
            self.order.remove(&(due, key.clone()));
        }
        self.waiting.remove(key);
        self.failures.remove(key);
        self.held.remove(key);
    }

    /// A plugin's state changed: wakes the objects that wait for it.
    pub fn plugin_changed(&mut self, plugin: &PluginId, now: Timestamp) {
        self.changes += 1;
        self.changed.insert(plugin.clone(), self.changes);
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

    /// Takes the object that is due for longest and does not run.
    pub fn take(&mut self, now: Timestamp) -> Option<Key> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.due.remove(&key);
        self.held.remove(&key);
        self.running.insert(key.clone(), self.changes);
        Some(key)
    }

    /// Takes every object that is due and does not run.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Key> {
        std::iter::from_fn(|| self.take(now)).collect()
    }

    /// A pass ended well. It is looked at again at `again`, and when one of `waiting_for` changes its state: at once, if
    /// one did while the pass was under way.
    pub fn done(&mut self, key: Key, now: Timestamp, again: Option<Timestamp>, waiting_for: Vec<PluginId>) {
        self.failures.remove(&key);
        let began = self.end(&key);
        if let Some(at) = again {
            self.wake(key.clone(), at);
        }
        let changed_since = |plugin| self.changed.get(plugin).is_some_and(|change| *change > began);
        if waiting_for.iter().any(changed_since) {
            self.wake(key.clone(), now);
        }
        if waiting_for.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.waiting.insert(key, waiting_for);
        }
    }

    /// A pass failed: it is tried again after a pause that grows with every failure in a row, or when something wakes it.
    /// The answer is the end of the pause.
    pub fn failed(&mut self, key: Key, now: Timestamp) -> Timestamp {
        let failures = self.failures.entry(key.clone()).or_default();
        let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(16)).min(LONGEST_PAUSE);
        *failures = failures.saturating_add(1);
        let at = now.checked_add(pause).unwrap_or(Timestamp::MAX);
        self.end(&key);
        self.wake(key, at);
        at
    }

    /// A pass was given up before its end: the object is due now.
    pub fn given_up(&mut self, key: Key, now: Timestamp) {
        self.end(&key);
        self.wake(key, now);
    }

    /// The pass has ended: what woke the object meanwhile counts from here.
    fn end(&mut self, key: &Key) -> u64 {
        let began = self.running.remove(key);
        if let Some(due) = self.due.get(key) {
            self.order.insert((*due, key.clone()));
        }
        began.unwrap_or(self.changes)
    }

    /// Whether a pass is under way.
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// When the next object is due that does not run.
    pub fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// How many objects have a time at which they are due, and how many of them at `now`.
    #[cfg(test)]
    fn depth(&self, now: Timestamp) -> (usize, usize) {
        let overdue = self.order.iter().take_while(|(at, _)| *at <= now).count();
        (self.due.len(), overdue)
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

    fn plugin() -> PluginId {
        PluginId {
            kind: PluginKind::MetricProvider,
            name: "a/b".into(),
        }
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
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn who_is_due_for_longest_goes_first() {
        let mut queue = Queue::default();
        queue.wake(key("a"), at(2));
        queue.wake(key("b"), at(1));
        assert_eq!(queue.depth(at(1)), (2, 1));
        assert_eq!(queue.take(at(5)), Some(key("b")));
        assert_eq!(queue.take(at(5)), Some(key("a")));
        assert_eq!(queue.take(at(5)), None);
    }

    #[test]
    fn an_object_never_runs_twice_at_the_same_time() {
        let mut queue = Queue::default();
        queue.wake(key("a"), at(0));
        assert_eq!(queue.take_due(at(0)).len(), 1);
        queue.wake(key("a"), at(0));
        assert!(queue.take_due(at(1)).is_empty());
        assert_eq!(queue.next(), None);
        queue.done(key("a"), at(1), None, Vec::new());
        assert_eq!(queue.take_due(at(1)).len(), 1);
    }

    #[test]
    fn a_plugin_wakes_those_that_wait_for_it() {
        let plugin = plugin();
        let mut queue = Queue::default();
        queue.wake(key("a"), at(0));
        queue.take(at(0));
        queue.done(key("a"), at(0), Some(at(300)), vec![plugin.clone()]);
        queue.plugin_changed(&plugin, at(5));
        assert_eq!(queue.take_due(at(5)), [key("a")]);
        queue.done(key("a"), at(5), None, Vec::new());
        queue.plugin_changed(&plugin, at(6));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_change_during_the_pass_is_not_missed() {
        let plugin = plugin();
        let mut queue = Queue::default();
        queue.plugin_changed(&plugin, at(0));
        queue.wake(key("a"), at(0));
        queue.wake(key("b"), at(0));
        queue.take_due(at(0));
        queue.done(key("b"), at(1), None, vec![plugin.clone()]);
        assert_eq!(queue.next(), None, "it changed before");
        queue.plugin_changed(&plugin, at(2));
        queue.take_due(at(2));
        queue.done(key("a"), at(3), Some(at(300)), vec![plugin]);
        assert_eq!(queue.next(), Some(at(3)));
    }

    #[test]
    fn pauses_grow_with_failures_in_a_row() {
        let mut queue = Queue::default();
        let mut now = at(0);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            queue.wake(key("a"), now);
            assert_eq!(queue.take(now), Some(key("a")));
            let next = queue.failed(key("a"), now);
            assert_eq!(queue.next(), Some(next));
            pauses.push(next.duration_since(now).as_millis());
            now = next;
        }
        assert_eq!(pauses[..4], [1, 2, 4, 8]);
        assert_eq!(pauses[13..], [8192, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000]);
        queue.take(now);
        queue.done(key("a"), now, Some(now), Vec::new());
        queue.take(now);
        assert_eq!(queue.failed(key("a"), now).duration_since(now).as_millis(), 1);
    }

    #[test]
    fn what_is_left_alone_is_not_woken() {
        let mut queue = Queue::default();
        queue.wake(key("a"), at(0));
        queue.take(at(0));
        queue.hold(key("a"), at(300));
        queue.done(key("a"), at(1), Some(at(1)), Vec::new());
        queue.wake(key("a"), at(2));
        assert_eq!(queue.take(at(299)), None);
        assert_eq!(queue.take(at(300)), Some(key("a")));
        queue.done(key("a"), at(300), Some(at(301)), Vec::new());
        assert_eq!(queue.next(), Some(at(301)));
    }

    #[test]
    fn what_was_given_up_is_due_at_once() {
        let mut queue = Queue::default();
        queue.wake(key("a"), at(0));
        queue.take(at(0));
        queue.given_up(key("a"), at(1));
        assert_eq!(queue.take(at(1)), Some(key("a")));
        queue.forget(&key("a"));
        queue.done(key("a"), at(2), None, Vec::new());
        assert_eq!(queue.depth(at(9)), (0, 0));
    }
}
