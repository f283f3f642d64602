//! Whatever is asked, an answer comes: no panic, no overflowing stack, no endless computation.

use proptest::prelude::*;
use rollcage_core::condition::{Budget, EvalError, Value, condition_at, value_at};
use serde_json::json;

use super::now;

fn evaluate(expression: &str, result: &Value) -> Result<Value, EvalError> {
    value_at(expression, result, now())
}

type Nest = fn(usize) -> String;

/// Ways to nest, with what ends up innermost.
fn nestings() -> Vec<(&'static str, Nest)> {
    vec![
        ("parentheses", |n| format!("{}1{}", "(".repeat(n), ")".repeat(n))),
        ("not", |n| format!("{}true", "!".repeat(n))),
        ("minus", |n| format!("{}1", "- ".repeat(n))),
        ("additions", |n| format!("1{}", " + 1".repeat(n))),
        ("bracketed additions", |n| {
            format!("{}1{}", "1 + (".repeat(n), ")".repeat(n))
        }),
        ("or", |n| format!("false{}", " or result.no".repeat(n))),
        ("powers", |n| format!("1{}", " ** 1".repeat(n))),
        ("comparisons", |n| format!("1{}", " < 2".repeat(n))),
        ("bracketed comparisons", |n| {
            format!("{}1{}", "(1 < ".repeat(n), " < 2)".repeat(n))
        }),
        ("arrays", |n| format!("{}1{}", "[".repeat(n), "]".repeat(n))),
        ("unequal arrays", |n| {
            format!("{}1{}", "[result, ".repeat(n), "]".repeat(n))
        }),
        ("maps", |n| format!("{}1{}", "{a: ".repeat(n), "}".repeat(n))),
        ("calls", |n| format!("{}1{}", "abs(".repeat(n), ")".repeat(n))),
        ("overloaded calls", |n| {
            format!("{}[1]{}", "sort(".repeat(n), ")".repeat(n))
        }),
        ("predicates", |n| {
            format!("{}true{}", "all([1], ".repeat(n), ")".repeat(n))
        }),
        ("filters", |n| {
            format!("{}[1]{}", "filter(".repeat(n), ", true)".repeat(n))
        }),
        ("pipes", |n| format!("1{}", " | abs()".repeat(n))),
        ("members", |n| format!("result{}", ".a".repeat(n))),
        ("optional members", |n| format!("result{}", "?.a".repeat(n))),
        ("indices", |n| format!("result{}", "[0]".repeat(n))),
        ("indices of indices", |n| {
            format!("{}0{}", "[0][".repeat(n), "]".repeat(n))
        }),
        ("slices", |n| format!("[1]{}", "[:]".repeat(n))),
        ("conditionals", |n| format!("{}1", "true ? 1 : ".repeat(n))),
        ("bracketed conditionals", |n| {
            format!("{}1{}", "(true ? 1 : ".repeat(n), ")".repeat(n))
        }),
        ("elvis", |n| format!("{}1{}", "(".repeat(n), " ?: 2)".repeat(n))),
        ("if", |n| format!("{}{{1}}", "if false {1} else ".repeat(n))),
        ("let", |n| {
            format!(
                "{}1",
                (0..n).fold(String::new(), |text, i| text + "let x" + &i.to_string() + " = 1; ")
            )
        }),
        ("let in let", |n| {
            let open = (0..n).fold(String::new(), |text, i| text + "let x" + &i.to_string() + " = (");
            format!("{open}1{}", "); 1".repeat(n))
        }),
        ("sequences", |n| format!("{}1{}", "(1; ".repeat(n), ")".repeat(n))),
        ("coalescing", |n| format!("{}1{}", "(nil ?? ".repeat(n), ")".repeat(n))),
        ("ranges", |n| format!("{}1{}", "len(1..".repeat(n), ")".repeat(n))),
        ("in", |n| format!("{}1{}", "(1 in [".repeat(n), "])".repeat(n))),
        ("methods", |n| format!("now(){}", ".UTC()".repeat(n))),
        ("sums", |n| format!("{}1{}", "sum([result, ".repeat(n), "])".repeat(n))),
        ("combined predicates", |n| {
            vec!["all(result, # > 0)"; n.max(1)].join(" && ")
        }),
        ("nested patterns", |n| {
            format!("'a' matches '{}a{}'", "(".repeat(n), ")".repeat(n))
        }),
    ]
}

