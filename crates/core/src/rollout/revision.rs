//! Revisions: which one a ReplicaSet is, and the way back that needs no steps (spec 7.3, 7.9).

use std::collections::BTreeMap;

use rollcage_api::rollout::Rollout;

use super::{Canary, DESIRED_REPLICAS_ANNOTATION, REVISION_ANNOTATION, ReplicaSet, ReplicaSets};

/// Annotation: the revisions that a ReplicaSet was before.
const HISTORY_ANNOTATION: &str = "rollout.argoproj.io/revision-history";
/// Annotation of ReplicaSets that are an Experiment's.
const EXPERIMENT_ANNOTATION: &str = "experiment.argoproj.io/name";
/// Annotations of a Rollout that are its own.
const OWN: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION_ANNOTATION,
    HISTORY_ANNOTATION,
    DESIRED_REPLICAS_ANNOTATION,
    "notified.notifications.argoproj.io",
];

/// Annotations that a ReplicaSet is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revised {
    /// All of them.
    pub annotations: BTreeMap<String, String>,
    /// Whether they are to be written: those of a ReplicaSet whose revision is no number are left alone.
    pub changed: bool,
}

impl Canary<'_> {
    /// The Rollout's revision; 0 before it has one.
    pub fn revision(&self) -> i64 {
        let annotations = self.rollout.metadata.annotations.as_ref();
        let revision = annotations.and_then(|annotations| annotations.get(REVISION_ANNOTATION));
        revision.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// The highest revision of these, 0 without any. What is no number is passed over.
pub fn max_revision<'a>(sets: impl IntoIterator<Item = &'a ReplicaSet>) -> i64 {
    sets.into_iter().filter_map(revision).max().unwrap_or(0).max(0)
}

/// `None` when the annotation is no number, or there is none.
pub(super) fn numbered(set: &ReplicaSet) -> Option<i64> {
    set.annotations.get(REVISION_ANNOTATION)?.parse().ok()
}

/// `None` when the annotation is no number; 0 without one.
pub(super) fn revision(set: &ReplicaSet) -> Option<i64> {
    set.annotations
        .get(REVISION_ANNOTATION)
        .map_or(Some(0), |text| text.parse().ok())
}

/// The annotations of the ReplicaSet that is the Rollout's newest: the Rollout's, and the number behind that of all `older`
/// ones. A new ReplicaSet starts from `None`.
pub fn revise<'a>(
    rollout: &Rollout,
    existing: Option<&BTreeMap<String, String>>,
    older: impl IntoIterator<Item = &'a ReplicaSet>,
) -> Revised {
    let next = max_revision(older).saturating_add(1);
    let mut annotations = existing.cloned().unwrap_or_default();
    let mut changed = false;
    for (name, value) in rollout.metadata.annotations.iter().flatten() {
        let same = annotations.get(name).map_or("", String::as_str) == value;
        if !same && !OWN.contains(&name.as_str()) {
            annotations.insert(name.clone(), value.clone());
            changed = true;
        }
    }
    let before = annotations.get(REVISION_ANNOTATION).cloned();
    let Some(old) = before
        .as_deref()
        .filter(|text| !text.is_empty())
        .map_or(Some(0), |text| text.parse().ok())
    else {
        return Revised {
            annotations,
            changed: false,
        };
    };
    if old < next {
        annotations.insert(REVISION_ANNOTATION.to_owned(), next.to_string());
        changed = true;
    }
    // Whatever changed of one that had a revision: the original asks no more.
    if let Some(before) = before.filter(|_| changed) {
        let history = annotations.entry(HISTORY_ANNOTATION.to_owned()).or_default();
        // A list that begins with nothing begins anew.
        if history.is_empty() || history.starts_with(',') {
            *history = before;
        } else {
            history.push(',');
            history.push_str(&before);
        }
    }
    if existing.is_none() {
        let replicas = rollout.spec.replicas.unwrap_or(1).to_string();
        let same = annotations.get(DESIRED_REPLICAS_ANNOTATION) == Some(&replicas);
        annotations.insert(DESIRED_REPLICAS_ANNOTATION.to_owned(), replicas);
        changed |= !same;
    }
    Revised { annotations, changed }
}

