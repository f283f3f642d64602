//! Controllers at work, and at rest.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rollcage_tests::controlplane::ControlPlane;
use tokio::time::{Instant, sleep};

use super::{
    BOTH, FIFTH, NO_SLOWER, RESIDENT, TURNS, Who,
    process::{Process, Usage},
    provider::Provider,
    site::Site,
};
use crate::{
    stats::median,
    table::{Budget, Figure, Table},
};

/// Runs that are made at once, and measured once.
const RUNS: usize = 500;

/// Runs that go on, how often each is measured, and for how long they are looked at.
const GOING_ON: usize = 200;
const EVERY: &str = "5s";
const WINDOW: Duration = Duration::from_secs(20);

/// How long a controller that has nothing to do is looked at.
const REST: Duration = Duration::from_secs(10);

/// What is written after the last run ended, such as Events, is written by then.
const TAIL: Duration = Duration::from_secs(3);

/// Limits of the clients: the defaults (40, 80), which bound both, and such as bound neither.
const LIMITS: [(&str, &[&str]); 2] = [
    ("default limits", &[]),
    ("qps 1000", &["--qps", "1000", "--burst", "2000"]),
];

/// What is measured of one turn, by the name of its row.
pub(super) type Figures = BTreeMap<&'static str, f64>;

/// Ours once, so that its plugins are compiled.
pub(super) async fn warm_up(plane: &ControlPlane, provider: &Provider) -> Result<()> {
    let site = Site::new(plane, "load", provider).await?;
    let probe = site.probe("first").await?;
    let mut process = Process::start(Who::Ours, &site, &[])?;
    process.healthy().await?;
    probe.at().await.with_context(|| process.last_words())?;
    Ok(())
}

pub(super) async fn measure(table: &mut Table, plane: &ControlPlane, provider: &Provider) -> Result<()> {
    let mut rest = Sides::default();
    let mut batches = LIMITS.map(|_| Sides::default());
    let mut going_on = Sides::default();
    for turn in 1..=TURNS {
        for who in BOTH {
            eprintln!("turn {turn} of {TURNS}: {who:?}");
            rest.add(who, at_rest(plane, provider, who).await?);
            for ((_, flags), sides) in LIMITS.iter().zip(&mut batches) {
                sides.add(who, batch(plane, provider, who, flags).await?);
            }
            going_on.add(who, window(plane, provider, who).await?);
        }
    }
    rest.row(table, "Idle: start to healthy", "ms", Budget::None)?;
    rest.row(table, "Idle: processor time in 10 s", "ms", Budget::None)?;
    rest.row(table, "Idle: resident", "MiB", Budget::None)?;
    rest.row(table, "Idle: of this, no copy of a file", "MiB", Budget::None)?;
    for ((limits, _), sides) in LIMITS.iter().zip(&batches) {
        let row = |table: &mut Table, what: &'static str, unit, budget| {
            sides.row_as(
                table,
                &format!("{RUNS} AnalysisRuns, {limits}: {what}"),
                what,
                unit,
                budget,
            )
        };
        row(table, "until all are done", "s", Budget::Times(NO_SLOWER))?;
        row(table, "processor time a run", "us", Budget::Times(FIFTH))?;
        row(table, "most ever resident", "MiB", Budget::AtMost(RESIDENT))?;
        row(table, "resident afterwards", "MiB", Budget::AtMost(RESIDENT))?;
        row(table, "writes of a run", "", Budget::None)?;
        row(table, "Events of a run", "", Budget::None)?;
        row(table, "other requests a run", "", Budget::None)?;
    }
    let row = |table: &mut Table, what: &'static str, unit, budget| {
        let name = format!("{GOING_ON} AnalysisRuns measured every {EVERY}: {what}");
        going_on.row_as(table, &name, what, unit, budget)
    };
    row(table, "processor time a measurement", "us", Budget::Times(FIFTH))?;
    row(table, "most ever resident", "MiB", Budget::AtMost(RESIDENT))?;
    row(table, "writes a measurement", "", Budget::None)?;
    let name = format!("{GOING_ON} AnalysisRuns measured every {EVERY}: measurements");
    let (theirs, ours) = going_on.medians("measurements")?;
    let [theirs, ours] = [theirs, ours].map(|count| count / WINDOW.as_secs_f64());
    table.add(
        name,
        Some(Figure(theirs, "/s")),
        Figure(ours, "/s"),
        Some(ours / theirs),
        Budget::Times(NO_SLOWER),
    );
    Ok(())
}

/// Starts, has measured one run, and rests.
async fn at_rest(plane: &ControlPlane, provider: &Provider, who: Who) -> Result<Figures> {
    let site = Site::new(plane, "load", provider).await?;
    let (process, healthy) = working(&site, who, &[]).await?;
    let before = process.usage()?;
    sleep(REST).await;
    let after = process.usage()?;
    Ok(Figures::from([
        ("Idle: start to healthy", healthy.as_secs_f64() * 1e3),
        ("Idle: processor time in 10 s", (after.cpu - before.cpu) * 1e3),
        ("Idle: resident", after.resident),
        ("Idle: of this, no copy of a file", after.anonymous),
    ]))
}

