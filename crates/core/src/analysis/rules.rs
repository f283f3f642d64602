//! `dryRun` and `measurementRetention` rules, spread over the metrics (spec 4.2 step 4).
//!
//! A rule is an RE2 pattern that is looked for anywhere in a metric's name. One that cannot be compiled matches nothing,
//! and a rule that matches nothing is an error: so `*` is one, and `.*` is meant.

use std::collections::{BTreeMap, BTreeSet};

use rollcage_api::analysis::{AnalysisRunSpec, Metric};

use super::validate::InvalidSpec;
use crate::condition::small_regex;

/// Names of the metrics that decide nothing.
pub fn dry_run(spec: &AnalysisRunSpec, metrics: &[Metric]) -> Result<BTreeSet<String>, InvalidSpec> {
    let mut names = BTreeSet::new();
    for (index, rule) in spec.dry_run.iter().enumerate() {
        for name in matches("dryRun", index, &rule.metric_name, metrics)? {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// How many measurements are kept, by metric; a later rule overrides an earlier one.
pub fn retention(spec: &AnalysisRunSpec, metrics: &[Metric]) -> Result<BTreeMap<String, i32>, InvalidSpec> {
    let mut limits = BTreeMap::new();
    for (index, rule) in spec.measurement_retention.iter().enumerate() {
        for name in matches("measurementRetention", index, &rule.metric_name, metrics)? {
            limits.insert(name.to_owned(), rule.limit);
        }
    }
    Ok(limits)
}

fn matches<'a>(
    rules: &'static str,
    index: usize,
    pattern: &str,
    metrics: &'a [Metric],
) -> Result<Vec<&'a str>, InvalidSpec> {
    // Names are short, and a pattern that needs much is an attack.
    let pattern = small_regex(pattern);
    let names: Vec<&str> = metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .filter(|name| {
            pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(name.as_bytes()))
        })
        .collect();
    if names.is_empty() {
        return Err(InvalidSpec::UnmatchedRule { rules, index });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(value: Value) -> AnalysisRunSpec {
        serde_json::from_value(value).unwrap()
    }

    fn metrics() -> Vec<Metric> {
        ["success-rate", "latency", "latency-p99"]
            .into_iter()
            .map(|name| Metric {
                name: name.to_owned(),
                ..Metric::default()
            })
            .collect()
    }

    #[test]
    fn dry_run_patterns_are_unanchored() {
        for (patterns, found) in [
            (json!([]), "[]"),
            (json!([{"metricName": "latency"}]), r#"["latency", "latency-p99"]"#),
            (json!([{"metricName": "^latency$"}]), r#"["latency"]"#),
            (
                json!([{"metricName": ".*"}]),
                r#"["latency", "latency-p99", "success-rate"]"#,
            ),
            (
                json!([{"metricName": "*"}]),
                "dryRun[0]: Rule didn't match any metric name(s)",
            ),
            (
                json!([{"metricName": "rate"}, {"metricName": "nothing"}]),
                "dryRun[1]: Rule didn't match any metric name(s)",
            ),
            (
                json!([{"metricName": "(a{1000}){1000}"}]),
                "dryRun[0]: Rule didn't match any metric name(s)",
            ),
        ] {
            let got = match dry_run(&spec(json!({"dryRun": patterns})), &metrics()) {
                Ok(names) => format!("{:?}", names.iter().collect::<Vec<_>>()),
                Err(error) => error.to_string(),
            };
            assert_eq!(got, found, "{patterns}");
        }
    }

    #[test]
    fn later_retention_rules_win() {
        let rules = json!({"measurementRetention": [
            {"metricName": "lat", "limit": 3}, {"metricName": "p99", "limit": 7}
        ]});
        let limits = retention(&spec(rules), &metrics()).unwrap();
        assert_eq!(
            limits.into_iter().collect::<Vec<_>>(),
            [("latency".to_owned(), 3), ("latency-p99".to_owned(), 7)]
        );
        let none = json!({"measurementRetention": [{"metricName": "x", "limit": 3}]});
        assert_eq!(
            retention(&spec(none), &metrics()).unwrap_err().to_string(),
            "measurementRetention[0]: Rule didn't match any metric name(s)"
        );
    }
}
