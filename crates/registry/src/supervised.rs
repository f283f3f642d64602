//! One plugin under supervision: what is wanted, what is being tried, what failed. Changes only under the registry's lock.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, Phase, PluginId};
use tokio::task::AbortHandle;

use crate::{
    config::Wanted,
    loader::{Plugin, Process, Stage},
    pipeline::Standing,
    retry::Retry,
    slot::{Serving, Slot, still_loading},
    status::{PluginState, PluginStatus},
};

/// A process that lived so long did not end because of how it began: it is started again at once.
const STEADY: Duration = Duration::from_mins(1);

/// A load under way.
#[derive(Debug)]
struct Loading {
    stage: Stage,
    task: Option<AbortHandle>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// One plugin.
#[derive(Debug)]
pub(crate) struct Supervised {
    id: PluginId,
    pub(crate) slot: Arc<Slot>,
    wanted: Wanted,
    /// Grows with every load; what an older load has to say is not heard.
    attempt: u64,
    loading: Option<Loading>,
    wanted_digest: Option<String>,
    failure: Option<Arc<Fault>>,
    failed_loads: u32,
    retry_at: Option<Timestamp>,
    /// The process that is to be started again by the next load.
    restart: Option<Arc<dyn Process>>,
    exits: u32,
    /// Exits in a row of processes that did not live long.
    early_exits: u32,
    last_exit: Option<Arc<Fault>>,
    state: PluginState,
    since: Timestamp,
}

impl Supervised {
    pub(crate) fn new(id: &PluginId, wanted: Wanted, now: Timestamp) -> Self {
        let mut new = Self {
            id: id.clone(),
            slot: Slot::new(id),
            wanted,
            attempt: 0,
            loading: None,
            wanted_digest: None,
            failure: None,
            failed_loads: 0,
            retry_at: None,
            restart: None,
            exits: 0,
            early_exits: 0,
            last_exit: None,
            state: PluginState::Pending,
            since: now,
        };
        new.adopt(now);
        new
    }

    /// Takes over what is wanted now. True when a load has to begin.
    pub(crate) fn want(&mut self, wanted: Wanted, now: Timestamp) -> bool {
        let same = match (&self.wanted.entry, &wanted.entry) {
            (Ok(old), Ok(new)) => old == new && self.wanted.source.file == wanted.source.file,
            _ => false,
        };
        self.wanted = wanted;
        if same {
            return false;
        }
        self.adopt(now);
        self.entry_to_load().is_some()
    }

    /// Begins anew with the entry as it is now.
    fn adopt(&mut self, now: Timestamp) {
        self.attempt += 1;
        self.loading = None;
        self.failed_loads = 0;
        self.retry_at = None;
        self.wanted_digest = None;
        self.failure = None;
        self.restart = None;
        self.exits = 0;
        self.early_exits = 0;
        self.last_exit = None;
        match &self.wanted.entry {
            Ok(entry) => {
                self.slot.policy.store(Arc::new(entry.unavailable.clone()));
                if entry.disabled {
                    self.failure = Some(Arc::new(Fault::new(
                        &self.id,
                        Phase::Resolve,
                        FaultKind::Disabled,
                        format!("{}: the entry says `disabled: true`", self.wanted.source),
                        "take `disabled` off the entry to have the plugin loaded",
                    )));
                    self.slot.swap(None);
                }
            }
            Err(fault) => self.failure = Some(fault.clone()),
        }
        self.settle(now);
    }

    /// The plugin to load; `None` when its entry is wrong or says that it is not to be loaded.
    pub(crate) fn entry_to_load(&self) -> Option<Plugin> {
        match &self.wanted.entry {
            Ok(entry) if !entry.disabled => Some(Plugin {
                id: self.id.clone(),
                entry: entry.clone(),
                file: self.wanted.source.file,
            }),
            Ok(_) | Err(_) => None,
        }
    }

