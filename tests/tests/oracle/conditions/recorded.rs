//! The table by which `core` tests itself where there is no Go: it is what the original says today.

use rollcage_tests::oracle::Oracle;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{Case, Measured, ask, rules::rule_for, show};

#[derive(Deserialize)]
struct Table {
    results: Vec<Row>,
    cases: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Row {
    result: Json,
    #[serde(default)]
    floats: bool,
}

#[derive(Deserialize)]
struct Recorded {
    expression: String,
    result: usize,
    error: Option<String>,
    r#type: Option<String>,
    value: Option<String>,
}

#[test]
fn the_recorded_table_is_right() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let table: Table = serde_json::from_str(include_str!("../../../../crates/core/tests/data/conditions.json"))?;
    let results: Vec<Measured> = table
        .results
        .into_iter()
        .map(|row| {
            Ok(if row.floats {
                Measured::Numbers(serde_json::from_value(row.result)?)
            } else {
                row.result.into()
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let cases: Vec<Case> = table
        .cases
        .iter()
        .map(|recorded| Case {
            condition: recorded.expression.clone(),
            result: results[recorded.result].clone(),
        })
        .collect();
    let answers = ask(&mut oracle, &cases)?;
    for ((recorded, case), answer) in table.cases.into_iter().zip(&cases).zip(&answers) {
        let expected = match (recorded.error, recorded.r#type.as_deref()) {
            (Some(error), _) => Err(error),
            (None, Some("bool")) => Ok(recorded.value.as_deref() == Some("true")),
            (None, ty) => Err(format!("expected bool, but got {}", ty.unwrap_or_default())),
        };
        let answer = answer.outcome();
        let same = answer == expected || rule_for(case, &answer, &expected).is_some();
        assert!(same, "{}", show(case, &answer, &expected));
    }
    Ok(())
}
