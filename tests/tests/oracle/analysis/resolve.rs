//! `{{args.NAME}}` in metrics.

use std::collections::BTreeMap;

use fastrand::Rng;
use rollcage_api::analysis::{Argument, Metric};
use rollcage_core::{analysis, template::MAX_OUTPUT};
use serde_json::{Value, json};

use super::{Case, assert_share, compare, one_of, percent, rng, text};

const CASES: usize = 10_000;

#[derive(Debug)]
struct Resolve {
    metric: Value,
    args: Value,
}

impl Case for Resolve {
    const OP: &'static str = "analysis.resolve";

    fn request(&self) -> Value {
        json!({"metric": self.metric, "args": self.args})
    }

    fn here(&self) -> Result<Value, String> {
        let metric: Metric = serde_json::from_value(self.metric.clone()).expect("a metric");
        let args: Vec<Argument> = serde_json::from_value(self.args.clone()).expect("arguments");
        let arguments = analysis::with_secrets(&args, &BTreeMap::new()).map_err(|error| error.to_string())?;
        let mut budget = MAX_OUTPUT;
        let filled = analysis::metric(&metric, &arguments, &mut budget).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(filled).expect("a metric is JSON"))
    }
}

const NAMES: &[&str] = &["a", "b", "a.b", "a-b", "A", "", " ", "é", "args.a"];

/// What goes between the delimiters.
fn tag(rng: &mut Rng) -> String {
    let space = |rng: &mut Rng| {
        if percent(rng, 98) {
            text(rng, &[" "], 2)
        } else {
            text(rng, &["\t", "\n", "\u{a0}", "\u{85}"], 1)
        }
    };
    let body = match rng.u32(..100) {
        0..97 => format!("args.{}", one_of(rng, &["a", "a", "a", "b", "b", "a-b", "a.b"])),
        97..99 => format!("args.{}", one_of(rng, NAMES)),
        _ => text(rng, &["args", ".", "a", "inputs", " ", "{", "}", "\"", "<", "é"], 3),
    };
    format!("{{{{{}{body}{}}}}}", space(rng), space(rng))
}

/// A text with tags in it, now and then with half of one.
fn templated(rng: &mut Rng) -> String {
    let mut all = String::new();
    for _ in 0..rng.usize(..4) {
        if percent(rng, 60) {
            all.push_str(&tag(rng));
        } else {
            let pieces = [
                "result", " > ", "1", "é", "\\", "\"", "<b>&", "}", "\u{2028}", "\n", "\u{7f}", "🚀", "}}",
            ];
            all.push_str(one_of::<&str>(rng, &pieces));
        }
        if rng.u32(..400) == 0 {
            all.push_str(one_of::<&str>(rng, &["{{", "{", "{{{", "{{args.a}"]));
        }
    }
    all
}

/// A value; most are what people write, some are what only tests write.
fn value(rng: &mut Rng) -> Value {
    let plain = [
        "1",
        "0.95",
        "up{job=\"x\"}",
        "a b",
        "say \"hi\"\n",
        "{{args.a}}",
        "}}",
        "\\d+",
        "C:\\x",
        "",
        "é漢",
        "\t",
    ];
    let odd = [
        "\u{7}",
        "\u{b}",
        "\u{1b}[0m",
        "\u{0}",
        "\u{7f}",
        "\u{a0}",
        "\u{ad}",
        "\u{200b}",
        "\u{feff}",
        "\u{fffd}",
        "\u{e0067}",
        "\u{378}",
        "\u{1f680}",
        "\u{2028}",
        "<>&'",
        "\u{301}",
        "\u{e000}",
        "\u{10ffff}",
        "\u{3000}",
        "\r\n",
    ];
    match rng.u32(..100) {
        _ if rng.u32(..400) == 0 => Value::Null,
        0..94 => (*one_of(rng, &plain)).into(),
        94..99 => (*one_of(rng, &odd)).into(),
        _ => char::from_u32(rng.u32(..0x11_0000)).map_or(Value::Null, |c| c.to_string().into()),
    }
}

fn arguments(rng: &mut Rng) -> Value {
    let mut all: Vec<Value> = ["a", "b", "a-b", "a.b"]
        .iter()
        .map(|name| json!({"name": name, "value": value(rng)}))
        .collect();
    if percent(rng, 20) {
        all.push(json!({"name": one_of(rng, NAMES), "value": value(rng)}));
    }
    if percent(rng, 2) {
        all.remove(rng.usize(..all.len()));
    }
    if percent(rng, 1) {
        all.push(json!({"name": "field", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}));
    }
    // An argument without a value is written without it.
    for argument in &mut all {
        if argument["value"].is_null() {
            argument.as_object_mut().expect("an object").shift_remove("value");
        }
    }
    all.into()
}

fn case(rng: &mut Rng) -> Resolve {
    let mut metric = json!({"name": templated(rng), "provider": {"plugin": {}}});
    for field in ["interval", "initialDelay", "successCondition", "failureCondition"] {
        if percent(rng, 30) {
            metric[field] = templated(rng).into();
        }
    }
    for field in [
        "count",
        "failureLimit",
        "inconclusiveLimit",
        "consecutiveErrorLimit",
        "consecutiveSuccessLimit",
    ] {
        if percent(rng, 15) {
            metric[field] = if percent(rng, 50) {
                rng.i32(..).into()
            } else {
                tag(rng).into()
            };
        }
    }
    for field in ["interval", "initialDelay", "successCondition", "failureCondition"] {
        // Go leaves empty texts out.
        if metric[field] == "" {
            metric.as_object_mut().expect("an object").shift_remove(field);
        }
    }
    let config =
        json!({"query": templated(rng), "deep": [{templated(rng): [templated(rng), 1.5, null, true]}], "n": 1e21});
    let name = if percent(rng, 10) { tag(rng) } else { "a/b".to_owned() };
    metric["provider"]["plugin"] = json!({name: config});
    Resolve {
        metric,
        args: arguments(rng),
    }
}

#[test]
fn arguments_in_metrics() -> anyhow::Result<()> {
    let mut rng = rng()?;
    let cases: Vec<Resolve> = (0..CASES).map(|_| case(&mut rng)).collect();
    if let Some(answers) = compare(&cases)? {
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_share(good, CASES, 40, "are filled in");
        assert_share(CASES - good, CASES, 20, "are refused");
    }
    Ok(())
}