    /// A load begins: its number, and what serves meanwhile.
    pub(crate) fn begin(&mut self, now: Timestamp) -> (u64, Standing) {
        self.attempt += 1;
        self.retry_at = None;
        self.loading = Some(Loading {
            stage: Stage::Pending,
            task: None,
        });
        self.settle(now);
        let standing = match (&*self.slot.serving.load(), &self.wanted.entry) {
            (None, _) => Standing::None,
            (Some(serving), Ok(entry)) if Arc::ptr_eq(&serving.entry, entry) || serving.entry == *entry => {
                Standing::ThisEntry
            }
            (Some(_), _) => Standing::OlderEntry,
        };
        (self.attempt, standing)
    }

    /// The task that loads; it is ended when the load is no longer wanted.
    pub(crate) fn set_task(&mut self, task: AbortHandle) {
        match &mut self.loading {
            Some(loading) => loading.task = Some(task),
            None => task.abort(),
        }
    }

    /// True when something changed that should be shown.
    pub(crate) fn progress(&mut self, attempt: u64, stage: Stage, now: Timestamp) -> bool {
        let Some(loading) = self.loading.as_mut().filter(|_| attempt == self.attempt) else {
            return false;
        };
        let moved = loading.stage != stage;
        loading.stage = stage;
        self.settle(now);
        moved
    }

    /// True when something changed that should be shown.
    pub(crate) fn found_digest(&mut self, attempt: u64, digest: &str) -> bool {
        if attempt != self.attempt || self.wanted_digest.as_deref() == Some(digest) {
            return false;
        }
        self.wanted_digest = Some(digest.to_owned());
        true
    }

    /// Puts a version in place, if its load is still wanted.
    pub(crate) fn install(&mut self, attempt: u64, serving: Arc<Serving>, now: Timestamp) -> bool {
        if attempt != self.attempt || self.loading.is_none() {
            return false;
        }
        if !serving.is_stand_in {
            self.finish_load();
            self.failure = None;
            self.failed_loads = 0;
            self.wanted_digest = Some(serving.loaded.digest.clone());
        }
        self.slot.swap(Some(serving));
        self.settle(now);
        true
    }

    /// A load failed, if it is still wanted.
    pub(crate) fn fail(&mut self, attempt: u64, fault: Box<Fault>, retry: &Retry, now: Timestamp) -> bool {
        if attempt != self.attempt || self.loading.is_none() {
            return false;
        }
        self.finish_load();
        self.failed_loads = self.failed_loads.saturating_add(1);
        let pinned = self.wanted.entry.as_ref().is_ok_and(|entry| !entry.sha256.is_empty());
        self.retry_at = retry
            .pause(&self.id, self.failed_loads, &fault, pinned)
            .map(|pause| now.checked_add(pause).unwrap_or(Timestamp::MAX));
        // Of the same failure the first one is kept: texts that differ in a port or a time only would be noise.
        let same = self
            .failure
            .as_ref()
            .is_some_and(|first| first.phase == fault.phase && first.kind == fault.kind);
        if !same {
            self.failure = Some(Arc::from(fault));
        }
        self.settle(now);
        true
    }

    /// The process behind `serving` ended. How long until it is started again; `None` when it does not serve any more, or
    /// something newer is on its way.
    pub(crate) fn ended(
        &mut self,
        serving: &Arc<Serving>,
        fault: &Arc<Fault>,
        lived: Duration,
        retry: &Retry,
        now: Timestamp,
    ) -> Option<Duration> {
        let serves = |current: &Option<Arc<Serving>>| current.as_ref().is_some_and(|one| Arc::ptr_eq(one, serving));
        if !serves(&self.slot.serving.load()) {
            return None;
        }
        self.slot.swap(None);
        self.exits = self.exits.saturating_add(1);
        self.early_exits = if lived >= STEADY {
            1
        } else {
            self.early_exits.saturating_add(1)
        };
        self.last_exit = Some(fault.clone());
        let pause = self.early_exits.checked_sub(1).filter(|pauses| *pauses > 0);
        let pause = pause.and_then(|pauses| retry.pause(&self.id, pauses, fault, false));
        let pause = pause.unwrap_or_default();
        let waits = self.loading.is_none().then_some(pause);
        if waits.is_some() {
            self.retry_at = Some(now.checked_add(pause).unwrap_or(Timestamp::MAX));
            if !serving.is_stand_in {
                self.failure = Some(fault.clone());
                self.restart.clone_from(&serving.loaded.process);
            }
        }
        self.settle(now);
        waits
    }

