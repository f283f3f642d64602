//! Why a call ended early: the mark that host functions leave in the error they end it with, and the fault that it becomes.

use rollcage_core::{Fault, FaultKind, Phase, limits::Limits};
use wasmtime::{Error, Trap, WasmBacktrace, component::ResourceTableError};
use wasmtime_wasi::I32Exit;

use crate::policy::Policy;

/// Guest functions that are kept of a backtrace.
const FRAMES: usize = 32;
/// Bytes of a function's name that are kept.
const NAME: usize = 256;

/// The error that a host function ends a call with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct Stop {
    pub(crate) kind: FaultKind,
    pub(crate) cause: String,
}

impl Stop {
    pub(crate) fn new(kind: FaultKind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            cause: cause.into(),
        }
    }

    /// More bytes out than `limits.output`.
    pub(crate) fn output(limits: &Limits) -> Self {
        Self::new(
            FaultKind::Output,
            format!("it handed out more than limits.output ({})", limits.output),
        )
    }

    /// The guest spent the deadline.
    pub(crate) fn deadline() -> Self {
        Self::new(FaultKind::Deadline, "the deadline passed while it was computing")
    }

    /// What an error of the engine means.
    pub(crate) fn of(error: &Error, policy: &Policy) -> Self {
        if let Some(stop) = error.downcast_ref::<Self>() {
            return stop.clone();
        }
        if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
            return Self::new(FaultKind::Exit, format!("it ended its process with status {status}"));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => return Self::new(FaultKind::Stack, "the call stack is full"),
            Some(Trap::Interrupt) => return Self::deadline(),
            Some(Trap::MemoryOutOfBounds) if recurses(error) => {
                return Self::new(FaultKind::Stack, "the call stack in linear memory is full");
            }
            Some(trap) => {
                let text = trap.to_string();
                return Self::new(FaultKind::Trap, text.strip_prefix("wasm trap: ").unwrap_or(&text));
            }
            None => {}
        }
        let cause = error.root_cause().to_string();
        if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
            return Self::new(FaultKind::Resources, "too many handles");
        }
        let has = |words: &[&str]| words.iter().any(|word| cause.contains(word));
        // The engine has no types for these.
        if has(&["fuel allocated for hostcalls"]) {
            Self::output(&policy.limits)
        } else if has(&[
            "resource limit exceeded",
            "handle limit exceeded",
            "handle: index overflow",
            "too many active",
        ]) {
            Self::new(FaultKind::Resources, cause)
        } else if has(&[
            "discriminant",
            "utf-8",
            "utf-16",
            "surrogate",
            "char",
            "out of bounds of memory",
            "not aligned",
            "realloc return",
            "unexpected flag",
        ]) {
            Self::new(FaultKind::InvalidAnswer, cause)
        } else if error.downcast_ref::<WasmBacktrace>().is_some() {
            Self::new(FaultKind::Trap, cause)
        } else {
            Self::new(FaultKind::Host, cause)
        }
    }

    /// The fault, with what to do about it.
    pub(crate) fn into_fault(self, policy: &Policy, phase: Phase) -> Fault {
        let hint = hint(self.kind, policy);
        Fault::new(&policy.id, phase, self.kind, self.cause, hint)
    }
}

fn hint(kind: FaultKind, policy: &Policy) -> String {
    let limits = &policy.limits;
    match kind {
        FaultKind::Deadline => format!("raise limits.deadline ({:?}), or let it compute less", limits.deadline),
        FaultKind::HostDeadline => format!(
            "raise limits.deadline ({:?}), or check what it waits for",
            limits.deadline
        ),
        FaultKind::QueueDeadline => {
            "the host has more to do than it can; raise limits.deadline or give it more cores".into()
        }
        FaultKind::Memory => format!("raise limits.memory ({})", limits.memory),
        FaultKind::Output => format!("raise limits.output ({})", limits.output),
        FaultKind::Input => format!("raise limits.input ({})", limits.input),
        FaultKind::Log => format!("raise limits.log ({}), or let it log less", limits.log),
        FaultKind::Table => "the plugin needs larger tables than any known language; this is a defect in it".into(),
        FaultKind::Resources => {
            "the plugin holds more at the same time than the host gives; this is a defect in it".into()
        }
        FaultKind::Stack => "the plugin recurses too deeply; this is a defect in it".into(),
        FaultKind::Exit | FaultKind::Trap => "this is a defect in the plugin; its log may tell more".into(),
        FaultKind::InvalidAnswer => "this is a defect in the plugin or its toolchain".into(),
        FaultKind::WrongContract => "build it against the contract again".into(),
        _ => String::new(),
    }
}

/// Languages keep a stack of their own at the bottom of linear memory; without end it leads out of it. A function that
/// fills the whole backtrace tells that from a stray pointer.
fn recurses(error: &Error) -> bool {
    /// The engine keeps 20 frames.
    const DEEP: usize = 20;
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return false;
    };
    let frames = backtrace.frames();
    let often = |index: u32| frames.iter().filter(|frame| frame.func_index() == index).count();
    frames.len() >= DEEP && frames.iter().any(|frame| often(frame.func_index()) >= frames.len() / 4)
}

/// Names of the guest functions that were active, innermost first.
pub(crate) fn backtrace(error: &Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let frames = backtrace.frames().iter().take(FRAMES);
    frames
        .map(|frame| match frame.func_name() {
            // Without the hash that makes names unique.
            Some(name) => format!("{:#}", rustc_demangle::demangle(shortened(name))),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}

fn shortened(name: &str) -> &str {
    let mut end = name.len().min(NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}
