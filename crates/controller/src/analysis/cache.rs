//! The AnalysisRuns of a watch, trimmed: what a pass needs of those that go on, and next to nothing of those that ended.
//!
//! Invariants: an object is never replaced by an older one; who wrote it is read once and dropped.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rollcage_api::analysis::AnalysisPhase;
use rollcage_core::analysis::{self, Begin};

use super::{
    object::{Raw, Stored},
    write::MANAGER,
};
use crate::{guard::compare, queue::Key};

/// Field managers that people use: what they write is theirs to write.
const PEOPLE: &str = "kubectl";

/// All runs that are ours.
#[derive(Debug, Default)]
pub struct RunCache(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    runs: HashMap<Key, Entry>,
    /// While a list begins anew: what it has shown so far.
    listed: Option<HashSet<Key>>,
}

#[derive(Debug)]
enum Entry {
    Active {
        run: Arc<Raw>,
        /// When somebody else wrote the status last.
        foreign: Option<Timestamp>,
    },
    Finished(Box<Finished>),
}

/// What is kept of a run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// `metadata.resourceVersion`.
    pub version: Box<str>,
    /// UID of the object that owns it.
    pub owner: Option<Box<str>>,
    /// How it ended.
    pub phase: AnalysisPhase,
    /// When.
    pub completed_at: Option<Timestamp>,
}

/// What the cache has of a run.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// Nothing: it does not exist.
    Absent,
    /// All of it.
    Active(Arc<Raw>),
    /// It ended: the rest is at the API server.
    Finished,
}

/// What a change of a run asks for.
#[derive(Debug)]
pub(crate) struct Taken {
    pub key: Key,
    pub due: Due,
    /// Somebody else wrote the status: who, and the object's metadata.
    pub foreign: Option<Box<(String, ObjectMeta)>>,
}

/// When there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Now.
    Now,
    /// It ended, and is to be deleted then.
    DeleteAt(Timestamp),
    /// Nothing is left to do.
    Never,
}

impl RunCache {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look(&self, key: &Key) -> Look {
        match self.runs().runs.get(key) {
            None => Look::Absent,
            Some(Entry::Active { run, .. }) => Look::Active(run.clone()),
            Some(Entry::Finished(_)) => Look::Finished,
        }
    }

    /// How many runs go on, and how many ended.
    #[cfg(test)]
    fn count(&self) -> (usize, usize) {
        let runs = self.runs();
        let active = runs
            .runs
            .values()
            .filter(|run| matches!(run, Entry::Active { .. }))
            .count();
        (active, runs.runs.len() - active)
    }

    /// What is kept of a run that ended.
    #[cfg(test)]
    fn finished(&self, namespace: &str, name: &str) -> Option<Finished> {
        match self.runs().runs.get(&(namespace.to_owned(), name.to_owned())) {
            Some(Entry::Finished(finished)) => Some(Finished::clone(finished)),
            _ => None,
        }
    }

    /// The runs that go on.
    pub(crate) fn active(&self) -> Vec<Key> {
        let runs = self.runs();
        let active = runs.runs.iter().filter(|(_, run)| matches!(run, Entry::Active { .. }));
        active.map(|(key, _)| key.clone()).collect()
    }

    /// A list begins anew.
    pub(crate) fn begin(&self) {
        self.runs().listed = Some(HashSet::new());
    }

    /// The list has ended: those that it did not show are gone.
    pub(crate) fn end(&self) -> Vec<Key> {
        let mut runs = self.runs();
        let Some(listed) = runs.listed.take() else {
            return Vec::new();
        };
        let gone: Vec<Key> = runs.runs.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        for key in &gone {
            runs.runs.remove(key);
        }
        gone
    }

    /// The run is gone, or no longer ours.
    pub(crate) fn delete(&self, metadata: &ObjectMeta) -> Key {
        let key = key(metadata);
        self.runs().runs.remove(&key);
        key
    }

    /// The run is there, or changed. None: this is older than what is known.
    pub(crate) fn apply(&self, mut run: Raw, now: Timestamp) -> Option<Taken> {
        let key = key(&run.metadata);
        let written = foreign_write(std::mem::take(&mut run.writers));
        let mut runs = self.runs();
        if let Some(listed) = &mut runs.listed {
            listed.insert(key.clone());
        }
        let before = runs.runs.get(&key);
        if before.is_some_and(|before| is_older(&run.metadata, before.version())) {
            return None;
        }
        let at = written.as_ref().map(|(_, at)| *at);
        let is_foreign = match before {
            Some(Entry::Active { run: before, foreign }) => {
                at.is_some() && at > *foreign && before.status() != run.status()
            }
            _ => false,
        };
        let metadata = is_foreign.then(|| run.metadata.clone());
        let foreign = written
            .zip(metadata)
            .map(|((who, _), metadata)| Box::new((who, metadata)));
        let (entry, due) = entry(run, at, now);
        runs.runs.insert(key.clone(), entry);
        Some(Taken { key, due, foreign })
    }
}

impl Entry {
    fn version(&self) -> &str {
        match self {
            Self::Active { run, .. } => run.metadata.resource_version.as_deref().unwrap_or_default(),
            Self::Finished(finished) => &finished.version,
        }
    }
}

