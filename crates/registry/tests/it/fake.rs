//! A loader that loads nothing, ports that answer by the metric's name, and clocks that stand still.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use rollcage_api::{
    analysis::{AnalysisRun, Measurement, Metric},
    plugin::PluginKind,
    rollout::Rollout,
    step::{StepContext, StepResult},
};
use rollcage_core::{
    Call, CallError, Fault, FaultKind, MetricProvider, Phase, PluginError, PluginErrorKind, PluginId, PluginSource,
    Step, clock::Clock,
};
use rollcage_registry::{
    ConfigMap, ConfigMaps, Loaded, Loader, Monotonic, Observer, Options, Plugin, PluginStatus, Port, Process, Progress,
    Registry, Retry, Runtime, Stage, Unobserved,
};
use tokio::sync::{Notify, Semaphore, watch};

/// What the bytes at one location are, and what goes wrong with them.
#[derive(Clone, Debug)]
pub struct Site {
    pub digest: String,
    /// The phase in which it fails, and how.
    pub fails: Option<(Phase, FaultKind)>,
    pub panics: bool,
    /// Whether it runs in a process of its own.
    pub process: bool,
    /// What its port is; by default what the entry's key says.
    pub kind: Option<PluginKind>,
}

/// Everything outside of the registry.
#[derive(Debug, Default)]
pub struct World {
    sites: Mutex<HashMap<String, Site>>,
    /// What was done, as `stage location-or-digest`.
    log: Mutex<Vec<String>>,
    kept: Mutex<HashMap<PluginId, String>>,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Ends the process that was started last for a plugin.
    processes: Mutex<HashMap<PluginId, watch::Sender<Option<Arc<Fault>>>>>,
    /// Lets calls named `wait` end.
    pub release: Notify,
    /// Calls that run or have run, by digest.
    pub begun: Mutex<Vec<String>>,
    /// What calls were given.
    pub calls: Mutex<Vec<Call>>,
}

impl World {
    pub fn site(&self, location: &str, digest: &str) {
        self.put(location, digest, None);
    }

    pub fn broken(&self, location: &str, digest: &str, phase: Phase, kind: FaultKind) {
        self.put(location, digest, Some((phase, kind)));
    }

    fn put(&self, location: &str, digest: &str, fails: Option<(Phase, FaultKind)>) {
        let site = Site {
            digest: digest.into(),
            fails,
            panics: false,
            process: false,
            kind: None,
        };
        self.sites.lock().unwrap().insert(location.into(), site);
    }

    pub fn change(&self, location: &str, change: impl FnOnce(&mut Site)) {
        change(self.sites.lock().unwrap().get_mut(location).unwrap());
    }

    pub fn keep(&self, id: &PluginId, digest: &str) {
        self.kept.lock().unwrap().insert(id.clone(), digest.into());
    }

    pub fn kept(&self, id: &PluginId) -> Option<String> {
        self.kept.lock().unwrap().get(id).cloned()
    }

    /// Keeps everything that comes to this `stage what` until the gate is opened.
    pub fn close(&self, gate: &str) {
        let closed = Arc::new(Semaphore::new(0));
        self.gates.lock().unwrap().insert(gate.into(), closed);
    }

    pub fn open(&self, gate: &str) {
        let gate = self.gates.lock().unwrap().remove(gate).unwrap();
        gate.add_permits(1000);
    }

    /// The plugin's process ends by itself.
    pub fn end_process(&self, id: &PluginId) {
        let processes = self.processes.lock().unwrap();
        let fault = Fault::new(id, Phase::Call, FaultKind::Exit, "told to end", "it is started again");
        processes[id].send_replace(Some(Arc::new(fault)));
    }

    fn start_process(self: &Arc<Self>, plugin: &Plugin, component: &Arc<Component>) -> Option<Arc<dyn Process>> {
        let sites = self.sites.lock().unwrap();
        if !sites.get(&plugin.entry.location).is_some_and(|site| site.process) {
            return None;
        }
        let (sender, ended) = watch::channel(None);
        self.processes.lock().unwrap().insert(plugin.id.clone(), sender);
        Some(Arc::new(FakeProcess {
            loader: FakeLoader(self.clone()),
            plugin: plugin.clone(),
            component: component.clone(),
            ended,
        }))
    }

    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    async fn pass(&self, gate: String) {
        self.log.lock().unwrap().push(gate.clone());
        let closed = self.gates.lock().unwrap().get(&gate).cloned();
        if let Some(closed) = closed {
            closed.acquire().await.unwrap().forget();
        }
    }

    fn look(&self, plugin: &Plugin, phase: Phase) -> Result<Site, Box<Fault>> {
        let location = &plugin.entry.location;
        let Some(site) = self.sites.lock().unwrap().get(location).cloned() else {
            let cause = format!("{location}: connection refused");
            let fault = Fault::new(&plugin.id, Phase::Fetch, FaultKind::Unreachable, cause, "start it");
            return Err(Box::new(fault));
        };
        assert!(!site.panics, "told to panic");
        match site.fails {
            Some((at, kind)) if at == phase => {
                Err(Box::new(Fault::new(&plugin.id, phase, kind, "told to fail", "do not")))
            }
            _ => Ok(site),
        }
    }
}

