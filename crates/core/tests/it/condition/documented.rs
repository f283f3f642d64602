//! Every condition of Argo's documentation, examples and tests, on results that make it true, false and wrong.

use rollcage_core::condition::{Value, condition_at};
use serde_json::{Value as Json, json};

use super::{holds, now};

/// Conditions with a result for which they hold, and one for which they do not.
#[test]
fn conditions_that_hold_and_do_not() {
    let table: Vec<(&str, Json, Json)> = vec![
        ("result == true", json!(true), json!(false)),
        ("result == false", json!(false), json!(true)),
        ("result == 10", json!(10), json!(10.5)),
        ("result != 10", json!(11), json!(10.0)),
        ("result > 0", json!(0.1), json!(0)),
        ("result <= 0", json!(0), json!(0.1)),
        ("result < 0.9", json!(0.89), json!(0.9)),
        ("result < 0.95", json!(0), json!(1)),
        ("result < 0.05", json!(0.01), json!(0.05)),
        ("result < 0.001", json!(1e-9), json!(0.001)),
        ("result >= 0.001", json!(0.001), json!(0.000_999)),
        ("result >= 0.9", json!(1), json!(0.5)),
        ("result >= 0.95", json!(0.95), json!(0.949)),
        ("result <= 0.01", json!(0.01), json!(0.011)),
        ("result > 1", json!(2), json!(1)),
        ("result[0] > 0", json!([1]), json!([0])),
        ("result[0] > 0.90", json!([0.91]), json!([0.9])),
        ("result[0] >= 0.90", json!([0.9]), json!([0.89])),
        ("result[0] >= 0.95", json!([1]), json!([0])),
        ("result[0] >= 0.99", json!([0.99]), json!([0.98])),
        ("result[0] >= 10", json!([10]), json!([9.99])),
        ("result[0] <= 0.01", json!([0]), json!([1])),
        ("result[0] <= 0.95", json!([0.95]), json!([0.951])),
        ("result[0] < 0.50", json!([0.49]), json!([0.5])),
        ("result[0] == 1", json!([1]), json!([1.5])),
        ("result[0] != 1", json!([0]), json!([1])),
        ("result[0] == 10", json!([10.0]), json!([1, 10])),
        ("result[0] != 10", json!([1, 10]), json!([10])),
        ("result[1] <  20", json!([30, 19]), json!([10, 20])),
        ("result[0].count == 10", json!([{"count": 10}]), json!([{"count": 20}])),
        (
            "result[2].count < 20",
            json!([{}, {}, {"count": 1}]),
            json!([1, 2, {"count": 20}]),
        ),
        (
            "result[0].Values[0] == 0.1",
            json!([{"Values": [0.1]}]),
            json!([{"Values": [1]}]),
        ),
        (
            "result[0].Values[0] != 0.1",
            json!([{"Values": [1]}]),
            json!([{"Values": [0.1]}]),
        ),
        (
            "len(result[0].Values) >= 5 and all(result[0].Values, {# <= 0.01})",
            json!([{"Values": [0, 0, 0, 0.01, 0]}]),
            json!([{"Values": [0, 0, 0, 0]}]),
        ),
        ("result.count == 10", json!({"count": 10}), json!({"count": 9})),
        ("result.count != 10", json!({"count": 9}), json!({"count": 10})),
        (
            "result.successRate >= 0.95",
            json!({"successRate": 0.95}),
            json!({"successRate": 0}),
        ),
        ("result.Status == 999", json!({"Status": 999}), json!({"status": 999})),
        ("result.Status == -1", json!({"Status": -1}), json!({"Status": 1})),
        ("result.major == '1'", json!({"major": "1"}), json!({"major": 1})),
        (
            "result.count == 10 and result['average.duration'] < 15.0",
            json!({"count": 10, "average.duration": 14.9}),
            json!({"count": 10, "average.duration": 15}),
        ),
        (
            "result.count != 10 or result['average.duration'] >= 15.0",
            json!({"count": 10, "average.duration": 15}),
            json!({"count": 10, "average.duration": 14.9}),
        ),
        (
            "result.ok && result.successPercent >= 0.90",
            json!({"ok": true, "successPercent": 0.9}),
            json!({"ok": false}),
        ),
        (
            "result.a > 0 && result.b && all(result.c, {# < 5}) && result.d == nil",
            json!({"a": 1, "b": true, "c": [1, 2, 3, 4], "d": null}),
            json!({"a": 1, "b": true, "c": [1, 2, 3, 4], "d": 0}),
        ),
        (
            "result.a <= 0 && result.b && all(result.c, {# < 5}) && result.d == nil",
            json!({"a": 0, "b": true, "c": []}),
            json!({"a": 1, "b": true, "c": []}),
        ),
        (
            "result.a >= 2 && result.b && all(result.c, {# < 5}) && result.d == nil",
            json!({"a": 2, "b": true, "c": [4.9]}),
            json!({"a": 2, "b": true, "c": [4.9, 5]}),
        ),
        (
            "result.num > 1.1 && result.bool && result.mapfield.foo == \"bar\"",
            json!({"num": 1.2, "bool": true, "mapfield": {"foo": "bar"}}),
            json!({"num": 1.2, "bool": true, "mapfield": {"foo": 1}}),
        ),
        ("any(result, {# > 5})", json!([1, 6]), json!([1, 5])),
        ("any(result, {# > 6})", json!([7]), json!([])),
        ("all(result, # < 10)", json!([1, 9]), json!([1, 10])),
        ("all(result, # > 10)", json!([]), json!([10])),
        ("all(result, # < 1000)", json!([999]), json!([1000])),
        ("all(result, # < 0.05)", json!([0.04]), json!([0.04, 0.05])),
        (
            "all(result.service_apdex.values.values, {asFloat(.value) >= 9900})",
            json!({"service_apdex": {"values": {"values": [{"value": "9900"}, {"value": 9901}]}}}),
            json!({"service_apdex": {"values": {"values": [{"value": 9899.9}]}}}),
        ),
        (
            "all(result.service_apdex.values.values, {# > 1})",
            json!({"service_apdex": {"label": null, "values": {"values": [2, 2]}}}),
            json!({"service_apdex": {"label": null, "values": {"values": [2, 1]}}}),
        ),
        ("10 in result", json!([1, 10]), json!([1])),
        ("10.000000 in result", json!([10]), json!([])),
        ("10.000000 not in result", json!([9]), json!([10])),
        ("2 in result", json!([2, 2]), json!([1, 3])),
        ("len(result) != 2", json!([1]), json!([1, 2])),
        ("len(result) == 0 || result[0] >= 0.95", json!([]), json!([0.9])),
        ("len(result) > 0 && result[0] >= 0.95", json!([0.95]), json!([])),
        ("max(result) < 0.05", json!([0.01, 0.04]), json!([0.01, 0.05])),
        ("max(result) < 5", json!([4.9]), json!([5, 1])),
        ("max(result) < 1000000", json!([999_999.5]), json!([1e6])),
        ("isNaN(result) || result >= 0.95", json!(0.95), json!(0.9)),
        ("result >= 0.9 || isNaN(result)", json!(0.9), json!(0.8)),
        ("default(result, 0) < 0.05", json!(null), json!(0.05)),
        ("default(result, 0) < 5", json!(4), json!(5)),
        ("default(result, 0) < 10", json!(null), json!(10)),
        ("default(result, 1) < 0.05", json!(0.01), json!(null)),
        ("default(result, 0) > 3", json!(4), json!(null)),
        ("asInt(result) > 0", json!("1"), json!("0")),
        ("asInt(result) <= 0", json!("-1"), json!("1")),
        ("asFloat(result) > 1.1", json!("1.2"), json!("1.1")),
        ("asFloat(result) <= 0", json!("0"), json!("0.1")),
        ("asFloat(result) < 1.3", json!(1), json!(2)),
        ("asInt(result) == 1", json!(1.123), json!("2")),
        ("asFloat(result) == 1.1", json!("1.1"), json!(1)),
        ("asFloat(result) >= 1.1", json!("1.1"), json!("1")),
        ("asFloat(result) <= 1.1", json!("1.1"), json!("2")),
        ("asFloat(result) == 1", json!(1), json!("1.1")),
        ("asFloat(result) >= 1", json!("1"), json!("0.9")),
        ("result == \"true\"", json!("true"), json!("false")),
        ("result == \"false\"", json!("false"), json!("true")),
        ("result == 'true'", json!("true"), json!("True")),
        ("result == \"I am OK\"", json!("I am OK"), json!("I am not")),
        ("result == 'It worked!'", json!("It worked!"), json!("")),
        ("result == 'fail123'", json!("fail123"), json!("fail")),
        ("result == 'test: notJson'", json!("test: notJson"), json!("test")),
    ];
    for (condition, holding, failing) in table {
        assert_eq!(holds(condition, holding.clone()), Ok(true), "{condition} on {holding}");
        assert_eq!(holds(condition, failing.clone()), Ok(false), "{condition} on {failing}");
    }
    assert_eq!(holds("true", json!(1)), Ok(true));
    assert_eq!(holds("false", json!(1)), Ok(false));
}

