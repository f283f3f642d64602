//! The times of range queries: expressions without a result, on a clock that runs.

use jiff::Timestamp;
use rollcage_core::condition;
use rollcage_tests::oracle::{Answer, Oracle};
use serde::Deserialize;
use serde_json::json;

use super::{Case, Measured, generate, rules::rule_for, show};

const EXPRESSIONS: &[&str] = &[
    "now()",
    "now() - duration(\"1h\")",
    "now() - duration('90m30s')",
    "now() + duration(\"1.5h\")",
    "now().Add(duration('-5m'))",
    "now().AddDate(0, -1, 2)",
    "now().Truncate(duration('1h'))",
    "now().Round(duration('1m'))",
    "now().In(timezone('Asia/Kolkata')).Add(duration('1s'))",
    "date('2023-08-14')",
    "date('2023-08-14T10:20:30+02:00')",
    "date('2023-03-26 02:30:00', '2006-01-02 15:04:05', 'Europe/Zurich')",
    "date('2023-10-29 02:30:00', '2006-01-02 15:04:05', 'Europe/Zurich')",
    "isNaN(1 / 1) ? now() : date('2023-08-14')",
    "",
    "now",
    "now() -",
    "now() - 1",
    "now() - now()",
    "duration('1h')",
    "duration('1')",
    "date('yesterday')",
    "result",
    "asInt('1')",
    "isNil(1)",
    "'2023-08-14T10:20:30Z'",
    "1",
];

/// When it was asked, and what the answer was.
#[derive(Deserialize)]
struct Original {
    time: Timestamp,
    after: Timestamp,
    before: Timestamp,
}

/// What differs. The original's clock ran between two moments, so that its answer is between ours at those two.
fn difference(expression: &str, answer: Answer) -> anyhow::Result<Option<String>> {
    let original: Original = match answer {
        Ok(answer) => serde_json::from_value(answer)?,
        Err(error) => {
            let here = condition::time(expression, Timestamp::now());
            let here = here.map(|_| true).map_err(|error| error.to_string());
            let case = Case {
                condition: expression.to_owned(),
                result: Measured::Json(json!(null)),
            };
            let original = Err(error);
            let agrees = original == here || rule_for(&case, &original, &here).is_some();
            return Ok((!agrees).then(|| show(&case, &original, &here)));
        }
    };
    let moments = [original.after, original.before].map(|now| condition::time(expression, now));
    let agrees = match &moments {
        [Ok(first), Ok(last)] => (first.min(last)..=first.max(last)).contains(&&original.time),
        _ => false,
    };
    Ok((!agrees).then(|| format!("{expression:?}: {}, here {moments:?}", original.time)))
}

#[test]
fn times() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let drawn = (0..2_000).map(|_| generate::time(&mut rng));
    let expressions: Vec<String> = EXPRESSIONS.iter().map(|text| (*text).to_owned()).chain(drawn).collect();
    let requests: Vec<_> = expressions
        .iter()
        .map(|expression| json!({ "expression": expression }))
        .collect();
    let answers = oracle.ask_all("conditions.time", &requests)?;
    let times = answers.iter().filter(|answer| answer.is_ok()).count();
    let mut wrong = Vec::new();
    for (expression, answer) in expressions.iter().zip(answers) {
        wrong.extend(difference(expression, answer)?);
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        expressions.len(),
        wrong.join("\n")
    );
    assert!((1_000..1_900).contains(&times), "{times} times, the rest errors");
    Ok(())
}