#[derive(Clone, Debug)]
pub struct FakeLoader(pub Arc<World>);

#[derive(Debug)]
pub struct Component {
    digest: String,
}

#[async_trait]
impl Loader for FakeLoader {
    type Bytes = String;
    type Component = Component;

    async fn fetch(&self, plugin: &Plugin, progress: &dyn Progress) -> Result<String, Box<Fault>> {
        self.0.pass(format!("fetch {}", plugin.entry.location)).await;
        self.0.look(plugin, Phase::Fetch)?;
        progress.at(Stage::Verifying);
        self.0.pass(format!("verify {}", plugin.entry.location)).await;
        Ok(self.0.look(plugin, Phase::Verify)?.digest)
    }

    fn digest(&self, bytes: &String) -> String {
        bytes.clone()
    }

    fn is_compiled(&self, _: &String) -> bool {
        true
    }

    async fn compile(&self, plugin: &Plugin, bytes: &String) -> Result<Arc<Component>, Box<Fault>> {
        self.0.pass(format!("compile {bytes}")).await;
        if self.0.kept(&plugin.id).as_ref() != Some(bytes) {
            self.0.look(plugin, Phase::Compile)?;
        }
        Ok(Arc::new(Component { digest: bytes.clone() }))
    }

    async fn initialize(&self, plugin: &Plugin, component: Arc<Component>) -> Result<Loaded, Box<Fault>> {
        self.0.pass(format!("init {} {}", plugin.id, component.digest)).await;
        let mut kind = plugin.id.kind;
        if self.0.kept(&plugin.id).as_ref() != Some(&component.digest) {
            kind = self.0.look(plugin, Phase::Init)?.kind.unwrap_or(kind);
        }
        let port = Arc::new(FakePort {
            id: plugin.id.clone(),
            component: component.clone(),
            world: self.0.clone(),
        });
        Ok(Loaded {
            digest: component.digest.clone(),
            runtime: Runtime::Wasm,
            contract: "0.1.0".into(),
            process: self.0.start_process(plugin, &component),
            footprint: None,
            port: match kind {
                PluginKind::MetricProvider => Port::MetricProvider(port),
                PluginKind::Step => Port::Step(port),
                PluginKind::TrafficRouter => panic!("no fake router"),
            },
        })
    }

    async fn last_known_good(&self, id: &PluginId) -> Option<String> {
        self.0.kept(id)
    }

    async fn remember(&self, plugin: &Plugin, bytes: &String) -> Result<(), Box<Fault>> {
        self.0.keep(&plugin.id, bytes);
        Ok(())
    }

    async fn forget(&self, id: &PluginId) -> Result<(), Box<Fault>> {
        self.0.kept.lock().unwrap().remove(id);
        Ok(())
    }
}

#[derive(Debug)]
struct FakeProcess {
    loader: FakeLoader,
    plugin: Plugin,
    component: Arc<Component>,
    ended: watch::Receiver<Option<Arc<Fault>>>,
}

#[async_trait]
impl Process for FakeProcess {
    async fn ended(&self) -> Option<Arc<Fault>> {
        self.ended.clone().wait_for(Option::is_some).await.ok()?.clone()
    }

    async fn again(&self) -> Result<Loaded, Box<Fault>> {
        self.loader.initialize(&self.plugin, self.component.clone()).await
    }
}

/// Answers with its digest, or as the metric's (the step's) name says.
#[derive(Debug)]
pub struct FakePort {
    id: PluginId,
    component: Arc<Component>,
    world: Arc<World>,
}

impl FakePort {
    async fn act(&self, call: &Call, what: &str) -> Result<String, CallError> {
        self.world.begun.lock().unwrap().push(self.component.digest.clone());
        self.world.calls.lock().unwrap().push(call.clone());
        let fault = |kind| Fault::new(&self.id, Phase::Call, kind, "told to", "do not");
        match what {
            "wait" => self.world.release.notified().await,
            "hang" => std::future::pending().await,
            "panic" => panic!("told to panic"),
            "trap" => return Err(fault(FaultKind::Trap).into()),
            "input" => return Err(fault(FaultKind::Input).into()),
            "typed" => {
                return Err(CallError::Plugin(PluginError {
                    kind: PluginErrorKind::Unavailable,
                    message: "not now".into(),
                    retry_after: None,
                }));
            }
            "slow-server" => {
                let mut fault = fault(FaultKind::HostDeadline);
                fault.waiting_for = Some("slow:80".into());
                return Err(fault.into());
            }
            _ => {}
        }
        Ok(self.component.digest.clone())
    }
}

#[async_trait]
impl MetricProvider for FakePort {
    async fn run(&self, call: &Call, _: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        Ok(Measurement {
            value: self.act(call, &metric.name).await?,
            ..Measurement::default()
        })
    }

