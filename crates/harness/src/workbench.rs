//! The tools of every command: a store, a sandbox, and registries that use them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{
    PluginId,
    host::{HostServices, NoCluster},
};
pub use rollcage_registry::Bundled;
use rollcage_registry::{ComponentLoader, Options, Registry};
use rollcage_sandbox::{Compiler, Component, Sandbox, SandboxConfig, WasmPlugin};
use rollcage_store::{Store, StoreConfig};

use crate::error::CommandError;

/// A store and a sandbox in one cache folder.
#[derive(Debug)]
pub struct Workbench {
    store: Arc<Store>,
    sandbox: Arc<Sandbox>,
    bundled: Vec<Bundled>,
}

/// Plugins that come with the program.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Their bytes, by the name after `bundled://`.
    pub files: BTreeMap<&'static str, &'static [u8]>,
    /// Those that serve without being configured.
    pub plugins: Vec<Bundled>,
}

/// A plugin file that was compiled and linked.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its kind, and the file's name.
    pub id: PluginId,
    /// Number of bytes.
    pub size: u64,
    /// The component.
    pub component: Arc<Component>,
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
        let compiler = Compiler::child(program, ["compile".into()]);
        let config = SandboxConfig::new(cache_dir.join("compiled"), compiler);
        let sandbox = Sandbox::new(config).map_err(|error| unusable(&error))?;
        Ok(Self {
            store: Arc::new(store),
            sandbox,
            bundled: bundle.plugins,
        })
    }

    /// A registry whose plugins ask `host`, for one plugin: nothing else is loaded.
    pub fn registry(&self, host: HostServices) -> Registry {
        self.registry_with(host, Vec::new())
    }

    /// A registry whose plugins ask `host`, with the bundled plugins.
    pub fn whole_registry(&self, host: HostServices) -> Registry {
        self.registry_with(host, self.bundled.clone())
    }

    fn registry_with(&self, host: HostServices, bundled: Vec<Bundled>) -> Registry {
        let clock = Arc::clone(&host.clock);
        let loader = ComponentLoader::new(Arc::clone(&self.store), Arc::clone(&self.sandbox), host).without_memory();
        Registry::new(
            loader,
            Options {
                bundled,
                clock,
                ..Options::default()
            },
        )
    }

    /// Fetches, compiles and links a file, whatever kind of plugin it is.
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
        let component = self.sandbox.load(&id, &fetched.bytes, &fetched.digest.hex()).await?;
        Ok(Found {
            id,
            size: fetched.bytes.len() as u64,
            component,
        })
    }

    /// A plugin of its own, outside any registry.
    pub fn plugin(&self, found: &Found, entry: &PluginEntry) -> Result<Arc<WasmPlugin>, CommandError> {
        Ok(self
            .sandbox
            .plugin(&found.id, &found.component, entry, HostServices::without_cluster())?)
    }
}

/// A file as an entry writes it.
pub fn location(file: &Path) -> Result<String, CommandError> {
    let absolute = std::path::absolute(file)
        .map_err(|error| CommandError::usage(format!("{}: {error}", file.display()), "name the plugin's file"))?;
    Ok(format!("file://{}", absolute.display()))
}
