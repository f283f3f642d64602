//! The tools of every command: a store, a sandbox, and registries that use them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{
    Call, PluginId,
    host::{HostServices, NoCluster},
};
use rollcage_goplugin::{EnvironmentPolicy, Launcher, examine};
pub use rollcage_registry::Bundled;
use rollcage_registry::{ConfigFile, NativeHost, Observer, Options, Plugin, PluginLoader, Registry};
use rollcage_sandbox::{Compiler, Component, Sandbox, SandboxConfig, WasmPlugin};
use rollcage_store::{Fetched, Identity, Store, StoreConfig, identify};
use serde::Serialize;

use crate::error::CommandError;

/// Names the folder of machine code that came with the program, as in an image.
const LAYER: &str = "ROLLCAGE_PRECOMPILED_DIR";

/// A store and a sandbox in one cache folder.
#[derive(Debug)]
pub struct Workbench {
    store: Arc<Store>,
    sandbox: Arc<Sandbox>,
    bundled: Vec<Bundled>,
    native: NativeHost,
}

/// Plugins that come with the program.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Their bytes, by the name after `bundled://`.
    pub files: BTreeMap<&'static str, &'static [u8]>,
    /// Those that serve without being configured.
    pub plugins: Vec<Bundled>,
}

/// A plugin file that was looked at.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file's name.
    pub name: String,
    /// Number of bytes.
    pub size: u64,
    /// SHA-256 of the bytes, 64 hexadecimal digits in lower case.
    pub digest: String,
    /// What is in it.
    pub program: Program,
}

/// Machine code that was made for a layer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Precompiled {
    /// The component's file, or the bundled plugin's name.
    pub name: String,
    /// `sha256:...` of the component.
    pub digest: String,
    /// Bytes of machine code.
    pub bytes: u64,
}

/// What a plugin file is.
#[derive(Clone, Debug)]
pub enum Program {
    /// A component, compiled and linked.
    Component(Arc<Component>),
    /// An executable, and what it tells about itself.
    Native {
        /// As in `an ELF executable for amd64`.
        format: String,
        /// Its bytes: to look through them takes a while, and is done where it is needed.
        bytes: Arc<[u8]>,
    },
}

impl Found {
    /// Its kind: what was asked for, or what the file says.
    pub fn kind(&self, wanted: Option<PluginKind>) -> Result<PluginKind, CommandError> {
        let found = || match &self.program {
            Program::Component(component) => Some(component.kind()),
            Program::Native { bytes, .. } => examine(bytes).kind(),
        };
        // A component of another kind is refused where it is loaded.
        wanted.or_else(found).ok_or_else(|| {
            CommandError::usage(
                format!("{}: what kind of plugin it is cannot be seen in the file", self.name),
                "say it with --kind",
            )
        })
    }

    /// Its kind, as far as known, and its name.
    pub fn id(&self, kind: PluginKind) -> PluginId {
        PluginId {
            kind,
            name: self.name.clone(),
        }
    }
}

impl Workbench {
    /// Opens the tools in a cache folder. The compiler is this very program, started again.
    pub fn open(cache_dir: &Path, bundle: Bundle) -> Result<Self, CommandError> {
        let unusable = |error: &dyn std::fmt::Display| {
            CommandError::usage(
                error.to_string(),
                "name a folder of your own with --cache-dir or ROLLCAGE_CACHE_DIR",
            )
        };
        let config = StoreConfig {
            bundled: bundle.files,
            ..StoreConfig::default()
        };
        let store = Store::open(cache_dir.join("plugins"), config).map_err(|error| unusable(&error))?;
        let program = std::env::current_exe().map_err(|error| unusable(&error))?;
        let compiler = Compiler::child(program.clone(), ["compile".into()]);
        let mut config = SandboxConfig::new(cache_dir.join("compiled"), compiler);
        config.layer = std::env::var_os(LAYER).filter(|dir| !dir.is_empty()).map(Into::into);
        let sandbox = Sandbox::new(config).map_err(|error| unusable(&error))?;
        Ok(Self {
            store: Arc::new(store),
            sandbox,
            bundled: bundle.plugins,
            native: NativeHost::new(Launcher::rollcage(program)),
        })
    }

    /// For all native plugins the same, whatever ConfigMap they are in: what they see, and user and group that they run as.
    #[must_use]
    pub fn with_native(mut self, policy: Option<EnvironmentPolicy>, identity: Option<(u32, u32)>) -> Self {
        self.native.policy = policy;
        self.native.identity = identity;
        self
    }

    /// Waits until native plugins have ended that nobody uses any more, and what they wrote has been logged.
    pub async fn close(&self) {
        self.native.all_ended().await;
    }

    /// The plugins that come with the program.
    pub fn bundled(&self) -> &[Bundled] {
        &self.bundled
    }

    /// A registry whose plugins ask `host`, for one plugin: nothing else is loaded. Native plugins see `env`.
    pub fn registry(&self, host: HostServices, env: BTreeMap<String, String>) -> Registry {
        self.registry_with(host, env, Vec::new())
    }

    /// A registry whose plugins ask `host`, with the bundled plugins. Native plugins see `env`.
    pub fn whole_registry(&self, host: HostServices, env: BTreeMap<String, String>) -> Registry {
        self.registry_with(host, env, self.bundled.clone())
    }