#[test]
fn nesting_is_evaluated_up_to_a_limit_and_refused_beyond() {
    let result = Value::from(json!(7.0));
    for (name, nest) in nestings() {
        // What is written once and used twice doubles with each level.
        let doubles = matches!(name, "bracketed comparisons" | "elvis");
        for levels in [0, 1, 2, 10, 30].into_iter().take(if doubles { 4 } else { 5 }) {
            let outcome = evaluate(&nest(levels), &result);
            assert!(
                !matches!(outcome, Err(EvalError::Budget(_))),
                "{levels} levels of {name}: {outcome:?}"
            );
        }
        // As deep as it gets on this thread's stack, and far too deep.
        for levels in [
            48, 49, 50, 90, 96, 97, 98, 99, 100, 120, 250, 251, 252, 253, 254, 255, 1000, 10_000,
        ] {
            let _ = evaluate(&nest(levels), &result);
        }
        let flat = matches!(name, "combined predicates" | "nested patterns");
        let outcome = evaluate(&nest(3000), &result);
        assert!(
            flat || matches!(outcome, Err(EvalError::Budget(_))),
            "3000 levels of {name}: {outcome:?}"
        );
    }
}

#[test]
fn values_within_values() {
    let mut deep = json!(1);
    for _ in 0..300 {
        deep = json!([deep]);
    }
    assert_eq!(
        condition_at("result == nil", &Value::from(deep), now()),
        Err(EvalError::Budget(Budget::ValueDepth(256)))
    );
    for expression in [
        "reduce(1..300, [#acc], 1)",
        "reduce(1..300, {{a: #acc}}, 1)",
        "reduce(1..300, toPairs({a: #acc}), 1)",
    ] {
        let outcome = evaluate(expression, &Value::Nil);
        assert_eq!(
            outcome.unwrap_err(),
            EvalError::Budget(Budget::ValueDepth(256)),
            "{expression}"
        );
    }
    let nested = format!("fromJSON('{}{}')", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(
        evaluate(&nested, &Value::Nil).unwrap_err(),
        EvalError::Budget(Budget::ValueDepth(256))
    );
}

/// What goes into a message is cut.
#[test]
fn messages_about_values_that_unfold() {
    let expression = "let v = reduce(1..200, [#acc, #acc], 1); asInt(v) == 1";
    let message = condition_at(expression, &Value::Nil, now()).unwrap_err().to_string();
    assert!(
        message.starts_with("asInt() not supported on []interface {} [[[") && message.len() < 2000,
        "{message}"
    );
}

#[test]
fn memory_is_counted_as_the_original_counts() {
    for (expression, outcome) in [
        ("len(1..999999) == 999999", Ok(true)),
        ("len(1..1000000) == 1000000", Err(Budget::Memory)),
        ("len(map(1..499999, #)) == 499999", Ok(true)),
        ("len(map(1..500000, #)) == 500000", Err(Budget::Memory)),
        // Counted, not built.
        ("len(filter(1..900000, # % 2 == 0)) == 450000", Ok(true)),
        // Literals are put together once.
        ("len(map(1..200000, [1, 2, 3])) == 200000", Ok(true)),
        ("len(map(1..200000, [#, 2, 3])) == 200000", Err(Budget::Memory)),
        ("len(repeat('ab', 499999)) == 999998", Ok(true)),
        ("len(repeat('ab', 500000)) == 1000000", Err(Budget::Memory)),
        ("sum(1..1000000000) == 500000000500000000", Ok(true)),
        // The original runs out of memory here.
        ("len(reduce(1..60, #acc + #acc, 'ab')) > 0", Err(Budget::Memory)),
        (
            "len(reduce(1..60, replace(#acc, 'a', 'aa'), 'ab')) > 0",
            Err(Budget::Steps),
        ),
    ] {
        let expected = outcome.map_err(EvalError::Budget);
        assert_eq!(condition_at(expression, &Value::Nil, now()), expected, "{expression}");
    }
}

/// In the original this computes for minutes.
#[test]
fn loops_within_loops_end() {
    let expression = "let a = 1..9999; all(a, {let x = #; all(a, {let y = #; all(a, # + x + y > 0)})})";
    assert_eq!(
        condition_at(expression, &Value::Nil, now()),
        Err(EvalError::Budget(Budget::Steps))
    );
}

#[test]
fn patterns_are_bounded_too() {
    for expression in [
        // Large automata.
        r"result matches '(((a{1,30}){1,30}){1,30}){1,30}'",
        r"result matches '\\pL{1000}\\pN{1000}\\pL{1000}'",
        // Long texts.
        r"let t = repeat(result, 10000); all(1..9999, not (t matches '(a*)*b'))",
    ] {
        let outcome = condition_at(expression, &Value::from("a".repeat(9)), now());
        assert!(outcome.is_err(), "{expression}: {outcome:?}");
    }
    assert_eq!(
        condition_at("result matches '^(a+)+$'", &Value::from("a".repeat(100_000)), now()),
        Ok(true)
    );
}

#[test]
fn long_expressions() {
    let long = format!("true{}", " ".repeat(70_000));
    assert_eq!(
        condition_at(&long, &Value::Nil, now()),
        Err(EvalError::Budget(Budget::Source(65_536)))
    );
    let wide = |n| format!("[{}]", vec!["1"; n].join(","));
    assert!(evaluate(&wide(9_000), &Value::Nil).is_ok());
    assert_eq!(
        evaluate(&wide(10_000), &Value::Nil).unwrap_err(),
        EvalError::Budget(Budget::Nodes)
    );
}

/// Pieces of expressions in any order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ";",
            ":",
            "::",
            "?",
            "?.",
            "??",
            ".",
            "..",
            "|",
            "||",
            "&&",
            "!",
            "#",
            "-",
            "+",
            "*",
            "**",
            "/",
            "%",
            "==",
            "!=",
            "<",
            ">=",
            "=",
            " ",
            "not ",
            "in ",
            "and ",
            "or ",
            "matches ",
            "contains ",
            "let x = ",
            "if ",
            "else ",
            "true",
            "nil",
            "result",
            "result.a",
            "x",
            "1",
            "1.5",
            "0x1f",
            "1e",
            "'a'",
            "\"",
            "`",
            "b'\\xff'",
            "'\\u{1F600}'",
            "all(",
            "map(",
            "reduce(",
            "sortBy(",
            "len(",
            "get(",
            "split(",
            "date(",
            "duration('1h')",
            "now()",
            "$env",
            "#acc",
            "#index",
            "//",
            "/*",
            "*/",
            "é",
            "\u{0}",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,8}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_survives(text in ".{0,80}", result in json_value()) {
        let _ = evaluate(&text, &Value::from(result));
    }

    #[test]
    fn any_bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = evaluate(&String::from_utf8_lossy(&bytes), &Value::Nil);
    }

    #[test]
    fn any_pieces_survive(text in soup(), result in json_value()) {
        let _ = evaluate(&text, &Value::from(result));
    }

    #[test]
    fn any_texts_for_what_parses_texts_survive(text in ".{0,40}", layout in ".{0,20}") {
        let result = Value::from(json!({"a": text, "b": layout}));
        for expression in [
            "fromJSON(result.a)", "date(result.a)", "date(result.a, result.b)", "duration(result.a)",
            "result.b matches result.a", "fromBase64(result.a)", "timezone(result.a)", "now().Format(result.a)",
            "int(result.a)", "asFloat(result.a)", "split(result.a, result.b, 2)", "result.a[1:3]", "toJSON(result)",
            "replace(result.a, result.b, 'x')", "trim(result.a, result.b)",
        ] {
            let _ = evaluate(expression, &result);
        }
    }

    #[test]
    fn json_comes_back(result in json_value()) {
        let value = Value::from(result);
        let again = evaluate("fromJSON(toJSON(result)) == result", &value).unwrap();
        prop_assert_eq!(again.to_string(), "true");
    }
}
