//! What somebody may be told of every call and every load, to count it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_core::{CallError, FaultKind, PluginId, host::HttpEnd};

use crate::loader::Stage;

/// Told of calls and loads. It is on their way: it must neither wait nor take long.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A call ended, or was refused.
    fn call(&self, report: &CallReport<'_>) {
        let _ = report;
    }

    /// A stage of a load ended, well or badly, after this long.
    fn stage(&self, plugin: &PluginId, stage: Stage, took: Duration) {
        let _ = (plugin, stage, took);
    }

    /// A request of a call ended, or was refused. `grant` is the server as the entry writes it; none, where no grant
    /// names it.
    fn http(&self, plugin: &PluginId, grant: Option<&str>, end: HttpEnd) {
        let _ = (plugin, grant, end);
    }
}

/// Nobody counts.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// A call that ended.
#[derive(Clone, Debug)]
pub struct CallReport<'a> {
    /// Of which plugin.
    pub plugin: &'a PluginId,
    /// The method's name in the ports, such as `set_weight`.
    pub method: &'static str,
    /// How it ended.
    pub outcome: CallOutcome,
    /// How long it waited for its turn; all of it when its turn never came.
    pub queued: Duration,
    /// How long it took in all.
    pub took: Duration,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// With an answer.
    Answered,
    /// With the plugin's own error.
    Error,
    /// With a fault.
    Fault(FaultKind),
    /// Its caller gave it up.
    Cancelled,
}

/// A call under way, which is reported however it ends.
pub(crate) struct Watched<'a> {
    observer: Arc<dyn Observer>,
    plugin: &'a PluginId,
    method: &'static str,
    began: Instant,
    entered: Option<Duration>,
    outcome: CallOutcome,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(observer: Arc<dyn Observer>, plugin: &'a PluginId, method: &'static str) -> Self {
        Self {
            observer,
            plugin,
            method,
            began: Instant::now(),
            entered: None,
            outcome: CallOutcome::Cancelled,
        }
    }

    /// Its turn has come.
    pub(crate) fn entered(&mut self) {
        self.entered = Some(self.began.elapsed());
    }

    /// It ended like this.
    pub(crate) fn ended<T>(mut self, result: Result<T, CallError>) -> Result<T, CallError> {
        self.outcome = match &result {
            Ok(_) => CallOutcome::Answered,
            Err(CallError::Plugin(_)) => CallOutcome::Error,
            Err(CallError::Fault(fault)) => CallOutcome::Fault(fault.kind),
        };
        result
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.observer.call(&CallReport {
            plugin: self.plugin,
            method: self.method,
            outcome: self.outcome,
            queued: self.entered.unwrap_or(took),
            took,
        });
    }
}
