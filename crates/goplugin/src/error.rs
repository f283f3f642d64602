//! How a native plugin fails, each way apart, and what to do about it.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use rollcage_core::{Fault, FaultKind, Phase, PluginId};

use crate::{
    broker::BrokerError,
    handshake::{Address, LineError},
    launch::LaunchStep,
    process::{Exit, Killed},
    rpc::RpcError,
    yamux::SessionError,
};

/// Why a plugin did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator does not want native plugins.
    #[error("native plugins are switched off")]
    Off,
    /// No private folder.
    #[error("no private folder for the plugin: {0}")]
    Folder(#[source] io::Error),
    /// A socket's path would be too long.
    #[error("the folder {folder} is too long for a socket's path", folder = folder.display())]
    SocketFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Our own launcher did not start.
    #[error("the launcher {program} cannot be started: {source}", program = program.display())]
    Launcher {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The launcher could not do a step.
    #[error("launch step {step}: {source}")]
    Launch {
        /// The step.
        step: LaunchStep,
        /// Why.
        source: io::Error,
    },
    /// The executable is missing, not executable, or for another system.
    #[error("fork/exec {executable}: {source}", executable = executable.display())]
    Exec {
        /// The executable.
        executable: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended before it said where it listens.
    #[error("plugin exited before we could connect: it {exit}{}", tail(stderr))]
    Exited {
        /// How.
        exit: Exit,
        /// The end of its standard error.
        stderr: String,
    },
    /// It ended because it is another kind of plugin, or expects another host.
    #[error(
        "the plugin refused the host's cookie: it is no {kind} plugin of Argo Rollouts{}",
        tail(stderr)
    )]
    Cookie {
        /// The kind that it was started as.
        kind: rollcage_api::plugin::PluginKind,
        /// The end of its standard error.
        stderr: String,
    },
    /// It closed standard output and stayed.
    #[error("the plugin closed its standard output without a handshake{}", tail(stderr))]
    Closed {
        /// The end of its standard error.
        stderr: String,
    },
    /// It said nothing.
    #[error("timeout while waiting for plugin to start ({after:?}){}", tail(stderr))]
    Silent {
        /// How long it had.
        after: Duration,
        /// The end of its standard error.
        stderr: String,
    },
    /// It said something else than go-plugin's line.
    #[error("{line}{}", tail(stderr))]
    Line {
        /// What is wrong with it.
        line: LineError,
        /// The end of its standard error.
        stderr: String,
    },
    /// It does not listen where it says.
    #[error("dial {address}: {source}")]
    Connect {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// The session broke before it began.
    #[error("the connection to the plugin: {0}")]
    Session(#[from] Arc<SessionError>),
}

/// Longest text of a plugin that goes into an error or a state: `limits.output` lets through more than anybody reads, and
/// more than a status holds.
const TEXT: usize = 4 << 10;

/// A plugin's own words, cut where nobody reads on.
pub(crate) fn said(mut text: String) -> String {
    if text.len() > TEXT {
        text.truncate(text.floor_char_boundary(TEXT));
        text.push_str(" ...");
    }
    text
}

fn tail(stderr: &str) -> String {
    // The last words say most, and a panic is cut to its first before.
    const SHOWN: usize = 600;
    let from = stderr.ceil_char_boundary(stderr.len().saturating_sub(SHOWN));
    let shown = stderr.get(from..).unwrap_or_default();
    if shown.is_empty() {
        String::new()
    } else {
        format!("; on standard error: {shown}")
    }
}

impl StartError {
    /// What kind of fault it is.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Off => FaultKind::UnsupportedRuntime,
            Self::Folder(_) | Self::SocketFolder { .. } => FaultKind::Storage,
            Self::Launcher { .. } => FaultKind::Host,
            Self::Launch { step, .. } => match step {
                LaunchStep::Identity | LaunchStep::Limits => FaultKind::InvalidEntry,
                _ => FaultKind::Host,
            },
            Self::Exec { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => FaultKind::NotFound,
                io::ErrorKind::PermissionDenied => FaultKind::Denied,
                _ => FaultKind::NotAPlugin,
            },
            Self::Exited { exit, .. } => exit_kind(exit),
            Self::Closed { .. } => FaultKind::NotAPlugin,
            Self::Cookie { .. } => FaultKind::WrongContract,
            Self::Silent { .. } => FaultKind::Deadline,
            Self::Line { line, .. } => match line {
                LineError::Unrecognized(_)
                | LineError::TooLong(_)
                | LineError::NotText(_)
                | LineError::CoreNotANumber(_)
                | LineError::AppNotANumber(_) => FaultKind::NotAPlugin,
                LineError::CoreVersion(_)
                | LineError::AppVersion(_)
                | LineError::Protocol(_)
                | LineError::Tls
                | LineError::Network { .. }
                | LineError::Address { .. } => FaultKind::WrongContract,
            },
            Self::Connect { .. } | Self::Session(_) => FaultKind::BadAnswer,
        }
    }

    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Off => {
                "allow native plugins with --native-plugins=argo or restricted, or use a WebAssembly component"
            }
            Self::Folder(_) => "make the folder for temporary files writable",
            Self::SocketFolder { .. } => "choose a shorter TMPDIR: a socket's path has at most 107 bytes",
            Self::Launcher { .. } => "the host could not start a process: look at its limits of processes and memory",
            Self::Launch { step, .. } => match step {
                LaunchStep::Identity => "run the host as root or with CAP_SETUID and CAP_SETGID, or leave the user out",
                LaunchStep::Limits => "the limits of the entry are higher than the host's own",
                _ => "the host could not prepare the process",
            },
            Self::Exec { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "the file, or the interpreter or loader that it names, is not there",
                io::ErrorKind::PermissionDenied => "make the file executable for the user that it runs as",
                _ => "the file is no executable of this system and architecture",
            },
            Self::Exited { exit, .. } if matches!(exit.killed, Some(Killed::Tasks { .. })) => {
                "raise the limit of threads and processes, or find out why the plugin starts so many"
            }
            Self::Exited { .. } => "the plugin's own words, if any, are above and in the log",
            Self::Cookie { .. } => "check under which key of the configuration the plugin is listed",
            Self::Closed { .. } => "is it a plugin of Argo Rollouts?",
            Self::Silent { .. } => "the plugin hangs before it serves: look at its log",
            Self::Line { line, .. } => match line {
                LineError::CoreVersion(_) => "the plugin usually only needs to be recompiled",
                LineError::AppVersion(_) => "the plugin is made for another version of Argo Rollouts' protocol",
                LineError::Protocol(_) => "serve net/rpc: Argo Rollouts has no gRPC plugins",
                LineError::Tls => "leave TLS out: the socket is private",
                LineError::Network { .. } | LineError::Address { .. } => "listen on a Unix socket, or on 127.0.0.1",
                _ => "a plugin prints nothing on standard output before go-plugin's own line",
            },
            Self::Connect { .. } => "the plugin has to listen before it prints where, and to keep its socket",
            Self::Session(_) => "the plugin does not speak go-plugin's protocol",
        }
    }

    /// As the state of `plugin`.
    pub fn fault(&self, plugin: &PluginId) -> Fault {
        let phase = match self {
            Self::Off => Phase::Resolve,
            _ => Phase::Link,
        };
        Fault::new(plugin, phase, self.kind(), self.to_string(), self.hint())
    }
}

