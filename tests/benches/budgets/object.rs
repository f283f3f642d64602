//! The AnalysisRun that plugins are called with.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Metric};
use rollcage_core::{Call, MetricProvider};
use rollcage_tests::stage::NAMESPACE;
use serde_json::{Value, json};

use crate::host::Language;

/// What calls one metric provider: the run, its metric, and what surrounds the call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    run: Arc<AnalysisRun>,
    metric: Metric,
    call: Call,
}

impl Caller {
    /// Measures the first metric of a run.
    pub(crate) fn of(run: Value) -> Result<Self> {
        let run: AnalysisRun = serde_json::from_value(run)?;
        let metric = run.spec.metrics.first().context("a run without metrics")?.clone();
        Ok(Self {
            run: Arc::new(run),
            metric,
            call: Call::for_namespace(NAMESPACE),
        })
    }

    /// Calls once; anything but Successful is an error.
    pub(crate) async fn call(&self, provider: &dyn MetricProvider) -> Result<()> {
        let answer = provider.run(&self.call, &self.run, &self.metric).await;
        let answer = answer.map_err(|error| anyhow!("{error:?}"))?;
        ensure!(
            answer.phase == AnalysisPhase::Successful && answer.value.contains('1'),
            "the plugin answered {answer:?}"
        );
        Ok(())
    }
}

/// An AnalysisRun for a prepared plugin, of 2 KiB.
pub(crate) fn run_of(language: Language, name: &str) -> Value {
    let mut run = analysis_run(name, &language.config(), 2 << 10);
    run["spec"]["metrics"][0]["successCondition"] = language.condition().into();
    run
}

/// An AnalysisRun of about `bytes` bytes of JSON, grown as real ones grow: by measurements.
pub(crate) fn analysis_run(plugin: &str, config: &Value, bytes: usize) -> Value {
    let mut run = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {
            "name": "web-6d4b75cb6d-2-success-rate", "namespace": NAMESPACE, "uid": "5a1c7e0e-8d2f-4f6b-9c3a-000000000001",
            "labels": {"app": "web", "rollouts-pod-template-hash": "6d4b75cb6d"},
            "ownerReferences": [{
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web",
                "uid": "5a1c7e0e-8d2f-4f6b-9c3a-000000000002", "controller": true,
            }],
        },
        "spec": {
            "args": [{"name": "service", "value": "web-canary.shop.svc.cluster.local"}],
            "metrics": [{
                "name": "success-rate", "interval": "30s", "successCondition": "result >= 0.95",
                "failureLimit": 3, "provider": {"plugin": {format!("test/{plugin}"): config}},
            }],
        },
        "status": {
            "phase": "Running",
            "startedAt": "2026-01-01T00:00:00Z",
            "metricResults": [{"name": "success-rate", "phase": "Running", "measurements": []}],
        },
    });
    let base = run.to_string().len();
    let measurement = json!({
        "phase": "Successful", "value": "0.9975", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z",
        "metadata": {"query": "up"},
    });
    let count = bytes.saturating_sub(base) / (measurement.to_string().len() + 1);
    run["status"]["metricResults"][0]["measurements"] = vec![measurement; count].into();
    run["status"]["metricResults"][0]["count"] = count.into();
    run["status"]["metricResults"][0]["successful"] = count.into();
    run
}

/// A Rollout of about `bytes` bytes of JSON, grown as real ones grow: by its pod template.
pub(crate) fn rollout(plugin: &str, bytes: usize) -> Value {
    let mut rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": "web", "namespace": NAMESPACE, "uid": "5a1c7e0e-8d2f-4f6b-9c3a-000000000002", "generation": 7,
            "labels": {"app": "web"}, "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"canary": {
                "canaryService": "web-canary", "stableService": "web-stable",
                "steps": [{"setWeight": 20}, {"pause": {"duration": "1m"}}, {"setWeight": 60}, {"pause": {}}],
                "trafficRouting": {"plugins": {format!("test/{plugin}"): {"route": "web"}}},
            }},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{
                "name": "web", "image": "registry.example/web:2.0.1", "env": [], "ports": [{"containerPort": 8080}],
                "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}},
            }]}},
        },
        "status": {
            "currentPodHash": "6d4b75cb6d", "stableRS": "5c689d88bb", "currentStepIndex": 1, "phase": "Progressing",
            "canary": {"weights": {
                "canary": {"weight": 20, "serviceName": "web-canary", "podTemplateHash": "6d4b75cb6d"},
                "stable": {"weight": 80, "serviceName": "web-stable", "podTemplateHash": "5c689d88bb"},
            }},
        },
    });
    let base = rollout.to_string().len();
    let variable = json!({"name": "SOME_SETTING_OF_THE_SHOP", "value": "https://settings.shop.example/path?of=it"});
    let count = bytes.saturating_sub(base) / (variable.to_string().len() + 1);
    rollout["spec"]["template"]["spec"]["containers"][0]["env"] = vec![variable; count].into();
    rollout
}