    async fn resume(
        &self,
        call: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.act(call, &metric.name).await?;
        Ok(measurement.clone())
    }

    async fn terminate(
        &self,
        call: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.act(call, &metric.name).await?;
        Ok(measurement.clone())
    }

    async fn garbage_collect(
        &self,
        call: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        _: u32,
    ) -> Result<(), CallError> {
        self.act(call, &metric.name).await.map(drop)
    }

    async fn get_metadata(&self, call: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        self.act(call, &metric.name).await.map(|_| BTreeMap::new())
    }
}

#[async_trait]
impl Step for FakePort {
    async fn run(&self, call: &Call, _: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        let message = self.act(call, &context.plugin_name).await?;
        Ok(StepResult {
            message,
            ..StepResult::default()
        })
    }

    async fn terminate(&self, call: &Call, _: &Arc<Rollout>, _: &StepContext) -> Result<StepResult, CallError> {
        self.act(call, "").await.map(|_| StepResult::default())
    }

    async fn abort(&self, call: &Call, _: &Arc<Rollout>, _: &StepContext) -> Result<StepResult, CallError> {
        self.act(call, "").await.map(|_| StepResult::default())
    }
}

#[derive(Debug)]
pub struct FakeClock(Mutex<Timestamp>);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl FakeClock {
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap() = to;
    }
}

#[derive(Debug)]
pub struct FakeMonotonic(Mutex<Instant>);

impl Monotonic for FakeMonotonic {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

impl FakeMonotonic {
    pub fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

/// A registry in a world of fakes.
pub struct Bench {
    pub world: Arc<World>,
    pub clock: Arc<FakeClock>,
    pub monotonic: Arc<FakeMonotonic>,
    pub registry: Registry,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_patience(Duration::from_mins(1))
    }

    pub fn with_patience(patience: Duration) -> Self {
        Self::with(patience, Arc::new(Unobserved))
    }

    pub fn observed(observer: Arc<dyn Observer>) -> Self {
        Self::with(Duration::from_mins(1), observer)
    }

    fn with(patience: Duration, observer: Arc<dyn Observer>) -> Self {
        let world = Arc::new(World::default());
        let clock = Arc::new(FakeClock(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap())));
        let monotonic = Arc::new(FakeMonotonic(Mutex::new(Instant::now())));
        let options = Options {
            bundled: Vec::new(),
            clock: clock.clone(),
            monotonic: monotonic.clone(),
            retry: Retry::default(),
            patience,
            observer,
        };
        Self {
            registry: Registry::new(FakeLoader(world.clone()), options),
            world,
            clock,
            monotonic,
        }
    }

    /// Metric providers in `rollcage-config`.
    pub fn configure(&self, entries: &str) {
        self.registry.configure(&metric_providers(entries));
    }

    pub async fn configured(&self, entries: &str) {
        self.configure(entries);
        self.registry.settled().await;
    }

    pub fn status(&self, name: &str) -> Arc<PluginStatus> {
        let snapshot = self.registry.snapshot();
        snapshot.plugins[&metric(name)].clone()
    }

    /// `State`, the serving digest, and the failure's phase and kind, as one line.
    pub fn line(&self, name: &str) -> String {
        let status = self.status(name);
        let failure = status
            .failure
            .as_ref()
            .map(|failure| format!(" {}/{}", failure.phase, failure.kind));
        format!(
            "{:?} {}{}",
            status.state,
            status.serving_digest.as_deref().unwrap_or("-"),
            failure.unwrap_or_default()
        )
    }

    pub async fn call(&self, name: &str, what: &str) -> Result<String, CallError> {
        self.call_from("team", name, what).await
    }

    pub async fn call_from(&self, namespace: &str, name: &str, what: &str) -> Result<String, CallError> {
        let port = self.registry.metric_provider(name, namespace)?;
        run(&*port, what).await
    }
}

pub async fn run(port: &dyn MetricProvider, what: &str) -> Result<String, CallError> {
    let metric = Metric {
        name: what.into(),
        ..Metric::default()
    };
    let run = Arc::new(AnalysisRun::default());
    let call = Call::for_namespace("team");
    port.run(&call, &run, &metric)
        .await
        .map(|measurement| measurement.value)
}

pub fn metric(name: &str) -> PluginId {
    PluginId {
        kind: PluginKind::MetricProvider,
        name: name.into(),
    }
}

pub fn map(key: &str, text: &str) -> ConfigMap {
    ConfigMap::Present(BTreeMap::from([(key.to_owned(), text.to_owned())]))
}

pub fn metric_providers(entries: &str) -> ConfigMaps {
    ConfigMaps {
        argo: ConfigMap::Absent,
        rollcage: map("metricProviderPlugins", entries),
    }
}

pub fn fault(error: CallError) -> Fault {
    match error {
        CallError::Fault(fault) => *fault,
        CallError::Plugin(error) => panic!("a typed error: {error}"),
    }
}

/// Waits until something is the case, as other tasks make progress.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