/// Whether the new ReplicaSet is an older one than the stable one, with fewer revisions between them than the Rollout's
/// rollback window.
pub fn is_within_window(rollout: &Rollout, sets: &ReplicaSets<'_>) -> bool {
    let (Some(new), Some(stable), Some(window)) = (sets.new, sets.stable, &rollout.spec.rollback_window) else {
        return false;
    };
    let is_experiments = |set: &ReplicaSet| {
        set.annotations
            .get(EXPERIMENT_ANNOTATION)
            .is_some_and(|name| !name.is_empty())
    };
    let between = sets
        .all()
        .filter(|set| !is_experiments(set) && new.created < set.created && set.created < stable.created)
        .count();
    new.created < stable.created && i64::try_from(between).is_ok_and(|between| between < i64::from(window.revisions))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(revision: &str, created: &str) -> ReplicaSet {
        ReplicaSet {
            name: created.to_owned(),
            annotations: [(REVISION_ANNOTATION.to_owned(), revision.to_owned())].into(),
            created: created.parse().ok(),
            ..ReplicaSet::default()
        }
    }

    #[test]
    fn a_revision_is_one_more_than_all_others() {
        let sets = [set("3", ""), set("x", ""), set("", ""), set("-7", "")];
        assert_eq!(max_revision(&sets), 3);
        assert_eq!(max_revision(&sets[1..]), 0);
        assert_eq!(max_revision(&[ReplicaSet::default()]), 0);
    }

    #[test]
    fn annotations_of_the_newest() {
        let rollout: Rollout = serde_json::from_value(json!({"metadata": {"annotations": {
            "team": "web", "empty": "", "rollout.argoproj.io/revision": "9",
            "kubectl.kubernetes.io/last-applied-configuration": "{}"}}, "spec": {"replicas": 4}}))
        .unwrap();
        let older = [set("4", "")];
        let text = |map: &BTreeMap<String, String>| json!(map).to_string();
        for (existing, becomes, changed) in [
            (
                json!(null),
                json!({"team": "web", "rollout.argoproj.io/revision": "5", "rollout.argoproj.io/desired-replicas": "4"}),
                true,
            ),
            (
                json!({"team": "web", "rollout.argoproj.io/revision": "5"}),
                json!({"team": "web", "rollout.argoproj.io/revision": "5"}),
                false,
            ),
            (
                json!({"team": "web", "rollout.argoproj.io/revision": "7"}),
                json!({"team": "web", "rollout.argoproj.io/revision": "7"}),
                false,
            ),
            (
                json!({"team": "web", "rollout.argoproj.io/revision": "2"}),
                json!({"team": "web", "rollout.argoproj.io/revision": "5", "rollout.argoproj.io/revision-history": "2"}),
                true,
            ),
            (
                json!({"team": "web", "rollout.argoproj.io/revision": "3", "rollout.argoproj.io/revision-history": "1,2"}),
                json!({"team": "web", "rollout.argoproj.io/revision": "5", "rollout.argoproj.io/revision-history": "1,2,3"}),
                true,
            ),
            (
                json!({"rollout.argoproj.io/revision": "x"}),
                json!({"team": "web", "rollout.argoproj.io/revision": "x"}),
                false,
            ),
        ] {
            let existing: Option<BTreeMap<String, String>> = serde_json::from_value(existing).unwrap();
            let revised = revise(&rollout, existing.as_ref(), &older);
            let becomes: BTreeMap<String, String> = serde_json::from_value(becomes).unwrap();
            assert_eq!(text(&revised.annotations), text(&becomes), "{existing:?}");
            assert_eq!(revised.changed, changed, "{existing:?}");
        }
    }

    #[test]
    fn the_window_counts_what_is_between() {
        let at = |second: u32| set("1", &format!("2026-01-01T00:00:{second:02}Z"));
        let (new, stable, between, before) = (at(10), at(40), at(20), at(5));
        let mut experiment = at(30);
        experiment
            .annotations
            .insert(EXPERIMENT_ANNOTATION.to_owned(), "e".to_owned());
        for (revisions, new, stable, within) in [
            (Some(2), &new, &stable, true),
            (Some(1), &new, &stable, false),
            (Some(0), &new, &stable, false),
            (None, &new, &stable, false),
            (Some(9), &stable, &new, false),
            (Some(9), &new, &new, false),
        ] {
            let rollout = serde_json::from_value(
                json!({"spec": {"rollbackWindow": revisions.map(|revisions| json!({"revisions": revisions}))}}),
            )
            .unwrap();
            let sets = ReplicaSets {
                new: Some(new),
                stable: Some(stable),
                others: vec![&between, &before, &experiment],
            };
            assert_eq!(is_within_window(&rollout, &sets), within, "{revisions:?}");
        }
    }
}
