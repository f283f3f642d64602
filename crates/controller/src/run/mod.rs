//! The process that runs in a cluster.
//!
//! ```text
//! ConfigMaps -> config -> Registry ──────────────────────────────┐ states
//! AnalysisRuns of our instance id -> cache -> Scheduler <────────┘
//!                                     │         │ due, while we lead (leader)
//!                                     v         v
//!                                  AnalysisReconciler (bounded workers) -> ports of the registry
//!                                                                       -> API server, while the fence is open (client)
//! probes -> health (answers from the first moment)
//! ```
//!
//! Invariants: caches and plugins are warm whether we lead or not; what is under way when we no longer lead is given up; it
//! starts and stays up whatever the API server, a plugin or a download does; only a port that is taken, or a cache folder that
//! cannot be used, ends it. Probes depend on nothing outside of the process.

mod debug;
mod health;
mod observe;
mod options;
mod runs;
mod schedule;
mod states;

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use kube::{Client, Config};
use rollcage_core::{Fault, clock::SystemClock, host::HostServices};
use rollcage_registry::Registry;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};

pub use self::{
    health::Health,
    observe::{Observer, PassReport},
    options::{Options, Selector},
};
use self::{runs::Runs, schedule::Scheduler};
use crate::{
    AnalysisReconciler,
    analysis::RunCache,
    client::{Clients, Fence},
    cluster::Cluster,
    config::Settings,
    leader::Elector,
    metrics::{self, Metrics},
    secrets::WatchedSecrets,
};

/// How long a process that was told to end waits for what holds [`Ground::farewell`].
const FAREWELL: Duration = Duration::from_secs(3);

/// How long passes may go on when the process is told to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long Events may be written after that: a standby waits for the lease.
const TELLING: Duration = Duration::from_millis(500);

/// What others of this process work with.
#[derive(Clone)]
pub struct Ground {
    /// The plugins.
    pub registry: Registry,
    /// A client that may write whether we lead or not.
    pub client: Client,
    /// One that writes only while we lead.
    pub leaders_client: Client,
    /// This pod's name.
    pub pod: String,
    /// Where the configuration is.
    pub namespace: String,
    /// Whether we lead.
    pub leading: watch::Receiver<bool>,
    /// True when the process was told to end.
    pub stopping: watch::Receiver<bool>,
    /// Who has something to do then keeps this until it is done: the process waits for it, for three seconds at most.
    pub farewell: mpsc::Sender<Infallible>,
}

/// Something that runs beside the loops, for as long as the process lives.
pub type Companion = Box<dyn FnOnce(Ground) -> BoxFuture<'static, ()> + Send>;

