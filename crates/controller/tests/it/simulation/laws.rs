//! What has to hold after every pass, whatever happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use rollcage_api::analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric, MetricResult};
use serde_json::Value;

use super::{faults::Happened, provider::Asked, specs::SECRET};

/// What the measurements that were seen amount to, counted once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    successful: i32,
    failed: i32,
    inconclusive: i32,
    error: i32,
    consecutive_error: i32,
    consecutive_success: i32,
}

impl Tally {
    fn count(&mut self, phase: AnalysisPhase) {
        let (error, success) = (self.consecutive_error, self.consecutive_success);
        (self.consecutive_error, self.consecutive_success) = (0, 0);
        match phase {
            AnalysisPhase::Successful => {
                self.successful += 1;
                self.consecutive_success = success + 1;
            }
            AnalysisPhase::Failed => self.failed += 1,
            AnalysisPhase::Inconclusive => self.inconclusive += 1,
            AnalysisPhase::Error => {
                self.error += 1;
                self.consecutive_error = error + 1;
            }
            _ => (self.consecutive_error, self.consecutive_success) = (error, success),
        }
    }

    fn of(result: &MetricResult) -> Self {
        Self {
            successful: result.successful,
            failed: result.failed,
            inconclusive: result.inconclusive,
            error: result.error,
            consecutive_error: result.consecutive_error,
            consecutive_success: result.consecutive_success,
        }
    }
}

#[derive(Debug, Default)]
pub struct Laws {
    tallies: BTreeMap<String, Tally>,
    /// Labels that others wrote.
    pub labels: BTreeSet<String>,
}

/// One pass: the object before and after, and what was asked.
#[derive(Debug)]
pub struct Seen<'a> {
    pub before: &'a Value,
    pub after: &'a Value,
    pub asked: &'a [Asked],
    pub happened: &'a Happened,
}

macro_rules! law {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(format!($($text)*));
        }
    };
}

fn read(object: &Value) -> AnalysisRun {
    serde_json::from_value(object.clone()).unwrap()
}

/// The metrics with what a run's arguments make of them.
fn metrics(run: &AnalysisRun) -> Vec<Metric> {
    let text = serde_json::to_string(&run.spec.metrics).unwrap();
    serde_json::from_str(&text.replace("{{args.count}}", "4")).unwrap()
}

/// How many are wanted, when there is an end.
fn wanted(metric: &Metric) -> Option<i32> {
    let count = serde_json::to_value(&metric.count).unwrap();
    let number = count.as_i64().or_else(|| count.as_str()?.parse().ok());
    match number {
        Some(number) => i32::try_from(number).ok(),
        None => metric.interval.is_empty().then_some(1),
    }
}

fn millis(text: &str) -> u64 {
    text.parse::<rollcage_api::GoDuration>()
        .unwrap()
        .0
        .as_millis()
        .try_into()
        .unwrap()
}

/// The time that has to pass after a measurement.
fn pause(metric: &Metric, last: &Measurement) -> Duration {
    if last.phase == AnalysisPhase::Error || metric.interval.is_empty() {
        return Duration::from_secs(10);
    }
    Duration::from_millis(millis(&metric.interval)).max(Duration::from_secs(1))
}

/// What a pass did to the measurements of a metric.
enum Change<'a> {
    Nothing,
    Began(&'a Measurement),
    WentOn(&'a Measurement),
}

fn change<'a>(before: &[Measurement], after: &'a [Measurement]) -> Result<Change<'a>, String> {
    let is_end_of = |tail: &[Measurement], all: &[Measurement]| all.ends_with(tail);
    let Some((new, kept)) = after.split_last() else {
        law!(before.is_empty(), "measurements are gone: {before:#?}");
        return Ok(Change::Nothing);
    };
    if is_end_of(after, before) {
        return Ok(Change::Nothing);
    }
    match before.split_last() {
        Some((in_flight, earlier)) if in_flight.finished_at.is_none() => {
            law!(is_end_of(kept, earlier), "history changed: {before:#?} -> {after:#?}");
            Ok(Change::WentOn(new))
        }
        _ => {
            law!(is_end_of(kept, before), "history changed: {before:#?} -> {after:#?}");
            Ok(Change::Began(new))
        }
    }
}

