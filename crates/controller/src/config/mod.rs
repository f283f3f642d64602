//! The plugin configuration, live: whatever changes is in the registry a moment later.
//!
//! ```text
//! ConfigMap argo-rollouts-config ─┐ watches
//! ConfigMap rollcage-config ──────┴──────────> Settings -> Registry::configure
//! ```
//!
//! Invariants: a ConfigMap that cannot be read for a while stays as it was last read; one that is gone removes nothing (that
//! is the registry's rule); nothing is configured before each was looked at once.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::ConfigMap as Object;
use kube::{
    Api, Client,
    runtime::watcher::{self, Event},
};
use rollcage_registry::{
    Registry,
    config::{ConfigFile, ConfigMap, ConfigMaps},
};
use tokio::sync::watch;

use crate::watch::follow;

/// What was read last, and the registry that is told.
#[derive(Debug)]
pub struct Settings {
    registry: Registry,
    known: Mutex<Known>,
    configured: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Known {
    argo: Option<ConfigMap>,
    rollcage: Option<ConfigMap>,
}

impl Settings {
    /// Nothing was read yet.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            known: Mutex::default(),
            configured: watch::Sender::new(false),
        }
    }

    /// Becomes true when the registry was told what both ConfigMaps say, for the first time.
    pub fn configured(&self) -> watch::Receiver<bool> {
        self.configured.subscribe()
    }

    /// Watches both ConfigMaps of `namespace`.
    pub async fn follow(&self, client: &Client, namespace: &str) -> Infallible {
        let one = |file| self.follow_one(client.clone(), namespace, file);
        let (never, _) = tokio::join!(one(ConfigFile::Argo), one(ConfigFile::Rollcage));
        never
    }

    async fn follow_one(&self, client: Client, namespace: &str, file: ConfigFile) -> Infallible {
        let api: Api<Object> = Api::namespaced(client, namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={}", file.name()));
        let mut listed = None;
        let what = format!("watch the ConfigMap {namespace}/{}", file.name());
        follow(api, only, &what, move |event| {
            let read = match event {
                Ok(Event::Init) => {
                    listed = None;
                    return;
                }
                Ok(Event::InitApply(object)) => {
                    listed = Some(data(object));
                    return;
                }
                Ok(Event::InitDone) => listed.take().unwrap_or(ConfigMap::Absent),
                Ok(Event::Apply(object)) => data(object),
                Ok(Event::Delete(_)) => ConfigMap::Absent,
                Err(reason) => ConfigMap::Unreadable(reason),
            };
            self.take(file, read);
        })
        .await
    }

    fn take(&self, file: ConfigFile, read: ConfigMap) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match file {
            ConfigFile::Argo => &mut known.argo,
            _ => &mut known.rollcage,
        };
        let was_read = matches!(place, Some(ConfigMap::Present(_) | ConfigMap::Absent));
        if place.as_ref() == Some(&read) || was_read && matches!(read, ConfigMap::Unreadable(_)) {
            return;
        }
        match &read {
            ConfigMap::Absent if matches!(place, Some(ConfigMap::Present(_))) => tracing::warn!(
                configmap = file.name(),
                "the ConfigMap is gone: the plugins that it configured go on serving"
            ),
            ConfigMap::Absent => tracing::info!(configmap = file.name(), "there is no such ConfigMap"),
            ConfigMap::Present(_) => tracing::info!(configmap = file.name(), "the ConfigMap is read"),
            // Said where it is watched.
            ConfigMap::Unreadable(_) => {}
        }
        *place = Some(read);
        self.configure(&known);
    }

    /// Under the lock, so that the last change is the last that the registry hears of.
    fn configure(&self, known: &Known) {
        let (Some(argo), Some(rollcage)) = (&known.argo, &known.rollcage) else {
            return;
        };
        self.registry.configure(&ConfigMaps {
            argo: argo.clone(),
            rollcage: rollcage.clone(),
        });
        let is_read = |map: &ConfigMap| !matches!(map, ConfigMap::Unreadable(_));
        if is_read(argo) && is_read(rollcage) {
            self.configured.send_replace(true);
        }
    }
}

fn data(object: Object) -> ConfigMap {
    let data: BTreeMap<String, String> = object.data.unwrap_or_default();
    ConfigMap::Present(data)
}
