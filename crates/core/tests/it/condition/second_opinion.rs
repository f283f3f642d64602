//! Another implementation of the language on expressions that nobody thought of: where both have an answer, it is the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rollcage_core::condition::{Key, Value, value_at};
use serde_json::{Value as Json, json};

use super::now;

/// A value, as far as both know it.
#[derive(Clone, Debug)]
enum Plain {
    Nil,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Plain>),
    Map(BTreeMap<String, Plain>),
    /// Nothing that can be compared.
    Other,
}

impl Plain {
    fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other, _) | (_, Self::Other) | (Self::Nil, Self::Nil) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            // The last bit of a power is another one.
            (Self::Number(left), Self::Number(right)) => {
                (left.is_nan() && right.is_nan())
                    || left.total_cmp(right).is_eq()
                    || (left - right).abs() <= 1e-12 * left.abs()
            }
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.agrees(right))
            }
            (Self::Map(left), Self::Map(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .all(|(key, left)| right.get(key).is_some_and(|right| left.agrees(right)))
            }
            _ => false,
        }
    }
}

impl From<&Value> for Plain {
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn from(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) | Value::Integer(_, value) => Self::Number(*value as f64),
            Value::Float(value) => Self::Number(*value),
            Value::String(text) => Self::Text(text.to_string()),
            Value::Array(array) => Self::List(array.items().iter().map(Self::from).collect()),
            Value::Map(map) => {
                let entry = |(key, value): (&Key, &Value)| match key {
                    Key::String(key) => Some((key.to_string(), Self::from(value))),
                    _ => None,
                };
                map.entries()
                    .iter()
                    .map(entry)
                    .collect::<Option<_>>()
                    .map_or(Self::Other, Self::Map)
            }
            Value::Time(_) | Value::Duration(_) | Value::Location(_) | Value::Function(_) => Self::Other,
        }
    }
}

impl From<&expr::Value> for Plain {
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn from(value: &expr::Value) -> Self {
        match value {
            expr::Value::Nil => Self::Nil,
            expr::Value::Bool(value) => Self::Bool(*value),
            expr::Value::Integer(value) => Self::Number(*value as f64),
            expr::Value::Float(value) => Self::Number(*value),
            expr::Value::String(text) => Self::Text(text.clone()),
            expr::Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            expr::Value::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::from(value)))
                    .collect(),
            ),
            _ => Self::Other,
        }
    }
}

fn theirs(json: &Json) -> expr::Value {
    match json {
        Json::Null => expr::Value::Nil,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => number.as_f64().unwrap_or(f64::NAN).into(),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => expr::Value::Array(items.iter().map(theirs).collect()),
        Json::Object(fields) => expr::Value::Map(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), theirs(value)))
                .collect(),
        ),
    }
}

/// Where the two are known to differ: by what an expression contains, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("toJSON", "written without line breaks there"),
    ("== {", "maps are compared by value there: {a: 1} is {a: 1.0}"),
    ("!= {", "likewise"),
];

fn result() -> impl Strategy<Value = Json> {
    let number = prop_oneof![(-4i32..12).prop_map(f64::from), Just(0.5), Just(1.25)];
    let text = prop::sample::select(vec!["", "a", "b", "ab", "1", "2.5", "x y"]);
    (
        number.clone(),
        text.clone(),
        any::<bool>(),
        prop::collection::vec(number.clone(), 0..5),
        prop::collection::vec(text, 0..4),
        prop::collection::vec((number.clone(), number), 0..4),
    )
        .prop_map(|(n, s, t, a, texts, objects)| {
            let objects: Vec<_> = objects.into_iter().map(|(id, v)| json!({"id": id, "v": v})).collect();
            json!({"n": n, "s": s, "t": t, "a": a, "texts": texts, "objects": objects, "nothing": null})
        })
}

fn leaf(in_predicate: bool) -> BoxedStrategy<String> {
    let mut leaves = vec![
        "0",
        "1",
        "2",
        "7",
        "2.5",
        "-3",
        "'a'",
        "'ab'",
        "''",
        "true",
        "false",
        "nil",
        "[1, 2]",
        "['a', 'b']",
        "[]",
        "1..3",
        "result.n",
        "result.s",
        "result.t",
        "result.a",
        "result.texts",
        "result.objects",
        "result.nothing",
        "result.a[0]",
        "result.objects[0].v",
        "result.texts[-1]",
    ];
    if in_predicate {
        leaves.extend(["#", "#", "#", ".v", ".id"]);
    }
    prop::sample::select(leaves).prop_map(str::to_owned).boxed()
}

fn expression(depth: u32, in_predicate: bool) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(in_predicate);
    }
    let inner = move || expression(depth - 1, in_predicate);
    let operator = prop::sample::select(vec![
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "and",
        "or",
        "&&",
        "||",
        "in",
        "not in",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "??",
    ]);
    let unary = prop::sample::select(vec![
        "len", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "upper", "lower", "first", "last",
        "sort", "reverse", "uniq", "flatten", "sum", "mean", "median", "min", "max", "type", "toJSON", "not ", "-",
    ]);
    let binary = prop::sample::select(vec![
        "split",
        "indexOf",
        "hasPrefix",
        "hasSuffix",
        "min",
        "max",
        "concat",
        "take",
        "get",
        "join",
        "repeat",
        "trimPrefix",
        "bitand",
        "bitor",
        "bitxor",
    ]);
    let predicate = prop::sample::select(vec![
        "all",
        "any",
        "none",
        "one",
        "filter",
        "map",
        "find",
        "findIndex",
        "findLast",
        "count",
        "sum",
        "sortBy",
    ]);
    prop_oneof![
        2 => leaf(in_predicate),
        6 => (inner(), operator, inner()).prop_map(|(l, op, r)| format!("({l}) {op} ({r})")),
        4 => (unary, inner()).prop_map(|(f, x)| format!("{f}({x})")),
        3 => (binary, inner(), inner()).prop_map(|(f, x, y)| format!("{f}({x}, {y})")),
        4 => (predicate, inner(), expression(depth - 1, true)).prop_map(|(f, x, p)| format!("{f}({x}, {p})")),
        1 => (inner(), inner(), inner()).prop_map(|(c, x, y)| format!("({c}) ? ({x}) : ({y})")),
        1 => (inner(), inner()).prop_map(move |(x, y)| format!("let x{depth} = ({x}); [x{depth}, {y}]")),
        1 => (inner(), inner()).prop_map(|(x, i)| format!("({x})[{i}]")),
        1 => (inner(), inner()).prop_map(|(x, p)| format!("reduce({x}, #acc + #, {p})")),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn both_agree(expression in expression(3, false), result in result()) {
        let mut context = expr::Context::default();
        context.insert("result", theirs(&result));
        let ours = value_at(&expression, &Value::from(result.clone()), now());
        if let (Ok(ours), Ok(theirs)) = (ours, expr::eval(&expression, &context)) {
            let (ours, theirs) = (Plain::from(&ours), Plain::from(&theirs));
            let known = DIFFERENCES.iter().any(|(part, _)| expression.contains(part));
            prop_assert!(
                known || ours.agrees(&theirs),
                "{expression} on {result}\n here:  {ours:?}\n there: {theirs:?}"
            );
        }
    }
}
