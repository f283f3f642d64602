//! What a pass changes at the ReplicaSets, and what waits (spec 7.8, 7.10, 7.11).
//!
//! ```text
//! paused by a person or by an analysis -> nothing
//! deadlines of pods that are wanted again go -> stable pods -> new pods -> old pods
//!                                               whoever gets another size ends it
//! ```

use jiff::{SignedDuration, Timestamp};
use rollcage_api::rollout::TrafficWeights;

use super::{
    AbortDelay, Canary, DESIRED_REPLICAS_ANNOTATION, INCONCLUSIVE_ANALYSIS, Pauses, ReplicaSet, ReplicaSets,
    RolloutEvent,
    revision::{numbered, revision},
};

/// A change of one ReplicaSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays: its deadline is taken away.
    Keep {
        /// The ReplicaSet's name.
        name: String,
    },
    /// It goes later: it gets a deadline.
    Later {
        /// The ReplicaSet's name.
        name: String,
        /// Value of its annotation [`SCALE_DOWN_ANNOTATION`](super::SCALE_DOWN_ANNOTATION).
        deadline: String,
    },
    /// It gets another size, or is told the Rollout's replicas.
    Scale {
        /// The ReplicaSet's name.
        name: String,
        /// Pods that it is to have.
        to: i32,
        /// Value of its annotation [`DESIRED_REPLICAS_ANNOTATION`].
        desired: i32,
        /// Whether its deadline is taken away.
        keep: bool,
        /// What is told of it.
        event: Option<RolloutEvent>,
    },
}

/// What a pass changes at the ReplicaSets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scaling {
    /// In this order.
    pub changes: Vec<Change>,
    /// Whether nothing but the status follows in this pass.
    pub ends_pass: bool,
    /// When the next deadline is over.
    pub wake_at: Option<Timestamp>,
}

impl Canary<'_> {
    /// What changes at the ReplicaSets. `weights` are those that this pass has decided; `selected` are the hashes that the
    /// Rollout's stable and canary Services select.
    pub fn scaling(
        &self,
        sets: &ReplicaSets<'_>,
        weights: Option<&TrafficWeights>,
        selected: &[&str],
        pauses: &Pauses,
        now: Timestamp,
    ) -> Scaling {
        let mut work = Work {
            canary: *self,
            sets,
            delays: self.delays_after_abort(sets, pauses),
            now,
            scaling: Scaling::default(),
        };
        if !self.is_halted() {
            work.keep_wanted();
            work.scaling.ends_pass = work.stable() || work.new_set(weights) || work.others(selected);
        }
        work.scaling
    }

    /// Whether no pods come or go until a person has decided.
    fn is_halted(&self) -> bool {
        let mut pauses = self.rollout.status.pause_conditions.iter();
        self.rollout.spec.paused || pauses.any(|pause| pause.reason == INCONCLUSIVE_ANALYSIS)
    }

    /// Whether new pods outlive an abort for a time.
    fn delays_after_abort(&self, sets: &ReplicaSets<'_>, pauses: &Pauses) -> bool {
        let delays = match self.abort_delay() {
            AbortDelay::Forever => false,
            AbortDelay::For { explicit, .. } => explicit || !self.strategy.dynamic_stable_scale,
        };
        delays && pauses.is_aborted(&self.rollout.status) && sets.stable.is_some() && self.routing().is_some()
    }

    /// Whether traffic may still go to a ReplicaSet's pods.
    fn is_referenced(&self, hash: &str, selected: &[&str]) -> bool {
        let status = &self.rollout.status;
        let weights = self.recorded_weights();
        !hash.is_empty()
            && (status.stable_rs == hash
                || status.current_pod_hash == hash
                || weights.is_some_and(|weights| {
                    weights.canary.pod_template_hash == hash || weights.stable.pod_template_hash == hash
                })
                || selected.contains(&hash))
    }
}

