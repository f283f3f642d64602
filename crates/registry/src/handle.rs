//! One call on its way to a plugin: who may call, whether now, in whose turn, until when, and what its end says.

use std::{
    any::Any,
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use rollcage_core::{Call, CallError, Fault, FaultKind, Phase, PluginId};

use crate::{
    admission::{Permit, Refused},
    breaker::{Verdict, judge},
    circuit::Ticket,
    loader::Port,
    observe::Watched,
    registry::Inner,
    slot::Serving,
};

/// How long after its deadline a call is given up from outside. What runs plugins ends them at the deadline; this is for
/// the case that it does not, so that a slot is never lost.
const OVERTIME: Duration = Duration::from_secs(2);

/// A plugin by name, for objects of one namespace. Every call goes to what serves then.
pub(crate) struct Handle {
    pub(crate) registry: Arc<Inner>,
    pub(crate) id: PluginId,
    pub(crate) namespace: String,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// A call of this method that begins now.
    pub(crate) fn watched(&self, method: &'static str) -> Watched<'_> {
        Watched::new(self.registry.observer(), &self.id, method)
    }

    /// Waits for the call's turn. Queueing is part of the call's time.
    pub(crate) async fn enter(&self, call: &Call) -> Result<Entered, CallError> {
        let arrived = Instant::now();
        let mut deadline = call.deadline;
        loop {
            let serving = self.registry.serving(&self.id).map_err(untried)?;
            serving.check_namespace(&self.namespace)?;
            let deadline = *deadline.get_or_insert_with(|| {
                arrived
                    .checked_add(serving.deadline)
                    .unwrap_or_else(|| arrived + Duration::from_hours(24))
            });
            let refuse = |left| serving.breaker.refusal(&self.id, left);
            let ticket = serving.breaker.admit().map_err(refuse)?;
            let mut held = Held {
                serving: serving.clone(),
                ticket: Some(ticket),
            };
            let permit = match serving.admission.acquire(&self.namespace, deadline).await {
                Ok(permit) => permit,
                // Another version serves, or none: look again.
                Err(Refused::Closed) => continue,
                Err(refused) => return Err(self.refused(refused, &serving).into()),
            };
            let confirmed = serving.breaker.confirm(ticket).map_err(|left| {
                held.ticket = None;
                refuse(left)
            })?;
            held.ticket = Some(confirmed);
            let call = Call {
                namespace: self.namespace.clone(),
                deadline: Some(deadline),
                targets: Some(serving.targets.clone()),
                ..call.clone()
            };
            return Ok(Entered {
                registry: self.registry.clone(),
                held,
                deadline,
                call,
                _permit: permit,
            });
        }
    }

    fn refused(&self, refused: Refused, serving: &Serving) -> Fault {
        let concurrency = &serving.entry.limits.concurrency;
        let slots = concurrency.unwrap_or(rollcage_core::limits::Limits::default().concurrency);
        match refused {
            Refused::Full { running, waiting } => Fault::new(
                &self.id,
                Phase::Call,
                FaultKind::QueueFull,
                format!("{running} calls run and {waiting} wait: there is no room for another"),
                "raise `limits.concurrency` or `limits.queue` of the entry, or let its objects call less often",
            ),
            Refused::Deadline { .. } | Refused::Closed => {
                let waited = match refused {
                    Refused::Deadline { waited } => waited,
                    Refused::Full { .. } | Refused::Closed => Duration::ZERO,
                };
                Fault::new(
                    &self.id,
                    Phase::Call,
                    FaultKind::QueueDeadline,
                    format!(
                        "the deadline passed while the call waited for one of {slots} slots for {} ms",
                        waited.as_millis()
                    ),
                    "raise `limits.concurrency` or `limits.deadline` of the entry",
                )
            }
        }
    }
}

/// A fault of the plugin's load, as a call that came too late is told it: the kind says that nothing was tried.
fn untried(mut fault: Box<Fault>) -> CallError {
    if !fault.kind.is_not_serving() && fault.kind != FaultKind::NotUsableHere {
        fault.kind = FaultKind::Loading;
    }
    CallError::Fault(fault)
}

/// The right to try, given back when it is dropped unused.
struct Held {
    serving: Arc<Serving>,
    ticket: Option<Ticket>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.serving.breaker.abandon(ticket);
        }
    }
}

/// A call whose turn it is. Dropping it (a cancelled caller, a panic) gives everything back.
pub(crate) struct Entered {
    registry: Arc<Inner>,
    held: Held,
    deadline: Instant,
    call: Call,
    _permit: Permit,
}

impl Entered {
    /// What to call.
    pub(crate) fn port(&self) -> &Port {
        &self.held.serving.loaded.port
    }

    /// The call as the port gets it.
    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    /// Runs the call and learns from its end.
    pub(crate) async fn run<T>(&self, answer: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let id = &self.held.serving.id;
        let fault = |kind, cause: String, hint: &str| CallError::from(Fault::new(id, Phase::Call, kind, cause, hint));
        let limit = self.deadline.checked_add(OVERTIME).unwrap_or(self.deadline);
        let ended = tokio::time::timeout_at(limit.into(), AssertUnwindSafe(answer).catch_unwind()).await;
        match ended {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(fault(
                FaultKind::Host,
                format!("the host panicked in this call: {}", panic_text(panic.as_ref())),
                "report this as a bug of Rollcage",
            )),
            Err(_) => Err(fault(
                FaultKind::Deadline,
                format!("the call did not end within {OVERTIME:?} after its deadline"),
                "report this as a bug of Rollcage",
            )),
        }
    }

    /// What the end of the call says of the plugin and of the servers that it called.
    pub(crate) fn learn<T>(mut self, result: Result<T, CallError>) -> Result<T, CallError> {
        let serving = &self.held.serving;
        if let Err(CallError::Fault(fault)) = &result {
            serving.faults.note(self.registry.now(), fault);
        }
        let verdict = judge(&result);
        if verdict == Verdict::Nothing {
            return result;
        }
        let Some(ticket) = self.held.ticket.take() else {
            return result;
        };
        let moved = match (&verdict, &result) {
            (Verdict::Plugin, Err(CallError::Fault(fault))) => {
                let opened = serving.breaker.fault(ticket, fault);
                if let Some(pause) = opened {
                    tracing::warn!(plugin = %serving.id, %fault, ?pause, "calls are paused");
                    self.registry.publish_after(pause);
                }
                opened.is_some()
            }
            _ => serving.breaker.success(ticket),
        };
        if let Verdict::Target(target) = &verdict
            && let Some(pause) = serving.targets.fault(target)
        {
            tracing::warn!(plugin = %serving.id, target, ?pause, "requests to this server are paused");
        }
        if moved {
            self.registry.publish();
        }
        result
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