/// A controller that is warm: one run is behind it.
async fn working(site: &Site<'_>, who: Who, flags: &[&str]) -> Result<(Process, Duration)> {
    let probe = site.probe("first").await?;
    let mut process = Process::start(who, site, flags)?;
    let healthy = process.healthy().await?;
    probe.at().await.with_context(|| process.last_words())?;
    sleep(TAIL).await;
    Ok((process, healthy))
}

/// Many runs at once, from the first one's making to the last one's end.
async fn batch(plane: &ControlPlane, provider: &Provider, who: Who, flags: &[&str]) -> Result<Figures> {
    let site = Site::new(plane, "load", provider).await?;
    let (process, _) = working(&site, who, flags).await?;
    let ends = site.ends("", RUNS).await?;
    let (asked, requests) = (provider.asked(), site.requests(plane, who));
    let (before, began) = (process.usage()?, Instant::now());
    site.create((0..RUNS).map(|index| site.run(&format!("r{index}"), None)))
        .await?;
    let took = ends.at().await.with_context(|| process.last_words())? - began;
    sleep(TAIL).await;
    let (after, asked) = (process.usage()?, provider.asked() - asked);
    ensure!(asked == RUNS, "{RUNS} runs were measured {asked} times");
    let mut figures = shared(before, after, count(RUNS)?);
    figures.insert("until all are done", took.as_secs_f64());
    let made = since(&site.requests(plane, who), &requests);
    for (what, requests) in sorted(&made) {
        figures.insert(what, requests / count(RUNS)?);
    }
    Ok(figures)
}

/// Runs that go on.
async fn window(plane: &ControlPlane, provider: &Provider, who: Who) -> Result<Figures> {
    let site = Site::new(plane, "load", provider).await?;
    let (process, _) = working(&site, who, &[]).await?;
    site.create((0..GOING_ON).map(|index| site.run(&format!("r{index}"), Some(EVERY))))
        .await?;
    // Past the burst of their beginning.
    sleep(Duration::from_secs(7)).await;
    let (asked, requests) = (provider.asked(), site.requests(plane, who));
    let before = process.usage()?;
    sleep(WINDOW).await;
    let (after, asked) = (process.usage()?, count(provider.asked() - asked)?);
    let made = since(&site.requests(plane, who), &requests);
    let mut figures = shared(before, after, asked);
    if let Some(each) = figures.remove("processor time a run") {
        figures.insert("processor time a measurement", each);
    }
    figures.insert("measurements", asked);
    let writes = sorted(&made).into_iter().find(|(what, _)| *what == "writes of a run");
    figures.insert("writes a measurement", writes.map_or(0.0, |(_, made)| made / asked));
    Ok(figures)
}

fn shared(before: Usage, after: Usage, objects: f64) -> Figures {
    Figures::from([
        ("processor time a run", (after.cpu - before.cpu) / objects * 1e6),
        ("most ever resident", after.peak),
        ("resident afterwards", after.resident),
    ])
}

type Requests = BTreeMap<(String, String), usize>;

fn since(now: &Requests, before: &Requests) -> Requests {
    now.iter()
        .map(|(what, count)| (what.clone(), count - before.get(what).unwrap_or(&0)))
        .collect()
}

/// How many writes of runs, Events, and others.
fn sorted(requests: &Requests) -> [(&'static str, f64); 3] {
    let mut counts = [
        ("writes of a run", 0.0),
        ("Events of a run", 0.0),
        ("other requests a run", 0.0),
    ];
    for ((verb, resource), made) in requests {
        let index = match (resource.as_str(), verb.as_str()) {
            ("analysisruns", "patch" | "update") => 0,
            ("events", _) => 1,
            _ => 2,
        };
        counts[index].1 += count(*made).unwrap_or(f64::NAN);
    }
    counts
}

fn count(of: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(of)?))
}

/// Figures of all turns of each.
#[derive(Default)]
pub(super) struct Sides(BTreeMap<Who, Vec<Figures>>);

impl Sides {
    pub fn add(&mut self, who: Who, figures: Figures) {
        eprintln!("  {figures:.1?}");
        self.0.entry(who).or_default().push(figures);
    }

    /// Of the original, and of ours.
    pub fn medians(&self, what: &str) -> Result<(f64, f64)> {
        let of = |who| {
            let turns = self.0.get(&who).context("no turns")?;
            let figures = turns.iter().map(|figures| figures.get(what).copied());
            let figures = figures.collect::<Option<Vec<f64>>>();
            anyhow::Ok(median(figures.with_context(|| format!("no {what}"))?))
        };
        Ok((of(Who::Original)?, of(Who::Ours)?))
    }

    pub fn row(&self, table: &mut Table, what: &str, unit: &'static str, budget: Budget) -> Result<()> {
        self.row_as(table, what, what, unit, budget)
    }

    pub fn row_as(&self, table: &mut Table, name: &str, what: &str, unit: &'static str, budget: Budget) -> Result<()> {
        let (theirs, ours) = self.medians(what)?;
        table.less(name, Some(Figure(theirs, unit)), Figure(ours, unit), budget);
        Ok(())
    }
}