/// Why the process ended, other than that it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Probes, or who asks for metrics, cannot be answered.
    #[error("cannot listen on {address}")]
    Listen {
        /// The flag that names the port.
        flag: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no client for the cluster.
    #[error("the cluster's configuration cannot be used")]
    Client(#[source] Box<kube::Error>),
    /// Plugins cannot be kept anywhere; the text is for people.
    #[error("{0}")]
    Open(String),
    /// `--strict-plugins`: this plugin did not become ready.
    #[error("{0}")]
    Strict(Box<Fault>),
    /// A defect: this part ended.
    #[error("{part} ended: {cause}")]
    Part {
        /// Which.
        part: &'static str,
        /// How.
        cause: String,
    },
}

/// The controller, before it runs.
pub struct Controller {
    options: Options,
    config: Config,
    metrics: Arc<Metrics>,
    companions: Vec<Companion>,
}

impl Controller {
    /// A controller for the cluster of `config`; what happens is counted in `metrics`.
    pub fn new(options: Options, config: Config, metrics: Arc<Metrics>) -> Self {
        Self {
            options,
            config,
            metrics,
            companions: Vec::new(),
        }
    }

    /// Runs this beside the loops.
    #[must_use]
    pub fn with(mut self, companion: Companion) -> Self {
        self.companions.push(companion);
        self
    }

    /// Runs until `stop`. `open` opens what the registry is made with: it may take its time, and fail.
    pub async fn run<M>(
        self,
        open: impl FnOnce() -> Result<M, String> + Send + 'static,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Ended>
    where
        M: FnOnce(HostServices) -> Registry + Send + 'static,
    {
        let listener = listen(self.options.healthz, "--healthzPort").await?;
        let metrics = listen(self.options.metrics, "--metricsPort").await?;
        let health = Health::default();
        let mut parts = Parts::default();
        {
            let health = health.clone();
            parts.spawn("the server of probes", async move { health.serve(listener).await });
        }
        let (stopping, stops) = watch::channel(false);
        let (farewell, mut farewells) = mpsc::channel(1);
        let mut stop = std::pin::pin!(stop);
        let fence = self
            .options
            .election
            .as_ref()
            .map_or_else(Fence::open, |_| Fence::closed());
        let started = tokio::select! {
            started = self.start(open, health, metrics, fence.clone(), &mut parts, (stops, farewell)) => started?,
            () = &mut stop => return Ok(()),
        };
        let ended = tokio::select! {
            ended = parts.first_end() => ended,
            () = stop => Ok(()),
        };
        stopping.send_replace(true);
        started.scheduler.drain(GRACE).await;
        // While the fence is open.
        let told = tokio::time::timeout(TELLING, started.reconciler.events_written()).await;
        if told.is_err() {
            tracing::warn!("not all Events could be written before the end");
        }
        fence.close();
        if let Some(elector) = started.elector {
            elector.release().await;
        }
        if tokio::time::timeout(FAREWELL, farewells.recv()).await.is_err() {
            tracing::warn!("not everything could be put in order before the end");
        }
        ended
    }

    async fn start<M>(
        self,
        open: impl FnOnce() -> Result<M, String> + Send + 'static,
        health: Health,
        metrics: TcpListener,
        fence: Fence,
        parts: &mut Parts,
        (stopping, farewell): (watch::Receiver<bool>, mpsc::Sender<Infallible>),
    ) -> Result<Started, Ended>
    where
        M: FnOnce(HostServices) -> Registry + Send + 'static,
    {
        let options = self.options;
        let observer: Arc<dyn Observer> = self.metrics.clone();
        // Reads and checks files, and sets memory aside.
        let opening = tokio::task::spawn_blocking(open);
        let clients = Clients::new(&self.config, &options.clients, &fence, &observer)
            .map_err(|error| Ended::Client(Box::new(error)))?;
        let cluster =
            Cluster::new(clients.plugins.clone(), options.namespace.clone()).limited(clients.plugin_rate.clone());
        let cluster = Arc::new(cluster);
        let secrets = WatchedSecrets::new(clients.own.clone(), &options.namespace, cluster.clone());
        let host = HostServices {
            kubernetes: cluster,
            secrets: Arc::new(secrets.clone()),
            ..HostServices::without_cluster()
        };
        let registry = match opening.await {
            Ok(Ok(make)) => make(self.metrics.counted(host)),
            Ok(Err(error)) => return Err(Ended::Open(error)),
            Err(error) => return Err(Ended::Open(error.to_string())),
        };
        {
            let (counted, shown) = (self.metrics.clone(), registry.clone());
            parts.spawn("the server of metrics", metrics::serve(metrics, counted, shown));
        }
        if let Some(address) = options.debug {
            parts.spawn("the debug page", debug::serve(address, registry.clone()));
        }
        let named = registry.clone();
        parts.spawn(
            "the watches of Secrets",
            async move { match secrets.serve(&named).await {} },
        );
        let settings = Arc::new(Settings::new(registry.clone()));
        let configured = settings.configured();
        let (own, namespace) = (clients.own.clone(), options.namespace.clone());
        parts.spawn("the watch of the configuration", async move {
            match settings.follow(&own, &namespace).await {}
        });
        let retried = registry.clone();
        parts.spawn(
            "the retries of loads",
            async move { retried.retry_in_real_time().await },
        );

        let clock = Arc::new(SystemClock);
        let cache = Arc::new(RunCache::default());
        let plugins = Arc::new(registry.clone());
        let reconciler = AnalysisReconciler::new(clients.argoproj.clone(), plugins, clock.clone())
            .with_clients(clients.core.clone(), clients.events.clone())
            .with_cache(cache.clone());
        let reconciler = Arc::new(reconciler);
        let scheduler = Arc::new(Scheduler::new(clock.clone(), observer.clone()));
        let (states, waiting) = (registry.clone(), scheduler.clone());
        parts.spawn("the watch of plugin states", async move {
            match states::follow(&states, &waiting).await {}
        });

        let elector = options
            .election
            .clone()
            .map(|election| Elector::new(clients.election.clone(), election, fence));
        // Without an election: we do, for ever, once we are warm.
        let (always, leads) = watch::channel(false);
        let leading = elector.as_ref().map_or(leads, |elector| elector.leading());
        let runs = Runs {
            cache: cache.clone(),
            scheduler: scheduler.clone(),
            reconciler: reconciler.clone(),
            observer,
            clock,
            leading: leading.clone(),
        };
        let (client, selector) = (clients.argoproj.clone(), options.selector());
        parts.spawn("the watch of AnalysisRuns", async move {
            match runs.follow(client, &selector).await {}
        });
        let (synced, every) = (scheduler.clone(), options.resync);
        parts.spawn("the resync", async move { match synced.resync(&cache, every).await {} });
        for companion in self.companions {
            let ground = Ground {
                registry: registry.clone(),
                client: clients.own.clone(),
                leaders_client: clients.leaders.clone(),
                pod: options.pod.clone(),
                namespace: options.namespace.clone(),
                leading: leading.clone(),
                stopping: stopping.clone(),
                farewell: farewell.clone(),
            };
            parts.spawn("a companion", companion(ground));
        }
        let (standing, strict) = (elector.clone(), options.strict);
        parts.spawn_checked("the election", async move {
            states::warm(registry.clone(), configured, options.warmup).await;
            if strict {
                registry.settled().await;
                registry.all_ready().map_err(Ended::Strict)?;
            }
            health.is_ready();
            if let Some(elector) = standing {
                return Ok(elector.run().await);
            }
            always.send_replace(true);
            std::future::pending().await
        });
        let (worked, works, threads) = (scheduler.clone(), reconciler.clone(), options.threads);
        parts.spawn("the workers", async move {
            match worked.work(&works, threads, leading).await {}
        });
        Ok(Started {
            reconciler,
            scheduler,
            elector,
        })
    }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Ended> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Ended::Listen { flag, address, source })
}

/// What is needed to end.
struct Started {
    reconciler: Arc<AnalysisReconciler>,
    scheduler: Arc<Scheduler>,
    elector: Option<Arc<Elector>>,
}

/// Everything that runs for as long as the process does.
#[derive(Default)]
struct Parts {
    tasks: JoinSet<Ended>,
}

impl Parts {
    /// Something that does not end, unless by a defect.
    fn spawn(&mut self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_checked(part, async move {
            work.await;
            Err(Ended::Part {
                part,
                cause: "there was nothing left to do".to_owned(),
            })
        });
    }

    fn spawn_checked(
        &mut self,
        part: &'static str,
        work: impl Future<Output = Result<Infallible, Ended>> + Send + 'static,
    ) {
        // A task of its own, so that a panic is told with its part.
        let task = AbortOnDrop(tokio::spawn(work));
        self.tasks.spawn(async move {
            let mut task = task;
            match (&mut task.0).await {
                Ok(Ok(never)) => match never {},
                Ok(Err(ended)) => ended,
                Err(error) => Ended::Part {
                    part,
                    cause: error.to_string(),
                },
            }
        });
    }

    async fn first_end(&mut self) -> Result<(), Ended> {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => Err(ended),
            Some(Err(error)) => Err(Ended::Part {
                part: "a part",
                cause: error.to_string(),
            }),
            None => std::future::pending().await,
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
