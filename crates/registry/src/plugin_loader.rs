//! The loader of real plugins: bytes by `rollcage-store`, components by `rollcage-sandbox`, executables by
//! `rollcage-goplugin`.

use std::sync::Arc;

use async_trait::async_trait;
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::HostServices};
use rollcage_sandbox::{Component, Sandbox, WasmPlugin};
use rollcage_store::{Executable, Fetched, Identity, Origin, Store, Transfer, identify};

use crate::{
    loader::{Footprint, Loaded, Loader, Plugin, Port, Progress, Runtime, Stage},
    native::{NativeHost, switched_off},
};

/// Loads WebAssembly components and native executables: what bytes are is decided by looking at them. What is neither is
/// refused with a sentence on what it is.
#[derive(Clone, Debug)]
pub struct PluginLoader {
    store: Arc<Store>,
    sandbox: Arc<Sandbox>,
    host: HostServices,
    /// Without it, native plugins are switched off.
    native: Option<NativeHost>,
    /// Whether what served is noted, for the day when the wanted bytes cannot be had.
    remembers: bool,
}

/// What bytes became.
#[derive(Debug)]
pub enum Program {
    /// A component, compiled and linked.
    Component(Arc<Component>),
    /// A file that can be executed.
    Native(Executable),
}

impl PluginLoader {
    /// `host` is what plugins reach, as far as their entries grant it; its Secrets are those of `headersFrom`, too.
    pub fn new(store: Arc<Store>, sandbox: Arc<Sandbox>, host: HostServices) -> Self {
        Self {
            store,
            sandbox,
            host,
            native: None,
            remembers: true,
        }
    }

    /// Runs native plugins, too.
    pub fn with_native(self, native: NativeHost) -> Self {
        Self {
            native: Some(native),
            ..self
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
impl Loader for PluginLoader {
    type Bytes = Fetched;
    type Component = Program;

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
        // That the wanted bytes are not to be had must show. The registry asks for the last-known-good itself.
        if let Origin::LastKnownGood(fault) = fetched.origin {
            return Err(fault);
        }
        if is_native(&fetched) {
            self.native(plugin)?;
        }
        Ok(fetched)
    }

    fn digest(&self, bytes: &Fetched) -> String {
        bytes.digest.hex()
    }

    fn is_compiled(&self, bytes: &Fetched) -> bool {
        !is_native(bytes)
    }

    async fn compile(&self, plugin: &Plugin, bytes: &Fetched) -> Result<Arc<Program>, Box<Fault>> {
        Ok(Arc::new(if is_native(bytes) {
            Program::Native(self.store.executable(&plugin.id, bytes).await?)
        } else {
            let digest = bytes.digest.hex();
            Program::Component(self.sandbox.load(&plugin.id, &bytes.bytes, &digest).await?)
        }))
    }

    async fn initialize(&self, plugin: &Plugin, program: Arc<Program>) -> Result<Loaded, Box<Fault>> {
        let component = match &*program {
            Program::Component(component) => component,
            Program::Native(executable) => return self.native(plugin)?.start(plugin, executable).await,
        };
        let made = self
            .sandbox
            .plugin(&plugin.id, component, &plugin.entry, self.host.clone())?;
        made.initialize().await?;
        Ok(Loaded {
            digest: component.digest().to_owned(),
            runtime: Runtime::Wasm,
            contract: component.contract().to_owned(),
            process: None,
            footprint: Some(made.clone()),
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

impl Footprint for WasmPlugin {
    fn memory(&self) -> Option<u64> {
        Some(self.memory())
    }

    fn idle_instances(&self) -> Option<usize> {
        Some(self.warm_instances())
    }
}

impl PluginLoader {
    /// How this native plugin is run, if it is.
    fn native(&self, plugin: &Plugin) -> Result<&NativeHost, Box<Fault>> {
        let native = self.native.as_ref().ok_or_else(|| switched_off(plugin))?;
        native.admit(plugin)?;
        Ok(native)
    }
}

fn is_native(fetched: &Fetched) -> bool {
    matches!(identify(&fetched.bytes), Identity::Native { .. })
}

fn port(plugin: &Arc<WasmPlugin>) -> Option<Port> {
    plugin
        .as_metric_provider()
        .map(Port::MetricProvider)
        .or_else(|| plugin.as_traffic_router().map(Port::TrafficRouter))
        .or_else(|| plugin.as_step().map(Port::Step))
}
