//! How the controller is run.

use std::{net::SocketAddr, time::Duration};

use kube::runtime::watcher;

use crate::{client::ClientOptions, leader::Election};

/// Says to which controller an object belongs (spec 8.1).
pub const INSTANCE_LABEL: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// Objects of one page of a list: large enough for few requests, small enough for little memory.
const PAGE: u32 = 200;

/// How the controller is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the configuration, its Secrets and the lease are.
    pub namespace: String,
    /// The only namespace whose objects are worked on; without one all are.
    pub watched: Option<String>,
    /// Only objects with this label's value; empty: only objects without the label.
    pub instance_id: String,
    /// Passes over AnalysisRuns at the same time; one that waits for a plugin does not count.
    pub threads: usize,
    /// Where probes are answered.
    pub healthz: SocketAddr,
    /// Where metrics are served.
    pub metrics: SocketAddr,
    /// Where `/debug/plugins` is; nowhere without one.
    pub debug: Option<SocketAddr>,
    /// This pod's name.
    pub pod: String,
    /// How long plugins may take to load before the process counts as ready, and stands for election, all the same.
    pub warmup: Duration,
    /// Everything that goes on is looked at this often, should a change ever have been missed.
    pub resync: Duration,
    /// Rates of the clients.
    pub clients: ClientOptions,
    /// How replicas agree on who works; without one, this one does.
    pub election: Option<Election>,
    /// End, if a plugin of the first configuration does not become ready.
    pub strict: bool,
}

/// Which objects are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// As the API server takes it.
    pub labels: String,
}

impl Options {
    /// Which objects are ours.
    pub fn selector(&self) -> Selector {
        let labels = if self.instance_id.is_empty() {
            format!("!{INSTANCE_LABEL}")
        } else {
            format!("{INSTANCE_LABEL}={}", self.instance_id)
        };
        Selector {
            namespace: self.watched.clone(),
            labels,
        }
    }
}

impl Selector {
    pub(super) fn config(&self) -> watcher::Config {
        watcher::Config::default().labels(&self.labels).page_size(PAGE)
    }
}
