//! How many measurements are kept (spec 4.8).
//!
//! A provider that cannot be told keeps its measurements; Argo keeps those of all later metrics too, here each metric is
//! on its own. And not for ever: from ten times the limit on the oldest go without the provider's knowledge, because an
//! object that grows past what the API server stores could never be written again.

use std::collections::BTreeMap;

use rollcage_api::analysis::{AnalysisRun, AnalysisRunStatus, Metric};

/// Measurements kept of a metric without a rule.
const DEFAULT: usize = 10;

/// How many times the limit is kept when the provider cannot be told.
const PATIENCE: usize = 10;

/// A metric with more measurements than are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Index into the run's metrics.
    pub index: usize,
    /// The metric's name.
    pub name: String,
    /// How many are kept.
    pub limit: usize,
}

fn limit(limits: &BTreeMap<String, i32>, metric: &str) -> usize {
    let rule = limits.get(metric).and_then(|limit| usize::try_from(*limit).ok());
    rule.filter(|limit| *limit > 0).unwrap_or(DEFAULT)
}

/// The metrics whose providers are to be told, in the order of the results.
pub fn excess(run: &AnalysisRun, metrics: &[Metric], limits: &BTreeMap<String, i32>) -> Vec<Excess> {
    let results = run.status.metric_results.iter();
    results
        .filter_map(|result| {
            let limit = limit(limits, &result.name);
            let index = metrics.iter().position(|metric| metric.name == result.name)?;
            (result.measurements.len() > limit).then(|| Excess {
                index,
                name: result.name.clone(),
                limit,
            })
        })
        .collect()
}

/// Drops the oldest measurements of the metrics whose providers were told. Counters stay.
pub(super) fn trim(status: &mut AnalysisRunStatus, limits: &BTreeMap<String, i32>, told: &[Excess]) {
    for result in &mut status.metric_results {
        let limit = limit(limits, &result.name);
        let stored = result.measurements.len();
        let was_told = told.iter().any(|excess| excess.name == result.name);
        if was_told || stored > limit.saturating_mul(PATIENCE) {
            result.measurements.drain(..stored.saturating_sub(limit));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(measurements: usize) -> AnalysisRun {
        let stored: Vec<_> = (0..measurements)
            .map(|n| json!({"phase": "Successful", "value": n.to_string()}))
            .collect();
        serde_json::from_value(json!({
            "spec": {"metrics": [{"name": "other"}, {"name": "m"}]},
            "status": {"metricResults": [{"name": "m", "count": 99, "measurements": stored}, {"name": "gone"}]}
        }))
        .unwrap()
    }

    fn kept(run: &AnalysisRun) -> Vec<&str> {
        run.status.metric_results[0]
            .measurements
            .iter()
            .map(|m| m.value.as_str())
            .collect()
    }

    #[test]
    fn the_rule_s_limit_or_ten() {
        for (rule, stored, limit) in [
            (None, 10, None),
            (None, 11, Some(10)),
            (Some(3), 4, Some(3)),
            (Some(3), 3, None),
            (Some(0), 11, Some(10)),
            (Some(-5), 11, Some(10)),
        ] {
            let limits: BTreeMap<_, _> = rule.map(|limit| ("m".to_owned(), limit)).into_iter().collect();
            let run = run(stored);
            let found = excess(&run, &run.spec.metrics, &limits);
            assert_eq!(found.first().map(|excess| excess.limit), limit, "{rule:?} {stored}");
            assert!(found.iter().all(|excess| excess.index == 1 && excess.name == "m"));
        }
    }

    #[test]
    fn the_newest_are_kept_when_the_provider_knows() {
        let limits = BTreeMap::from([("m".to_owned(), 2)]);
        let mut untold = run(5);
        trim(&mut untold.status, &limits, &[]);
        assert_eq!(kept(&untold).len(), 5);
        let mut told = run(5);
        let excess = excess(&told, &told.spec.metrics, &limits);
        trim(&mut told.status, &limits, &excess);
        assert_eq!(kept(&told), ["3", "4"]);
        assert_eq!(told.status.metric_results[0].count, 99);
    }

    #[test]
    fn an_object_does_not_grow_without_end() {
        let limits = BTreeMap::from([("m".to_owned(), 2)]);
        let mut run = run(21);
        trim(&mut run.status, &limits, &[]);
        assert_eq!(kept(&run), ["19", "20"]);
    }
}
