//! A plugin's own breaker: which ends of calls count, and what a refused call is told.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rollcage_core::{CallError, Fault, FaultKind, Phase, PluginId};

use crate::{
    circuit::{BreakerState, Circuit, Rules, Ticket},
    monotonic::Monotonic,
};

/// What the end of a call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The plugin is able to answer.
    Fine,
    /// The plugin is at fault.
    Plugin,
    /// The server that the call waited for is at fault.
    Target(String),
    /// Nothing: the call did not get as far as the plugin.
    Nothing,
}

/// Design 3.12: typed errors never count; what the guest does to itself counts for the plugin; waiting in vain counts
/// for the server. What the caller or the host did (too much input, a missing grant) counts for nobody: one tenant's
/// object must not stop the others.
pub(crate) fn judge<T>(result: &Result<T, CallError>) -> Verdict {
    let fault = match result {
        Ok(_) | Err(CallError::Plugin(_)) => return Verdict::Fine,
        Err(CallError::Fault(fault)) => fault,
    };
    match fault.kind {
        FaultKind::Deadline
        | FaultKind::Memory
        | FaultKind::Table
        | FaultKind::Resources
        | FaultKind::Stack
        | FaultKind::Output
        | FaultKind::Log
        | FaultKind::Exit
        | FaultKind::Trap
        | FaultKind::InvalidAnswer => Verdict::Plugin,
        FaultKind::HostDeadline => fault.waiting_for.clone().map_or(Verdict::Nothing, Verdict::Target),
        FaultKind::Denied | FaultKind::InitRefused => Verdict::Fine,
        FaultKind::InvalidEntry
        | FaultKind::NotConfigured
        | FaultKind::Disabled
        | FaultKind::NotUsableHere
        | FaultKind::NotFound
        | FaultKind::Unreachable
        | FaultKind::BadAnswer
        | FaultKind::TooLarge
        | FaultKind::DigestMismatch
        | FaultKind::Storage
        | FaultKind::NotAPlugin
        | FaultKind::UnsupportedRuntime
        | FaultKind::WrongContract
        | FaultKind::UnknownImport
        | FaultKind::CompileFailed
        | FaultKind::CompileLimit
        | FaultKind::QueueDeadline
        | FaultKind::QueueFull
        | FaultKind::Input
        | FaultKind::BreakerOpen
        | FaultKind::Loading
        | FaultKind::Host => Verdict::Nothing,
    }
}

/// One plugin's breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    rules: Rules,
    /// How long a probe may take.
    lease: Duration,
    time: Arc<dyn Monotonic>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    circuit: Circuit,
    last: Option<Arc<Fault>>,
}

impl Breaker {
    pub(crate) fn new(rules: Rules, lease: Duration, time: Arc<dyn Monotonic>) -> Self {
        Self {
            rules,
            lease,
            time,
            inner: Mutex::new(Inner {
                circuit: Circuit::new(rules),
                last: None,
            }),
        }
    }

    /// The right to call, or how long there is none.
    pub(crate) fn admit(&self) -> Result<Ticket, Duration> {
        self.lock().circuit.admit(self.time.now(), self.lease)
    }

    /// Asks again for a call that waited since it got its ticket: the breaker may have opened meanwhile.
    pub(crate) fn confirm(&self, ticket: Ticket) -> Result<Ticket, Duration> {
        let mut inner = self.lock();
        if inner.circuit.is_valid(ticket) {
            return Ok(ticket);
        }
        inner.circuit.admit(self.time.now(), self.lease)
    }

    /// How long a call would be refused, without asking for the right to call.
    pub(crate) fn refuses(&self) -> Option<Duration> {
        self.lock().circuit.refuses(self.time.now())
    }

    /// True when that closed the breaker.
    pub(crate) fn success(&self, ticket: Ticket) -> bool {
        self.lock().circuit.success(ticket)
    }

    /// `Some(pause)` when that opened the breaker.
    pub(crate) fn fault(&self, ticket: Ticket, fault: &Fault) -> Option<Duration> {
        let now = self.time.now();
        let mut inner = self.lock();
        inner.last = Some(Arc::new(fault.clone()));
        inner.circuit.fault(ticket, now)
    }

    pub(crate) fn abandon(&self, ticket: Ticket) {
        let now = self.time.now();
        self.lock().circuit.abandon(ticket, now);
    }