impl Laws {
    pub fn check(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let (before, after) = (read(seen.before), read(seen.after));
        law!(!seen.after.to_string().contains(SECRET), "a secret is stored");
        let labels = after.metadata.labels.clone().unwrap_or_default();
        for label in &self.labels {
            law!(
                labels.contains_key(label),
                "another's write of the label {label} is lost"
            );
        }
        law!(
            !before.spec.terminate || after.spec.terminate,
            "the wish to end is lost"
        );
        if before.status.phase.is_completed() {
            law!(seen.before["status"] == seen.after["status"], "a finished run changed");
            let tasks = seen
                .asked
                .iter()
                .filter(|asked| asked.method != "garbage-collect")
                .count();
            law!(
                tasks == 0 || seen.happened.stale,
                "a finished run was measured: {:?}",
                seen.asked
            );
            return Ok(());
        }
        Self::asked(seen, &before)?;
        let metrics = metrics(&after);
        for metric in &metrics {
            self.metric(metric, &before, &after)?;
        }
        Self::run(&metrics, &before, &after)
    }

    /// What plugins were asked, when what they were asked about was the newest there was.
    fn asked(seen: &Seen<'_>, before: &AnalysisRun) -> Result<(), String> {
        if seen.happened.stale {
            return Ok(());
        }
        for asked in seen.asked {
            let result = before
                .status
                .metric_results
                .iter()
                .find(|result| result.name == asked.metric);
            let last = result.and_then(|result| result.measurements.last());
            let completed = result.is_some_and(|result| result.phase.is_completed());
            match asked.method {
                "run" => {
                    law!(!completed, "a finished metric is measured: {asked:?}");
                    law!(!before.spec.terminate, "a run that is to end is measured: {asked:?}");
                    law!(
                        last.is_none_or(|last| last.finished_at.is_some()),
                        "measured while a measurement is in flight: {asked:?}"
                    );
                }
                method @ ("resume" | "terminate") => {
                    law!(!completed, "a finished metric is asked: {asked:?}");
                    let known = last.map(|last| serde_json::to_value(last).unwrap());
                    law!(
                        known == asked.measurement,
                        "asked about a measurement that is not the stored one: {known:?} {asked:?}"
                    );
                    if method == "resume" {
                        law!(!before.spec.terminate, "resumed instead of terminated: {asked:?}");
                        let early = last.and_then(|last| last.resume_at).is_some_and(|at| at > asked.at);
                        law!(!early, "resumed too early: {asked:?}");
                    }
                }
                _ => {}
            }
        }
        for method in ["run", "resume", "terminate"] {
            let mut names: Vec<_> = seen
                .asked
                .iter()
                .filter(|asked| asked.method == method)
                .map(|asked| &asked.metric)
                .collect();
            let all = names.len();
            names.sort();
            names.dedup();
            law!(
                names.len() == all,
                "a metric was asked twice in a pass: {:?}",
                seen.asked
            );
        }
        Ok(())
    }

