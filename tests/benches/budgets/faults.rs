//! How late calls end whose guests would go on for ever: everything of the fault battery that ends at a deadline, called
//! again and again, alone and beside eight that spin.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rollcage_api::plugin::PluginKind;
use rollcage_core::{CallError, FaultKind, MetricProvider};
use rollcage_sandbox::Compiler;
use rollcage_tests::{
    faults::{Act, Case, compiled, handmade, play::Theatre, table::percentiles},
    server::Server,
    stage::{analysis_run, call, metric},
};
use serde_json::{Value, json};

use crate::{
    host::guest,
    stats::{milliseconds, percentile},
    table::{Budget, Figure, Table},
};

const DEADLINE: Duration = Duration::from_millis(50);
const ROUNDS: usize = 40;
/// Where a deadline may find a call instead.
const EARLIER: [FaultKind; 2] = [FaultKind::Deadline, FaultKind::QueueDeadline];

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start().await;
    let mut theatre = Theatre::open(folder.path(), &folder.path().join("code"), &Compiler::InProcess);
    let cases = cases(&server)?;
    for (number, case) in cases.iter().enumerate() {
        let mut entry = case.entry.clone();
        entry["limits"]["deadline"] = json!(format!("{}ms", DEADLINE.as_millis()));
        entry["breaker"] = json!({"faults": 10_000});
        let bytes = case.bytes.clone().unwrap_or_default();
        theatre.plugin(case.plugin, &name(number), &bytes, &entry);
    }
    let entry = json!({"limits": {"deadline": "100ms"}, "breaker": {"faults": 10_000}});
    theatre.plugin(PluginKind::MetricProvider, "spinner", &handmade::spinner(), &entry);
    theatre.stage.load().await;
    theatre.stage.registry.all_ready()?;

    for (beside, spinners) in [("alone", 0), ("beside eight spinners", 8)] {
        let stop = Arc::new(AtomicBool::new(false));
        let spinning: Vec<_> = (0..spinners)
            .map(|_| tokio::spawn(spin(theatre.stage.metric_provider("spinner"), Arc::clone(&stop))))
            .collect();
        let mut all = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let late = overshoot(&theatre, number, case).await?;
            eprintln!("{beside}: {:<36} overshoot {}", case.name, percentiles(&late));
            all.extend(late);
        }
        eprintln!("{beside}: {:<36} overshoot {}", "all", percentiles(&all));
        stop.store(true, Ordering::Relaxed);
        for spinner in spinning {
            let _ = spinner.await;
        }
        for (figure, percent, budget) in [
            ("p50", 50, Budget::None),
            ("p99", 99, Budget::AtMost(10.0)),
            ("max", 100, Budget::None),
        ] {
            let late = Figure(milliseconds(percentile(&mut all, percent)), "ms");
            table.less(
                format!("Hostile calls end after their deadline, {beside}: {figure}"),
                None,
                late,
                budget,
            );
        }
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("case-{number}")
}

/// Calls that a deadline ends.
fn cases(server: &Server) -> Result<Vec<Case>> {
    let mut cases = handmade::cases(server);
    cases.extend(compiled::cases(server).unwrap_or_default());
    cases.retain(|case| {
        let runs = matches!(case.act, Act::Call("run", _)) && case.plugin == PluginKind::MetricProvider;
        // A JavaScript engine alone takes longer than that to start.
        runs && case.deadline.is_some() && !case.name.starts_with("JavaScript")
    });
    // With more memory than can be taken until then.
    let hoard = std::fs::read(guest("faults/hoard.wasm")?)?;
    let hoarding = Case::run("Rust: takes memory", hoard, FaultKind::Deadline, "computing");
    cases.push(hoarding.with(json!({"limits": {"memory": "3Gi"}})));
    Ok(cases)
}

async fn overshoot(theatre: &Theatre, number: usize, case: &Case) -> Result<Vec<Duration>> {
    let Act::Call(_, config) = &case.act else {
        bail!("{}: no call", case.name);
    };
    let provider = theatre.stage.metric_provider(&name(number));
    let mut late = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let (metric, began) = (metric(&name(number), config), Instant::now());
        let result = provider.run(&call(), &analysis_run(), &metric).await;
        let took = began.elapsed();
        match result {
            // Beside spinners, and after a guest whose gigabyte has to be given back, the deadline may pass before the guest
            // is where it wants to be, or before it begins.
            Err(CallError::Fault(fault)) if fault.kind == case.kind || EARLIER.contains(&fault.kind) => {}
            other => bail!("{}: {other:?}", case.name),
        }
        if took < DEADLINE {
            bail!("{}: ended before its deadline, after {took:?}", case.name);
        }
        late.push(took.saturating_sub(DEADLINE));
    }
    Ok(late)
}

async fn spin(provider: Arc<dyn MetricProvider>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let _ = provider
            .run(&call(), &analysis_run(), &metric("any", &Value::Null))
            .await;
    }
}