    /// For the plugin's status.
    pub(crate) fn state(&self) -> (BreakerState, Option<Arc<Fault>>) {
        let now = self.time.now();
        let inner = self.lock();
        (inner.circuit.state(now), inner.last.clone())
    }

    /// What a call is told that does not pass.
    pub(crate) fn refusal(&self, plugin: &PluginId, left: Duration) -> Fault {
        let last = self.lock().last.clone();
        let cause = match &last {
            Some(last) => format!(
                "calls are paused after {} faults within {}, the last one: {}: {}",
                self.rules.faults,
                seconds(self.rules.window),
                last.kind,
                last.cause
            ),
            None => "calls are paused after too many faults".to_owned(),
        };
        let mut fault = Fault::new(
            plugin,
            Phase::Call,
            FaultKind::BreakerOpen,
            cause,
            format!(
                "the next call is tried within {}; mend the plugin or raise the limit that it hits",
                seconds(left)
            ),
        );
        fault.backtrace = last.map(|last| last.backtrace.clone()).unwrap_or_default();
        fault
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A length of time as people read it: whole seconds, rounded up.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use rollcage_api::plugin::{BreakerEntry, PluginKind};
    use rollcage_core::{PluginError, PluginErrorKind};

    use super::*;
    use crate::testing::FakeMonotonic;

    fn id() -> PluginId {
        PluginId {
            kind: PluginKind::Step,
            name: "example/step".into(),
        }
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(&id(), Phase::Call, kind, "wasm trap: unreachable", "")
    }

    #[test]
    fn what_counts_for_whom() {
        use FaultKind::*;
        let typed: Result<(), _> = Err(CallError::Plugin(PluginError {
            kind: PluginErrorKind::Internal,
            message: "no".into(),
            retry_after: None,
        }));
        assert_eq!(judge(&Ok(())), Verdict::Fine);
        assert_eq!(judge(&typed), Verdict::Fine);
        for kind in [
            Deadline,
            Memory,
            Table,
            Resources,
            Stack,
            Output,
            Log,
            Exit,
            Trap,
            InvalidAnswer,
        ] {
            assert_eq!(judge::<()>(&Err(fault(kind).into())), Verdict::Plugin, "{kind}");
        }
        for kind in [
            QueueDeadline,
            QueueFull,
            Input,
            BreakerOpen,
            Loading,
            Host,
            NotUsableHere,
        ] {
            assert_eq!(judge::<()>(&Err(fault(kind).into())), Verdict::Nothing, "{kind}");
        }
        for kind in [Denied, InitRefused] {
            assert_eq!(judge::<()>(&Err(fault(kind).into())), Verdict::Fine, "{kind}");
        }
        let mut waited = fault(HostDeadline);
        assert_eq!(judge::<()>(&Err(waited.clone().into())), Verdict::Nothing);
        waited.waiting_for = Some("prometheus:9090".into());
        assert_eq!(
            judge::<()>(&Err(waited.into())),
            Verdict::Target("prometheus:9090".into())
        );
    }

    #[test]
    fn a_refused_call_is_told_why_and_until_when() {
        let time = Arc::new(FakeMonotonic::default());
        let rules = Rules::from(&BreakerEntry::default());
        let breaker = Breaker::new(rules, Duration::from_mins(1), time.clone());
        let waiting = breaker.admit().unwrap();
        for _ in 0..5 {
            breaker.fault(breaker.admit().unwrap(), &fault(FaultKind::Trap));
        }
        time.pass(Duration::from_millis(100));
        let left = breaker.admit().unwrap_err();
        assert_eq!(breaker.confirm(waiting), Err(left));
        let told = breaker.refusal(&id(), left);
        assert_eq!(told.kind, FaultKind::BreakerOpen);
        assert_eq!(
            told.to_string(),
            "plugin example/step: call: calls are paused after 5 faults within 30s, the last one: trap: wasm trap: \
             unreachable (the next call is tried within 1s; mend the plugin or raise the limit that it hits)"
        );
        time.pass(Duration::from_secs(1));
        assert_eq!(breaker.refuses(), None);
        assert_eq!(breaker.state().0, BreakerState::HalfOpen);
        let probe = breaker.admit().unwrap();
        assert!(breaker.success(probe));
        assert_eq!(breaker.state().0, BreakerState::Closed);
    }
}
