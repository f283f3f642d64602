//! `rollcage dev`: the live view, plain lines, and the summary.

use rollcage_api::analysis::{AnalysisPhase, Measurement};
use rollcage_harness::dev::report::{DevReport, MetricReport, PluginReport, RunReport};

use super::{style, table};

/// Measurements that a sparkline shows at most.
const SPARKLINE: usize = 24;

/// The live view: what is redrawn while a scenario plays.
pub fn live(report: &DevReport) -> Vec<String> {
    let mut lines = vec![style::strong(format!(
        "rollcage dev  {}",
        clock(report.virtual_seconds)
    ))];
    lines.extend(plugins(&report.plugins));
    lines.extend(runs(&report.analysis_runs));
    if let Some(event) = report.events.last() {
        lines.push(style::faint(format!(
            "{}  {}  {}",
            clock(event.at),
            event.reason,
            event.message
        )));
    }
    lines
}

/// The summary at the end.
pub fn summary(report: &DevReport) -> Vec<String> {
    let mut lines = plugins(&report.plugins);
    lines.extend(runs(&report.analysis_runs));
    for problem in &report.problems {
        lines.push(format!("{} {problem}", style::odd("problem:")));
    }
    let held = report
        .analysis_runs
        .iter()
        .filter(|run| run.expected.is_some() && run.as_expected)
        .count();
    let expected = report.analysis_runs.iter().filter(|run| run.expected.is_some()).count();
    let verdict = format!(
        "{held} of {expected} AnalysisRuns ended as expected, after {}",
        clock(report.virtual_seconds)
    );
    lines.push(if report.ok {
        style::good(verdict)
    } else {
        style::bad(verdict)
    });
    lines
}

/// One plugin's state as a plain line.
pub fn plugin_line(plugin: &PluginReport) -> String {
    match (&plugin.phase, &plugin.cause) {
        (Some(phase), Some(cause)) => format!("{} is {}: {phase}: {cause}", plugin.name, plugin.state),
        _ => format!("{} is {}", plugin.name, plugin.state),
    }
}

fn plugins(plugins: &[PluginReport]) -> Vec<String> {
    let mut rows = vec![vec![
        style::faint("PLUGIN"),
        style::faint("KIND"),
        style::faint("STATE"),
        style::faint("WHY"),
    ]];
    for plugin in plugins {
        let why = match (&plugin.phase, &plugin.cause) {
            (Some(phase), Some(cause)) => format!("{phase}: {cause}"),
            _ => plugin.digest.as_deref().map(short_digest).unwrap_or_default(),
        };
        rows.push(vec![
            plugin.name.clone(),
            plugin.kind.clone(),
            style::state(&plugin.state),
            why,
        ]);
    }
    table::lines(&rows)
}

fn runs(runs: &[RunReport]) -> Vec<String> {
    let mut rows = vec![vec![
        style::faint("ANALYSISRUN"),
        style::faint("PHASE"),
        style::faint("METRIC"),
        style::faint("MEASUREMENTS"),
    ]];
    let mut notes = Vec::new();
    for run in runs {
        let mark = if run.as_expected { String::new() } else { expected(run) };
        let mut name = run.name.clone();
        let mut phase = format!("{}{mark}", style::phase(run.phase));
        if run.metrics.is_empty() {
            rows.push(vec![name, phase]);
        } else {
            for metric in &run.metrics {
                rows.push(vec![
                    name,
                    phase,
                    format!("{} {}", metric.name, style::phase(metric.phase)),
                    sparkline(metric),
                ]);
                (name, phase) = (String::new(), String::new());
            }
        }
        if !run.message.is_empty() {
            notes.push(style::faint(format!("  {}: {}", run.name, run.message)));
        }
    }
    let mut lines = table::lines(&rows);
    lines.extend(notes);
    lines
}

fn expected(run: &RunReport) -> String {
    match run.expected {
        Some(phase) if phase != run.phase => style::faint(format!(" (expected {phase})")),
        _ => style::faint(" (expected another message)"),
    }
}

/// The newest measurements: numbers as bars, everything else by its phase, and the last value.
pub fn sparkline(metric: &MetricReport) -> String {
    let shown = metric
        .measurements
        .get(metric.measurements.len().saturating_sub(SPARKLINE)..)
        .unwrap_or_default();
    let numbers: Vec<Option<f64>> = shown.iter().map(number).collect();
    let known = || numbers.iter().flatten().copied();
    let (low, high) = (
        known().fold(f64::INFINITY, f64::min),
        known().fold(f64::NEG_INFINITY, f64::max),
    );
    let mut line: String = shown
        .iter()
        .zip(&numbers)
        .map(|(measurement, value)| mark(measurement, *value, low, high))
        .collect();
    if let Some(last) = shown.last().filter(|last| !last.value.is_empty()) {
        line.push(' ');
        line.extend(last.value.chars().take(20));
    }
    line
}

fn mark(measurement: &Measurement, value: Option<f64>, low: f64, high: f64) -> String {
    const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let symbol = match (value, measurement.phase) {
        (Some(value), _) => {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "share is between 0 and 1"
            )]
            let index = (share * 7.0).round() as usize;
            BARS.get(index).copied().unwrap_or("█")
        }
        (None, AnalysisPhase::Error) => "!",
        (None, phase) if phase.is_completed() => "•",
        (None, _) => "…",
    };
    match measurement.phase {
        AnalysisPhase::Successful => style::good(symbol),
        AnalysisPhase::Failed | AnalysisPhase::Error => style::bad(symbol),
        AnalysisPhase::Inconclusive => style::odd(symbol),
        _ => style::busy(symbol),
    }
}

/// The measured number: the value itself, or the first of a list.
fn number(measurement: &Measurement) -> Option<f64> {
    let text = measurement.value.trim_start_matches('[');
    let text = text.split([',', ']']).next().unwrap_or_default().trim();
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// `sha256:0123456789ab` of a digest.
fn short_digest(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

/// Seconds as `1h02m03s`.
pub fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a scenario is shorter than ages"
    )]
    let total = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds:02}s"),
        _ => format!("{hours}h{minutes:02}m{seconds:02}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(values: &[(&str, AnalysisPhase)]) -> MetricReport {
        let measurements = values
            .iter()
            .map(|(value, phase)| Measurement {
                phase: *phase,
                value: (*value).to_owned(),
                ..Measurement::default()
            })
            .collect();
        MetricReport {
            name: "m".into(),
            phase: AnalysisPhase::Running,
            measurements,
        }
    }

    #[test]
    fn numbers_are_bars_and_errors_are_marks() {
        use AnalysisPhase::{Error, Successful};
        let line = sparkline(&metric(&[("[0.5]", Successful), ("", Error), ("[1,2]", Successful)]));
        assert_eq!(anstream::adapter::strip_str(&line).to_string(), "▁!█ [1,2]");
    }

    #[test]
    fn time_is_short() {
        assert_eq!([3.4, 63.0, 3723.0].map(clock), ["3s", "1m03s", "1h02m03s"]);
    }
}