    /// A registry of components whose plugins ask `host`, for what runs in a cluster: it remembers what served, for the day
    /// when the wanted bytes cannot be had.
    pub fn serving_registry(&self, host: HostServices) -> Registry {
        let loader = PluginLoader::new(Arc::clone(&self.store), Arc::clone(&self.sandbox), host);
        Registry::new(loader, Options::default())
    }

    /// A registry for the controller in a cluster, whose plugins ask `host`: the bundled plugins, components and native ones,
    /// and what served is remembered.
    pub fn controller_registry(&self, host: HostServices, observer: Arc<dyn Observer>) -> Registry {
        let loader = PluginLoader::new(Arc::clone(&self.store), Arc::clone(&self.sandbox), host)
            .with_native(self.native.clone());
        let options = Options {
            bundled: self.bundled.clone(),
            observer,
            ..Options::default()
        };
        Registry::new(loader, options)
    }

    fn registry_with(&self, host: HostServices, env: BTreeMap<String, String>, bundled: Vec<Bundled>) -> Registry {
        let clock = Arc::clone(&host.clock);
        let mut native = self.native.clone();
        native.env = env;
        let loader = PluginLoader::new(Arc::clone(&self.store), Arc::clone(&self.sandbox), host)
            .with_native(native)
            .without_memory();
        Registry::new(
            loader,
            Options {
                bundled,
                clock,
                ..Options::default()
            },
        )
    }

    /// Compiles components into a folder that is to be [`LAYER`]: those files, or the plugins that come with the program.
    pub async fn precompile(
        &self,
        files: &[PathBuf],
        bundled: bool,
        out: &Path,
    ) -> Result<Vec<Precompiled>, CommandError> {
        let files = files
            .iter()
            .map(|file| Ok((file.display().to_string(), location(file)?)));
        let mut all = files.collect::<Result<Vec<_>, CommandError>>()?;
        let plugins = self.bundled.iter().filter(|_| bundled);
        all.extend(plugins.map(|plugin| (plugin.entry.name.clone(), plugin.entry.location.clone())));
        let mut made = Vec::new();
        for (name, location) in all {
            let id = PluginId {
                kind: PluginKind::MetricProvider,
                name: name.clone(),
            };
            let entry = PluginEntry {
                location,
                ..PluginEntry::default()
            };
            let fetched = self.store.fetch(&id, &entry, &NoCluster).await?;
            made.push(Precompiled {
                name,
                digest: format!("sha256:{}", fetched.digest.hex()),
                bytes: self.sandbox.precompile(&id, &fetched.bytes, out).await?,
            });
        }
        Ok(made)
    }

    /// Fetches a file and looks at it; a component is compiled and linked, whatever kind of plugin it is.
    pub async fn load(&self, file: &Path) -> Result<Found, CommandError> {
        let entry = PluginEntry {
            location: location(file)?,
            ..PluginEntry::default()
        };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut id = PluginId {
            kind: PluginKind::MetricProvider,
            name,
        };
        let fetched = self.store.fetch(&id, &entry, &NoCluster).await?;
        id.kind = rollcage_sandbox::kind_of(&fetched.bytes).unwrap_or(id.kind);
        self.look_at(&id, &fetched).await
    }

    /// What fetched bytes are. A component of another kind than the id's is refused.
    pub(crate) async fn look_at(&self, id: &PluginId, fetched: &Fetched) -> Result<Found, CommandError> {
        let identity = identify(&fetched.bytes);
        let program = if matches!(identity, Identity::Native { .. }) {
            Program::Native {
                format: identity.to_string(),
                bytes: fetched.bytes.clone(),
            }
        } else {
            Program::Component(self.sandbox.load(id, &fetched.bytes, &fetched.digest.hex()).await?)
        };
        Ok(Found {
            name: id.name.clone(),
            size: fetched.bytes.len() as u64,
            digest: fetched.digest.hex(),
            program,
        })
    }

    /// Starts a native plugin, initializes it, asks for its type, and lets it quit.
    pub async fn try_native(&self, file: &Path, id: &PluginId, entry: &PluginEntry) -> Result<String, CommandError> {
        let entry = PluginEntry {
            location: location(file)?,
            ..entry.clone()
        };
        let fetched = self.store.fetch(id, &entry, &NoCluster).await?;
        let executable = self.store.executable(id, &fetched).await?;
        let plugin = Plugin {
            id: id.clone(),
            entry: Arc::new(entry),
            file: ConfigFile::Rollcage,
        };
        let service = self.native.service(&plugin, &executable).await?;
        let type_name = service.type_name(&Call::default()).await;
        service.quit().await;
        type_name.map_err(|error| CommandError::from_call(&id.name, error))
    }

    /// A component of its own, outside any registry.
    pub fn component(
        &self,
        id: &PluginId,
        component: &Arc<Component>,
        entry: &PluginEntry,
    ) -> Result<Arc<WasmPlugin>, CommandError> {
        Ok(self
            .sandbox
            .plugin(id, component, entry, HostServices::without_cluster())?)
    }
}

/// A file as an entry writes it.
pub fn location(file: &Path) -> Result<String, CommandError> {
    let absolute = std::path::absolute(file)
        .map_err(|error| CommandError::usage(format!("{}: {error}", file.display()), "name the plugin's file"))?;
    Ok(format!("file://{}", absolute.display()))
}
