//! What is decided by of a ReplicaSet.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1;

/// Label of ReplicaSets, their pods and the Services that select them: hash of the pod template.
pub const HASH_LABEL: &str = "rollouts-pod-template-hash";
/// Annotation: which revision of the Rollout it is.
pub const REVISION_ANNOTATION: &str = "rollout.argoproj.io/revision";
/// Annotation: the Rollout's replicas when it was last scaled.
pub const DESIRED_REPLICAS_ANNOTATION: &str = "rollout.argoproj.io/desired-replicas";
/// Annotation: when it is scaled down (RFC 3339).
pub const SCALE_DOWN_ANNOTATION: &str = "scale-down-deadline";

/// What is decided by of a ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaSet {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Value of its label [`HASH_LABEL`]; empty without.
    pub hash: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Pods that it is to have (`spec.replicas`).
    pub wanted: i32,
    /// Pods that there are.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that have been ready for long enough.
    pub available: i32,
    /// That its pods cannot be made, or not be taken away.
    pub failure: Option<Failure>,
}

/// A condition of type ReplicaFailure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
}

impl Failure {
    fn of(condition: &v1::ReplicaSetCondition) -> Self {
        Self {
            status: condition.status.clone().unwrap_or_default(),
            since: condition.last_transition_time.as_ref().map(|time| time.0),
            reason: condition.reason.clone().unwrap_or_default(),
            message: condition.message.clone().unwrap_or_default(),
        }
    }
}

impl ReplicaSet {
    /// Of a ReplicaSet as the API has it.
    pub fn of(object: &v1::ReplicaSet) -> Self {
        let metadata = &object.metadata;
        let status = object.status.as_ref();
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            hash: metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get(HASH_LABEL))
                .cloned()
                .unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            // As the API server fills it in.
            wanted: object.spec.replicas.unwrap_or(1),
            replicas: status.map_or(0, |status| status.replicas),
            ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
            available: status.and_then(|status| status.available_replicas).unwrap_or(0),
            failure: status
                .and_then(|status| status.conditions.as_ref())
                .and_then(|all| {
                    all.iter()
                        .find(|condition| condition.type_.as_deref() == Some("ReplicaFailure"))
                })
                .map(Failure::of),
        }
    }

    /// Whether it waits for its time to be scaled down.
    pub fn has_deadline(&self) -> bool {
        self.deadline().is_some_and(|deadline| !deadline.is_empty())
    }

    /// When it is scaled down, as it is written.
    pub(super) fn deadline(&self) -> Option<&str> {
        self.annotations.get(SCALE_DOWN_ANNOTATION).map(String::as_str)
    }

    /// Pods that are there and stay there when it is scaled as it is to be.
    pub(super) fn available_to_stay(&self) -> i32 {
        self.available.min(self.wanted)
    }
}

/// Pods of several ReplicaSets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// That there are.
    pub replicas: i32,
    /// That are ready.
    pub ready: i32,
    /// That have been ready for long enough.
    pub available: i32,
}

/// The ReplicaSets of a Rollout by their parts in the release.
#[derive(Clone, Debug, Default)]
pub struct ReplicaSets<'a> {
    /// The one of the current pod template.
    pub new: Option<&'a ReplicaSet>,
    /// The one that serves; the same as `new` between releases.
    pub stable: Option<&'a ReplicaSet>,
    /// All the others.
    pub others: Vec<&'a ReplicaSet>,
}

impl<'a> ReplicaSets<'a> {
    /// The stable ReplicaSet when there is another one to compare it with, or none yet.
    pub fn other_stable(&self) -> Option<&'a ReplicaSet> {
        self.stable
            .filter(|stable| self.new.is_none_or(|new| new.name != stable.name))
    }

    /// Every ReplicaSet, once.
    pub fn all(&self) -> impl Iterator<Item = &'a ReplicaSet> + '_ {
        let first = self.new.into_iter().chain(self.other_stable());
        first.chain(self.others.iter().copied())
    }

    /// Pods of all of them.
    pub fn totals(&self) -> Totals {
        self.all().fold(Totals::default(), |sum, set| Totals {
            replicas: sum.replicas.saturating_add(set.replicas),
            ready: sum.ready.saturating_add(set.ready),
            available: sum.available.saturating_add(set.available),
        })
    }
}
