//! Which metrics and rules can be worked on.

use fastrand::Rng;
use rollcage_api::analysis::AnalysisRun;
use rollcage_core::analysis::{self, Begin};
use serde_json::{Value, json};

use super::{Case, assert_share, compare, one_of, percent, rng, text};

const CASES: usize = 5_000;

#[derive(Debug)]
struct Validate(Value);

impl Case for Validate {
    const OP: &'static str = "analysis.validate";

    fn request(&self) -> Value {
        self.0.clone()
    }

    fn here(&self) -> Result<Value, String> {
        let run: AnalysisRun = serde_json::from_value(json!({"spec": self.0})).expect("a run");
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        match analysis::begin(&run, now) {
            Begin::Ended(decision) => {
                let message = decision.status.message;
                Err(message
                    .strip_prefix("Analysis spec invalid: ")
                    .unwrap_or(&message)
                    .to_owned())
            }
            Begin::Measure(plan) => {
                let dry_run: serde_json::Map<String, Value> =
                    plan.dry_run().iter().map(|name| (name.clone(), true.into())).collect();
                Ok(json!({"dryRun": dry_run, "retention": plan.retention()}))
            }
            other => panic!("a run that never began: {other:?}"),
        }
    }
}

fn limit(rng: &mut Rng) -> Value {
    match rng.u32(..20) {
        0..12 => rng.i32(0..4).into(),
        12 => rng.i32(-3..0).into(),
        13..17 => rng.i32(0..4).to_string().into(),
        _ => (*one_of(
            rng,
            &["", "x", "-1", "+2", " 1", "1.5", "0x1", "1_0", "99999999999", "007"],
        ))
        .into(),
    }
}

fn duration(rng: &mut Rng) -> String {
    if percent(rng, 85) {
        return (*one_of(rng, &["1s", "5m", "1h30m", "1.5h", "100ms", "0", "30s"])).to_owned();
    }
    let pieces = [
        "1",
        "30",
        ".",
        "5",
        "s",
        "m",
        "h",
        "ms",
        "us",
        "µs",
        "ns",
        "d",
        " ",
        "+",
        "0",
        "é",
        "\"",
        "99999999999999999999",
        "\n",
    ];
    // Below zero nothing is valid here, and that is told.
    text(rng, &pieces, 6)
}

const NAMES: &[&str] = &[
    "latency",
    "latency-p99",
    "success-rate",
    "Fehlerquote",
    "größe",
    "m1",
    "a+b",
    "",
    "x\ny",
];

fn metric(rng: &mut Rng, name: &str) -> Value {
    let mut metric = json!({"name": name});
    for field in [
        "count",
        "failureLimit",
        "inconclusiveLimit",
        "consecutiveErrorLimit",
        "consecutiveSuccessLimit",
    ] {
        if percent(rng, 18) {
            metric[field] = limit(rng);
        }
    }
    if percent(rng, 10) {
        metric["count"] = 20.into();
    }
    for (field, often) in [("interval", 70), ("initialDelay", 10)] {
        if percent(rng, often) {
            metric[field] = duration(rng).into();
        }
    }
    let plugin = json!({"plugin": {"a/b": {}}});
    metric["provider"] = match rng.u32(..40) {
        0 => json!({}),
        1 => json!({"plugin": {"a/b": {}, "c/d": null}}),
        2 => json!({"web": {"url": "x"}, "plugin": {"a/b": {}}}),
        3 => json!({"prometheus": {}, "datadog": {}}),
        4 => json!({"web": null, "plugin": {}}),
        5 => {
            let built_in = [
                "prometheus",
                "kayenta",
                "web",
                "datadog",
                "wavefront",
                "newRelic",
                "job",
                "cloudWatch",
                "graphite",
                "influxdb",
                "skywalking",
            ];
            json!({*one_of(rng, &built_in): {}})
        }
        _ => plugin,
    };
    metric
}

/// Patterns that Go and other engines may read in different ways.
fn pattern(rng: &mut Rng) -> String {
    if percent(rng, 60) {
        return (*one_of(
            rng,
            &[
                ".*",
                "latency",
                "^latency$",
                "rate|p99",
                "m[0-9]",
                "(?i)LATENCY",
                "\\w+",
                ".",
                "",
            ],
        ))
        .to_owned();
    }

    let pieces = [
        "a",
        "latency",
        ".",
        "*",
        "+",
        "?",
        "(",
        ")",
        "[",
        "]",
        "^",
        "$",
        "|",
        "\\d",
        "\\w",
        "\\b",
        "\\s",
        "\\W",
        "{2}",
        "{,2}",
        "{1,",
        "(?:",
        "(?P<n>",
        "[a-z]",
        "[^x]",
        "\\pL",
        "\\Q",
        "\\E",
        "&&",
        "-",
        "\\",
        "x{1001}",
        "[[:alpha:]]",
        "é",
        "\\z",
        "#",
        " ",
    ];
    text(rng, &pieces, 4)
}

fn case(rng: &mut Rng) -> Validate {
    let mut names: Vec<&str> = NAMES.to_vec();
    rng.shuffle(&mut names);
    names.truncate(1 + rng.usize(..3));
    if percent(rng, 3) {
        names.push(names[0]);
    }
    if percent(rng, 1) {
        names.clear();
    }
    let metrics: Vec<Value> = names.iter().map(|name| metric(rng, name)).collect();
    let mut spec = json!({"metrics": metrics});
    if percent(rng, 40) {
        spec["dryRun"] = (0..=rng.usize(..2))
            .map(|_| json!({"metricName": pattern(rng)}))
            .collect();
    }
    if percent(rng, 40) {
        let rule = |rng: &mut Rng| json!({"metricName": pattern(rng), "limit": rng.i32(-1..20)});
        spec["measurementRetention"] = (0..=rng.usize(..2)).map(|_| rule(rng)).collect();
    }
    Validate(spec)
}

#[test]
fn valid_and_invalid_specs() -> anyhow::Result<()> {
    let mut rng = rng()?;
    let cases: Vec<Validate> = (0..CASES).map(|_| case(&mut rng)).collect();
    if let Some(answers) = compare(&cases)? {
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_share(good, CASES, 20, "are valid");
        assert_share(CASES - good, CASES, 20, "are not");
        let rules = answers
            .iter()
            .filter(|answer| answer.as_ref().is_err_and(|error| error.contains("Rule didn't match")));
        assert_share(rules.count(), CASES, 5, "have rules about nothing");
    }
    Ok(())
}
