//! How late calls end that would never end by themselves: `cargo run --release --package rollcage-tests --example faults`.
//!
//! Every component of the fault battery that ends at a deadline is called again and again, alone and beside eight that
//! spin. Prints one line each: `beside NAME overshoot p50, p99, max`.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests, helpers included")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rollcage_api::plugin::PluginKind;
use rollcage_core::{CallError, MetricProvider};
use rollcage_sandbox::Compiler;
use rollcage_tests::{
    faults::{Act, Case, compiled, handmade, play::Theatre, table::percentiles},
    server::Server,
    stage::{analysis_run, call, metric},
};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_millis(50);
const ROUNDS: usize = 40;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let server = Server::start().await;
    let mut theatre = Theatre::open(folder.path(), &folder.path().join("code"), &Compiler::InProcess);
    let mut cases: Vec<Case> = handmade::cases(&server);
    cases.extend(compiled::cases(&server).unwrap_or_default());
    cases.retain(|case| {
        let runs = matches!(case.act, Act::Call("run", _)) && case.plugin == PluginKind::MetricProvider;
        runs && (case.deadline.is_some() || case.kind == rollcage_core::FaultKind::Memory)
            // Its engine alone takes that long to start.
            && !case.name.starts_with("JavaScript")
    });
    for (number, case) in cases.iter().enumerate() {
        let mut entry = case.entry.clone();
        entry["limits"]["deadline"] = json!(format!("{}ms", DEADLINE.as_millis()));
        entry["breaker"] = json!({"faults": 10_000});
        let bytes = case.bytes.clone().unwrap_or_default();
        theatre.plugin(case.plugin, &format!("case-{number}"), &bytes, &entry);
    }
    let entry = json!({"limits": {"deadline": "100ms"}, "breaker": {"faults": 10_000}});
    theatre.plugin(PluginKind::MetricProvider, "spinner", &handmade::spinner(), &entry);
    theatre.stage.load().await;

    for beside in ["alone", "beside eight spinners"] {
        let stop = Arc::new(AtomicBool::new(false));
        let spinners = if beside == "alone" { 0 } else { 8 };
        let spinning: Vec<_> = (0..spinners)
            .map(|_| tokio::spawn(spin(theatre.stage.metric_provider("spinner"), Arc::clone(&stop))))
            .collect();
        let mut all = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let provider = theatre.stage.metric_provider(&format!("case-{number}"));
            let Act::Call(_, config) = &case.act else { continue };
            let mut late = Vec::new();
            for _ in 0..ROUNDS {
                let (metric, began) = (metric(&format!("case-{number}"), config), Instant::now());
                let result = provider.run(&call(), &analysis_run(), &metric).await;
                let took = began.elapsed();
                match result {
                    Err(CallError::Fault(fault)) if case.deadline.is_none() || fault.kind == case.kind => {}
                    other => panic!("{}: {other:?}", case.name),
                }
                late.push(took.saturating_sub(DEADLINE));
            }
            println!("{beside}: {:<36} overshoot {}", case.name, percentiles(&late));
            all.extend(late);
        }
        println!("{beside}: {:<36} overshoot {}", "all", percentiles(&all));
        stop.store(true, Ordering::Relaxed);
        for spinner in spinning {
            let _ = spinner.await;
        }
    }
}

async fn spin(provider: Arc<dyn MetricProvider>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let _ = provider
            .run(&call(), &analysis_run(), &metric("any", &Value::Null))
            .await;
    }
}