/// What JSON cannot say.
#[test]
fn numbers_that_are_none() {
    for (condition, result, expected) in [
        ("isNaN(result) || result >= 0.95", f64::NAN, true),
        ("result >= 0.9 || isNaN(result)", f64::NAN, true),
        ("result >= 0.9", f64::NAN, false),
        ("result < 0.9", f64::NAN, false),
        ("result == result", f64::NAN, false),
        ("isInf(result)", f64::INFINITY, true),
        ("isInf(result)", f64::NEG_INFINITY, true),
        ("isInf(result)", f64::NAN, false),
        ("isNaN(result)", 1.0, false),
    ] {
        assert_eq!(
            condition_at(condition, &Value::Float(result), now()),
            Ok(expected),
            "{condition} on {result}"
        );
    }
    let vector = Value::floats([0.5, f64::NAN]);
    assert_eq!(condition_at("any(result, isNaN(#))", &vector, now()), Ok(true));
    assert_eq!(condition_at("result[0] >= 0.5", &vector, now()), Ok(true));
}

#[test]
fn conditions_that_are_wrong() {
    for (condition, result, message) in [
        ("results[0] >= 90.000000", json!([90]), "unknown name results"),
        (
            "result[0] 10.000000",
            json!([10]),
            r#"unexpected token Number("10.000000")"#,
        ),
        ("a == true", json!(true), "unknown name a"),
        ("invalidVar == true", json!(true), "unknown name invalidVar"),
        ("invalidVariable", json!(true), "unknown name invalidVariable"),
        ("true || undefinedVar", json!(true), "unknown name undefinedVar"),
        ("1", json!(true), "expected bool, but got int"),
        ("result.Name() == 'hi'", json!(true), "type bool has no method Name"),
        (
            "asInt(result) == 1.1",
            json!("1.1"),
            r#"strconv.ParseInt: parsing "1.1": invalid syntax"#,
        ),
        (
            "asFloat(result) == 1.1",
            json!("NotANum"),
            r#"strconv.ParseFloat: parsing "NotANum": invalid syntax"#,
        ),
        (
            r#"asFloat(result) == "1.1""#,
            json!("1.1"),
            "invalid operation: == (mismatched types float64 and string)",
        ),
        (
            "result > 1",
            json!("1"),
            "invalid operation: > (mismatched types string and int)",
        ),
        (
            "result > 1",
            json!(null),
            "invalid operation: > (mismatched types unknown and int)",
        ),
        (
            "result > 1",
            json!([1]),
            "invalid operation: > (mismatched types []interface {} and int)",
        ),
        (
            "result == 'x'",
            json!(1),
            "invalid operation: == (mismatched types float64 and string)",
        ),
        ("result[3] > 1", json!([1]), "index out of range: 3 (array length is 1)"),
        ("result.a > 1", json!({"a": "x"}), "invalid operation: string > int"),
        ("result.a.b.c > 1", json!({"a": {}}), "cannot fetch c from <nil>"),
        (
            "result.a && result.b",
            json!({"a": 1}),
            "interface conversion: interface {} is float64, not bool",
        ),
        (
            "all(result, # > 1)",
            json!(1),
            "builtin all takes only array (got float64)",
        ),
        (
            "isNaN(result)",
            json!("x"),
            "cannot use string as argument (type float64) to call isNaN ",
        ),
        (
            "isNaN(result.a)",
            json!({"a": "x"}),
            "interface conversion: interface {} is string, not float64",
        ),
        (
            "default(result, 0) > 1",
            json!({}),
            "invalid operation: map[string]interface {} > int",
        ),
        (
            "{{args.rate}}",
            json!(1),
            "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses (unexpected token Bracket(\"{\"))",
        ),
        ("", json!(1), "unexpected token EOF"),
    ] {
        let error = holds(condition, result.clone()).unwrap_err();
        assert_eq!(error.to_string(), message, "{condition} on {result}");
    }
}

/// `isNil` and `default` ask about the whole result, whatever they are called with.
#[test]
fn what_is_nil_is_the_whole_result() {
    for (condition, result, expected) in [
        ("isNil(result)", json!(null), true),
        ("isNil(1)", json!(null), true),
        ("isNil(result.a)", json!({"a": null}), false),
        ("isNil(nil)", json!(1), false),
        ("isNil(result)", json!([]), false),
        ("default(result.a, 7) == result", json!({"a": null}), true),
        ("default(nil, 7) == 7", json!(null), true),
        ("default(5, 7) == 3", json!(3), true),
    ] {
        assert_eq!(
            holds(condition, result.clone()),
            Ok(expected),
            "{condition} on {result}"
        );
    }
}
