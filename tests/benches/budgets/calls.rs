//! What a call costs.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rollcage_api::plugin::PluginKind;
use rollcage_core::MetricProvider;
use serde_json::json;

use crate::{
    host::{guest, location, open},
    object::{Caller, analysis_run},
    peer::{Measured, Peer},
    stats::{median, microseconds, percentile, processor_time},
    table::{Budget, Figure, Table},
};

/// One of the client's figures.
type Field = fn(&Measured) -> f64;

/// Turns of each side: many short ones, because on a virtual machine the price of waking a core changes from second to
/// second.
const TURNS: usize = 9;

struct Shape {
    name: &'static str,
    bytes: usize,
    callers: usize,
    calls: usize,
    latency: Budget,
    rate: Budget,
    cpu: Budget,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "Run, 2 KiB, 1 caller",
        bytes: 2 << 10,
        callers: 1,
        calls: 6_000,
        latency: Budget::Times(8.0),
        rate: Budget::None,
        cpu: Budget::Times(8.0),
    },
    Shape {
        name: "Run, 2 KiB, 16 callers",
        bytes: 2 << 10,
        callers: 16,
        calls: 16_000,
        latency: Budget::None,
        rate: Budget::Times(5.0),
        cpu: Budget::None,
    },
    Shape {
        name: "Run, 64 KiB, 1 caller",
        bytes: 64 << 10,
        callers: 1,
        calls: 2_000,
        latency: Budget::Times(25.0),
        rate: Budget::None,
        cpu: Budget::Times(25.0),
    },
];

pub(crate) async fn measure(table: &mut Table, peer: Option<&Peer>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage = open(folder.path());
    let location = location(&guest("faults/minimal.wasm")?);
    for (name, entry) in [("fresh", json!({})), ("warm", json!({"instances": {"mode": "warm"}}))] {
        stage.entry(PluginKind::MetricProvider, name, &location, &entry);
    }
    stage.load().await;
    stage.registry.all_ready()?;
    for name in ["fresh", "warm"] {
        overhead(table, name, &stage.metric_provider(name)).await?;
    }
    for shape in &SHAPES {
        compare(table, shape, peer, &stage.metric_provider("fresh"), folder.path()).await?;
    }
    Ok(())
}

/// The smallest call: what is left is the host's, and the guest's few microseconds.
async fn overhead(table: &mut Table, instance: &str, port: &Arc<dyn MetricProvider>) -> Result<()> {
    let caller = Caller::of(analysis_run(instance, &json!({}), 0))?;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let ours = run(port, &caller, 1, 6_000).await?;
        p50.push(ours.p50_us);
        p99.push(ours.p99_us);
    }
    for (name, values, most) in [("p50", p50, 20.0), ("p99", p99, 100.0)] {
        let ours = Figure(median(values), "us");
        table.less(
            format!("Call of a Wasm plugin that does nothing, {instance} instance: {name}"),
            None,
            ours,
            Budget::AtMost(most),
        );
    }
    Ok(())
}

async fn compare(
    table: &mut Table,
    shape: &Shape,
    peer: Option<&Peer>,
    port: &Arc<dyn MetricProvider>,
    folder: &Path,
) -> Result<()> {
    let run_json = analysis_run("fresh", &json!({"query": "up"}), shape.bytes);
    let file = folder.join("run.json");
    fs::write(&file, run_json.to_string())?;
    let caller = Caller::of(run_json)?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        if let Some(peer) = peer {
            let measured = tokio::task::block_in_place(|| peer.measure(&file, shape.callers, shape.calls))?;
            theirs.push(measured);
        }
        ours.push(run(port, &caller, shape.callers, shape.calls).await?);
    }
    eprintln!("{}", shape.name);
    let rows: [(&str, &str, Field, Budget); 4] = [
        ("p50", "us", |measured| measured.p50_us, shape.latency),
        ("p99", "us", |measured| measured.p99_us, Budget::None),
        ("calls/s", "/s", |measured| measured.calls_per_second, shape.rate),
        ("CPU a call", "us", |measured| measured.cpu_us_per_call, shape.cpu),
    ];
    for (name, unit, field, budget) in rows {
        let their = (!theirs.is_empty()).then(|| median(theirs.iter().map(field)));
        let our = median(ours.iter().map(field));
        let better = their.map(|their| if unit == "/s" { our / their } else { their / our });
        let original = their.map(|their| Figure(their, unit));
        table.add(
            format!("{}: {name}", shape.name),
            original,
            Figure(our, unit),
            better,
            budget,
        );
    }
    Ok(())
}

/// Our side, measured as the client of the other side measures.
pub(crate) async fn run(
    port: &Arc<dyn MetricProvider>,
    caller: &Caller,
    callers: usize,
    calls: usize,
) -> Result<Measured> {
    call_all(port, caller, callers, calls / 10).await?;
    let (cpu, began) = (processor_time()?, Instant::now());
    let mut times = call_all(port, caller, callers, calls).await?;
    let (cpu, elapsed) = (processor_time()?.saturating_sub(cpu), began.elapsed());
    let made = f64::from(u32::try_from(times.len())?);
    Ok(Measured {
        p50_us: microseconds(percentile(&mut times, 50)),
        p99_us: microseconds(percentile(&mut times, 99)),
        calls_per_second: made / elapsed.as_secs_f64(),
        cpu_us_per_call: microseconds(cpu) / made,
        host_cpu_us_per_call: microseconds(cpu) / made,
        host_rss_bytes: 0.0,
        plugin_rss_bytes: 0.0,
        start_ms: 0.0,
    })
}

async fn call_all(
    port: &Arc<dyn MetricProvider>,
    caller: &Caller,
    callers: usize,
    calls: usize,
) -> Result<Vec<Duration>> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (port, caller) = (Arc::clone(port), caller.clone());
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(calls / callers);
                for _ in 0..calls / callers {
                    let began = Instant::now();
                    caller.call(port.as_ref()).await?;
                    times.push(began.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut all = Vec::with_capacity(calls);
    for task in tasks {
        all.extend(task.await.context("a caller panicked")??);
    }
    Ok(all)
}
