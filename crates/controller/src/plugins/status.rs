//! From what the registry knows to what an object's status says. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{ResourceExt as _, api::DynamicObject};
use rollcage_api::plugin_object::{ACCEPTED, PluginFailure, PluginReplica, PluginStatus as Shown, READY, UP_TO_DATE};
use rollcage_core::Fault;
use rollcage_registry::{
    BreakerState, PluginState, PluginStatus, Snapshot,
    config::{Judged, Verdict},
};

use super::mirror;

/// Longest text of a status. What plugins and servers say is bounded before; this holds whatever comes.
const TEXT: usize = 2048;

/// What an object is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum About<'s> {
    /// A plugin whose entry it is, or stands for.
    Plugin(&'s PluginStatus),
    /// Nothing that is used, and why.
    Nothing(&'s Verdict),
    /// It stands for an entry that is not there.
    Orphan,
    /// It was not looked at yet.
    Unknown,
}

/// Which object is about which plugin.
pub(super) struct Index<'s> {
    snapshot: &'s Snapshot,
    /// By kind and name as mirrors show them.
    mirrored: BTreeMap<(String, String), &'s PluginStatus>,
}

impl<'s> Index<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        let written_elsewhere = |plugin: &&std::sync::Arc<PluginStatus>| plugin.source.object.is_none();
        let plugins = snapshot.plugins.values().filter(written_elsewhere);
        let mirrored = plugins.map(|plugin| (mirror::shown(plugin), plugin.as_ref())).collect();
        Self { snapshot, mirrored }
    }

    pub(super) fn about(&self, object: &DynamicObject) -> About<'s> {
        if mirror::label(object).is_some() {
            let field = |name: &str| object.data.pointer(name).and_then(|value| value.as_str());
            let (kind, name) = (field("/spec/kind"), field("/spec/name"));
            let key = (kind.unwrap_or_default().to_owned(), name.unwrap_or_default().to_owned());
            return self
                .mirrored
                .get(&key)
                .map_or(About::Orphan, |plugin| About::Plugin(plugin));
        }
        let judged = self.snapshot.objects.get(&object.name_any());
        let Some(Judged { verdict, .. }) = judged.filter(|judged| Some(&judged.uid) == object.metadata.uid.as_ref())
        else {
            return About::Unknown;
        };
        match verdict.plugin() {
            Some(id) => match self.snapshot.plugins.get(id) {
                Some(plugin) => About::Plugin(plugin),
                None => About::Unknown,
            },
            None => About::Nothing(verdict),
        }
    }

    /// The generation of the object that was read.
    pub(super) fn generation(&self, object: &DynamicObject) -> Option<i64> {
        if mirror::label(object).is_some() {
            return object.metadata.generation;
        }
        let judged = self.snapshot.objects.get(&object.name_any());
        judged.map(|judged| judged.generation)
    }
}

/// What an object's status says now. One that cannot be read says nothing.
pub(super) fn observed(object: &DynamicObject) -> Shown {
    let status = object.data.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).unwrap_or_default()
}

