//! What came of it, for people.

use std::{fmt::Write as _, time::Duration};

use super::play::Row;

/// One line a case.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<42} {:<8} {:<16} {:>9} {:>9}  cause",
        "what it does", "phase", "fault", "took", "late by"
    );
    for row in rows {
        let late = row.overshoot().map_or_else(String::new, milliseconds);
        let _ = writeln!(
            text,
            "{:<42} {:<8} {:<16} {:>9} {late:>9}  {}",
            row.name,
            row.fault.phase,
            row.fault.kind,
            milliseconds(row.took),
            shortened(&row.fault.cause)
        );
    }
    text
}

/// The middle, the 99th percentile and the worst of some times.
pub fn percentiles(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| {
        sorted
            .get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)))
            .copied()
    };
    let [p50, p99, most] =
        [at(50), at(99), sorted.last().copied()].map(|time| time.map_or_else(String::new, milliseconds));
    format!("p50 {p50}, p99 {p99}, max {most} ({} samples)", sorted.len())
}

/// The 99th percentile.
pub fn p99(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len().saturating_sub(1) * 99 / 100)
        .copied()
        .unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn shortened(cause: &str) -> String {
    const SHOWN: usize = 90;
    let line = cause.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}
