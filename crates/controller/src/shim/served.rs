//! What calls get: the registry's port, or why there is none.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, MetricProvider, Phase, PluginId, PluginSource as _, Step, TrafficRouter};
use rollcage_goplugin::server::Served;
use rollcage_registry::{Registry, config::Configuration};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{GRACE, source::Read};

/// What is known so far.
#[derive(Clone, Debug)]
struct Known {
    id: PluginId,
    registry: Option<Registry>,
    /// Why nothing is even tried.
    refused: Option<Arc<Fault>>,
}

/// One plugin, as it is served.
pub(super) struct Shim {
    known: watch::Sender<Known>,
    /// Until when a call may wait for the first load.
    until: Instant,
}

impl fmt::Debug for Shim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shim")
            .field("known", &*self.known.borrow())
            .finish_non_exhaustive()
    }
}

impl Shim {
    pub(super) fn new(kind: PluginKind, name: Option<String>) -> Self {
        let id = PluginId {
            kind,
            name: name.unwrap_or_else(|| "rollcage/shim".to_owned()),
        };
        Self {
            known: watch::Sender::new(Known {
                id,
                registry: None,
                refused: None,
            }),
            until: Instant::now() + GRACE,
        }
    }

    pub(super) fn kind(&self) -> PluginKind {
        self.known.borrow().id.kind
    }

    /// Nothing can be loaded for as long as this process lives.
    pub(super) async fn cannot_open<T>(&self, error: &str) -> T {
        tracing::error!(error, "nothing can be loaded");
        self.known.send_modify(|known| {
            let hint = "mount a folder that can be written, and name it with --cache-dir or ROLLCAGE_CACHE_DIR";
            let fault = Fault::new(&known.id, Phase::Resolve, FaultKind::Storage, error, hint);
            known.refused = Some(Arc::new(fault));
        });
        std::future::pending().await
    }

    /// Wants what was read now.
    pub(super) fn take(&self, registry: &Registry, read: Read) {
        let (id, configuration, refused) = match read {
            Read::Unread(fault) => {
                let first = self.known.borrow().registry.is_none();
                let told = self.known.borrow().refused.as_ref().is_some_and(|old| **old == *fault);
                if !told {
                    tracing::warn!(%fault, "the component's entry cannot be read");
                }
                if !first && self.known.borrow().refused.is_none() {
                    // What was read before stays.
                    return;
                }
                (None, Configuration::default(), Some(fault))
            }
            Read::Wanted(choice) => match *choice {
                Ok((id, configuration)) => (Some(id), configuration, None),
                Err(fault) => (None, Configuration::default(), Some(fault)),
            },
        };
        registry.want(configuration);
        self.known.send_if_modified(|known| {
            let before = (known.id.clone(), known.refused.clone(), known.registry.is_some());
            known.registry = Some(registry.clone());
            known.refused = refused.map(Arc::from);
            if let Some(id) = id {
                known.id = id;
            }
            before != (known.id.clone(), known.refused.clone(), true)
        });
    }

    /// The registry, and the plugin's name in it; waits a moment for the first load.
    async fn found(&self) -> Result<(Registry, PluginId), Box<Fault>> {
        let _ = timeout_at(self.until, self.settled()).await;
        let known = self.known.borrow().clone();
        if let Some(refused) = known.refused {
            return Err(Box::new(Fault::clone(&refused)));
        }
        match known.registry {
            Some(registry) => Ok((registry, known.id)),
            None => Err(Box::new(Fault::new(
                &known.id,
                Phase::Resolve,
                FaultKind::Loading,
                "Pending: its entry is being read",
                "wait a moment",
            ))),
        }
    }

    /// Returns when the first load has ended, well or badly.
    async fn settled(&self) {
        let mut known = self.known.subscribe();
        let Ok(known) = known
            .wait_for(|known| known.refused.is_some() || known.registry.is_some())
            .await
            .map(|known| known.clone())
        else {
            return;
        };
        let Some(registry) = known.registry.filter(|_| known.refused.is_none()) else {
            return;
        };
        let mut snapshots = registry.watch();
        let _ = snapshots
            .wait_for(|snapshot| {
                let plugin = snapshot.plugins.get(&known.id);
                plugin.is_none_or(|plugin| plugin.state.is_serving() || plugin.loading.is_none())
            })
            .await;
    }

    async fn port<T>(&self, look_up: impl FnOnce(&Registry, &str) -> Result<T, Box<Fault>>) -> Result<T, Box<Fault>> {
        let (registry, id) = self.found().await?;
        look_up(&registry, &id.name).map_err(|mut fault| {
            let snapshot = registry.snapshot();
            if let Some(status) = snapshot.plugins.get(&id).filter(|status| !status.state.is_serving()) {
                fault.cause = format!("{:?}: {}", status.state, fault.cause);
            }
            fault
        })
    }
}

#[async_trait]
impl Served for Shim {
    fn name(&self) -> String {
        self.known.borrow().id.name.clone()
    }

    async fn metric_provider(&self, namespace: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>> {
        self.port(|registry, name| registry.metric_provider(name, namespace))
            .await
    }

    async fn traffic_router(&self, namespace: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>> {
        self.port(|registry, name| registry.traffic_router(name, namespace))
            .await
    }

    async fn step(&self, namespace: &str) -> Result<Arc<dyn Step>, Box<Fault>> {
        self.port(|registry, name| registry.step(name, namespace)).await
    }
}
