//! Events for people, as Argo Rollouts writes them: core/v1, component `rollouts-controller`.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event as KubeEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Client,
    api::{PostParams, Request},
};
use rollcage_core::{analysis::Event, clock::Clock};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

/// Under which name Argo Rollouts speaks.
const COMPONENT: &str = "rollouts-controller";

/// Bytes of a message; what the newer Events API allows.
const MESSAGE: usize = 1024;

/// Names that are tried for an Event.
const NAMES: usize = 16;

/// Passes whose Events wait to be written; those of more are dropped, as in Argo.
const WAITING: usize = 1000;

/// Writes Events. A failure is logged and otherwise forgotten: no decision rests on an Event.
#[derive(Debug)]
pub struct EventRecorder {
    writer: Arc<Writer>,
    /// Where they wait, if who publishes them does not.
    behind: Option<mpsc::Sender<Job>>,
}

#[derive(Debug)]
enum Job {
    Write(ObjectReference, Vec<Event>, Timestamp),
    /// Everything before this is written.
    Tell(oneshot::Sender<()>),
}

impl EventRecorder {
    /// Writes with `client`, at the times of `clock`, before `publish` returns.
    pub fn at_once(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            writer: Arc::new(Writer {
                client,
                clock,
                sequence: AtomicU64::new(0),
            }),
            behind: None,
        }
    }

    /// Writes in a task of its own: nobody's pass waits for the rate of Events.
    pub fn behind(client: Client, clock: Arc<dyn Clock>) -> Self {
        let (sender, mut jobs) = mpsc::channel(WAITING);
        let recorder = Self {
            behind: Some(sender),
            ..Self::at_once(client, clock)
        };
        let writer = recorder.writer.clone();
        // Ends when the recorder is gone.
        tokio::spawn(async move {
            while let Some(job) = jobs.recv().await {
                match job {
                    Job::Write(about, events, now) => writer.write(&about, &events, now).await,
                    // Nobody has to listen.
                    Job::Tell(told) => drop(told.send(())),
                }
            }
        });
        recorder
    }

    /// Writes these, in their order, as of now.
    pub async fn publish(&self, about: ObjectReference, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let now = self.writer.clock.now();
        let Some(behind) = &self.behind else {
            return self.writer.write(&about, &events, now).await;
        };
        let name = about.name.clone();
        if behind.try_send(Job::Write(about, events, now)).is_err() {
            tracing::warn!(name, "events dropped: those of {WAITING} passes wait to be written");
        }
    }

    /// Waits until all that was published is written, or could not be.
    pub async fn written(&self) {
        let Some(behind) = &self.behind else { return };
        let (tell, told) = oneshot::channel();
        if behind.send(Job::Tell(tell)).await.is_ok() {
            let _ = told.await;
        }
    }
}

/// The Event, of which nothing is read.
#[derive(Deserialize)]
struct Answer {}

struct Writer {
    client: Client,
    clock: Arc<dyn Clock>,
    /// Makes names differ that are given at the same time.
    sequence: AtomicU64,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    async fn write(&self, about: &ObjectReference, events: &[Event], now: Timestamp) {
        let (Some(namespace), Some(name)) = (&about.namespace, &about.name) else {
            return;
        };
        for event in events {
            if let Err(error) = self.create(namespace, about, now, event).await {
                tracing::warn!(namespace, name, reason = event.reason, %error, "event not written");
            }
        }
    }

    async fn create(
        &self,
        namespace: &str,
        about: &ObjectReference,
        now: Timestamp,
        event: &Event,
    ) -> Result<(), kube::Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let object = self.object(about, now, event);
            let bytes = serde_json::to_vec(&object).map_err(kube::Error::SerdeError)?;
            let url = <KubeEvent as kube::Resource>::url_path(&(), Some(namespace));
            let request = Request::new(url)
                .create(&PostParams::default(), bytes)
                .map_err(kube::Error::BuildRequest)?;
            match self.client.request::<Answer>(request).await {
                // Another process gave this name at the same instant.
                Err(kube::Error::Api(status)) if status.code == 409 && tries < NAMES => {}
                written => return written.map(|_| ()),
            }
        }
    }

    fn object(&self, about: &ObjectReference, now: Timestamp, event: &Event) -> KubeEvent {
        let name = about.name.as_deref().unwrap_or_default();
        let sequence = i128::from(self.sequence.fetch_add(1, Ordering::Relaxed));
        let time = Some(Time(now));
        let message = &event.message;
        KubeEvent {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond() + sequence)),
                namespace: about.namespace.clone(),
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
