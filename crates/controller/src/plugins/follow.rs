//! Watching the Plugin objects of the own namespace, and handing their entries to the registry.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Client, Error, ResourceExt as _,
    api::{ApiResource, DynamicObject},
    runtime::watcher::{self, Event, watcher},
};
use rollcage_api::plugin_object::{CRD_NAME, Plugin};
use rollcage_registry::{Registry, config::PluginObject};
use serde_json::Value;

use super::{Timing, mirror, store::Store};

/// Longest pause after an answer that was none.
const LONGEST: Duration = Duration::from_secs(30);

/// The objects of a namespace, whatever is in them: one that cannot be read hides no other.
pub(super) fn api(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<Plugin>(&()))
}

/// Keeps `store` and `registry` up to date. Never ends.
pub(super) async fn follow(
    client: Client,
    namespace: String,
    store: Arc<Store>,
    registry: Registry,
    timing: Timing,
) -> std::convert::Infallible {
    let mut trouble = Trouble::default();
    loop {
        // A stream that was dropped lists anew: what is known stays until that has worked.
        let mut events = std::pin::pin!(watcher(api(&client, &namespace), watcher::Config::default()));
        let mut listed = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => listed.push(object),
                Ok(Event::InitDone) => {
                    trouble.over(&namespace);
                    store.replace(std::mem::take(&mut listed));
                }
                Ok(Event::Apply(object)) => store.put(object),
                Ok(Event::Delete(object)) => store.remove(&object.name_any(), object.metadata.uid.as_deref()),
                Err(error) => {
                    if is_missing(&error) {
                        // Nothing is written; what objects configured stays, as with a ConfigMap that is gone.
                        store.forget_all();
                    }
                    tokio::time::sleep(trouble.pause(&error, &namespace, timing.look_again)).await;
                    continue;
                }
            }
            if let Some(objects) = store.all() {
                registry.configure_objects(objects.values().filter_map(|object| entry(object)).collect());
            }
        }
    }
}

/// What an object configures; `None` for one that stands for an entry that is written elsewhere.
fn entry(object: &DynamicObject) -> Option<PluginObject> {
    // One that is being deleted counts until it is gone, as everything in Kubernetes does.
    if mirror::label(object).is_some() {
        return None;
    }
    Some(PluginObject {
        name: object.name_any(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        spec: object.data.get("spec").cloned().unwrap_or(Value::Null),
    })
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(Error::Api(status))
        | watcher::Error::WatchStartFailed(Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// The definition is not installed, or not any more.
fn is_missing(error: &watcher::Error) -> bool {
    code(error) == Some(404)
}

/// What keeps the objects from being seen, said once.
#[derive(Debug, Default)]
struct Trouble {
    said: Option<String>,
    failures: u32,
}

impl Trouble {
    /// Says what is new, and how long to wait.
    fn pause(&mut self, error: &watcher::Error, namespace: &str, look_again: Duration) -> Duration {
        let (say, pause) = match code(error) {
            // The watch begins anew by itself.
            Some(410) => return Duration::ZERO,
            Some(404) => (
                format!(
                    "the custom resource {CRD_NAME} is not installed: plugins run without it, but their states are not \
                     shown in the cluster (kubectl apply -f deploy/crd/plugins.rollcage.dev.yaml)"
                ),
                look_again,
            ),
            Some(403) => (
                format!(
                    "plugin objects cannot be read: {error}: allow get, list and watch of plugins in the API group \
                     rollcage.dev, namespace {namespace}"
                ),
                look_again,
            ),
            _ => (
                format!("plugin objects cannot be read now: {error}"),
                Duration::from_millis(500)
                    .saturating_mul(1 << self.failures.min(10))
                    .min(LONGEST),
            ),
        };
        self.failures = self.failures.saturating_add(1);
        if self.said.as_ref() != Some(&say) {
            tracing::warn!(namespace, "{say}");
            self.said = Some(say);
        }
        pause
    }

    fn over(&mut self, namespace: &str) {
        self.failures = 0;
        if self.said.take().is_some() {
            tracing::info!(namespace, "plugin objects can be read");
        }
    }
}
