//! One plugin file made ready to be called: the same loader, registry and sandbox as in the controller.

use std::{path::PathBuf, sync::Arc};

use rollcage_api::{
    ByteSize, GoDuration,
    plugin::{HttpGrant, InstanceMode, PluginEntry, PluginKind},
};
use rollcage_apiserver::{ApiServer, Snapshot};
use rollcage_core::{PluginId, PluginSource, host::HostServices};
use serde_json::Value;

use crate::{
    call::ObjectDiff,
    error::CommandError,
    input::Input,
    invoke::Port,
    kube_dir,
    method::Method,
    plugins,
    workbench::{Workbench, location},
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
    api: Option<Arc<ApiServer>>,
    method: Method,
    input: Input,
    mode: InstanceMode,
}

impl Session {
    /// Loads the plugin. `prepare` reads method and INPUT once the kind is known (and the name, where an option or the
    /// entry gives one).
    pub async fn open(
        workbench: &Workbench,
        options: SessionOptions,
        prepare: impl FnOnce(PluginKind, Option<&str>) -> Result<(Method, Input), CommandError>,
    ) -> Result<Self, CommandError> {
        let kind = workbench.load(&options.file).await?.id.kind;
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
        let mode = entry.instances.mode;
        let (api, host) = match &options.kube {
            Some(dir) => {
                let (api, host) = kube_dir::load(dir)?;
                (Some(api), host)
            }
            None => (None, HostServices::without_cluster()),
        };
        let registry = workbench.registry(host);
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
            api,
            method,
            input,
            mode,
        })
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

    /// `fresh` or `warm`.
    pub fn instance_mode(&self) -> &'static str {
        match self.mode {
            InstanceMode::Fresh => "fresh",
            InstanceMode::Warm => "warm",
        }
    }

    /// All objects of the in-process API, where there is one.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.api.as_ref().map(|api| api.snapshot())
    }

    /// What changed since then.
    pub fn changes_since(&self, before: &Snapshot) -> Vec<ObjectDiff> {
        self.api
            .as_ref()
            .map(|api| kube_dir::diff(before, &api.snapshot()))
            .unwrap_or_default()
    }
}