    fn metric(&mut self, metric: &Metric, before: &AnalysisRun, after: &AnalysisRun) -> Result<(), String> {
        let name = &metric.name;
        let of = |run: &AnalysisRun| {
            run.status
                .metric_results
                .iter()
                .find(|result| result.name == *name)
                .cloned()
        };
        let (was, is) = (of(before), of(after));
        let Some(is) = is else {
            law!(was.is_none(), "the result of {name} is gone");
            return Ok(());
        };
        let was = was.unwrap_or_default();
        law!(
            !was.phase.is_completed() || was.phase == is.phase,
            "the verdict of {name} changed: {} -> {}",
            was.phase,
            is.phase
        );
        let tally = self.tallies.entry(name.clone()).or_default();
        match change(&was.measurements, &is.measurements)? {
            Change::Nothing => {}
            Change::WentOn(measurement) => {
                tally.count(measurement.phase);
                let began = was.measurements.last().and_then(|last| last.started_at);
                law!(
                    measurement.started_at == began,
                    "{name} forgot when it began: {began:?} {measurement:?}"
                );
            }
            Change::Began(measurement) => {
                tally.count(measurement.phase);
                let began = measurement.started_at.ok_or("a measurement without a start")?;
                let earliest = match was.measurements.last() {
                    Some(last) => last.finished_at.ok_or("in flight")? + pause(metric, last),
                    None if metric.initial_delay.is_empty() => Timestamp::MIN,
                    None => {
                        let start = before
                            .status
                            .started_at
                            .ok_or("measured before the run began to wait")?;
                        start + Duration::from_millis(millis(&metric.initial_delay))
                    }
                };
                // Stored times are cut to seconds.
                let second = Duration::from_secs(1);
                law!(
                    earliest == Timestamp::MIN || began + second > earliest,
                    "{name} was measured at {began}, {earliest} is the earliest"
                );
            }
        }
        law!(
            Tally::of(&is) == *tally,
            "counters of {name}: {:?} stored, {tally:?} measured",
            Tally::of(&is)
        );
        law!(
            is.count == is.successful + is.failed + is.inconclusive,
            "the count of {name}"
        );
        law!(
            wanted(metric).is_none_or(|wanted| is.count <= wanted),
            "{name} was measured too often: {is:?}"
        );
        let limit = after
            .spec
            .measurement_retention
            .first()
            .map_or(10, |rule| usize::try_from(rule.limit).unwrap());
        law!(is.measurements.len() <= limit * 10, "{name} keeps too much");
        for measurement in &is.measurements {
            law!(
                measurement.phase.is_completed() == measurement.finished_at.is_some(),
                "half a measurement: {measurement:?}"
            );
        }
        Ok(())
    }

    fn run(metrics: &[Metric], before: &AnalysisRun, after: &AnalysisRun) -> Result<(), String> {
        let (was, is) = (&before.status, &after.status);
        law!(
            was.started_at.is_none() || was.started_at == is.started_at,
            "the start changed"
        );
        if is.started_at.is_none() {
            law!(is == was, "written without a start");
            return Ok(());
        }
        let dry = is.dry_run_summary.as_ref().ok_or("no summary of dry runs")?;
        let listed = is.run_summary.count + dry.count;
        law!(
            usize::try_from(listed) == Ok(metrics.len()),
            "the summaries list {listed} metrics"
        );
        for summary in [&is.run_summary, dry] {
            let ended = summary.successful + summary.failed + summary.inconclusive + summary.error;
            law!(ended <= summary.count, "a summary: {summary:?}");
        }
        let ended = is
            .metric_results
            .iter()
            .filter(|result| result.phase.is_completed())
            .count();
        if !is.phase.is_completed() {
            law!(is.phase == AnalysisPhase::Running, "a run that goes on is {}", is.phase);
            law!(is.completed_at.is_none(), "completed before its end");
            law!(ended < metrics.len(), "every metric ended, the run did not: {is:#?}");
            return Ok(());
        }
        let completed = is.completed_at.ok_or("no time of completion")?;
        let counts = |result: &&MetricResult| !result.dry_run;
        let last = is
            .metric_results
            .iter()
            .flat_map(|result| &result.measurements)
            .filter_map(|m| m.finished_at)
            .max();
        law!(
            last.is_none_or(|last| last <= completed),
            "measured after the end: {last:?} {completed}"
        );
        let bad = |result: &MetricResult| {
            matches!(
                result.phase,
                AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive
            )
        };
        let bad_ones = is.metric_results.iter().filter(counts).any(bad);
        law!(
            (is.phase == AnalysisPhase::Successful) != bad_ones,
            "the verdict: {is:#?}"
        );
        if is.phase != AnalysisPhase::Successful {
            let same = is
                .metric_results
                .iter()
                .filter(counts)
                .any(|result| result.phase == is.phase);
            law!(same, "nobody is {}", is.phase);
        }
        law!(
            ended == metrics.len() || before.spec.terminate || after.spec.terminate || bad_ones,
            "ended early without a reason: {is:#?}"
        );
        let annotations = after.metadata.annotations.as_ref();
        law!(
            annotations.is_none_or(|all| !all.contains_key(rollcage_core::analysis::WAITING_ANNOTATION)),
            "a finished run waits"
        );
        Ok(())
    }
}
