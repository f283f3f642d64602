//! What is to be written, from what is there and what should be. Pure, but for the ages that it remembers.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use rollcage_api::plugin_object::SOURCE_LABEL;
use rollcage_registry::Snapshot;
use serde_json::{Value, json};

use super::{
    mirror::{self, Mirror},
    status::{self, About, Index},
};

/// The field manager of what the leader writes.
pub(super) const LEADER: &str = "rollcage";

/// Longest name of a field manager.
const MANAGER: usize = 128;

/// Which part of an object a write is about. Each has its own pace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// The object itself, which stands for an entry.
    Mirror,
    /// The status but for the replicas.
    Leader,
    /// Our own entry in `replicas`.
    Replica,
    /// The entry of a replica that is gone.
    Gone(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Makes the object.
    Create(Value),
    /// Changes the object by this merge patch, so that it is as it should be again.
    Mend(Value),
    /// Removes the object.
    Delete,
    /// Applies a status under a field manager.
    Apply {
        /// The field manager.
        manager: String,
        /// The status.
        status: Value,
    },
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Write {
    /// The object's name.
    pub(super) name: String,
    /// The part.
    pub(super) part: Part,
    /// What to do.
    pub(super) action: Action,
}

/// How long entries count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// After which a replica writes its entry again.
    pub(super) heartbeat: SignedDuration,
    /// After which an entry that nobody writes again goes.
    pub(super) gone: SignedDuration,
}

/// Who we are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Us<'a> {
    pub(super) namespace: &'a str,
    pub(super) replica: &'a str,
    pub(super) leads: bool,
}

/// Since when each replica's entry has said the same, by our own clock: those of other machines need not agree with it.
#[derive(Debug, Default)]
pub(super) struct Silence(HashMap<(String, String), (String, Timestamp)>);

impl Silence {
    /// For how long an entry has not changed while we watched it.
    fn of(&mut self, object: &str, replica: &str, time: &str, now: Timestamp) -> SignedDuration {
        let key = (object.to_owned(), replica.to_owned());
        let (last, since) = self.0.entry(key).or_insert_with(|| (time.to_owned(), now));
        if last != time {
            time.clone_into(last);
            *since = now;
        }
        now.duration_since(*since)
    }

    fn keep(&mut self, seen: &HashSet<(String, String)>) {
        self.0.retain(|key, _| seen.contains(key));
    }
}

/// The field manager of a replica.
pub(super) fn manager(replica: &str) -> String {
    let mut manager = format!("{LEADER}-{replica}");
    manager.truncate(manager.floor_char_boundary(MANAGER));
    manager
}

/// Everything that should be written now.
pub(super) fn plan(
    objects: &BTreeMap<String, Arc<DynamicObject>>,
    snapshot: &Snapshot,
    us: Us<'_>,
    ages: Ages,
    silence: &mut Silence,
    now: Timestamp,
) -> Vec<Write> {
    let mut writes = Vec::new();
    if us.leads {
        mirrors(objects, snapshot, us, &mut writes);
    }
    let index = Index::new(snapshot);
    let mut seen = HashSet::new();
    for (name, object) in objects {
        if object.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let observed = status::observed(object);
        let about = index.about(object);
        let mut write = |part, manager, status| {
            let action = Action::Apply { manager, status };
            writes.push(Write {
                name: name.clone(),
                part,
                action,
            });
        };
        if us.leads
            && let Some(shown) = status::leaders(about, index.generation(object), &observed, now)
            && shown != status::leaders_part(&observed)
        {
            write(Part::Leader, LEADER.to_owned(), json!(shown));
        }
        let own = observed.replicas.iter().find(|replica| replica.name == us.replica);
        match about {
            About::Plugin(plugin) => {
                let entry = status::replica(plugin, us.replica, &observed, ages.heartbeat, now);
                if own != Some(&entry) {
                    write(Part::Replica, manager(us.replica), json!({"replicas": [entry]}));
                }
            }
            About::Nothing(_) if own.is_some() => write(Part::Replica, manager(us.replica), json!({})),
            About::Nothing(_) | About::Orphan | About::Unknown => {}
        }
        for other in observed.replicas.iter().filter(|replica| replica.name != us.replica) {
            seen.insert((name.clone(), other.name.clone()));
            if silence.of(name, &other.name, &other.time, now) > ages.gone && us.leads {
                write(Part::Gone(other.name.clone()), manager(&other.name), json!({}));
            }
        }
    }
    silence.keep(&seen);
    writes
}

/// Makes, mends and removes the objects that stand for entries.
fn mirrors(objects: &BTreeMap<String, Arc<DynamicObject>>, snapshot: &Snapshot, us: Us<'_>, writes: &mut Vec<Write>) {
    let foreign = |name: &str| objects.get(name).is_some_and(|object| mirror::label(object).is_none());
    let wanted = mirror::wanted(snapshot, foreign);
    let mut write = |name: &str, action| {
        writes.push(Write {
            name: name.to_owned(),
            part: Part::Mirror,
            action,
        });
    };
    for (name, mirror) in &wanted {
        match objects.get(name) {
            None => write(name, Action::Create(mirror.object(name, us.namespace))),
            Some(object) if object.metadata.deletion_timestamp.is_some() => {}
            Some(object) if is_same(object, mirror) => {}
            // Kind and name never change.
            Some(object) if !same_identity(object, mirror) => write(name, Action::Delete),
            Some(object) => write(name, Action::Mend(mending(object, mirror))),
        }
    }
    // What was not read may be configured.
    if !snapshot.is_complete {
        return;
    }
    for (name, object) in objects {
        let is_ours = mirror::label(object).is_some() && object.metadata.deletion_timestamp.is_none();
        if is_ours && !wanted.contains_key(name) {
            write(name, Action::Delete);
        }
    }
}

fn is_same(object: &DynamicObject, mirror: &Mirror) -> bool {
    object.data.get("spec") == Some(&mirror.spec) && mirror::label(object) == Some(mirror.label)
}

fn same_identity(object: &DynamicObject, mirror: &Mirror) -> bool {
    let field = |value: Option<&Value>, name: &str| value.and_then(|value| value.get(name)).cloned();
    ["kind", "name"]
        .iter()
        .all(|name| field(object.data.get("spec"), name) == field(Some(&mirror.spec), name))
}

/// What makes spec and label what they should be. Other labels and annotations are nobody's business here.
fn mending(object: &DynamicObject, mirror: &Mirror) -> Value {
    let mut spec = mirror.spec.clone();
    let there = object.data.get("spec").and_then(Value::as_object);
    if let Some(fields) = spec.as_object_mut() {
        for field in there.into_iter().flat_map(|there| there.keys()) {
            fields.entry(field).or_insert(Value::Null);
        }
    }
    json!({
        "metadata": {"resourceVersion": object.metadata.resource_version, "labels": {SOURCE_LABEL: mirror.label}},
        "spec": spec
    })
}
