//! The `job` provider: Jobs in the namespace of their AnalysisRun, read when their measurement is due.
//!
//! ```text
//! core::analysis::job (names, manifests, what a status means) -> Jobs (a port like a plugin's) -> the client for built-in kinds
//! ```
//!
//! Invariants: a measurement that is begun twice, because nothing of the first time was stored, finds the Job of the first
//! time; no Job is read or deleted for a run that does not own it, whatever the run's status says.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams, Preconditions},
    core::Selector,
};
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric};
use rollcage_core::{Call, CallError, MetricProvider, PluginError, PluginErrorKind, analysis::job, clock::Clock};

use crate::error::{may_pass, told};

/// Pauses before a request is sent again to an API server that is away. Jobs have names, so that nothing is done twice.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// How many of a Job's pods are looked at for one that is stuck.
const PODS: u32 = 500;

/// Measures with Jobs.
pub(crate) struct Jobs {
    client: Client,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Jobs {
    /// Jobs behind this client.
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock }
    }

    fn api(&self, namespace: &str) -> Api<Job> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Creates the Job, or finds the one that an earlier try of the same measurement created.
    async fn create(&self, run: &AnalysisRun, metric: &Metric, namespace: &str) -> Result<DynamicObject, CallError> {
        let manifest = job::manifest(run, metric).map_err(failed)?;
        // As it is written: a field that is newer than we are is the API server's to judge.
        let manifest: DynamicObject = serde_json::from_value(manifest).map_err(|error| failed(error.to_string()))?;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &ApiResource::erase::<Job>(&()));
        let created = patiently(|| async { api.create(&PostParams::default(), &manifest).await }).await;
        let exists = match created {
            Err(kube::Error::Api(status)) if status.is_already_exists() => kube::Error::Api(status),
            created => return created.map_err(|error| failed(told(&error))),
        };
        let name = manifest.metadata.name.as_deref().unwrap_or_default();
        let api = self.api(namespace);
        match patiently(|| api.get_opt(name)).await {
            Ok(Some(found)) if job::is_of_metric(&found, run, &metric.name) => {
                tracing::info!(namespace, job = name, "it was created before");
                Ok(DynamicObject {
                    metadata: found.metadata,
                    ..manifest
                })
            }
            // In Argo's words: whatever is in the way, it is there.
            Ok(_) => Err(failed(told(&exists))),
            Err(error) => Err(failed(told(&error))),
        }
    }

    /// The Job of a measurement, if it is still there.
    async fn find(&self, run: &AnalysisRun, measurement: &Measurement, namespace: &str) -> Result<Found, CallError> {
        let Some((place, name)) = job::reference(measurement, run) else {
            return Err(failed("job metadata reference missing".to_owned()));
        };
        let not_ours = || {
            CallError::Plugin(PluginError {
                kind: PluginErrorKind::Denied,
                message: format!("job {place}/{name} does not belong to this AnalysisRun"),
                retry_after: None,
            })
        };
        // Who may write a run's status may not reach into other namespaces with it, nor for Jobs of others.
        if place != namespace {
            return Err(not_ours());
        }
        let api = self.api(namespace);
        let found = patiently(|| api.get_opt(name)).await;
        let job = found.map_err(|error| failed(told(&error)))?;
        if job.as_ref().is_some_and(|job| !job::is_of_run(job, run)) {
            return Err(not_ours());
        }
        Ok(Found {
            name: name.to_owned(),
            job,
        })
    }

    /// Why the Job cannot go on.
    async fn stuck(&self, job: &Job, namespace: &str) -> Result<Option<String>, CallError> {
        let Some(selector) = job.spec.as_ref().and_then(|spec| spec.selector.clone()) else {
            return Ok(None);
        };
        let selector = Selector::try_from(selector).map_err(|error| failed(error.to_string()))?;
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let of_job = ListParams::default().labels_from(&selector).limit(PODS);
        let pods = patiently(|| api.list(&of_job)).await;
        Ok(job::stuck(&pods.map_err(|error| failed(told(&error)))?.items))
    }

    /// Deletes the Job, its pods first. One that is gone is fine.
    async fn delete(&self, found: &Found, namespace: &str) -> Result<bool, CallError> {
        let Some(job) = &found.job else { return Ok(false) };
        let exactly_this = DeleteParams {
            preconditions: Some(Preconditions {
                uid: job.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::foreground()
        };
        let api = self.api(namespace);
        match patiently(|| api.delete(&found.name, &exactly_this)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(error) => Err(failed(told(&error))),
        }
    }
}

/// The Job of a measurement.
struct Found {
    name: String,
    job: Option<Job>,
}

#[async_trait]
impl MetricProvider for Jobs {
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        let namespace = &call.namespace;
        let created = self.create(run, metric, namespace).await;
        let created = created.inspect_err(|error| {
            let error = error.to_string();
            let error = call.secrets.mask(&error);
            tracing::warn!(namespace, metric = metric.name, %error, "no job was created");
        })?;
        let begun = job::begun(&created.metadata, self.clock.now());
        tracing::info!(namespace, job = created.metadata.name, "job created");
        Ok(begun)
    }

    async fn resume(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        _: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        let namespace = &call.namespace;
        let Found { name, job } = self.find(run, measurement, namespace).await?;
        // In the words of the original's cache.
        let job = job.ok_or_else(|| failed(format!("job.batch \"{name}\" not found")))?;
        let mut measurement = measurement.clone();
        if let Some(phase) = job::ended(&job) {
            measurement.phase = phase;
        } else if let Some(message) = self.stuck(&job, namespace).await? {
            measurement.phase = AnalysisPhase::Inconclusive;
            measurement.message = message;
        } else {
            measurement.resume_at = Some(job::next_look(&measurement, self.clock.now()));
            return Ok(measurement);
        }
        tracing::info!(
            namespace,
            job = name,
            phase = measurement.phase.as_str(),
            "job completed"
        );
        Ok(measurement)
    }

    async fn terminate(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        _: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        let namespace = &call.namespace;
        let found = self.find(run, measurement, namespace).await?;
        self.delete(&found, namespace).await?;
        tracing::info!(namespace, job = found.name, "job terminated");
        Ok(Measurement {
            phase: AnalysisPhase::Inconclusive,
            ..measurement.clone()
        })
    }

    async fn garbage_collect(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError> {
        let namespace = &call.namespace;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        for measurement in job::forgotten(run, &metric.name, limit) {
            // One that never had a Job.
            if job::reference(measurement, run).is_none() {
                continue;
            }
            let found = match self.find(run, measurement, namespace).await {
                Ok(found) => found,
                // It is not for us to delete it, and the measurement goes all the same.
                Err(CallError::Plugin(error)) if error.kind == PluginErrorKind::Denied => continue,
                Err(error) => return Err(error),
            };
            if self.delete(&found, namespace).await? {
                tracing::info!(namespace, job = found.name, "job garbage collected");
            }
        }
        Ok(())
    }

    async fn get_metadata(&self, _: &Call, _: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        Ok(BTreeMap::new())
    }
}

fn failed(message: String) -> CallError {
    CallError::Plugin(PluginError {
        kind: PluginErrorKind::Internal,
        message,
        retry_after: None,
    })
}

/// Asks an API server a few times that may answer otherwise in a moment.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    for pause in PAUSES {
        match ask().await {
            Err(error) if may_pass(&error) => tokio::time::sleep(pause).await,
            ended => return ended,
        }
    }
    ask().await
}