fn exit_kind(exit: &Exit) -> FaultKind {
    match exit.killed {
        Some(Killed::Tasks { .. }) => FaultKind::Resources,
        _ => FaultKind::Exit,
    }
}

/// Why the plugin's service could not be reached on a connection that works.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DispenseError {
    /// The plugin does not serve this kind, or did not answer.
    #[error(transparent)]
    Call(#[from] RpcError),
    /// Its stream could not be had.
    #[error("dial the plugin's service: {0}")]
    Dial(#[from] BrokerError),
}

impl DispenseError {
    /// What kind of fault it is.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Call(RpcError::Server(_)) => FaultKind::WrongContract,
            Self::Call(error) => error.kind(),
            Self::Dial(BrokerError::Timeout) => FaultKind::Deadline,
            Self::Dial(_) => FaultKind::BadAnswer,
        }
    }
}

impl RpcError {
    /// What kind of fault it is, as far as the call itself tells: a process that ended says more, see
    /// [`NativePlugin::fault`](crate::NativePlugin::fault).
    pub fn kind(&self) -> FaultKind {
        match self {
            // The server refused the call before the plugin saw it.
            Self::Server(_) => FaultKind::WrongContract,
            Self::Deadline { .. } => FaultKind::Deadline,
            Self::Input { .. } => FaultKind::Input,
            Self::Output { .. } => FaultKind::Output,
            Self::Argument(_) => FaultKind::Host,
            Self::Body(_) | Self::Header(_) | Self::Message(_) => FaultKind::InvalidAnswer,
            Self::Session(error) => match **error {
                SessionError::KeepAlive { .. } | SessionError::WriteStalled { .. } => FaultKind::Deadline,
                SessionError::Frame(_) | SessionError::Protocol { .. } => FaultKind::InvalidAnswer,
                _ => FaultKind::Exit,
            },
            Self::Shutdown => FaultKind::Exit,
        }
    }
}

/// The fault of a call, with what the process's end adds to it.
pub(crate) fn call_fault(
    plugin: &PluginId,
    phase: Phase,
    error: &RpcError,
    exit: Option<&Exit>,
    stderr: &str,
) -> Fault {
    match exit {
        None => Fault::new(
            plugin,
            phase,
            error.kind(),
            error.to_string(),
            "look at the plugin's log",
        ),
        Some(exit) => {
            let mut fault = exit_fault(plugin, phase, exit, stderr);
            if exit.killed == Some(Killed::GivenUp) {
                // The end is ours; why it came is the fault.
                fault.kind = error.kind();
            }
            fault.cause = format!("{error}: {}", fault.cause);
            fault
        }
    }
}

/// The fault that the end of a plugin's process is.
pub(crate) fn exit_fault(plugin: &PluginId, phase: Phase, exit: &Exit, stderr: &str) -> Fault {
    let out_of_memory = ["out of memory", "cannot allocate memory"]
        .iter()
        .any(|words| stderr.contains(words));
    let (kind, hint) = match exit_kind(exit) {
        FaultKind::Exit if out_of_memory => (FaultKind::Memory, "raise limits.memory, if the plugin needs it"),
        kind => (
            kind,
            "the plugin's own words, if any, are here and in the log; it is started again",
        ),
    };
    let cause = format!("the plugin's process {exit}{}", tail(stderr));
    Fault::new(plugin, phase, kind, cause, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_s_words_are_cut_at_a_character() {
        assert_eq!(said("no".to_owned()), "no");
        let cut = said("ä".repeat(TEXT));
        assert!(cut.len() <= TEXT + 4 && cut.ends_with("ä ..."), "{}", cut.len());
    }
}
