//! The sandbox itself: engines, guest threads, the ticker and the cache of machine code.

use std::{fmt, io, path::Path, sync::Arc};

use rollcage_api::plugin::PluginEntry;
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::HostServices};
use tokio::sync::Semaphore;
use wasmtime::{Engine, Precompiled};

use crate::{
    aot::{
        self, Artifact,
        cache::Cache,
        compile::{CompileError, compile},
        layer::{self, Layer},
    },
    component::{Component, LinkError, Runtime, Runtimes},
    config::SandboxConfig,
    engine,
    lookout::{Lookout, MOMENT},
    plugin::WasmPlugin,
    threads::Threads,
    ticker::Ticker,
};

/// Runs components.
pub struct Sandbox {
    config: SandboxConfig,
    cache: Arc<Cache>,
    layer: Option<Arc<Layer>>,
    runtimes: Arc<Runtimes>,
    pub(crate) ticker: Ticker,
    pub(crate) threads: Threads,
    pub(crate) lookout: Arc<Lookout>,
    /// One compilation at a time: each may take every core and a lot of memory.
    compiling: Semaphore,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The folder for machine code cannot be used.
    #[error("cannot use the cache folder {path}: {source}")]
    Cache {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start threads: {0}")]
    Threads(#[source] io::Error),
    /// The engine cannot be set up on this machine.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
}

impl Sandbox {
    /// Sets up engines, threads and the cache of machine code.
    pub fn new(config: SandboxConfig) -> Result<Arc<Self>, SandboxError> {
        let engine_error = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let cache = Cache::open(&config.cache_dir).map_err(|source| SandboxError::Cache {
            path: config.cache_dir.display().to_string(),
            source,
        })?;
        let pooled = engine::pooled(config.pool, &config.ceilings);
        let runtimes = Runtimes {
            pooled: pooled.map(Runtime::new).transpose().map_err(engine_error)?,
            on_demand: engine::on_demand(&config.ceilings)
                .and_then(Runtime::new)
                .map_err(engine_error)?,
            slot_memory: engine::slot_memory(config.pool),
        };
        let engines = [runtimes.pooled.as_ref(), Some(&runtimes.on_demand)];
        let engines = engines.into_iter().flatten().map(|runtime| runtime.engine.weak());
        Ok(Arc::new(Self {
            cache: Arc::new(cache),
            layer: config.layer.as_deref().and_then(Layer::open).map(Arc::new),
            ticker: Ticker::start(engines.collect(), config.tick).map_err(SandboxError::Threads)?,
            threads: Threads::start(config.threads).map_err(SandboxError::Threads)?,
            lookout: Lookout::new(MOMENT),
            compiling: Semaphore::new(1),
            runtimes: Arc::new(runtimes),
            config,
        }))
    }

    /// Compiles a component, or takes its machine code out of the cache, and matches it with the contract.
    ///
    /// Phases: compile, link. `digest` is the one under which the bytes were fetched; a different one is a fault, because
    /// machine code is kept by it.
    pub async fn load(&self, id: &PluginId, bytes: &Arc<[u8]>, digest: &str) -> Result<Arc<Component>, Box<Fault>> {
        header(id, bytes)?;
        let found = blocking(id, {
            let bytes = Arc::clone(bytes);
            move || aot::sha256(&bytes)
        });
        let found = found.await?;
        let wanted = digest.strip_prefix("sha256:").unwrap_or(digest);
        if !wanted.eq_ignore_ascii_case(&found) {
            let cause = format!("the bytes have sha256 {found}, not {wanted}");
            let fault = Fault::new(id, Phase::Verify, FaultKind::DigestMismatch, cause, "fetch it again");
            return Err(Box::new(fault));
        }
        let key = aot::key(&found, &self.runtimes.on_demand.engine);
        match self.cached(id, &found, &key).await? {
            Some(Ok(component)) => return Ok(component),
            Some(Err(LinkError::Fault(fault))) => return Err(fault),
            Some(Err(LinkError::Artifact(error))) => {
                tracing::warn!(plugin = %id, "compiling again: {error:#}");
                self.cache.remove(&key);
            }
            None => {}
        }
        if let Some(Ok(component)) = self.out_of_layer(id, &found).await? {
            return Ok(component);
        }
        let _turn = self.compiling.acquire().await;
        // Another plugin with the same bytes may have been faster.
        if let Some(Ok(component)) = self.cached(id, &found, &key).await? {
            return Ok(component);
        }
        let artifact = self.compile(id, bytes, &key).await?;
        let linked = self.link(id, found, artifact).await?;
        linked.map_err(|error| {
            self.cache.remove(&key);
            error.into_fault(id)
        })
    }

    /// The component out of the cache.
    async fn cached(&self, id: &PluginId, digest: &str, key: &str) -> Result<Option<Linking>, Box<Fault>> {
        let artifact = blocking(id, {
            let (cache, key) = (Arc::clone(&self.cache), key.to_owned());
            move || cache.get(&key)
        });
        match artifact.await? {
            Some(artifact) => self.link(id, digest.to_owned(), artifact).await.map(Some),
            None => Ok(None),
        }
    }

    /// The component out of the machine code that came with the program. What is wrong with that is no reason to fail.
    async fn out_of_layer(&self, id: &PluginId, digest: &str) -> Result<Option<Linking>, Box<Fault>> {
        let Some(layer) = self.layer.clone() else {
            return Ok(None);
        };
        let wanted = digest.to_owned();
        match blocking(id, move || layer.get(&wanted)).await? {
            Some(artifact) => self.link(id, digest.to_owned(), artifact).await.map(Some),
            None => Ok(None),
        }
    }

    /// Compiles a component for the least processor of this machine's kind, into a folder that is to become
    /// [`SandboxConfig::layer`]. Gives the size of the machine code.
    pub async fn precompile(&self, id: &PluginId, bytes: &Arc<[u8]>, out: &Path) -> Result<u64, Box<Fault>> {
        header(id, bytes)?;
        let storage = |error: io::Error| {
            let cause = format!("{}: machine code cannot be written: {error}", out.display());
            let fault = Fault::new(id, Phase::Compile, FaultKind::Storage, cause, "name another folder");
            Box::new(fault)
        };
        let engine = engine::baseline().map_err(|error| {
            let cause = format!("there is no compiler for this system: {error:#}");
            Box::new(Fault::new(
                id,
                Phase::Compile,
                FaultKind::Host,
                cause,
                "precompile on Linux",
            ))
        })?;
        let key = aot::key(&aot::sha256(bytes), &engine);
        let file = layer::begin(out).map_err(storage)?;
        let code = compile(&self.config.compiler, &engine, Arc::clone(bytes), file).await;
        let code = code.map_err(|error| compile_fault(id, &error))?;
        layer::put(out, &key, code).map_err(storage)
    }

    async fn link(&self, id: &PluginId, digest: String, artifact: Artifact) -> Result<Linking, Box<Fault>> {
        let (owned, runtimes) = (id.clone(), Arc::clone(&self.runtimes));
        blocking(id, move || {
            Component::link(&owned, digest, artifact, runtimes).map(Arc::new)
        })
        .await
    }

    async fn compile(&self, id: &PluginId, bytes: &Arc<[u8]>, key: &str) -> Result<Artifact, Box<Fault>> {
        let storage = |error: io::Error| {
            let cause = format!("cannot write machine code: {error}");
            let hint = "make room in the cache folder, or choose another one";
            Box::new(Fault::new(id, Phase::Compile, FaultKind::Storage, cause, hint))
        };
        let out = self.cache.begin().map_err(storage)?;
        let engine = &self.runtimes.on_demand.engine;
        let code = compile(&self.config.compiler, engine, Arc::clone(bytes), out).await;
        let code = code.map_err(|error| compile_fault(id, &error))?;
        let put = blocking(id, {
            let (cache, key) = (Arc::clone(&self.cache), key.to_owned());
            move || cache.put(&key, code)
        });
        put.await?.map_err(storage)
    }

    /// A component under the policy of an entry: limits, grants, environment, arguments.
    pub fn plugin(
        self: &Arc<Self>,
        id: &PluginId,
        component: &Arc<Component>,
        entry: &PluginEntry,
        host: HostServices,
    ) -> Result<Arc<WasmPlugin>, Box<Fault>> {
        WasmPlugin::new(Arc::clone(self), id, component, entry, host)
    }

    pub(crate) fn config(&self) -> &SandboxConfig {
        &self.config
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A component, or why machine code is none.
type Linking = Result<Arc<Component>, LinkError>;

/// Hashes, files and machine code take milliseconds, which the host's own threads do not have.
async fn blocking<T: Send + 'static>(
    id: &PluginId,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Fault>> {
    let lost = |error: tokio::task::JoinError| {
        let cause = format!("loading was interrupted: {error}");
        Box::new(Fault::new(id, Phase::Compile, FaultKind::Host, cause, ""))
    };
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

/// Lets nothing but a binary component near the compiler.
fn header(id: &PluginId, bytes: &[u8]) -> Result<(), Box<Fault>> {
    const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    let (cause, hint) = if bytes.starts_with(&COMPONENT) {
        return Ok(());
    } else if matches!(
        Engine::detect_precompiled(bytes),
        Some(Precompiled::Component | Precompiled::Module)
    ) {
        (
            "the bytes are machine code, which is only taken from a compiler of the host's own",
            "give the WebAssembly component that it was made from",
        )
    } else if bytes.starts_with(b"\0asm\x01\0\0\0") {
        (
            "the bytes are a core WebAssembly module, not a component",
            "make a component of it, with wasm-tools component new or the language's own tool",
        )
    } else {
        ("the bytes are no WebAssembly component", "check the location")
    };
    Err(Box::new(Fault::new(
        id,
        Phase::Compile,
        FaultKind::NotAPlugin,
        cause,
        hint,
    )))
}

fn compile_fault(id: &PluginId, error: &CompileError) -> Box<Fault> {
    let (kind, hint) = match error {
        CompileError::Refused(_) => (
            FaultKind::CompileFailed,
            "the component is damaged, or uses WebAssembly features that this host does not have",
        ),
        CompileError::Crashed(_) => (FaultKind::CompileFailed, "report this component to Rollcage"),
        CompileError::Limit(_) => (FaultKind::CompileLimit, "make the component smaller"),
        CompileError::Compiler(_) => (FaultKind::Host, "check the installation"),
        CompileError::Storage(_) => (
            FaultKind::Storage,
            "make room in the cache folder, or choose another one",
        ),
    };
    Box::new(Fault::new(id, Phase::Compile, kind, error.to_string(), hint))
}