/// This replica's entry. The time is that of the last entry that said the same, until `heartbeat` has passed.
pub(super) fn replica(
    plugin: &PluginStatus,
    name: &str,
    observed: &Shown,
    heartbeat: SignedDuration,
    now: Timestamp,
) -> PluginReplica {
    let mut entry = PluginReplica {
        name: name.to_owned(),
        state: format!("{:?}", plugin.state),
        digest: plugin.serving_digest.clone(),
        failure: shortcoming(plugin).map(|fault| cut(&format!("{}: {}", fault.phase, fault.cause))),
        time: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    if let Some(last) = observed.replicas.iter().find(|replica| replica.name == name)
        && let Ok(time) = last.time.parse::<Timestamp>()
        && (SignedDuration::ZERO..heartbeat).contains(&now.duration_since(time))
    {
        let same = PluginReplica {
            time: last.time.clone(),
            ..entry.clone()
        };
        if same == *last {
            entry = same;
        }
    }
    entry
}

/// The leader's part: everything but the replicas. Times are kept where what they are about is the same.
pub(super) fn leaders(about: About<'_>, generation: Option<i64>, observed: &Shown, now: Timestamp) -> Option<Shown> {
    let (mut shown, conditions) = match about {
        About::Plugin(plugin) => (of_plugin(plugin, observed, now), conditions(plugin)),
        About::Nothing(verdict) => (Shown::default(), refused(verdict)),
        About::Orphan | About::Unknown => return None,
    };
    shown.observed_generation = generation;
    let with_time = |(kind, said): (&str, Said)| {
        let last = observed.condition(kind).filter(|last| last.status == said.status());
        Condition {
            type_: kind.to_owned(),
            status: said.status().to_owned(),
            reason: said.reason.to_owned(),
            message: cut(&said.message),
            observed_generation: generation,
            last_transition_time: last.map_or_else(|| Time(whole(now)), |last| last.last_transition_time.clone()),
        }
    };
    shown.conditions = [ACCEPTED, READY, UP_TO_DATE]
        .into_iter()
        .zip(conditions)
        .map(with_time)
        .collect();
    Some(shown)
}

/// The part of a status that the leader writes, in one order.
pub(super) fn leaders_part(observed: &Shown) -> Shown {
    let ours = [ACCEPTED, READY, UP_TO_DATE].into_iter();
    Shown {
        replicas: Vec::new(),
        conditions: ours.filter_map(|kind| observed.condition(kind).cloned()).collect(),
        ..observed.clone()
    }
}

fn of_plugin(plugin: &PluginStatus, observed: &Shown, now: Timestamp) -> Shown {
    let pinned = || {
        plugin
            .entry
            .as_ref()
            .map(|entry| entry.sha256.clone())
            .filter(|sha256| !sha256.is_empty())
    };
    Shown {
        source: Some(plugin.source.to_string()),
        state: Some(format!("{:?}", plugin.state)),
        runtime: plugin.runtime.map(|runtime| format!("{runtime:?}").to_lowercase()),
        contract: plugin.contract.clone(),
        serving_digest: plugin.serving_digest.clone(),
        wanted_digest: plugin.wanted_digest.clone().or_else(pinned),
        failure: shortcoming(plugin).map(|fault| failure(fault, observed, now)),
        breaker: Some(
            match plugin.breaker {
                BreakerState::Closed => "closed",
                BreakerState::Open => "open",
                BreakerState::HalfOpen => "half-open",
            }
            .to_owned(),
        ),
        ..Shown::default()
    }
}

/// Why a plugin does not serve as it should; a disabled one does as it should.
fn shortcoming(plugin: &PluginStatus) -> Option<&Fault> {
    let of_calls = plugin
        .last_fault
        .as_ref()
        .filter(|_| plugin.breaker != BreakerState::Closed);
    let of_load = plugin.failure.as_ref().filter(|_| !is_disabled(plugin));
    of_load.or(of_calls).map(AsRef::as_ref)
}

fn is_disabled(plugin: &PluginStatus) -> bool {
    plugin.entry.as_ref().is_some_and(|entry| entry.disabled)
}

fn failure(fault: &Fault, observed: &Shown, now: Timestamp) -> PluginFailure {
    let new = PluginFailure {
        phase: fault.phase.to_string(),
        cause: cut(&fault.cause),
        hint: cut(&fault.hint),
        time: whole(now).to_string(),
    };
    match &observed.failure {
        Some(last) if last.phase == new.phase && last.cause == new.cause && !last.time.is_empty() => PluginFailure {
            time: last.time.clone(),
            ..new
        },
        _ => new,
    }
}

/// A condition without its times.
struct Said {
    is_true: bool,
    reason: &'static str,
    message: String,
}

impl Said {
    fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_true: true,
            reason,
            message: message.into(),
        }
    }

    fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_true: false,
            ..Self::yes(reason, message)
        }
    }

    fn status(&self) -> &'static str {
        if self.is_true { "True" } else { "False" }
    }
}

/// Accepted, Ready, UpToDate.
fn conditions(plugin: &PluginStatus) -> [Said; 3] {
    let why = shortcoming(plugin).map(said).unwrap_or_default();
    let newer = plugin.loading.map(|stage| format!("{stage:?}")).unwrap_or_default();
    let accepted = match &plugin.entry {
        Some(_) => Said::yes("Accepted", format!("the entry is read from {}", plugin.source)),
        None => Said::no("Invalid", why.clone()),
    };
    if is_disabled(plugin) {
        let message = "the entry says `disabled: true`";
        return [accepted, Said::no("Disabled", message), Said::no("Disabled", message)];
    }
    let ready = match plugin.state {
        PluginState::Ready | PluginState::Degraded if plugin.breaker != BreakerState::Closed => Said::no(
            "BreakerOpen",
            format!("calls are not tried after too many faults: {why}"),
        ),
        PluginState::Ready => Said::yes("Serving", ""),
        PluginState::Degraded => Said::yes("ServingOlder", format!("an older version serves: {why}")),
        PluginState::Unavailable if plugin.entry.is_none() => Said::no("Invalid", why.clone()),
        PluginState::Unavailable => Said::no("Unavailable", why.clone()),
        state => Said::no("Loading", format!("{state:?}")),
    };
    let up_to_date = match plugin.state {
        PluginState::Ready if plugin.loading.is_none() => Said::yes("UpToDate", ""),
        PluginState::Ready => Said::no("Loading", format!("a newer entry is loading: {newer}")),
        PluginState::Degraded => Said::no("Degraded", why),
        PluginState::Unavailable => Said::no("Unavailable", why),
        state => Said::no("Loading", format!("{state:?}")),
    };
    [accepted, ready, up_to_date]
}

/// The conditions of an object that is not used.
fn refused(verdict: &Verdict) -> [Said; 3] {
    let (reason, message) = match verdict {
        Verdict::Duplicate { id, of } => (
            "DuplicateName",
            format!("the {} {id} is configured by {of}: remove one of the two", id.kind),
        ),
        Verdict::Unusable { cause, hint } => ("Invalid", format!("{cause} ({hint})")),
        // These have a plugin, whose state is theirs.
        Verdict::Accepted(_) | Verdict::Wrong(..) => ("Unknown", String::new()),
    };
    [(); 3].map(|()| Said::no(reason, message.clone()))
}

/// Phase, first cause and what to do.
fn said(fault: &Fault) -> String {
    let hint = if fault.hint.is_empty() {
        String::new()
    } else {
        format!(" ({})", fault.hint)
    };
    format!("{}: {}{hint}", fault.phase, fault.cause)
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT))
        .unwrap_or_default()
        .to_owned()
}

/// Times of objects have whole seconds.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
