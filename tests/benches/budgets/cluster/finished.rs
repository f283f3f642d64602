//! A controller that starts beside runs that ended long ago.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rollcage_tests::controlplane::ControlPlane;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    BOTH, FIFTH, TURNS, Who,
    load::{Figures, Sides},
    process::Process,
    provider::Provider,
    site::Site,
};
use crate::table::{Budget, Figure, Table};

/// Runs that ended.
const FINISHED: u32 = 10_000;

/// Measurements of each.
const MEASUREMENTS: usize = 5;

/// How long a controller may take after its first work until it rests, and how long it is looked at then.
const SETTLE: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_secs(10);

/// What the original has at 2 000: ours is to have less at 10 000.
const RESIDENT: f64 = 128.0;

pub(super) async fn measure(table: &mut Table, plane: &ControlPlane, provider: &Provider) -> Result<()> {
    let site = Site::new(plane, "finished", provider).await?;
    let (mut without, mut with) = (Sides::default(), Sides::default());
    // Theirs first, ours last, and with each the same probes.
    for turn in 1..=TURNS {
        for who in BOTH {
            without.add(
                who,
                start(&site, who, &format!("empty-{turn}-{who:?}").to_lowercase()).await?,
            );
        }
    }
    eprintln!("making {FINISHED} AnalysisRuns that ended");
    site.create((0..FINISHED).map(|index| ended(&site, index))).await?;
    for turn in 1..=TURNS {
        for who in BOTH {
            with.add(
                who,
                start(&site, who, &format!("full-{turn}-{who:?}").to_lowercase()).await?,
            );
        }
    }
    let name = |what: &str| format!("{FINISHED} finished AnalysisRuns: {what}");
    for (what, unit, budget) in [
        ("start to healthy", "ms", Budget::None),
        ("start to the end of a run that waits", "ms", Budget::Times(1.0)),
        ("processor time of the start", "ms", Budget::None),
        ("processor time in 10 s at rest", "ms", Budget::None),
        ("resident", "MiB", Budget::AtMost(RESIDENT)),
        ("most ever resident", "MiB", Budget::None),
    ] {
        with.row_as(table, &name(what), what, unit, budget)?;
    }
    for (what, of, scale, unit) in [
        ("memory of each", "resident", 1024.0, "KiB"),
        (
            "processor time of the start for each",
            "processor time of the start",
            1e3,
            "us",
        ),
    ] {
        let (with, without) = (with.medians(of)?, without.medians(of)?);
        let each = |with: f64, without: f64| (with - without) * scale / f64::from(FINISHED);
        table.less(
            name(what),
            Some(Figure(each(with.0, without.0), unit)),
            Figure(each(with.1, without.1), unit),
            Budget::Times(FIFTH),
        );
    }
    Ok(())
}

/// Starts with a run that waits for it, and rests.
async fn start(site: &Site<'_>, who: Who, probe: &str) -> Result<Figures> {
    eprintln!("{probe}");
    let ends = site.probe(probe).await?;
    // The lease is that of the one before.
    let mut process = Process::start(who, site, &["--leader-elect=false"])?;
    let began = tokio::time::Instant::from_std(process.started);
    let healthy = process.healthy().await?;
    let ended = ends.at().await.with_context(|| process.last_words())?;
    sleep(SETTLE).await;
    let before = process.usage()?;
    sleep(REST).await;
    let after = process.usage()?;
    Ok(Figures::from([
        ("start to healthy", healthy.as_secs_f64() * 1e3),
        (
            "start to the end of a run that waits",
            (ended - began).as_secs_f64() * 1e3,
        ),
        ("processor time of the start", before.cpu * 1e3),
        ("processor time in 10 s at rest", (after.cpu - before.cpu) * 1e3),
        ("resident", after.resident),
        ("most ever resident", after.peak),
    ]))
}

/// A run as a controller leaves it.
fn ended(site: &Site<'_>, index: u32) -> Value {
    let mut run = site.run(&format!("ended-{index}"), None);
    let measurement = json!({
        "phase": "Successful", "value": "[0.99]",
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z",
    });
    run["spec"]["metrics"][0]["count"] = json!(MEASUREMENTS);
    run["spec"]["metrics"][0]["interval"] = json!("1m");
    run["status"] = json!({
        "phase": "Successful", "startedAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:05:00Z",
        "metricResults": [{
            "name": "m", "phase": "Successful", "successful": MEASUREMENTS, "count": MEASUREMENTS,
            "metadata": {"ResolvedPrometheusQuery": "up"}, "measurements": vec![measurement; MEASUREMENTS],
        }],
        "runSummary": {"count": 1, "successful": 1}, "dryRunSummary": {},
    });
    run
}