fn entry(run: Raw, foreign: Option<Timestamp>, now: Timestamp) -> (Entry, Due) {
    let is_over = run.phase().is_completed() || run.metadata.deletion_timestamp.is_some();
    if !is_over {
        let run = Arc::new(run);
        return (Entry::Active { run, foreign }, Due::Now);
    }
    let owners = run.metadata.owner_references.iter().flatten();
    let mut finished = Finished {
        version: run.metadata.resource_version.clone().unwrap_or_default().into(),
        owner: owners.map(|owner| owner.uid.as_str().into()).next(),
        phase: run.phase(),
        completed_at: None,
    };
    let mut due = Due::Never;
    if let Ok(stored) = Stored::read(run) {
        finished.completed_at = stored.run.status.completed_at;
        if let Begin::Completed { delete_at: Some(at) } = analysis::begin(&stored.run, now) {
            due = Due::DeleteAt(at);
        }
    }
    (Entry::Finished(Box::new(finished)), due)
}

fn key(metadata: &ObjectMeta) -> Key {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}

fn is_older(new: &ObjectMeta, known: &str) -> bool {
    let version = new.resource_version.as_deref().unwrap_or_default();
    compare(version, known) == Some(Ordering::Less)
}

/// Who wrote the status last that is neither us nor a person, and when.
fn foreign_write(writers: Vec<(String, Timestamp)>) -> Option<(String, Timestamp)> {
    let foreign = writers
        .into_iter()
        .filter(|(manager, _)| manager != MANAGER && !manager.starts_with(PEOPLE));
    foreign.max_by_key(|(_, at)| *at)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "rows of tables are made in place")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(version: u32, status: Value, managers: Value) -> Raw {
        let object = json!({
            "metadata": {"name": "r", "namespace": "ns", "resourceVersion": version.to_string(), "managedFields": managers},
            "spec": {"metrics": [], "ttlStrategy": {"secondsAfterCompletion": 60}}, "status": status
        });
        serde_json::from_str(&object.to_string()).unwrap()
    }

    fn wrote(manager: &str, second: u32) -> Value {
        json!({
            "manager": manager, "operation": "Update", "time": format!("2026-01-01T00:00:{second:02}Z"),
            "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:phase": {}}}
        })
    }

    fn now() -> Timestamp {
        "2026-01-01T00:01:00Z".parse().unwrap()
    }

    fn key() -> Key {
        ("ns".into(), "r".into())
    }

    #[test]
    fn the_newest_is_kept_without_its_managed_fields() {
        let cache = RunCache::default();
        let taken = cache
            .apply(run(9, json!({"phase": "Running"}), json!([wrote("x", 1)])), now())
            .unwrap();
        assert_eq!((taken.key, taken.due), (key(), Due::Now));
        assert!(cache.apply(run(8, json!({}), json!([])), now()).is_none());
        let Look::Active(kept) = cache.look(&key()) else {
            panic!("it goes on")
        };
        assert_eq!(kept.metadata.resource_version.as_deref(), Some("9"));
        assert_eq!((&kept.metadata.managed_fields, &kept.writers), (&None, &Vec::new()));
        assert_eq!(cache.active(), [key()]);
        assert!(cache.apply(run(10, json!({}), json!([])), now()).is_some());
    }

    #[test]
    fn little_is_kept_of_what_ended() {
        let cache = RunCache::default();
        let status = json!({"phase": "Failed", "completedAt": "2026-01-01T00:00:30Z"});
        let taken = cache.apply(run(9, status, json!([])), now()).unwrap();
        // A TTL is over when more whole seconds have passed.
        let Due::DeleteAt(at) = taken.due else {
            panic!("{taken:?}")
        };
        assert!(at >= "2026-01-01T00:01:30Z".parse().unwrap() && at <= "2026-01-01T00:01:31Z".parse().unwrap());
        assert!(matches!(cache.look(&key()), Look::Finished));
        let finished = cache.finished("ns", "r").unwrap();
        assert_eq!((&*finished.version, finished.phase), ("9", AnalysisPhase::Failed));
        assert_eq!(cache.count(), (0, 1));
        let malformed: Raw = serde_json::from_str(
            r#"{"metadata": {"name": "m", "namespace": "ns"}, "spec": [1], "status": {"phase": "Error"}}"#,
        )
        .unwrap();
        assert_eq!(cache.apply(malformed, now()).unwrap().due, Due::Never);
    }

    #[test]
    fn what_a_new_list_does_not_show_is_gone() {
        let cache = RunCache::default();
        cache.apply(run(1, json!({}), json!([])), now());
        cache.begin();
        assert_eq!(cache.end(), [key()]);
        cache.apply(run(2, json!({}), json!([])), now());
        cache.begin();
        cache.apply(run(2, json!({}), json!([])), now());
        assert!(cache.end().is_empty());
        assert_eq!(cache.active(), [key()]);
        cache.delete(&run(2, json!({}), json!([])).metadata);
        assert!(matches!(cache.look(&key()), Look::Absent));
    }

    #[test]
    fn a_status_that_another_controller_writes_is_seen() {
        let other = "rollouts-controller";
        let running = |message: &str| json!({"phase": "Running", "message": message});
        for (managers, status, foreign) in [
            (json!([wrote(MANAGER, 9), wrote(other, 1)]), running("b"), false),
            (json!([wrote(other, 9)]), running("b"), true),
            (json!([wrote(other, 9)]), running("a"), false),
            (json!([wrote("kubectl-edit", 9), wrote(other, 1)]), running("b"), false),
            (json!([wrote(MANAGER, 9)]), running("b"), false),
            (json!([wrote(other, 9)]), json!({"phase": "Failed"}), true),
        ] {
            let cache = RunCache::default();
            let first = cache
                .apply(run(1, running("a"), json!([wrote(other, 1)])), now())
                .unwrap();
            assert!(first.foreign.is_none(), "it was so before we looked");
            let taken = cache.apply(run(2, status, managers.clone()), now()).unwrap();
            let who = taken.foreign.map(|foreign| foreign.0);
            assert_eq!(who.as_deref(), foreign.then_some(other), "{managers}");
        }
    }
}