    /// The process that the load that begins is to start again, instead of fetching anything.
    pub(crate) fn take_restart(&mut self) -> Option<Arc<dyn Process>> {
        self.restart.take()
    }

    /// Forgets the load without ending the task that reports it.
    fn finish_load(&mut self) {
        if let Some(mut loading) = self.loading.take() {
            loading.task = None;
        }
    }

    /// Nothing of it serves any more; what loads is ended.
    pub(crate) fn remove(&mut self) {
        self.attempt += 1;
        self.loading = None;
        self.restart = None;
        self.slot.swap(None);
    }

    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Whether what it wants does not serve, and its last load says why.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Why it is not as it should be: for those who want all plugins Ready.
    pub(crate) fn shortcoming(&self) -> Option<Fault> {
        let disabled = self.wanted.entry.as_ref().is_ok_and(|entry| entry.disabled);
        if disabled || self.state == PluginState::Ready && self.loading.is_none() {
            return None;
        }
        Some(match &self.failure {
            Some(failure) => (**failure).clone(),
            None => still_loading(&self.id),
        })
    }

    /// The fault of a key of this kind that cannot be read, if this stands for one.
    pub(crate) fn unread_key(&self, kind: PluginKind) -> Option<&Fault> {
        let stands_for_key = self.id.kind == kind && self.id.name == self.wanted.source.key_name();
        match &self.wanted.entry {
            Err(fault) if stands_for_key => Some(fault),
            Ok(_) | Err(_) => None,
        }
    }

    /// Brings the state, and what calls are told, in line with everything else.
    fn settle(&mut self, now: Timestamp) {
        let serving = self.slot.serving.load();
        let state = match (&*serving, &self.failure, &self.loading) {
            (Some(serving), None, _) if !serving.is_stand_in => PluginState::Ready,
            (Some(_), ..) => PluginState::Degraded,
            (None, Some(_), _) => PluginState::Unavailable,
            (None, None, Some(loading)) => loading.stage.into(),
            (None, None, None) => PluginState::Pending,
        };
        if serving.is_none() {
            let why_not = match &self.failure {
                Some(failure) => failure.clone(),
                None => Arc::new(still_loading(&self.id)),
            };
            self.slot.why_not.store(why_not);
        }
        if state != self.state {
            self.state = state;
            self.since = now;
            match &self.failure {
                Some(failure) if state >= PluginState::Degraded => {
                    tracing::warn!(plugin = %self.id, kind = %self.id.kind, ?state, fault = %failure, "plugin state");
                }
                _ => tracing::info!(plugin = %self.id, kind = %self.id.kind, ?state, "plugin state"),
            }
        }
    }

    pub(crate) fn status(&self) -> PluginStatus {
        let serving = self.slot.serving.load();
        let loaded = serving.as_ref().map(|serving| &serving.loaded);
        let (breaker, last_fault) = serving
            .as_ref()
            .map(|serving| serving.breaker.state())
            .unwrap_or_default();
        PluginStatus {
            id: self.id.clone(),
            source: self.wanted.source.clone(),
            entry: self.wanted.entry.as_ref().ok().cloned(),
            state: self.state,
            since: self.since,
            loading: self.loading.as_ref().map(|loading| loading.stage),
            runtime: loaded.map(|loaded| loaded.runtime),
            contract: loaded.map(|loaded| loaded.contract.clone()),
            serving_digest: loaded.map(|loaded| loaded.digest.clone()),
            wanted_digest: self.wanted_digest.clone(),
            failure: self.failure.clone(),
            failed_loads: self.failed_loads,
            retry_at: self.retry_at,
            breaker,
            last_fault,
            exits: self.exits,
            last_exit: self.last_exit.clone(),
            notes: self.wanted.notes.clone(),
        }
    }
}
