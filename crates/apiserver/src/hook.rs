//! For tests: requests that are refused or come late on purpose, and a record of what was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    error::ApiError,
    route::{ResourcePath, Verb},
    server::ApiServer,
};

/// Which requests for objects are meant. What is `None` is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// What the request does.
    pub verb: Option<Verb>,
    /// API group; empty for core.
    pub group: Option<String>,
    /// `rollouts`.
    pub plural: Option<String>,
    /// Namespace; empty for cluster-scoped kinds and lists of all namespaces.
    pub namespace: Option<String>,
    /// Name; empty for collections.
    pub name: Option<String>,
    /// `status`, or empty for the main resource.
    pub subresource: Option<String>,
}

impl Match {
    /// Every request that does this.
    pub fn verb(verb: Verb) -> Self {
        Self {
            verb: Some(verb),
            ..Self::default()
        }
    }

    /// Only those for this resource.
    #[must_use]
    pub fn resource(mut self, group: &str, plural: &str) -> Self {
        self.group = Some(group.into());
        self.plural = Some(plural.into());
        self
    }

    /// Only those for an object of this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    fn holds(&self, verb: Verb, path: &ResourcePath) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        self.verb.is_none_or(|wanted| wanted == verb)
            && same(&self.group, &path.group)
            && same(&self.plural, &path.plural)
            && same(&self.namespace, &path.namespace)
            && same(&self.name, &path.name)
            && same(&self.subresource, &path.subresource)
    }
}

/// What happens to a request that is meant.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// It is refused with this, and nothing is done.
    Refuse(ApiError),
    /// It is answered this much later, in real time.
    Delay(Duration),
    /// It is done, and then answered with this, as if the answer were lost.
    LoseAnswer(ApiError),
}

/// One request for an object, as it came.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// What it does.
    pub verb: Verb,
    /// Path and query.
    pub uri: String,
    /// `Content-Type`.
    pub content_type: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// The first bytes of the body.
    pub body: Bytes,
    /// HTTP code of the answer.
    pub code: u16,
}

/// Bytes of a body that are kept.
const BODY: usize = 64 << 10;
/// Requests that are kept; older ones are dropped.
const RECORDS: usize = 4096;

/// Keeps the requests since [`ApiServer::record`], the last few thousand of them.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    records: Arc<Mutex<VecDeque<RequestRecord>>>,
}

impl Recorder {
    /// The requests since the last time, oldest first.
    pub fn take(&self) -> Vec<RequestRecord> {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Hooks {
    rules: Mutex<Vec<(Match, u32, Disturbance)>>,
    recorders: Mutex<Vec<Weak<Mutex<VecDeque<RequestRecord>>>>>,
}

impl Hooks {
    /// What happens to a request, in the order in which it was asked for.
    pub(crate) fn disturbances(&self, verb: Verb, path: &ResourcePath) -> Vec<Disturbance> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for (wanted, times, disturbance) in rules.iter_mut().filter(|(wanted, _, _)| wanted.holds(verb, path)) {
            let _: &Match = wanted;
            *times = times.saturating_sub(1);
            found.push(disturbance.clone());
            if !matches!(disturbance, Disturbance::Delay(_)) {
                break;
            }
        }
        rules.retain(|(_, times, _)| *times > 0);
        found
    }

    pub(crate) fn record(&self, make: impl Fn() -> RequestRecord) {
        let mut recorders = self.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        recorders.retain(|recorder| {
            let Some(recorder) = recorder.upgrade() else {
                return false;
            };
            let mut records = recorder.lock().unwrap_or_else(PoisonError::into_inner);
            if records.len() >= RECORDS {
                records.pop_front();
            }
            let mut record = make();
            if let Some((first, _)) = record.body.split_at_checked(BODY) {
                // A slice would keep all of it.
                record.body = Bytes::copy_from_slice(first);
            }
            records.push_back(record);
            true
        });
    }
}

impl ApiServer {
    /// Disturbs the next `times` requests that are meant. Of several disturbances for a request, delays add up and the
    /// first other one ends it.
    pub fn disturb(&self, wanted: Match, times: u32, disturbance: Disturbance) {
        let mut rules = self.hooks.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if times > 0 {
            rules.push((wanted, times, disturbance));
        }
    }

    /// Ends all disturbances.
    pub fn calm(&self) {
        self.hooks.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Records the requests for objects from now on, as long as the recorder lives.
    pub fn record(&self) -> Recorder {
        let recorder = Recorder::default();
        let mut recorders = self.hooks.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        recorders.push(Arc::downgrade(&recorder.records));
        recorder
    }
}
