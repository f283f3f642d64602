//! What calls see of one plugin: what serves now, or why nothing does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use rollcage_api::plugin::{PluginEntry, UnavailableEntry};
use rollcage_core::{Fault, FaultKind, Phase, PluginId, limits::Limits};

use crate::{
    admission::Admission,
    breaker::Breaker,
    circuit::Rules,
    loader::{Loaded, Plugin, Runtime},
    registry::Options,
    status::Faults,
    targets::Targets,
};

/// One version of a plugin under one entry, with all that belongs to its calls. A change of either makes a new one.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) id: PluginId,
    pub(crate) loaded: Loaded,
    pub(crate) entry: Arc<PluginEntry>,
    pub(crate) deadline: Duration,
    pub(crate) admission: Arc<Admission>,
    pub(crate) breaker: Breaker,
    pub(crate) targets: Arc<Targets>,
    /// The last ends of calls by a fault.
    pub(crate) faults: Faults,
    /// The bytes are older than what the entry wants.
    pub(crate) is_stand_in: bool,
    /// When it began to serve, by real time.
    pub(crate) since: Instant,
}

impl Serving {
    pub(crate) fn new(plugin: &Plugin, loaded: Loaded, is_stand_in: bool, options: &Options) -> Arc<Self> {
        let time = &options.monotonic;
        let told = (plugin.id.clone(), options.observer.clone());
        let limits = match loaded.runtime {
            Runtime::Wasm => Limits::wasm(&plugin.entry.limits),
            Runtime::Native => Limits::native(&plugin.entry.limits),
        };
        let rules = Rules::from(&plugin.entry.breaker);
        Arc::new(Self {
            id: plugin.id.clone(),
            loaded,
            entry: plugin.entry.clone(),
            deadline: limits.deadline,
            admission: Admission::new(limits.concurrency, limits.queue),
            breaker: Breaker::new(rules, limits.deadline, time.clone()),
            targets: Arc::new(Targets::new(rules, limits.deadline, time.clone(), told)),
            faults: Faults::default(),
            is_stand_in,
            since: time.now(),
        })
    }

    /// Whether objects of this namespace may name the plugin.
    pub(crate) fn check_namespace(&self, namespace: &str) -> Result<(), Box<Fault>> {
        let Some(allowed) = &self.entry.usable_from else {
            return Ok(());
        };
        if allowed.iter().any(|name| name == "*" || name == namespace) {
            return Ok(());
        }
        Err(Box::new(Fault::new(
            &self.id,
            Phase::Resolve,
            FaultKind::NotUsableHere,
            format!("the plugin is not usable from namespace {namespace}"),
            format!("add {namespace} to `usableFrom` of the plugin's entry"),
        )))
    }
}

/// One plugin, as long as it is configured.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) serving: ArcSwapOption<Serving>,
    /// What a call is told while nothing serves.
    pub(crate) why_not: ArcSwap<Fault>,
    pub(crate) policy: ArcSwap<UnavailableEntry>,
}

impl Slot {
    pub(crate) fn new(id: &PluginId) -> Arc<Self> {
        Arc::new(Self {
            serving: ArcSwapOption::empty(),
            why_not: ArcSwap::from_pointee(still_loading(id)),
            policy: ArcSwap::from_pointee(UnavailableEntry::default()),
        })
    }

    /// Puts a version in the place of the one that serves. Calls in flight end on the old one; those that wait for a
    /// slot of it go over to the new one.
    pub(crate) fn swap(&self, serving: Option<Arc<Serving>>) {
        if let Some(old) = self.serving.swap(serving) {
            old.admission.close();
        }
    }
}

pub(crate) fn still_loading(id: &PluginId) -> Fault {
    Fault::new(
        id,
        Phase::Fetch,
        FaultKind::Loading,
        "the plugin is still loading",
        "wait: its state tells how far it is",
    )
}
