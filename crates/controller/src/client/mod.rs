//! Clients for the API server: each with a rate of its own, every request with an end, writes only while we lead.
//!
//! ```text
//! kube::Client -> Guarded: fence, turn of the limiter, fence again, deadline, retry of reads, who counts
//!                   └ reads  -> a connection that all share
//!                   └ writes -> another one, which checks the fence whenever bytes go out
//!                   └ the election -> connections of its own
//! ```
//!
//! Invariants: a write that may not be sent is not retried into a time when it may; a request that is told to come back later
//! (`Retry-After`) holds its whole client; only reads are sent again by themselves; no answer is waited for without end.

mod fence;
mod guarded;
mod limiter;
mod request;
mod transport;

use std::{sync::Arc, time::Duration};

use kube::{Client, Config, client::ClientBuilder};

use self::transport::{Sharing, Transport};
pub use self::{
    fence::{Fence, Moment, NotLeading},
    guarded::Guarded,
    limiter::{Limiter, Rate},
    request::ApiRequest,
};
use crate::run::Observer;

/// Longest time of a write. With the default lease it ends before anybody else can lead.
pub const WRITE: Duration = Duration::from_secs(4);

/// How clients are made.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Rate of each client but the plugins'.
    pub rate: Rate,
    /// Rate of all plugins together, who take turns.
    pub plugins: Rate,
    /// Longest time of a write.
    pub write: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            rate: Rate::new(40, 80),
            plugins: Rate::new(200, 400),
            write: WRITE,
        }
    }
}

/// One client for each purpose, as the original has them; none waits for another's requests.
#[derive(Clone)]
pub struct Clients {
    /// For AnalysisRuns. Writes only while we lead.
    pub argoproj: Client,
    /// For Secrets, Jobs and other built-in kinds that runs need. Writes only while we lead.
    pub core: Client,
    /// For Events. Writes only while we lead.
    pub events: Client,
    /// For what plugins ask, without a rate: [`Clients::plugin_rate`] is for whoever knows which plugin asks. Writes only
    /// while we lead.
    pub plugins: Client,
    /// The rate of plugins.
    pub plugin_rate: Limiter,
    /// For the configuration and what each replica tells of itself. Writes whether we lead or not.
    pub own: Client,
    /// For what the leader tells of plugins. Writes only while we lead.
    pub leaders: Client,
    /// For the election alone.
    pub election: Client,
}

impl Clients {
    /// Clients for the cluster of `config`, whose writes pass `fence`.
    pub fn new(
        config: &Config,
        options: &ClientOptions,
        fence: &Fence,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, kube::Error> {
        let free = transport::connect(config, Sharing::All, None)?;
        let fenced = transport::connect(config, Sharing::All, Some(fence.clone()))?;
        let alone = transport::connect(config, Sharing::One, None)?;
        let plugin_rate = Limiter::new(options.plugins);
        let through =
            |transport: &Transport, name| Guarded::new(transport.clone(), name, options.write, observer.clone());
        let guarded = |name| through(&free, name);
        let limited = |name| guarded(name).limited(Limiter::new(options.rate));
        let leader = |service: Guarded| service.fenced(Some((fence.clone(), fenced.clone())));
        let client = |service| ClientBuilder::new(service, config.default_namespace.clone()).build();
        Ok(Self {
            argoproj: client(leader(limited("argoproj"))),
            core: client(leader(limited("core"))),
            events: client(leader(limited("events"))),
            plugins: client(leader(guarded("plugins").pausing(plugin_rate.clone()))),
            plugin_rate,
            own: client(limited("own")),
            leaders: client(leader(limited("leaders"))),
            // Whether we lead must not wait for a connection that others use.
            election: client(through(&alone, "election")),
        })
    }
}
