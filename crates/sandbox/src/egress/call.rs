//! One call's share of the guard: until when, how many bytes, which secrets, whom it waits for.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rollcage_core::{
    Call, CallUsage, Denial,
    host::{HttpEnd, TargetGate},
    secret::SharedMasker,
};

use super::{error::EgressError, target::Target};

/// Requests of one call that may be under way at the same time: only `wasi:http` has more than one.
const MAX_IN_FLIGHT: usize = 32;

/// A wait that ends this close to the call's deadline was ended by it.
const SLACK: Duration = Duration::from_millis(20);

/// One call, as the guard sees it. Cheap to clone; all clones are the same call.
#[derive(Clone, Debug)]
pub struct EgressCall(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    deadline: Instant,
    masker: SharedMasker,
    gate: Option<Arc<dyn TargetGate>>,
    usage: Option<Arc<Mutex<CallUsage>>>,
    /// Bytes that may still be taken and sent.
    left_in: AtomicU64,
    left_out: AtomicU64,
    waits: Mutex<Waits>,
    denials: Mutex<Vec<Denial>>,
}

#[derive(Debug, Default)]
struct Waits {
    next: u64,
    /// Oldest first.
    in_flight: Vec<(u64, String)>,
    /// The server whose answer the deadline cut off.
    cut_off: Option<String>,
}

impl EgressCall {
    /// A call that ends at `deadline` and may take and send so many bytes over HTTP. What `masker` learns from
    /// credentials holds for everything that leaves the call.
    pub fn new(call: &Call, deadline: Instant, masker: SharedMasker, max_in: u64, max_out: u64) -> Self {
        Self(Arc::new(Inner {
            deadline,
            masker,
            gate: call.targets.clone(),
            usage: call.usage.clone(),
            left_in: AtomicU64::new(max_in),
            left_out: AtomicU64::new(max_out),
            waits: Mutex::default(),
            denials: Mutex::default(),
        }))
    }

    /// The server (`NAME:PORT`) whose answer is, or was when the deadline passed, waited for; the oldest if there are
    /// several.
    pub fn waiting_for(&self) -> Option<String> {
        let waits = self.waits();
        let oldest = waits.in_flight.first().map(|(_, server)| server.clone());
        oldest.or_else(|| waits.cut_off.clone())
    }

    /// Requests that were denied so far.
    pub fn denials(&self) -> Vec<Denial> {
        self.0.denials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    pub(super) fn masker(&self) -> &SharedMasker {
        &self.0.masker
    }

    /// Notes a denial; other errors pass through.
    pub(super) fn note_error(&self, error: &EgressError) {
        if let Some(denial) = error.denial() {
            self.0
                .denials
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(denial.clone());
            self.note(|usage| usage.denials.push(denial.clone()));
        }
    }

    pub(super) fn note_request(&self) {
        self.note(|usage| usage.http_requests = usage.http_requests.saturating_add(1));
    }

    fn note(&self, note: impl FnOnce(&mut CallUsage)) {
        if let Some(usage) = &self.0.usage {
            note(&mut usage.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A request ended, or was refused: to be counted. `grant` is the server as the entry writes it.
    pub(super) fn ended(&self, grant: Option<&str>, end: HttpEnd) {
        if let Some(gate) = &self.0.gate {
            gate.ended(grant, end);
        }
    }

    /// Asks the gate, and notes that a server is waited for until the returned value is finished or dropped.
    pub(super) fn begin(&self, target: &Target, grant: &Arc<str>) -> Result<InFlight, EgressError> {
        self.begin_at(&target.to_string(), grant)
            .inspect_err(|error| self.ended(Some(grant), error.end()))
    }

    fn begin_at(&self, server: &str, grant: &Arc<str>) -> Result<InFlight, EgressError> {
        if let Some(gate) = &self.0.gate {
            gate.admit(server).map_err(|after| EgressError::Paused {
                server: server.to_owned(),
                after,
            })?;
        }
        let mut waits = self.waits();
        if waits.in_flight.len() >= MAX_IN_FLIGHT {
            return Err(EgressError::InvalidRequest(format!(
                "more than {MAX_IN_FLIGHT} requests at the same time"
            )));
        }
        let id = waits.next;
        waits.next += 1;
        waits.in_flight.push((id, server.to_owned()));
        Ok(InFlight {
            call: self.clone(),
            id,
            grant: grant.clone(),
            is_counted: false,
        })
    }

    /// Takes bytes of an answer.
    pub(super) fn take_in(&self, bytes: usize) -> Result<(), EgressError> {
        take(&self.0.left_in, bytes).map_err(|()| too_large())
    }

    /// Whether an answer of this length may still be taken.
    pub(super) fn has_room_for(&self, bytes: usize) -> Result<(), EgressError> {
        let left = AtomicU64::new(self.0.left_in.load(Ordering::Relaxed));
        take(&left, bytes).map_err(|()| too_large())
    }

    /// Takes bytes of a request.
    pub(super) fn take_out(&self, bytes: usize) -> Result<(), EgressError> {
        take(&self.0.left_out, bytes).map_err(|()| {
            EgressError::TooLarge("the requests are larger than what one call may send (`limits.output`)".into())
        })
    }

    fn waits(&self) -> std::sync::MutexGuard<'_, Waits> {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_large() -> EgressError {
    EgressError::TooLarge("the answers are larger than what one call may take (`limits.input`)".into())
}

fn take(left: &AtomicU64, bytes: usize) -> Result<(), ()> {
    let bytes = u64::try_from(bytes).map_err(|_| ())?;
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
        .map(|_| ())
        .map_err(|_| ())
}

/// A request under way.
#[derive(Debug)]
pub(super) struct InFlight {
    call: EgressCall,
    id: u64,
    grant: Arc<str>,
    is_counted: bool,
}

impl InFlight {
    /// The server answered with this status.
    pub(super) fn answered(&mut self, status: u16) {
        self.count(HttpEnd::Answered(status));
    }

    /// Once: what comes after an answer is part of it.
    fn count(&mut self, end: HttpEnd) {
        if !std::mem::replace(&mut self.is_counted, true) {
            self.call.ended(Some(&self.grant), end);
        }
    }

    /// It ended, well or by this error.
    pub(super) fn settle(mut self, error: Option<&EgressError>) {
        if let Some(error) = error {
            self.count(error.end());
        }
        if error.is_some_and(EgressError::is_call_deadline) {
            // Dropped: the deadline cut it off.
            return;
        }
        let server = self.remove();
        if let (Some(gate), Some(server)) = (&self.call.0.gate, server)
            && error.is_none_or(EgressError::is_answer)
        {
            gate.answered(&server);
        }
    }

    fn remove(&self) -> Option<String> {
        let mut waits = self.call.waits();
        let index = waits.in_flight.iter().position(|(id, _)| *id == self.id)?;
        Some(waits.in_flight.remove(index).1)
    }
}

/// Given up: by the guest, or because the call's time is over.
impl Drop for InFlight {
    fn drop(&mut self) {
        let is_late = Instant::now() + SLACK >= self.call.0.deadline;
        if let Some(server) = self.remove() {
            self.count(if is_late { HttpEnd::Timeout } else { HttpEnd::Cancelled });
            if is_late {
                self.call.waits().cut_off = Some(server);
            }
        }
    }
}
