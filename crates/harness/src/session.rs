//! One plugin file made ready to be called: the same loader, registry and sandbox as in the controller.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rollcage_api::{
    ByteSize, GoDuration,
    plugin::{HttpGrant, InstanceMode, PluginEntry, PluginKind},
};
use rollcage_apiserver::{Difference, Snapshot};
use rollcage_core::{Call, CallError, CallUsage, PluginId, PluginSource};
use serde_json::Value;

use crate::{
    error::CommandError,
    input::Input,
    invoke::{Port, invoke},
    method::Method,
    native::NativeGround,
    plugins,
    surroundings::Surroundings,
    workbench::{Program, Workbench, location},
};

/// Which plugin, with which rights.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// The file.
    pub file: PathBuf,
    /// Its entry; its location is replaced by `file`.
    pub entry: Option<PluginEntry>,
    /// Replaces the plugin's configuration in INPUT.
    pub config: Option<Value>,
    /// Its name.
    pub name: Option<String>,
    /// Its kind, where the file does not tell.
    pub kind: Option<PluginKind>,
    /// Further HTTP grants.
    pub allow_http: Vec<String>,
    /// Manifests for the in-process Kubernetes API.
    pub kube: Option<PathBuf>,
    /// Overrides the entry's.
    pub deadline: Option<GoDuration>,
    /// Overrides the entry's.
    pub memory: Option<ByteSize>,
}

/// A plugin that serves, and what it is to be called with.
#[derive(Debug)]
pub struct Session {
    id: PluginId,
    port: Port,
    surroundings: Surroundings,
    method: Method,
    input: Input,
    instance: &'static str,
    /// Ends after the plugin that uses it.
    _ground: Option<NativeGround>,
}

/// How one call went.
#[derive(Debug)]
pub struct Outcome {
    /// The answer in Argo's shape; null for methods without one.
    pub answer: Result<Value, CallError>,
    /// What it used.
    pub usage: CallUsage,
    /// Real time of the call.
    pub duration: Duration,
    /// What became of the in-process API's objects, where there is one.
    pub changes: Option<Vec<Difference>>,
}

impl Session {
    /// Loads the plugin, with the surroundings that the options name. `prepare` reads method and INPUT once the kind is
    /// known (and the name, where an option or the entry gives one).
    pub async fn open(
        workbench: &Workbench,
        options: SessionOptions,
        prepare: impl FnOnce(PluginKind, Option<&str>) -> Result<(Method, Input), CommandError>,
    ) -> Result<Self, CommandError> {
        let surroundings = Surroundings::of_options(options.kube.as_deref())?;
        Self::open_in(workbench, options, surroundings, prepare).await
    }

    /// Loads the plugin into these surroundings.
    pub async fn open_in(
        workbench: &Workbench,
        options: SessionOptions,
        surroundings: Surroundings,
        prepare: impl FnOnce(PluginKind, Option<&str>) -> Result<(Method, Input), CommandError>,
    ) -> Result<Self, CommandError> {
        let found = workbench.load(&options.file).await?;
        let kind = found.kind(options.kind)?;
        let mut entry = options.entry.unwrap_or_default();
        let given = options
            .name
            .or_else(|| Some(entry.name.clone()).filter(|name| !name.is_empty()));
        let (method, mut input) = prepare(kind, given.as_deref())?;
        let name = given
            .or_else(|| input.plugin_name(kind).map(str::to_owned))
            .ok_or_else(|| {
                CommandError::usage(
                    "the plugin's name is not known",
                    "give --name, an entry with a name, or an INPUT that configures exactly one plugin",
                )
            })?;
        input.set_name(kind, &name);
        if let Some(config) = options.config {
            input.set_config(kind, &name, config);
        }
        entry.name.clone_from(&name);
        entry.location = location(&options.file)?;
        entry
            .permissions
            .http
            .extend(options.allow_http.into_iter().map(HttpGrant::Host));
        entry.limits.deadline = options.deadline.or(entry.limits.deadline);
        entry.limits.memory = options.memory.or(entry.limits.memory);
        let (instance, ground) = match &found.program {
            Program::Component(_) => (mode_name(entry.instances.mode), None),
            Program::Native { .. } => ("process", Some(NativeGround::of(&surroundings).await?)),
        };
        let env = ground.as_ref().map(NativeGround::env).unwrap_or_default();
        let registry = workbench.registry(surroundings.host.clone(), env);
        let id = PluginId { kind, name };
        plugins::load_one(&registry, &id, &entry).await?;
        let port = match kind {
            PluginKind::MetricProvider => registry
                .metric_provider(&id.name, &input.namespace(kind))
                .map(Port::Metric),
            PluginKind::TrafficRouter => registry
                .traffic_router(&id.name, &input.namespace(kind))
                .map(Port::Router),
            PluginKind::Step => registry.step(&id.name, &input.namespace(kind)).map(Port::Step),
        }?;
        Ok(Self {
            id,
            port,
            surroundings,
            method,
            input,
            instance,
            _ground: ground,
        })
    }

    /// Calls once, and tells everything about it.
    pub async fn call(&self) -> Outcome {
        self.call_with(self.method, &self.input).await
    }

    /// Calls once with other arguments.
    pub async fn call_with(&self, method: Method, input: &Input) -> Outcome {
        let usage = Arc::new(Mutex::new(CallUsage::default()));
        let call = Call {
            usage: Some(Arc::clone(&usage)),
            ..Call::for_namespace(self.namespace())
        };
        let before = self.surroundings.snapshot();
        let started = Instant::now();
        let answer = invoke(&self.port, method, input, &call).await;
        let duration = started.elapsed();
        let changes = before.map(|before| self.changes_since(&before));
        let usage = usage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Outcome {
            answer,
            usage,
            duration,
            changes,
        }
    }

    /// How it is called. The port keeps its registry going.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// What is called.
    pub fn method(&self) -> Method {
        self.method
    }

    /// With what.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.id.name
    }

    /// Namespace of the object that the call is about.
    pub fn namespace(&self) -> String {
        self.input.namespace(self.id.kind)
    }

    /// What a call runs in: `fresh`, `warm`, or the plugin's own `process`.
    pub fn instance_mode(&self) -> &'static str {
        self.instance
    }

    fn changes_since(&self, before: &Snapshot) -> Vec<Difference> {
        self.surroundings
            .snapshot()
            .map(|after| before.diff(&after))
            .unwrap_or_default()
    }
}

fn mode_name(mode: InstanceMode) -> &'static str {
    match mode {
        InstanceMode::Fresh => "fresh",
        InstanceMode::Warm => "warm",
    }
}
