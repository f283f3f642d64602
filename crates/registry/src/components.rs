//! The loader of real plugins: bytes by `rollcage-store`, components by `rollcage-sandbox`.

use std::sync::Arc;

use async_trait::async_trait;
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::HostServices};
use rollcage_sandbox::{Component, Sandbox, WasmPlugin};
use rollcage_store::{Fetched, Origin, Store, Transfer};

use crate::loader::{Loaded, Loader, Plugin, Port, Progress, Runtime, Stage};

/// Loads WebAssembly components. What is no component is refused with a sentence on what it is.
#[derive(Clone, Debug)]
pub struct ComponentLoader {
    store: Arc<Store>,
    sandbox: Arc<Sandbox>,
    host: HostServices,
    /// Whether what served is noted, for the day when the wanted bytes cannot be had.
    remembers: bool,
}

impl ComponentLoader {
    /// `host` is what plugins reach, as far as their entries grant it; its Secrets are those of `headersFrom`, too.
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
        let report = |transfer: Transfer| {
            progress.at(match transfer.stage {
                rollcage_store::Stage::Fetching => Stage::Fetching,
                rollcage_store::Stage::Verifying => Stage::Verifying,
            });
        };
        let fetched = self
            .store
            .fetch_with(&plugin.id, &plugin.entry, &*self.host.secrets, &report)
            .await?;
        match fetched.origin {
            // That the wanted bytes are not to be had must show. The registry asks for the last-known-good itself.
            Origin::LastKnownGood(fault) => Err(fault),
            Origin::Cache | Origin::Location => Ok(fetched),
        }
    }

    fn digest(&self, bytes: &Fetched) -> String {
        bytes.digest.hex()
    }

    async fn compile(&self, plugin: &Plugin, bytes: &Fetched) -> Result<Arc<Component>, Box<Fault>> {
        self.sandbox.load(&plugin.id, &bytes.bytes, &bytes.digest.hex()).await
    }

    async fn initialize(&self, plugin: &Plugin, component: Arc<Component>) -> Result<Loaded, Box<Fault>> {
        let made = self
            .sandbox
            .plugin(&plugin.id, &component, &plugin.entry, self.host.clone())?;
        made.initialize().await?;
        Ok(Loaded {
            digest: component.digest().to_owned(),
            runtime: Runtime::Wasm,
            contract: component.contract().to_owned(),
            port: port(&made).ok_or_else(|| {
                // Every kind has a port.
                let cause = format!("a {} without a port", component.kind());
                let hint = "report this as a bug of Rollcage";
                Box::new(Fault::new(&plugin.id, Phase::Link, FaultKind::Host, cause, hint))
            })?,
        })
    }

    async fn last_known_good(&self, id: &PluginId) -> Option<Fetched> {
        if !self.remembers {
            return None;
        }
        let good = self.store.last_known_good(id).await?;
        match self.store.read(id, &good.digest).await {
            Ok(found) => found,
            Err(fault) => {
                tracing::warn!(plugin = %id, %fault, "the last known good bytes cannot be read");
                None
            }
        }
    }

    async fn remember(&self, plugin: &Plugin, bytes: &Fetched) -> Result<(), Box<Fault>> {
        if !self.remembers {
            return Ok(());
        }
        self.store.remember(&plugin.id, &plugin.entry.location, bytes).await
    }

    async fn forget(&self, id: &PluginId) -> Result<(), Box<Fault>> {
        if !self.remembers {
            return Ok(());
        }
        self.store.forget(id).await
    }
}

fn port(plugin: &Arc<WasmPlugin>) -> Option<Port> {
    plugin
        .as_metric_provider()
        .map(Port::MetricProvider)
        .or_else(|| plugin.as_traffic_router().map(Port::TrafficRouter))
        .or_else(|| plugin.as_step().map(Port::Step))
}
