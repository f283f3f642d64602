//! A component that was compiled and linked: everything about a plugin's code that does not depend on its entry.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, Phase, PluginId};
use wasmtime::{
    Engine,
    component::{InstancePre, Linker},
};

use crate::{
    aot::Artifact,
    contract::{self, ContractError, Exports, Identity},
    ctx::Ctx,
    imports,
};

/// An engine with everything that the host offers to guests.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    linker: Linker<Ctx>,
}

impl Runtime {
    pub(crate) fn new(engine: Engine) -> wasmtime::Result<Self> {
        let linker = imports::linker(&engine)?;
        Ok(Self { engine, linker })
    }
}

/// The engines.
pub(crate) struct Runtimes {
    /// With prepared places; absent when the system gives no address space.
    pub(crate) pooled: Option<Runtime>,
    /// Makes every instance from scratch, of any size.
    pub(crate) on_demand: Runtime,
    /// Linear memory of a prepared place.
    pub(crate) slot_memory: u64,
}

/// A component, ready to be instantiated in one engine.
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<Ctx>,
    pub(crate) exports: Arc<Exports>,
}

/// A component that was compiled and matched with the contract. Several plugins may share one.
pub struct Component {
    identity: Identity,
    digest: String,
    imports: Vec<String>,
    artifact: Artifact,
    runtimes: Arc<Runtimes>,
    /// Absent when a prepared place cannot hold it.
    pooled: Option<Linked>,
    on_demand: OnceLock<Linked>,
}

impl Component {
    /// Matches machine code with the contract.
    pub(crate) fn link(
        id: &PluginId,
        digest: String,
        artifact: Artifact,
        runtimes: Arc<Runtimes>,
    ) -> Result<Self, LinkError> {
        let mut pooled = None;
        if let Some(runtime) = &runtimes.pooled {
            // Whatever does not fit into a place is refused when the code is loaded.
            match artifact.load(&runtime.engine) {
                Ok(component) => pooled = Some((runtime, component)),
                Err(error) => tracing::debug!(plugin = %id, "made from scratch each time: {error:#}"),
            }
        }
        let (runtime, component) = if let Some(found) = pooled {
            found
        } else {
            let runtime = &runtimes.on_demand;
            let component = artifact.load(&runtime.engine).map_err(LinkError::Artifact)?;
            (runtime, component)
        };
        let exports = contract::export_names(&component, &runtime.engine);
        let identity = contract::identify(exports.iter().map(String::as_str)).map_err(|error| wrong(id, &error))?;
        if identity.kind != id.kind {
            let cause = format!("the component is a {}, configured as a {}", identity.kind, id.kind);
            let (from, to) = (id.kind.config_key(), identity.kind.config_key());
            let hint = format!("move the entry from {from} to {to}");
            return Err(fault(id, FaultKind::WrongContract, cause, hint));
        }
        let imports = contract::import_names(&component, &runtime.engine);
        let linked = bind(id, runtime, &component, &identity, &imports)?;
        let fits = runtimes
            .pooled
            .as_ref()
            .is_some_and(|pooled| Engine::same(&pooled.engine, &runtime.engine));
        let on_demand = OnceLock::new();
        let mut pooled = None;
        if fits {
            pooled = Some(linked);
        } else {
            // Nobody else can have set it.
            let _ = on_demand.set(linked);
        }
        Ok(Self {
            identity,
            digest,
            imports,
            artifact,
            runtimes,
            pooled,
            on_demand,
        })
    }

    /// What it extends.
    pub fn kind(&self) -> PluginKind {
        self.identity.kind
    }

    /// The version of the contract that it was built for, such as `0.1.0`.
    pub fn contract(&self) -> &str {
        &self.identity.version
    }

    /// SHA-256 of the component, 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it imports, as `PACKAGE/INTERFACE@VERSION`.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// For an instance in a prepared place, when its memory fits.
    pub(crate) fn pooled(&self, memory: u64) -> Option<(&Engine, &Linked)> {
        let linked = self.pooled.as_ref().filter(|_| memory <= self.runtimes.slot_memory)?;
        Some((&self.runtimes.pooled.as_ref()?.engine, linked))
    }

    /// For an instance made from scratch.
    pub(crate) fn on_demand(&self, id: &PluginId) -> Result<(&Engine, &Linked), Box<Fault>> {
        let runtime = &self.runtimes.on_demand;
        let linked = if let Some(linked) = self.on_demand.get() {
            linked
        } else {
            let linked = self
                .artifact
                .load(&runtime.engine)
                .map_err(LinkError::Artifact)
                .and_then(|component| bind(id, runtime, &component, &self.identity, &self.imports))
                .map_err(|error| error.into_fault(id))?;
            self.on_demand.get_or_init(|| linked)
        };
        Ok((&runtime.engine, linked))
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("identity", &self.identity)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Why machine code is no plugin.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// The engine does not take it: it has to be made anew.
    Artifact(wasmtime::Error),
    /// The component is wrong.
    Fault(Box<Fault>),
}

impl LinkError {
    pub(crate) fn into_fault(self, id: &PluginId) -> Box<Fault> {
        match self {
            Self::Artifact(error) => {
                let cause = format!("cannot load machine code: {error:#}");
                Box::new(Fault::new(id, Phase::Link, FaultKind::Host, cause, ""))
            }
            Self::Fault(fault) => fault,
        }
    }
}

fn wrong(id: &PluginId, error: &ContractError) -> LinkError {
    let hint = match error {
        ContractError::Version { .. } => "build it with an SDK of contract 0.1".to_owned(),
        _ => format!(
            "build it for the world rollcage:plugin/{}@{}",
            id.kind,
            contract::HOST_VERSION
        ),
    };
    fault(id, FaultKind::WrongContract, error.to_string(), hint)
}

fn fault(id: &PluginId, kind: FaultKind, cause: String, hint: String) -> LinkError {
    LinkError::Fault(Box::new(Fault::new(id, Phase::Link, kind, cause, hint)))
}

fn bind(
    id: &PluginId,
    runtime: &Runtime,
    component: &wasmtime::component::Component,
    identity: &Identity,
    names: &[String],
) -> Result<Linked, LinkError> {
    let exports = Exports::find(component, identity).map_err(|error| wrong(id, &error))?;
    let pre = runtime.linker.instantiate_pre(component).map_err(|error| {
        let hint = "build it without that import; a plugin may import rollcage:plugin@0.1 and WASI 0.2's cli, clocks, \
                    filesystem, http (outgoing), io, random and sockets";
        fault(
            id,
            FaultKind::UnknownImport,
            imports::explain(names, &error),
            hint.to_owned(),
        )
    })?;
    Ok(Linked {
        pre,
        exports: Arc::new(exports),
    })
}
