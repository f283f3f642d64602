//! What a call's argument costs on each way, at the sizes that objects have: 2, 16 and 64 KiB as JSON.

#![expect(clippy::unwrap_used, reason = "a benchmark may end by panic")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rollcage_api::{
    analysis::{AnalysisRun, Metric},
    rollout::Rollout,
};
use rollcage_gob::{Decoder, Encoder, Limits, types, wire};
use serde_json::{Value, json};

/// An AnalysisRun of about so many bytes: measurements are what makes one large.
fn analysis_run(size: usize) -> AnalysisRun {
    let mut run = json!({
        "metadata": {"name": "guestbook-6f9d-2", "namespace": "shop", "uid": "0f4a", "labels": {"app": "guestbook"},
            "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"metrics": [metric()], "args": [{"name": "service", "value": "guestbook-canary"}]},
        "status": {"phase": "Running", "startedAt": "2026-01-02T03:04:06Z", "metricResults": [
            {"name": "errors", "phase": "Running", "count": 1, "measurements": []}]},
    });
    let mut left = size.saturating_sub(run.to_string().len());
    let measurement = json!({"phase": "Successful", "startedAt": "2026-01-02T03:04:07Z",
        "finishedAt": "2026-01-02T03:04:08Z", "value": "[0.0123]", "metadata": {"query": "sum(rate(errors[5m]))"}});
    let each = measurement.to_string().len() + 1;
    let list = run.pointer_mut("/status/metricResults/0/measurements").unwrap();
    while left > each {
        list.as_array_mut().unwrap().push(measurement.clone());
        left -= each;
    }
    serde_json::from_value(run).unwrap()
}

fn metric() -> Value {
    json!({"name": "errors", "interval": "30s", "count": 10, "failureLimit": 2, "successCondition": "result[0] < 0.05",
        "provider": {"plugin": {"example/prometheus": {"address": "http://prometheus:9090", "query": "sum(rate(errors[5m]))"}}}})
}

/// A Rollout of about so many bytes: a pod template with many environment variables, as the API hands it out.
fn rollout(size: usize) -> Rollout {
    let mut rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "guestbook", "namespace": "shop", "creationTimestamp": "2026-01-02T03:04:05Z", "generation": 7},
        "spec": {"replicas": 5, "selector": {"matchLabels": {"app": "guestbook"}},
            "strategy": {"canary": {"canaryService": "canary", "stableService": "stable",
                "steps": [{"setWeight": 20}, {"pause": {"duration": "1m"}}, {"setWeight": 60}, {"pause": {}}],
                "trafficRouting": {"plugins": {"example/router": {"route": "guestbook"}}}}},
            "template": {"metadata": {"labels": {"app": "guestbook"}},
                "spec": {"containers": [{"name": "web", "image": "guestbook:2", "env": [],
                    "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}]}}},
        "status": {"canary": {"weights": {"canary": {"weight": 20}, "stable": {"weight": 80}}}, "currentStepIndex": 1},
    });
    let mut left = size.saturating_sub(rollout.to_string().len());
    let variable = json!({"name": "SOME_SETTING_OF_THE_APP", "value": "https://some.example/path?of=length"});
    let each = variable.to_string().len() + 1;
    let list = rollout.pointer_mut("/spec/template/spec/containers/0/env").unwrap();
    while left > each {
        list.as_array_mut().unwrap().push(variable.clone());
        left -= each;
    }
    serde_json::from_value(rollout).unwrap()
}

fn bench(c: &mut Criterion) {
    let metric: Metric = serde_json::from_value(metric()).unwrap();
    for size in [2_usize, 16, 64] {
        let run = analysis_run(size << 10);
        let rollout = rollout(size << 10);
        let mut group = c.benchmark_group("gob");
        group.throughput(Throughput::Bytes((size << 10) as u64));

        let mut encoder = Encoder::new();
        let (mut run_stream, mut weight_stream) = (Vec::new(), Vec::new());
        let args = wire::RunArgs {
            analysis_run: &run,
            metric: &metric,
        };
        let weight = wire::WeightArgs {
            rollout: &rollout,
            desired_weight: 20,
            additional_destinations: &[] as &[()],
        };
        let of = types::ROUTER_SET_WEIGHT_AND_VERIFY_WEIGHT_ARGS;
        let mut decoder = Decoder::new(Limits::default());
        // Definitions go ahead: a stream lives as long as its plugin.
        for _ in 0..2 {
            run_stream.clear();
            weight_stream.clear();
            encoder
                .interface("RunArgs", types::METRIC_RUN_ARGS, &args, &mut run_stream)
                .unwrap();
            encoder
                .interface("SetWeightAndVerifyWeightArgs", of, &weight, &mut weight_stream)
                .unwrap();
            for stream in [&run_stream, &weight_stream] {
                let mut rest = stream.as_slice();
                while decoder.next(&mut rest).unwrap().is_some() {}
            }
        }

        group.bench_function(BenchmarkId::new("encode RunArgs", size), |b| {
            b.iter(|| {
                run_stream.clear();
                encoder
                    .interface("RunArgs", types::METRIC_RUN_ARGS, black_box(&args), &mut run_stream)
                    .unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("decode RunArgs", size), |b| {
            b.iter(|| {
                let mut rest = black_box(run_stream.as_slice());
                let value = decoder.next(&mut rest).unwrap().unwrap();
                value
                    .decode::<wire::RunArgs<Option<AnalysisRun>, Metric>>(types::METRIC_RUN_ARGS)
                    .unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("encode SetWeight", size), |b| {
            b.iter(|| {
                weight_stream.clear();
                encoder
                    .interface(
                        "SetWeightAndVerifyWeightArgs",
                        of,
                        black_box(&weight),
                        &mut weight_stream,
                    )
                    .unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("decode SetWeight", size), |b| {
            b.iter(|| {
                let mut rest = black_box(weight_stream.as_slice());
                let value = decoder.next(&mut rest).unwrap().unwrap();
                value.decode::<wire::WeightArgs<Rollout, Vec<Value>>>(of).unwrap()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