struct Work<'a, 'b> {
    canary: Canary<'a>,
    sets: &'b ReplicaSets<'a>,
    /// Whether new pods outlive an abort.
    delays: bool,
    now: Timestamp,
    scaling: Scaling,
}

impl<'a> Work<'a, '_> {
    /// Pods that are wanted again stay.
    fn keep_wanted(&mut self) {
        let new = self.sets.new.filter(|_| !self.delays);
        let stable = self
            .sets
            .stable
            .filter(|stable| new.is_none_or(|new| new.name != stable.name));
        for set in new.into_iter().chain(stable).filter(|set| set.has_deadline()) {
            self.scaling.changes.push(Change::Keep { name: set.name.clone() });
        }
    }

    fn stable(&mut self) -> bool {
        let Some(stable) = self.sets.other_stable() else {
            return false;
        };
        // By the weights of the pass before: pods go after their traffic.
        let wanted = self.canary.counts(self.sets, self.canary.recorded_weights()).stable;
        self.scale(stable, stable.wanted, wanted)
    }

    fn new_set(&mut self, weights: Option<&TrafficWeights>) -> bool {
        let Some(new) = self.sets.new else {
            return false;
        };
        let mut wanted = self.canary.counts(self.sets, weights).canary;
        if self.delays {
            match (self.deadline(new), self.canary.abort_delay()) {
                (Some(text), _) => match rfc3339(text) {
                    Some(deadline) if deadline > self.now => {
                        self.wake(deadline);
                        self.scale(new, new.wanted, new.wanted);
                        return false;
                    }
                    Some(_) => wanted = 0,
                    // Nobody can say how long: as without a delay.
                    None => {}
                },
                (None, AbortDelay::For { delay, .. }) => {
                    self.scale(new, new.wanted, new.wanted);
                    // Before all traffic can go to stable pods the others have to serve.
                    let stable = self.sets.stable.map_or(0, |stable| stable.available);
                    if stable >= self.canary.replicas() {
                        self.later(new, delay);
                    }
                    return false;
                }
                (None, AbortDelay::Forever) => {}
            }
        }
        self.scale(new, new.wanted, wanted)
    }

    /// ReplicaSets that are neither new nor stable.
    fn others(&mut self, selected: &[&str]) -> bool {
        let mut old: Vec<(&'a ReplicaSet, i32)> = self
            .sets
            .others
            .iter()
            .filter(|set| set.wanted > 0)
            .map(|set| (*set, set.wanted))
            .collect();
        old.sort_by(|(a, _), (b, _)| (a.created, &a.name).cmp(&(b.created, &b.name)));
        let mut has_scaled = false;
        // Pods that do not serve go at once: they would stand in the way.
        for (set, wanted) in &mut old {
            if set.available > *wanted {
                // It is on its way to fewer.
                return false;
            }
            if set.available < *wanted {
                self.scale(set, *wanted, set.available);
                *wanted = set.available;
                has_scaled = true;
            }
        }
        let least = i64::from(self.canary.replicas()) - i64::from(self.canary.max_unavailable());
        let mut spare = i64::from(self.sets.totals().available) - least;
        if spare <= 0 {
            return false;
        }
        // The newest first; those of no revision before them.
        old.sort_by(|(a, _), (b, _)| {
            let key = |set: &ReplicaSet| (numbered(set).is_none(), numbered(set), set.created);
            key(b).cmp(&key(a))
        });
        let mut waiting = 0;
        for (set, wanted) in old {
            let routed = self.canary.routing().is_some();
            if routed && self.canary.is_referenced(&set.hash, selected) {
                continue;
            }
            if spare <= 0 {
                break;
            }
            if wanted == 0 {
                continue;
            }
            let to = if !routed {
                // Every pod gets traffic here: all of them go, as fast as others come.
                i32::try_from((i64::from(wanted) - spare).max(0)).unwrap_or(0)
            } else if !self.canary.strategy.dynamic_stable_scale && (self.canary.is_promoted() || set.has_deadline()) {
                self.outlive(set, wanted, &mut waiting)
            } else {
                // One that a release did not get to the end with, or whose traffic has gone pod by pod.
                0
            };
            if to != wanted {
                self.scale(set, wanted, to);
                spare -= i64::from(wanted) - i64::from(to);
                has_scaled = true;
            }
        }
        has_scaled
    }

    /// Pods of an old ReplicaSet for the time that they outlive their traffic: all, or none when it is over. `waiting` counts
    /// ReplicaSets that wait.
    fn outlive(&mut self, set: &ReplicaSet, pods: i32, waiting: &mut i32) -> i32 {
        let limit = self.canary.strategy.scale_down_delay_revision_limit.unwrap_or(i32::MAX);
        if !set.has_deadline() {
            if *waiting >= limit {
                return 0;
            }
            *waiting += 1;
            let delay = self.canary.scale_down_delay();
            self.later(set, delay);
            self.wake(self.now.saturating_add(delay).unwrap_or(self.now));
            return pods;
        }
        *waiting = waiting.saturating_add(1);
        let deadline = set.deadline().and_then(rfc3339);
        match deadline.filter(|deadline| *waiting <= limit && *deadline > self.now) {
            Some(deadline) => {
                self.wake(deadline);
                pods
            }
            None => 0,
        }
    }

    fn later(&mut self, set: &ReplicaSet, delay: SignedDuration) {
        if delay.is_zero() {
            return;
        }
        let deadline = self.now.saturating_add(delay).unwrap_or(self.now);
        let deadline = Timestamp::from_second(deadline.as_second()).unwrap_or(deadline);
        self.scaling.changes.push(Change::Later {
            name: set.name.clone(),
            deadline: deadline.to_string(),
        });
    }

    fn wake(&mut self, at: Timestamp) {
        let first = self.scaling.wake_at.map_or(at, |before| before.min(at));
        self.scaling.wake_at = Some(first);
    }

    /// Its deadline, unless this pass has taken it away.
    fn deadline<'s>(&self, set: &'s ReplicaSet) -> Option<&'s str> {
        let is_kept = |change: &Change| matches!(change, Change::Keep { name } if *name == set.name);
        set.deadline().filter(|_| !self.scaling.changes.iter().any(is_kept))
    }

    /// Whether it gets another size.
    fn scale(&mut self, set: &ReplicaSet, from: i32, to: i32) -> bool {
        let desired = self.canary.replicas();
        let name = &set.name;
        let has_deadline = self.deadline(set).is_some_and(|deadline| !deadline.is_empty());
        let told = set.annotations.get(DESIRED_REPLICAS_ANNOTATION);
        let stale = told.is_none_or(|told| *told != desired.to_string()) || (desired == 0 && has_deadline);
        if from == to && !stale {
            return false;
        }
        let event = (from != to).then(|| RolloutEvent {
            warning: false,
            reason: "ScalingReplicaSet",
            message: format!(
                "Scaled {} ReplicaSet {name} (revision {}) from {from} to {to}",
                if from < to { "up" } else { "down" },
                revision(set).unwrap_or(0),
            ),
        });
        self.scaling.changes.push(Change::Scale {
            name: name.clone(),
            to,
            desired,
            keep: to == 0 && !self.delays && has_deadline,
            event,
        });
        from != to
    }
}

/// A time as the annotation has it.
fn rfc3339(text: &str) -> Option<Timestamp> {
    // `Timestamp` reads more than RFC 3339: other separators, other offsets, names of zones.
    let (time, zone) = text.split_at_checked(19)?;
    let is = |at: usize, byte: u8| time.as_bytes().get(at) == Some(&byte);
    let zone = zone.trim_start_matches(|c: char| c == '.' || c == ',' || c.is_ascii_digit());
    let colon = zone.as_bytes().get(3) == Some(&b':') && zone.len() == 6;
    let shape = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    (shape && (zone == "Z" || colon)).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
