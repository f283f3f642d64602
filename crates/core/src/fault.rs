//! How a plugin fails: one closed set of kinds, each with the phase it happened in, the first cause and what to do.

use std::{fmt, time::Duration};

use rollcage_api::plugin::PluginKind;
use serde::Serialize;

/// Which plugin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PluginId {
    /// What it extends.
    pub kind: PluginKind,
    /// `<namespace>/<name>`, or whatever the entry says.
    pub name: String,
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Where on its way a plugin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading its entry.
    Resolve,
    /// Getting its bytes.
    Fetch,
    /// Checking its bytes.
    Verify,
    /// Compiling it.
    Compile,
    /// Matching its imports and exports with the contract.
    Link,
    /// Its `init`.
    Init,
    /// A call.
    Call,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Verify => "verify",
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Init => "init",
            Self::Call => "call",
        })
    }
}

/// What happened. The set is closed; the text of a kind is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The entry is wrong.
    InvalidEntry,
    /// No entry of this name.
    NotConfigured,
    /// The entry says `disabled`.
    Disabled,
    /// The entry is not usable from the object's namespace.
    NotUsableHere,
    /// The bytes are not there.
    NotFound,
    /// The server does not answer.
    Unreachable,
    /// The server answers something else than the bytes.
    BadAnswer,
    /// More bytes than allowed.
    TooLarge,
    /// The bytes are not the ones that were asked for.
    DigestMismatch,
    /// The disk is full, read-only or broken.
    Storage,
    /// The bytes are no plugin.
    NotAPlugin,
    /// A plugin of a runtime that is not served.
    UnsupportedRuntime,
    /// A component of another world, or of another version of the contract.
    WrongContract,
    /// A component that imports what the host does not have.
    UnknownImport,
    /// The compiler refused it, or did not survive it.
    CompileFailed,
    /// The compiler took too long or too much.
    CompileLimit,
    /// The guest spent the deadline computing.
    Deadline,
    /// The deadline passed while the guest waited for the host.
    HostDeadline,
    /// The deadline passed before the call began.
    QueueDeadline,
    /// The queue is full.
    QueueFull,
    /// More linear memory than `limits.memory`.
    Memory,
    /// Larger tables than allowed.
    Table,
    /// Too many instances, memories, tables or handles.
    Resources,
    /// The call stack ran out.
    Stack,
    /// More bytes in than `limits.input`.
    Input,
    /// More bytes out than `limits.output`.
    Output,
    /// More log than `limits.log`.
    Log,
    /// The guest asked to end the process.
    Exit,
    /// The guest trapped.
    Trap,
    /// The guest answered something that the contract does not allow.
    InvalidAnswer,
    /// The guest failed because a host call was denied.
    Denied,
    /// The plugin's own `init` answered with an error.
    InitRefused,
    /// The breaker is open.
    BreakerOpen,
    /// The plugin is still loading.
    Loading,
    /// The host itself failed.
    Host,
}

impl FaultKind {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidEntry => "invalid-entry",
            Self::NotConfigured => "not-configured",
            Self::Disabled => "disabled",
            Self::NotUsableHere => "not-usable-here",
            Self::NotFound => "not-found",
            Self::Unreachable => "unreachable",
            Self::BadAnswer => "bad-answer",
            Self::TooLarge => "too-large",
            Self::DigestMismatch => "digest-mismatch",
            Self::Storage => "storage",
            Self::NotAPlugin => "not-a-plugin",
            Self::UnsupportedRuntime => "unsupported-runtime",
            Self::WrongContract => "wrong-contract",
            Self::UnknownImport => "unknown-import",
            Self::CompileFailed => "compile-failed",
            Self::CompileLimit => "compile-limit",
            Self::Deadline => "deadline",
            Self::HostDeadline => "host-deadline",
            Self::QueueDeadline => "queue-deadline",
            Self::QueueFull => "queue-full",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Resources => "resources",
            Self::Stack => "stack",
            Self::Input => "input",
            Self::Output => "output",
            Self::Log => "log",
            Self::Exit => "exit",
            Self::Trap => "trap",
            Self::InvalidAnswer => "invalid-answer",
            Self::Denied => "denied",
            Self::InitRefused => "init-refused",
            Self::BreakerOpen => "breaker-open",
            Self::Loading => "loading",
            Self::Host => "host",
        }
    }

    /// Whether the object has to wait for the plugin (nothing was tried), as opposed to a try that failed.
    pub fn is_not_serving(self) -> bool {
        matches!(
            self,
            Self::NotConfigured | Self::Disabled | Self::BreakerOpen | Self::Loading
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A failure of a plugin, or of the host on its behalf.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// Which plugin.
    pub plugin: PluginId,
    /// Where on its way.
    pub phase: Phase,
    /// What happened.
    pub kind: FaultKind,
    /// The first cause, lower case, without trailing period.
    pub cause: String,
    /// What to do.
    pub hint: String,
    /// Guest functions, innermost first, where known.
    pub backtrace: Vec<String>,
    /// The server that a [`FaultKind::HostDeadline`] waited for, as `NAME:PORT`.
    pub waiting_for: Option<String>,
}

impl Fault {
    /// A fault without backtrace.
    pub fn new(
        plugin: &PluginId,
        phase: Phase,
        kind: FaultKind,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            plugin: plugin.clone(),
            phase,
            kind,
            cause: cause.into(),
            hint: hint.into(),
            backtrace: Vec::new(),
            waiting_for: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {}: {}: {}", self.plugin.name, self.phase, self.cause)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.hint)
        }
    }
}

impl std::error::Error for Fault {}

/// Kind of an error that a plugin itself answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginErrorKind {
    /// Its configuration is wrong.
    InvalidConfig,
    /// Something it depends on does not answer now.
    Unavailable,
    /// Something refused it.
    Denied,
    /// An object changed in between.
    Conflict,
    /// Anything else.
    Internal,
}

/// An error that a plugin itself answers with: an ordinary answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PluginError {
    /// What kind.
    pub kind: PluginErrorKind,
    /// The plugin's words.
    pub message: String,
    /// When another try may help.
    pub retry_after: Option<Duration>,
}

/// How a call ended without a result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The plugin answered with an error.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The plugin did not answer.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}
