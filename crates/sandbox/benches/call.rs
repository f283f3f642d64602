//! What a call costs beside the guest's own work: percentiles of single calls, then criterion's comparison with the last run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement"
)]

#[path = "../tests/it/guest.rs"]
mod guest;

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::Criterion;
use rollcage_api::{
    analysis::{AnalysisRun, Metric},
    plugin::{PluginEntry, PluginKind},
};
use rollcage_core::{Call, MetricProvider, PluginId, host::HostServices};
use rollcage_sandbox::{Compiler, Sandbox, SandboxConfig};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::guest::{Blob, Guest};

/// Calls of one percentile measurement.
const CALLS: usize = 20_000;

/// A plugin that answers a constant, and what it is called with.
struct Subject {
    provider: Arc<dyn MetricProvider>,
    run: Arc<AnalysisRun>,
    metric: Metric,
}

impl Subject {
    fn new(runtime: &Runtime, sandbox: &Arc<Sandbox>, entry: serde_json::Value) -> Self {
        let answer = Blob::measurement(4096).phase(1).value("0.95");
        let guest = Guest::metric().item(&answer.data()).body("run", "(i32.const 4096)");
        let bytes = guest.build();
        let digest = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        let id = PluginId {
            kind: PluginKind::MetricProvider,
            name: "bench/plugin".into(),
        };
        let entry: PluginEntry = serde_json::from_value(entry).unwrap();
        let plugin = runtime.block_on(async {
            let component = sandbox.load(&id, &bytes, &digest).await.unwrap();
            sandbox
                .plugin(&id, &component, &entry, HostServices::without_cluster())
                .unwrap()
        });
        // About 2 KiB, as a small AnalysisRun has.
        let labels: serde_json::Value = (0..20)
            .map(|n| (format!("label-{n}"), json!("x".repeat(60))))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let run = json!({"metadata": {"name": "run", "namespace": "shop", "labels": labels}, "spec": {"metrics": []}});
        let metric = json!({
            "name": "success-rate", "successCondition": "result >= 0.9",
            "provider": {"plugin": {"bench/plugin": {"query": "x".repeat(200)}}},
        });
        Self {
            provider: plugin.as_metric_provider().unwrap(),
            run: Arc::new(serde_json::from_value(run).unwrap()),
            metric: serde_json::from_value(metric).unwrap(),
        }
    }

    async fn call(&self) {
        let call = Call::for_namespace("shop");
        self.provider.run(&call, &self.run, &self.metric).await.unwrap();
    }

    fn percentiles(&self, runtime: &Runtime, name: &str) {
        let mut times: Vec<Duration> = runtime.block_on(async {
            for _ in 0..CALLS / 10 {
                self.call().await;
            }
            let mut times = Vec::with_capacity(CALLS);
            for _ in 0..CALLS {
                let began = Instant::now();
                self.call().await;
                times.push(began.elapsed());
            }
            times
        });
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!("{name}: p50 {:?}, p90 {:?}, p99 {:?}", at(50), at(90), at(99));
    }
}

fn main() {
    let runtime = Runtime::new().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let sandbox = {
        let _inside = runtime.enter();
        Sandbox::new(SandboxConfig::new(cache.path(), Compiler::InProcess)).unwrap()
    };
    let fresh = Subject::new(&runtime, &sandbox, json!({}));
    let warm = Subject::new(&runtime, &sandbox, json!({"instances": {"mode": "warm"}}));
    fresh.percentiles(&runtime, "fresh call");
    warm.percentiles(&runtime, "warm call");
    let mut criterion = Criterion::default().configure_from_args();
    for (name, subject) in [("fresh", &fresh), ("warm", &warm)] {
        criterion.bench_function(&format!("call/{name}"), |bencher| {
            bencher.iter(|| runtime.block_on(subject.call()));
        });
    }
    criterion.final_summary();
}
