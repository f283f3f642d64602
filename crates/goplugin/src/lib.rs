//! Runs native Argo Rollouts plugins: executables that speak hashicorp's go-plugin over net/rpc.
//!
//! ```text
//! Spec -> launch   (a mode of our own program: limits, user, no descriptors; then exec)      -> a process group
//!      -> handshake (one line on standard output, within a deadline)                         -> a socket
//!      -> yamux    (one session, many streams)  -> rpc (calls by number, deadlines)          -> answers
//!      -> broker   (which stream is the plugin's service)
//!      -> logs     (everything it writes, always read, bounded)                              -> tracing
//!      -> process  (its end, its children, its socket and folder)
//! Service (a plugin that was initialized, and the task that keeps it) -> ports (metric provider, traffic router, step)
//! ```
//!
//! And the other way round: [`server`] is what such a plugin is made of, for hosts that are not ours.
//!
//! Invariants
//! - A plugin ends with its host, and nothing of it stays: neither children nor strays nor a socket file. The host never
//!   waits for a pipe to learn that a process ended.
//! - Whatever a plugin sends or writes is bounded before it is kept, and is read whether anyone wants it or not.
//! - Every wait has a deadline; a call that is given up cannot be mixed up with a later one.
//! - Each way of not becoming a plugin is an error of its own, with the plugin's last words.
//!
//! Not here: restarts and back-off (the registry), what answers mean for a release (`rollcage-core`), the encoding of
//! objects (`rollcage-gob`). A native plugin is limited, not sandboxed: it reads what its user can read.

#[cfg(test)]
#[path = "../../../tests/src/alone.rs"]
mod alone;
mod broker;
mod error;
mod examine;
mod handshake;
mod host;
mod launch;
mod logs;
mod ports;
mod process;
mod rpc;
pub mod server;
mod service;
mod yamux;

pub use broker::BrokerError;
pub use error::{DispenseError, StartError};
pub use examine::{Examined, GoBuild, examine};
pub use handshake::{Address, LineError};
pub use host::NativePlugin;
pub use launch::{EnvironmentPolicy, LAUNCH, LaunchStep, Launcher, Patience, ProcessLimits, Spec, launcher_main};
pub use logs::{LogRecord, LogSink, LogStream, to_tracing};
pub use ports::{NativeMetricProvider, NativeStep, NativeTrafficRouter};
pub use process::{Exit, Killed, TaskLimit};
pub use rpc::{CallLimits, Client, MessageError, RpcError};
pub use service::{CallRules, Ended, Service};
pub use yamux::{FrameError, SessionError};
