//! What the original makes of the same expressions: a table that was made with it.

use rollcage_core::condition::{Value, value_at};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::now;

#[derive(Deserialize)]
struct Table<'a> {
    #[serde(borrow)]
    results: Vec<MeasuredResult<'a>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct MeasuredResult<'a> {
    #[serde(borrow)]
    result: &'a RawValue,
    #[serde(default)]
    floats: bool,
}

#[derive(Deserialize)]
struct Case {
    expression: String,
    result: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Go's name of the type and what `%v` prints, or the message of the error.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Outcome {
    Value { r#type: String, value: String },
    Error { error: String },
}

/// Where the outcome is another one, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("result.foo(len())", "the original runs on with a broken stack"),
    (
        "1 != result?.missing?.foo(1, nil)",
        "the original runs on with a broken stack: of `nil != 1` it says false",
    ),
    (
        "map([1,2,3], findLast([1,2,3], true))",
        "the original's inner predicate ends the outer one",
    ),
    (
        "3 ** 2.5",
        "the last bit: Go has logarithms and exponentials of its own",
    ),
    (
        "date(\"9999-12-31\") - date(\"0001-01-01\",\"2006-01-02\")",
        "time ends at the end of 9999-12-30",
    ),
    ("date('9999-12-31').Year()", "likewise"),
    (
        "date('2023-08-14').GoString()",
        "a time as Go's source code is of no use here",
    ),
    (
        "string(timezone('UTC'))",
        "the inside of a Go structure; here the name of the zone",
    ),
    (
        "result.u[0:2] + result.u[2:3] == \"hé\"",
        "texts are UTF-8 here: half a character is a replacement character",
    ),
    ("reduce(1..300, [#acc], 1) == nil", "values are at most 256 levels deep"),
    ("'a' matches '\\\\pL{1000}'", "no automata as large as this one"),
    (
        "sortBy(1..20, # % 2)",
        "what is equal stays in its order; the original shuffles more than twelve",
    ),
    (
        "(map([1,\"x\",nil], {}@))",
        "the first mistake is told; the original tells the second one where it has no token to show",
    ),
];

#[test]
fn outcomes_are_those_of_the_original() {
    let table: Table<'_> = serde_json::from_str(include_str!("../../data/conditions.json")).unwrap();
    let results: Vec<Value> = table
        .results
        .iter()
        .map(|measured| {
            if measured.floats {
                Value::floats(serde_json::from_str::<Vec<f64>>(measured.result.get()).unwrap())
            } else {
                Value::from_json(measured.result.get()).unwrap()
            }
        })
        .collect();
    let mut wrong = Vec::new();
    let mut differing = 0;
    for case in &table.cases {
        let ours = match value_at(&case.expression, &results[case.result], now()) {
            Ok(value) => Outcome::Value {
                r#type: value.type_name().to_owned(),
                value: value.to_string(),
            },
            Err(error) => Outcome::Error {
                error: error.to_string(),
            },
        };
        let excused = DIFFERENCES.iter().any(|(expression, _)| *expression == case.expression);
        differing += usize::from(excused);
        if (ours == case.outcome) == excused {
            wrong.push(format!(
                "{}\n  original: {:?}\n  here:     {ours:?}",
                case.expression, case.outcome
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} outcomes:\n{}",
        wrong.len(),
        table.cases.len(),
        wrong.join("\n")
    );
    assert!(
        table.cases.len() > 3000 && differing >= DIFFERENCES.len(),
        "the table is whole"
    );
}
