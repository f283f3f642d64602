//! Native plugins: executables as they are, started again when they end.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, limits::Limits};
use rollcage_goplugin::{
    CallLimits, CallRules, Ended, EnvironmentPolicy, Launcher, LogSink, NativeMetricProvider, NativeStep,
    NativeTrafficRouter, Patience, ProcessLimits, Service, Spec, StartError, to_tracing,
};
use rollcage_store::Executable;
use tokio_util::task::TaskTracker;

use crate::{
    config::ConfigFile,
    loader::{Footprint, Loaded, Plugin, Port, Process, Runtime},
};

/// The contract of a native plugin: go-plugin's protocol with Argo's messages, version 1.
pub const NATIVE_CONTRACT: &str = "go-plugin/1";

/// How native plugins are run.
#[derive(Clone)]
pub struct NativeHost {
    /// The program that becomes a plugin.
    pub launcher: Launcher,
    /// For all entries the same; none: Argo's habits for entries of its ConfigMap, the restricted ones for ours.
    pub policy: Option<EnvironmentPolicy>,
    /// What all of them see beside their entries' `env`.
    pub env: BTreeMap<String, String>,
    /// User and group that they run as; none: the host's own.
    pub identity: Option<(u32, u32)>,
    /// Where their private folders are made; none: the system's folder for temporary files.
    pub folder: Option<PathBuf>,
    /// Open files, threads and processes; memory is the entry's.
    pub limits: ProcessLimits,
    /// How long start, connection and end may take.
    pub patience: Patience,
    /// Those that run, shared by all clones.
    running: TaskTracker,
}

impl fmt::Debug for NativeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeHost")
            .field("policy", &self.policy)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl NativeHost {
    /// With nothing but defaults.
    pub fn new(launcher: Launcher) -> Self {
        Self {
            launcher,
            policy: None,
            env: BTreeMap::new(),
            identity: None,
            folder: None,
            limits: ProcessLimits::default(),
            patience: Patience::default(),
            running: TaskTracker::new(),
        }
    }

    /// Whether native plugins run, and what they see, for an entry of this file.
    fn policy(&self, file: ConfigFile) -> EnvironmentPolicy {
        self.policy.unwrap_or(match file {
            ConfigFile::Argo => EnvironmentPolicy::Argo,
            ConfigFile::Rollcage | ConfigFile::Bundled | ConfigFile::Entry | ConfigFile::Object => {
                EnvironmentPolicy::Restricted
            }
        })
    }

    /// Refuses the plugin where native ones are switched off.
    pub(crate) fn admit(&self, plugin: &Plugin) -> Result<(), Box<Fault>> {
        match self.policy(plugin.file) {
            EnvironmentPolicy::Off => Err(switched_off(plugin)),
            EnvironmentPolicy::Argo | EnvironmentPolicy::Restricted => Ok(()),
        }
    }

    fn spec(&self, plugin: &Plugin, executable: &Executable) -> Spec {
        let entry = &plugin.entry;
        let mut env = self.env.clone();
        env.extend(entry.env.clone());
        Spec {
            arguments: entry.args.iter().map(Into::into).collect(),
            environment: self.policy(plugin.file),
            env,
            limits: ProcessLimits {
                memory: entry.limits.memory.map(|memory| memory.0),
                ..self.limits.clone()
            },
            identity: self.identity,
            folder: self.folder.clone(),
            patience: self.patience,
            ..Spec::new(plugin.id.clone(), executable.path())
        }
    }

    /// Starts the plugin and initializes it.
    pub async fn service(&self, plugin: &Plugin, executable: &Executable) -> Result<Arc<Service>, Box<Fault>> {
        self.admit(plugin)?;
        let limits = Limits::native(&plugin.entry.limits);
        let rules = CallRules {
            deadline: limits.deadline,
            sizes: CallLimits {
                input: limits.input.0,
                output: limits.output.0,
            },
            log: limits.log.0,
        };
        let log: LogSink = to_tracing(&plugin.id);
        let spec = self.spec(plugin, executable);
        let service = Service::start(&self.launcher, &spec, rules, log).await?;
        let mut ended = service.ended();
        // Whoever sends it goes away with the process.
        self.running
            .spawn(async move { while ended.changed().await.is_ok() {} });
        Ok(service)
    }

    /// Waits until all that nobody wants any more have ended, and what they wrote has been logged.
    pub async fn all_ended(&self) {
        self.running.close();
        self.running.wait().await;
    }

    pub(crate) async fn start(&self, plugin: &Plugin, executable: &Executable) -> Result<Loaded, Box<Fault>> {
        let service = self.service(plugin, executable).await?;
        Ok(Loaded {
            digest: executable.digest().hex(),
            runtime: Runtime::Native,
            contract: NATIVE_CONTRACT.to_owned(),
            process: Some(Arc::new(NativeProcess {
                host: self.clone(),
                plugin: plugin.clone(),
                executable: executable.clone(),
                ended: service.ended(),
            })),
            footprint: Some(Arc::new(Resident(Arc::downgrade(&service)))),
            port: match plugin.id.kind {
                PluginKind::MetricProvider => Port::MetricProvider(Arc::new(NativeMetricProvider::new(service))),
                PluginKind::TrafficRouter => Port::TrafficRouter(Arc::new(NativeTrafficRouter::new(service))),
                PluginKind::Step => Port::Step(Arc::new(NativeStep::new(service))),
            },
        })
    }
}

/// What is said of a native plugin where there are to be none.
pub(crate) fn switched_off(plugin: &Plugin) -> Box<Fault> {
    Box::new(StartError::Off.fault(&plugin.id))
}

/// What a plugin's process takes.
#[derive(Debug)]
struct Resident(Weak<Service>);

impl Footprint for Resident {
    fn memory(&self) -> Option<u64> {
        self.0.upgrade()?.plugin().memory()
    }
}

/// A plugin's process. It does not keep the plugin going: its port does.
#[derive(Debug)]
struct NativeProcess {
    host: NativeHost,
    plugin: Plugin,
    executable: Executable,
    ended: Ended,
}

#[async_trait]
impl Process for NativeProcess {
    async fn ended(&self) -> Option<Arc<Fault>> {
        let mut ended = self.ended.clone();
        let fault = ended.wait_for(Option::is_some).await.ok()?;
        fault.clone()
    }

    async fn again(&self) -> Result<Loaded, Box<Fault>> {
        self.host.start(&self.plugin, &self.executable).await
    }
}
