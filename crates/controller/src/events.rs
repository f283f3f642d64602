//! Events for people, as Argo Rollouts writes them: core/v1, component `rollouts-controller`.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use k8s_openapi::{
    api::core::v1::{Event as KubeEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{Api, Client, api::PostParams};
use rollcage_core::{analysis::Event, clock::Clock};

/// Under which name Argo Rollouts speaks.
const COMPONENT: &str = "rollouts-controller";

/// Bytes of a message; what the newer Events API allows.
const MESSAGE: usize = 1024;

/// Names that are tried for an Event.
const NAMES: usize = 16;

/// Writes Events. A failure is logged and otherwise forgotten: no decision rests on an Event.
pub struct EventRecorder {
    client: Client,
    clock: Arc<dyn Clock>,
    /// Makes names differ that are given at the same time.
    sequence: AtomicU64,
}

impl fmt::Debug for EventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRecorder").finish_non_exhaustive()
    }
}

impl EventRecorder {
    /// Writes with `client`, at the times of `clock`.
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            clock,
            sequence: AtomicU64::new(0),
        }
    }

    /// Writes these, in their order.
    pub async fn publish(&self, about: &ObjectReference, events: &[Event]) {
        let (Some(namespace), Some(name)) = (&about.namespace, &about.name) else {
            return;
        };
        let api: Api<KubeEvent> = Api::namespaced(self.client.clone(), namespace);
        for event in events {
            if let Err(error) = self.create(&api, about, namespace, name, event).await {
                tracing::warn!(namespace, name, reason = event.reason, %error, "event not written");
            }
        }
    }

    async fn create(
        &self,
        api: &Api<KubeEvent>,
        about: &ObjectReference,
        namespace: &str,
        name: &str,
        event: &Event,
    ) -> Result<(), kube::Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let object = self.object(about, namespace, name, event);
            match api.create(&PostParams::default(), &object).await {
                // Another process gave this name at the same instant.
                Err(kube::Error::Api(status)) if status.code == 409 && tries < NAMES => {}
                written => return written.map(|_| ()),
            }
        }
    }

    fn object(&self, about: &ObjectReference, namespace: &str, name: &str, event: &Event) -> KubeEvent {
        let now = self.clock.now();
        let sequence = i128::from(self.sequence.fetch_add(1, Ordering::Relaxed));
        let time = Some(Time(now));
        let message = &event.message;
        KubeEvent {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond() + sequence)),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: about.clone(),
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason.clone()),
            message: message.get(..message.floor_char_boundary(MESSAGE)).map(str::to_owned),
            source: Some(EventSource {
                component: Some(COMPONENT.to_owned()),
                host: None,
            }),
            reporting_component: Some(COMPONENT.to_owned()),
            first_timestamp: time.clone(),
            last_timestamp: time,
            count: Some(1),
            ..KubeEvent::default()
        }
    }
}
