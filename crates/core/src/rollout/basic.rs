//! How many pods there are to be when pods are all that shares the traffic (spec 7.8).

use super::{Canary, Counts, ReplicaSet, ReplicaSets, Scale, clamp, whole};

/// Both sides, wide enough for sums.
#[derive(Clone, Copy)]
struct Sides {
    canary: i64,
    stable: i64,
}

impl Canary<'_> {
    /// Stable pods come first, then canary pods; what is too many goes as far as enough stay available.
    pub(super) fn basic_counts(&self, sets: &ReplicaSets<'_>) -> Counts {
        let counts = self.basic_sides(sets);
        Counts {
            canary: clamp(counts.canary),
            stable: clamp(counts.stable),
        }
    }

    fn basic_sides(&self, sets: &ReplicaSets<'_>) -> Sides {
        let replicas = i64::from(self.replicas());
        let surge = i64::from(self.max_surge());
        let most = replicas + surge;
        let other_stable = sets.other_stable();
        let wanted = |set: Option<&ReplicaSet>| set.map_or(0, |set| i64::from(set.wanted));
        let desired = if other_stable.is_some() {
            let weight = match self.scale(sets) {
                Scale::Weight(weight) => weight,
                Scale::Replicas(_) => 0,
            };
            self.approximate(weight)
        } else {
            Sides {
                canary: replicas,
                stable: 0,
            }
        };
        let current = Sides {
            canary: wanted(sets.new),
            stable: wanted(other_stable),
        };
        let old: i64 = sets.others.iter().map(|set| i64::from(set.wanted)).sum();

        let mut counts = current;
        let mut budget = most - (current.canary + current.stable + old);
        if other_stable.is_some() {
            budget = raise(&mut counts.stable, desired.stable, budget);
        }
        if sets.new.is_some() {
            raise(&mut counts.canary, desired.canary, budget);
        }
        if old > 0 {
            // They go first.
            return counts;
        }

        let least = replicas - i64::from(self.max_unavailable());
        let increasing = sets.new.is_none() || desired.canary >= current.canary;
        // Of the side that shrinks, pods count that are not available too: they may never be.
        let pool = |set: Option<&ReplicaSet>, shrinks: bool| {
            set.map_or(0, |set| {
                let available = set.available_to_stay();
                i64::from(if shrinks { set.wanted } else { available })
            })
        };
        let spare = pool(sets.new, !increasing) + pool(sets.stable, increasing) - least;
        if spare <= 0 {
            return counts;
        }
        let limits = Limits { most, least };
        if !increasing {
            lower(&mut counts.canary, sets.new, desired.canary, spare);
            limits.clip(sets.new, sets.stable, &mut counts.canary, &mut counts.stable);
        } else if other_stable.is_some() {
            lower(&mut counts.stable, sets.stable, desired.stable, spare);
            limits.clip(sets.stable, sets.new, &mut counts.stable, &mut counts.canary);
        }
        counts
    }

    /// The pods that come closest to a weight: one more than wanted if that is closer and there may be, and at least one on
    /// either side unless the weight is none or all.
    fn approximate(&self, weight: i32) -> Sides {
        let replicas = i64::from(self.replicas());
        if replicas == 0 {
            return Sides { canary: 0, stable: 0 };
        }
        let surge = self.max_surge();
        let max = self.max_weight();
        let share = f64::from(self.replicas()) * f64::from(weight) / f64::from(max);
        let pods = |share: f64| i64::from(clamp(whole(share)));
        let (floor, ceil) = (pods(share.floor()), pods(share.ceil()));
        // In this order of operations: the original's result depends on it.
        let half = |share: f64| share.fract().total_cmp(&0.5).is_eq();
        let tied = |total: i64| half(float(total) * (f64::from(weight) / f64::from(max)));
        let none_allowed = weight == max || weight == 0 || (replicas == 1 && surge == 0);
        let floor_allowed = floor != 0 || none_allowed;

        let mut options = Vec::with_capacity(4);
        if ceil < replicas || none_allowed {
            options.push((ceil, replicas));
        }
        if !tied(replicas) && floor_allowed {
            options.push((floor, replicas));
        }
        if surge > 0 {
            options.push((ceil, replicas + 1));
            if !tied(replicas + 1) && floor_allowed {
                options.push((floor, replicas + 1));
            }
        }
        let distance =
            |canary: i64, total: i64| (float(canary * i64::from(max)) / float(total) - f64::from(weight)).abs();
        let mut best: Option<(f64, i64, i64)> = None;
        for (canary, total) in options {
            let distance = distance(canary, total);
            if best.is_none_or(|(least, ..)| distance < least) {
                best = Some((distance, canary, total));
            }
        }
        let (_, canary, total) = best.unwrap_or((0.0, 0, replicas));
        Sides {
            canary,
            stable: total - canary,
        }
    }
}

/// Raises `count` to `desired` as far as the budget allows, and tells what is left of it.
fn raise(count: &mut i64, desired: i64, budget: i64) -> i64 {
    if *count >= desired || budget <= 0 {
        return budget;
    }
    let step = budget.min(desired - *count);
    *count += step;
    budget - step
}

/// Lowers `count` of a ReplicaSet that has too many, by at most what is to spare.
fn lower(count: &mut i64, set: Option<&ReplicaSet>, desired: i64, spare: i64) {
    if let Some(wanted) = set.map(|set| i64::from(set.wanted))
        && wanted > desired
    {
        *count = desired.max(wanted - spare);
    }
}

/// How many pods there may be, and how many have to be available.
struct Limits {
    most: i64,
    least: i64,
}

impl Limits {
    /// Takes what is too many from the side that does not shrink, as far as enough stay available, and the rest from the
    /// side that does.
    fn clip(&self, draining: Option<&ReplicaSet>, other: Option<&ReplicaSet>, drained: &mut i64, kept: &mut i64) {
        let available = |set: Option<&ReplicaSet>| set.map_or(0, |set| i64::from(set.available));
        let Some(other) = other else {
            return;
        };
        let too_many = |drained: i64, kept: i64| (drained + kept - self.most).max(0);
        let before = i64::from(other.available);
        *kept -= too_many(*drained, *kept);
        let staying = draining.map_or(0, |_| available(draining).min(*drained)) + before.min(*kept);
        let lost = (before - *kept).max(0);
        *kept += lost.min((self.least - staying).max(0));
        *drained -= too_many(*drained, *kept);
    }
}

/// Exact: pods and weights are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "products of a pod count and a weight")]
fn float(number: i64) -> f64 {
    number as f64
}
