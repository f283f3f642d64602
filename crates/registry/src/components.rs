//! Loads WebAssembly components: bytes from the store, run by the sandbox.

use std::sync::Arc;

use async_trait::async_trait;
use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::HostServices};
use rollcage_sandbox::{Component, Sandbox};
use rollcage_store::{Fetched, Store};

use crate::loader::{Loaded, Loader, Plugin, Port, Progress, Runtime, Stage};

/// The loader of a host with a store and a sandbox.
#[derive(Clone, Debug)]
pub struct ComponentLoader {
    store: Arc<Store>,
    sandbox: Arc<Sandbox>,
    host: HostServices,
    /// Whether what served is noted, for the day when the wanted bytes cannot be had.
    remembers: bool,
}

impl ComponentLoader {
    /// Plugins get their bytes from `store`, run in `sandbox`, and ask `host`.
    pub fn new(store: Arc<Store>, sandbox: Arc<Sandbox>, host: HostServices) -> Self {
        Self {
            store,
            sandbox,
            host,
            remembers: true,
        }
    }

    /// Serves what an entry says or nothing: for local runs, where yesterday's plugin of the same name is another one.
    pub fn without_memory(self) -> Self {
        Self {
            remembers: false,
            ..self
        }
    }
}

#[async_trait]
impl Loader for ComponentLoader {
    type Bytes = Fetched;
    type Component = Component;

    async fn fetch(&self, plugin: &Plugin, progress: &dyn Progress) -> Result<Fetched, Box<Fault>> {
        progress.at(Stage::Fetching);
        let report = |transfer: rollcage_store::Transfer| {
            if transfer.stage == rollcage_store::Stage::Verifying {
                progress.at(Stage::Verifying);
            }
        };
        let secrets = self.host.secrets.as_ref();
        self.store.fetch_with(&plugin.id, &plugin.entry, secrets, &report).await
    }

    fn digest(&self, bytes: &Fetched) -> String {
        bytes.digest.hex()
    }

    async fn compile(&self, plugin: &Plugin, bytes: &Fetched) -> Result<Arc<Component>, Box<Fault>> {
        self.sandbox.load(&plugin.id, &bytes.bytes, &bytes.digest.hex()).await
    }

    async fn initialize(&self, plugin: &Plugin, component: Arc<Component>) -> Result<Loaded, Box<Fault>> {
        let wasm = self
            .sandbox
            .plugin(&plugin.id, &component, &plugin.entry, self.host.clone())?;
        wasm.initialize().await?;
        let port = match plugin.id.kind {
            PluginKind::MetricProvider => wasm.as_metric_provider().map(Port::MetricProvider),
            PluginKind::TrafficRouter => wasm.as_traffic_router().map(Port::TrafficRouter),
            PluginKind::Step => wasm.as_step().map(Port::Step),
        };
        let port = port.ok_or_else(|| {
            let cause = format!("the component is a {}, not a {}", component.kind(), plugin.id.kind);
            let hint = format!("move the entry to {}", component.kind().config_key());
            Box::new(Fault::new(
                &plugin.id,
                Phase::Link,
                FaultKind::WrongContract,
                cause,
                hint,
            ))
        })?;
        Ok(Loaded {
            digest: component.digest().to_owned(),
            runtime: Runtime::Wasm,
            contract: component.contract().to_owned(),
            port,
        })
    }

    async fn last_known_good(&self, id: &PluginId) -> Option<Fetched> {
        if !self.remembers {
            return None;
        }
        let good = self.store.last_known_good(id).await?;
        self.store.read(id, &good.digest).await.ok().flatten()
    }

    async fn remember(&self, plugin: &Plugin, bytes: &Fetched) -> Result<(), Box<Fault>> {
        if !self.remembers {
            return Ok(());
        }
        self.store.remember(&plugin.id, &plugin.entry.location, bytes).await
    }
}
