//! Each limit on its own: the same evaluation with only that limit lifted ends otherwise.

use super::{Budget, EvalError, Limits, Timestamp, Value, environment::Environment, evaluate};

const TIGHT: Limits = Limits {
    source: 200,
    nesting: 20,
    depth: 30,
    nodes: 80,
    memory: 100,
    bytes: 20_000,
    steps: 2_000,
    value_depth: 5,
};

fn outcome(expression: &str, limits: Limits) -> Result<(), EvalError> {
    let environment = Environment::of_condition(Value::from("text"), Timestamp::UNIX_EPOCH);
    evaluate(expression, &environment, limits).map(drop)
}

#[test]
fn every_limit_has_its_own_error_and_its_own_way_out() {
    let spaces = " ".repeat(200);
    let many = vec!["1"; 90].join(",");
    let table: [(String, Budget, Limits); 8] = [
        (
            format!("true{spaces}"),
            Budget::Source(200),
            Limits { source: 1000, ..TIGHT },
        ),
        (
            format!("{}1{}", "(".repeat(25), ")".repeat(25)),
            Budget::Depth(20),
            Limits { nesting: 50, ..TIGHT },
        ),
        (
            format!("{}1", "1+".repeat(35)),
            Budget::Depth(30),
            Limits { depth: 50, ..TIGHT },
        ),
        (format!("[{many}]"), Budget::Nodes, Limits { nodes: 100, ..TIGHT }),
        ("1..100".to_owned(), Budget::Memory, Limits { memory: 1000, ..TIGHT }),
        (
            "reduce(1..13, #acc + #acc, 'ab')".to_owned(),
            Budget::Memory,
            Limits {
                bytes: 100_000,
                ..TIGHT
            },
        ),
        (
            "let a = 1..40; all(a, all(a, true))".to_owned(),
            Budget::Steps,
            Limits { steps: 10_000, ..TIGHT },
        ),
        (
            "reduce(1..9, [#acc])".to_owned(),
            Budget::ValueDepth(5),
            Limits {
                value_depth: 50,
                ..TIGHT
            },
        ),
    ];
    for (expression, budget, lifted) in table {
        assert_eq!(
            outcome(&expression, TIGHT),
            Err(EvalError::Budget(budget)),
            "{expression}"
        );
        assert_eq!(outcome(&expression, lifted), Ok(()), "{expression}");
    }
}

/// What costs time costs steps: none of these may take longer than its steps.
#[test]
fn everything_that_takes_time_takes_steps() {
    for expression in [
        "all(1..90, all(1..90, true))",
        "map(1..90, upper(repeat(result, 240)))",
        "sort(map(1..90, -#)) == uniq(map(1..90, #))",
        "all(1..90, result + string(#) matches result + string(#))",
        "reduce(1..90, concat(#acc, [#]), [])",
        "groupBy(1..90, repeat(result, 20) + string(#))",
        "all(1..90, len(toJSON({a: 1..90})) > 0)",
        "all(1..90, split(repeat(result, 20), '') != nil)",
        "all(1..90, fromJSON(toJSON(1..90)) != nil)",
    ] {
        let limits = Limits {
            memory: 1_000_000,
            bytes: 10_000_000,
            ..TIGHT
        };
        assert_eq!(
            outcome(expression, limits),
            Err(EvalError::Budget(Budget::Steps)),
            "{expression}"
        );
    }
}

/// A value of two hundred levels, each holding the one below twice: nothing in memory, endless for who looks at it all.
#[test]
fn values_that_unfold() {
    let limits = Limits {
        memory: 1_000_000,
        bytes: 200_000,
        steps: 100_000,
        value_depth: 256,
        ..TIGHT
    };
    for (use_of_it, budget) in [
        ("string(v)", Budget::Memory),
        ("toJSON(v)", Budget::Memory),
        ("flatten(v)", Budget::Memory),
        ("v == reduce(1..200, [#acc, #acc], 1)", Budget::Steps),
        ("max(v)", Budget::Steps),
        ("mean(v)", Budget::Steps),
    ] {
        let expression = format!("let v = reduce(1..200, [#acc, #acc], 1); {use_of_it}");
        assert_eq!(
            outcome(&expression, limits),
            Err(EvalError::Budget(budget)),
            "{expression}"
        );
    }
}
