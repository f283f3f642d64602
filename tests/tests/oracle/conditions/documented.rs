//! Every condition of Argo's documentation, examples and tests, each on every shape of result.

use rollcage_core::condition;
use rollcage_tests::oracle::Oracle;
use serde_json::json;

use super::{Case, Measured, ask, show};

const CONDITIONS: &[&str] = &[
    // Literals, and conditions that templating makes.
    "",
    "true",
    "false",
    "1",
    "{{args.rate}}",
    "{{ args.does-not-exist }}",
    // Bools and numbers.
    "result == true",
    "result == false",
    "result == 10",
    "result != 10",
    "result > 0",
    "result <= 0",
    "result < 0.9",
    "result < 0.95",
    "result < 0.05",
    "result < 0.001",
    "result >= 0.001",
    "result >= 0.9",
    "result >= 0.95",
    "result <= 0.01",
    "result > 1",
    // Elements and members.
    "result[0] > 0",
    "result[0] > 0.90",
    "result[0] >= 0.90",
    "result[0] >= 0.95",
    "result[0] >= 0.99",
    "result[0] >= 10",
    "result[0] <= 0.01",
    "result[0] <= 0.95",
    "result[0] < 0.50",
    "result[0] == 1",
    "result[0] != 1",
    "result[0] == 10",
    "result[0] != 10",
    "result[1] <  20",
    "results[0] >= 90.000000",
    "result[0] 10.000000",
    "result[0].count == 10",
    "result[2].count < 20",
    "result[0].Values[0] == 0.1",
    "result[0].Values[0] != 0.1",
    "len(result[0].Values) >= 5 and all(result[0].Values, {# <= 0.01})",
    "result.count == 10",
    "result.count != 10",
    "result.successRate >= 0.95",
    "result.Status == 999",
    "result.Status == -1",
    "result.major == '1'",
    "result.count == 10 and result['average.duration'] < 15.0",
    "result.count != 10 or result['average.duration'] >= 15.0",
    "result.ok && result.successPercent >= 0.90",
    "result.a > 0 && result.b && all(result.c, {# < 5}) && result.d == nil",
    "result.a > 0 && result.b && all(result.c, {# <= 0}) && result.d == nil",
    "result.a > 0 && result.b && all(result.c, {# >= 2}) && result.d == nil",
    "result.num > 1.1 && result.bool && result.mapfield.foo == \"bar\"",
    // Elements that are gone through.
    "any(result, {# > 5})",
    "any(result, {# > 6})",
    "all(result, # < 10)",
    "all(result, # > 10)",
    "all(result, # < 1000)",
    "all(result, # < 0.05)",
    "all(result.service_apdex.values.values, {asFloat(.value) >= 9900})",
    "all(result.service_apdex.values.values, {# > 1})",
    "10 in result",
    "10.000000 in result",
    "10.000000 not in result",
    "2 in result",
    "len(result) != 2",
    "len(result) == 0 || result[0] >= 0.95",
    "len(result) > 0 && result[0] >= 0.95",
    "max(result) < 0.05",
    "max(result) < 5",
    "max(result) < 1000000",
    // Argo's own functions.
    "isNaN(result) || result >= 0.95",
    "result >= 0.9 || isNaN(result)",
    "isInf(result)",
    "isNil(result)",
    "isNil(result.a)",
    "default(result, 0) < 0.05",
    "default(result, 0) < 5",
    "default(result, 0) < 10",
    "default(result, 1) < 0.05",
    "default(result.a, 0) < 5",
    "default(result, 0) > 3",
    "asInt(result) > 0",
    "asInt(result) <= 0",
    "asInt(result) == 1",
    "asInt(result) == 1.1",
    "asFloat(result) > 1.1",
    "asFloat(result) <= 0",
    "asFloat(result) < 1.3",
    "asFloat(result) == 1.1",
    "asFloat(result) >= 1.1",
    "asFloat(result) <= 1.1",
    "asFloat(result) == 1",
    "asFloat(result) >= 1",
    "asFloat(result) == \"1.1\"",
    // Texts.
    "result == \"true\"",
    "result == \"false\"",
    "result == 'true'",
    "result == \"I am OK\"",
    "result == 'It worked!'",
    "result == 'fail123'",
    "result == 'test: notJson'",
    // Mistakes.
    "a == true",
    "invalidVar == true",
    "invalidVariable",
    "result.Name() == 'hi'",
];

fn results() -> Vec<Measured> {
    let json = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.1),
        json!(10),
        json!(-0.5),
        json!(""),
        json!("1"),
        json!("1.1"),
        json!("true"),
        json!("I am OK"),
        json!("test: notJson"),
        json!([]),
        json!([10, 2]),
        json!([0.95, "a", null]),
        json!([{"count": 10, "Values": [0.1, 0, 0, 0, 0.01]}, {}, {"count": 1}]),
        json!({}),
        json!({"count": 10, "average.duration": 14.9, "major": "1", "Status": -1, "successRate": 1}),
        json!({"ok": true, "successPercent": 0.95}),
        json!({"a": 1, "b": true, "c": [1, 2, 3, 4], "d": null}),
        json!({"num": 1.2, "bool": true, "mapfield": {"foo": "bar"}}),
        json!({"service_apdex": {"values": {"values": [{"value": "9900"}, {"value": 10_000}]}}}),
        json!({"service_apdex": {"values": {"values": [2, 3]}}}),
    ];
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.95, 10.0];
    let vectors = [vec![], vec![10.0], vec![0.04, f64::NAN], vec![0.95, 10.0, 2.0]];
    let numbers = numbers.into_iter().map(Measured::Number);
    let vectors = vectors.into_iter().map(Measured::Numbers);
    json.map(Measured::from)
        .into_iter()
        .chain(numbers)
        .chain(vectors)
        .collect()
}

#[test]
fn every_condition_on_every_result() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let results = results();
    let cases: Vec<Case> = CONDITIONS
        .iter()
        .flat_map(|condition| results.iter().map(move |result| (condition, result)))
        .map(|(condition, result)| Case {
            condition: (*condition).to_owned(),
            result: result.clone(),
        })
        .collect();
    let answers = ask(&mut oracle, &cases)?;
    let wrong: Vec<String> = cases
        .iter()
        .zip(&answers)
        .map(|(case, original)| (case, original.outcome(), case.here()))
        .filter(|(_, original, here)| original != here)
        .map(|(case, original, here)| show(case, &original, &here))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// The verdicts of two conditions, and the messages around their errors.
#[test]
fn both_conditions_of_a_metric() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let conditions = [
        "",
        "true",
        "false",
        "result > 1",
        "result[0] > 1",
        "1",
        "nope",
        "say \"a",
    ];
    let results = results();
    let mut requests = Vec::new();
    let mut here = Vec::new();
    for result in &results {
        let value = result.value();
        for (success, failure) in conditions.iter().flat_map(|s| conditions.iter().map(move |f| (s, f))) {
            requests.push(json!({ "success": success, "failure": failure, "result": result.request() }));
            here.push(condition::assess(success, failure, &value));
        }
    }
    for ((request, answer), here) in requests
        .iter()
        .zip(oracle.ask_all("conditions.assess", &requests)?)
        .zip(here)
    {
        let here = here.map(|phase| json!(phase));
        assert_eq!(here, answer, "{request}");
    }
    Ok(())
}
