//! From two conditions to a phase.

use rollcage_api::analysis::AnalysisPhase::{self, Failed, Inconclusive, Successful};
use rollcage_core::condition::{Value, assess_at};
use serde_json::json;

use super::now;

fn assess(success: &str, failure: &str, result: serde_json::Value) -> Result<AnalysisPhase, String> {
    assess_at(success, failure, &Value::from(result), now())
}

#[test]
fn every_row_of_the_truth_table() {
    for (success, failure, phase) in [
        ("", "", Successful),
        ("true", "", Successful),
        ("false", "", Failed),
        ("", "true", Failed),
        ("", "false", Successful),
        ("true", "false", Successful),
        ("true", "true", Failed),
        ("false", "true", Failed),
        ("false", "false", Inconclusive),
    ] {
        assert_eq!(assess(success, failure, json!(1)), Ok(phase), "{success:?} {failure:?}");
    }
}

#[test]
fn an_error_in_either_condition_names_the_condition_and_the_cause() {
    for (success, failure, result, message) in [
        (
            "a == true",
            "true",
            json!(1),
            r#"could not evaluate successCondition "a == true": unknown name a"#,
        ),
        (
            "true",
            "a == true",
            json!(1),
            r#"could not evaluate failureCondition "a == true": unknown name a"#,
        ),
        (
            "false",
            "1",
            json!(1),
            r#"could not evaluate failureCondition "1": expected bool, but got int"#,
        ),
        (
            "result > 1",
            "",
            json!("x"),
            r#"could not evaluate successCondition "result > 1": invalid operation: > (mismatched types string and int)"#,
        ),
    ] {
        assert_eq!(assess(success, failure, result), Err(message.to_owned()));
    }
}

#[test]
fn without_data_the_cause_is_that_there_is_none() {
    let message = |condition: &str| {
        format!(
            "could not evaluate successCondition \"{condition}\": metric result is nil or empty: no data returned from \
             the metric provider"
        )
    };
    for (condition, result) in [
        ("result[0] >= 0.95", json!([])),
        ("result[0] >= 0.95", json!(null)),
        ("result > 1", json!(null)),
        ("nonsense", json!([])),
        ("result..", json!(null)),
    ] {
        assert_eq!(assess(condition, "", result), Err(message(condition)));
    }
    // What can be evaluated without data is evaluated.
    assert_eq!(assess("result == nil", "", json!(null)), Ok(Successful));
    assert_eq!(assess("len(result) == 0", "", json!([])), Ok(Successful));
    assert_eq!(assess("default(result, 0) < 0.05", "", json!(null)), Ok(Successful));
    // An empty map or text is data.
    assert_eq!(
        assess("result.a.b > 1", "", json!({})),
        Err(r#"could not evaluate successCondition "result.a.b > 1": cannot fetch b from <nil>"#.to_owned())
    );
}
