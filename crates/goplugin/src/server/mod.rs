//! The plugin's side: what Argo Rollouts' own controller starts and calls as if it were a native plugin.
//!
//! ```text
//! environment -> Invitation (which kind; not a plugin's start: the help text)
//!   -> Server::listen (socket, signals) -> announce (go-plugin's one line) -> serve
//!        every connection: connection (three streams, Control, Dispenser) -> broker (a stream for each dispensed service)
//!          -> rpc (requests in, replies in the order in which they are ready) -> plugin (Argo's methods)
//!            -> Served (the ports; the caller's) -> answer (results and faults as Argo's replies)
//! ends: Control.Quit, SIGTERM, or the end of the parent; the socket goes with it
//! ```
//!
//! Invariants
//! - The socket is there before the line that names it. Nothing but that line is written to standard output.
//! - Whatever a peer sends is bounded: connections, streams, calls at the same time, the size of a message. A broken stream
//!   or connection is its own end and nobody else's.
//! - Every call is answered once, also by a port that panics. What cannot be done is an answer that Argo shows to people.
//! - Dispensing and `InitPlugin` wait for nothing: Argo's controller holds a lock over all plugins of the kind meanwhile.

mod answer;
mod broker;
mod connection;
mod control;
mod hclog;
mod invitation;
mod listener;
mod metric;
mod plugin;
mod router;
mod rpc;
mod step;
#[cfg(test)]
mod tests;

use std::{fmt, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use rollcage_core::{Fault, MetricProvider, Step, TrafficRouter};
use tokio::{
    net::UnixStream,
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

pub use self::{
    hclog::HclogFormat,
    invitation::{Invitation, NotInvited},
};
use self::{listener::Listener, plugin::Plugin};

/// Connections at a time; Argo's controller makes one.
const CONNECTIONS: usize = 64;

/// How often the parent is looked for.
const PARENT: Duration = Duration::from_millis(500);

/// Pause after a connection that could not be accepted: for want of descriptors, which others may give back.
const NOT_ACCEPTED: Duration = Duration::from_millis(100);

/// What a server serves: one plugin of one kind.
///
/// An `Err` is why there is none now; it is the answer of the call, and the next call asks again.
#[async_trait]
pub trait Served: Send + Sync + fmt::Debug + 'static {
    /// The plugin's name, which is the key of its configuration in metrics and Rollouts. Asked after the port of a call.
    fn name(&self) -> String;
    /// The metric provider, for an object of `namespace`.
    async fn metric_provider(&self, namespace: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>>;
    /// The traffic router, for an object of `namespace`.
    async fn traffic_router(&self, namespace: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>>;
    /// The step plugin, for an object of `namespace`.
    async fn step(&self, namespace: &str) -> Result<Arc<dyn Step>, Box<Fault>>;
}

/// Why a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its host said so.
    Quit,
    /// SIGTERM.
    Terminated,
    /// Its parent is gone.
    Orphaned,
}

/// A server that listens. Dropping it removes its socket.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    invitation: Invitation,
    terminated: Signal,
    /// Interrupts are for the host, which ends its plugins itself.
    _interrupted: Signal,
    parent: u32,
}

impl Server {
    /// Listens where the host wants it. Needs a tokio runtime.
    pub fn listen(invitation: Invitation) -> io::Result<Self> {
        Ok(Self {
            parent: std::os::unix::process::parent_id(),
            terminated: signal(SignalKind::terminate())?,
            _interrupted: signal(SignalKind::interrupt())?,
            listener: Listener::bind(&invitation)?,
            invitation,
        })
    }

    /// go-plugin's line: where this listens.
    pub fn line(&self) -> String {
        self.listener.line()
    }

    /// Writes the line to standard output, where the host waits for it.
    pub fn announce(&self) -> io::Result<()> {
        use io::Write as _;
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.line())?;
        out.flush()
    }

    /// Serves until the host has had enough of it, or is no more.
    pub async fn serve(mut self, served: Arc<dyn Served>) -> Ended {
        let plugin = Arc::new(Plugin::new(self.invitation.kind, served));
        let quit = Arc::new(Notify::new());
        let mut connections = JoinSet::new();
        let mut look = interval(PARENT);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = quit.notified() => return Ended::Quit,
                _ = self.terminated.recv() => return Ended::Terminated,
                _ = look.tick() => if std::os::unix::process::parent_id() != self.parent {
                    return Ended::Orphaned;
                },
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok(socket) => {
                        connections.spawn(connection::serve(socket, plugin.clone(), quit.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(NOT_ACCEPTED).await;
                    }
                },
            }
        }
    }

    /// Serves one connection that is there already, without a line and without a process of its own.
    pub async fn serve_connection(kind: rollcage_api::plugin::PluginKind, socket: UnixStream, served: Arc<dyn Served>) {
        let plugin = Arc::new(Plugin::new(kind, served));
        connection::serve(socket, plugin, Arc::default()).await;
    }
}
