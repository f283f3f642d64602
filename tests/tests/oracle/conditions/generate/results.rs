//! Results of measurements, and the paths into them.

use serde_json::{Value as Json, json};

use super::Type;
use crate::conditions::Measured;

/// A result and what is known to be in it.
pub(super) struct Subject {
    pub(super) result: Measured,
    /// Expressions that give something of that type. Their types are not known before the data is there, unless the
    /// result itself is meant.
    pub(super) paths: Vec<(String, Type)>,
    /// What looks like a path, and is none.
    pub(super) mistakes: Vec<&'static str>,
}

fn number(rng: &mut fastrand::Rng) -> f64 {
    match rng.u32(..8) {
        0 => 0.0,
        1 => rng.f64(),
        2 => f64::from(rng.i32(-1000..1000)) / 8.0,
        3 => rng.f64() * 1e12,
        _ => f64::from(rng.i32(-5..20)),
    }
}

fn text(rng: &mut fastrand::Rng) -> String {
    const TEXTS: [&str; 16] = [
        "",
        "a",
        "b",
        "ab",
        "ba",
        "abc",
        "x y",
        " a ",
        "42",
        "-1.5",
        "true",
        "Ok",
        "a,b,c",
        "été",
        "{}",
        "2023-08-14",
    ];
    TEXTS[rng.usize(..TEXTS.len())].to_owned()
}

fn several<T>(rng: &mut fastrand::Rng, one: fn(&mut fastrand::Rng) -> T) -> Vec<T> {
    (0..rng.usize(1..5)).map(|_| one(rng)).collect()
}

fn object(rng: &mut fastrand::Rng) -> Json {
    json!({ "id": rng.u32(..5), "v": number(rng), "name": text(rng) })
}

fn document(rng: &mut fastrand::Rng) -> Json {
    json!({
        "n": number(rng),
        "f": rng.f64(),
        "i": rng.i32(-3..12),
        "s": text(rng),
        "e": "",
        "t": rng.bool(),
        "num": rng.i32(-9..99).to_string(),
        "fl": rng.f64().to_string(),
        "date": "2023-08-14T10:20:30Z",
        "a": several(rng, number),
        "texts": several(rng, text),
        "objs": several(rng, object),
        "m": { "x": number(rng), "y": text(rng), "deep": { "list": several(rng, number), "k": text(rng) } },
        "average.duration": number(rng),
        "none": null,
        "empty": [],
        "mixed": [number(rng), text(rng), null, rng.bool(), [1], { "x": 1 }],
    })
}

impl Subject {
    pub(super) fn random(rng: &mut fastrand::Rng) -> Self {
        let (result, paths, mistakes): (Measured, &[(&str, Type)], &[&'static str]) = match rng.u32(..20) {
            0 => (
                json!(number(rng)).into(),
                &[("result", Type::Number)],
                &["result.x", "result[0]", "len(result)"],
            ),
            1 => {
                let number = match rng.u32(..4) {
                    0 => f64::NAN,
                    1 => f64::INFINITY,
                    _ => number(rng),
                };
                (
                    Measured::Number(number),
                    &[("result", Type::Number)],
                    &["result.x", "result()", "result[0]"],
                )
            }
            2 => (
                json!(text(rng)).into(),
                &[("result", Type::Text)],
                &["result.x", "asInt(result)", "asFloat(result + 'x')", "result[9]"],
            ),
            3 => (
                json!(rng.bool()).into(),
                &[("result", Type::Bool)],
                &["result.x", "asInt(result)", "result + 1"],
            ),
            4 => (
                json!(null).into(),
                &[("result", Type::Nil)],
                &["result.x", "result[0]", "len(result)"],
            ),
            5..8 => {
                let mut numbers = several(rng, number);
                if rng.u32(..4) == 0 {
                    numbers.push(f64::NAN);
                }
                (
                    Measured::Numbers(numbers),
                    &[
                        ("result", Type::Numbers),
                        ("result[0]", Type::Number),
                        ("result[-1]", Type::Number),
                    ],
                    &["result[9]", "result.x", "result['a']", "result[0].x"],
                )
            }
            8 | 9 => (
                json!(several(rng, number)).into(),
                &[
                    ("result", Type::Numbers),
                    ("result[0]", Type::Number),
                    ("result[-1]", Type::Number),
                ],
                &["result[7]", "result[0].x", "result[0][0]", "result[-9]", "result['a']"],
            ),
            10 => (
                json!(several(rng, object)).into(),
                &[
                    ("result", Type::Objects),
                    ("result[0]", Type::Map),
                    ("result[0].v", Type::Number),
                    ("result[0].name", Type::Text),
                    ("result[-1].id", Type::Number),
                ],
                &[
                    "result[5].v",
                    "result[0].v.w",
                    "result[0].nope.x",
                    "result.id",
                    "result[0].name[20]",
                ],
            ),
            _ => return Self::document(rng),
        };
        Self::new(result, paths, mistakes)
    }

    /// There is no result.
    pub(super) fn nothing() -> Self {
        Self::new(Json::Null.into(), &[], &[])
    }

    pub(super) fn document(rng: &mut fastrand::Rng) -> Self {
        Self::new(document(rng).into(), PATHS, MISTAKES)
    }

    fn new(result: Measured, paths: &[(&str, Type)], mistakes: &[&'static str]) -> Self {
        Self {
            result,
            paths: paths.iter().map(|(path, ty)| ((*path).to_owned(), *ty)).collect(),
            mistakes: mistakes.to_vec(),
        }
    }
}

/// Paths into a document.
const PATHS: &[(&str, Type)] = &[
    ("result", Type::Map),
    ("result.n", Type::Number),
    ("result.f", Type::Number),
    ("result.i", Type::Number),
    ("result?.n", Type::Number),
    ("result[\"n\"]", Type::Number),
    ("$env.result.n", Type::Number),
    ("$env[\"result\"].i", Type::Number),
    ("result['average.duration']", Type::Number),
    ("result.m.x", Type::Number),
    ("result.m?.deep?.list?.[0]", Type::Number),
    ("result.a[0]", Type::Number),
    ("result.objs[-1].v", Type::Number),
    ("result.s", Type::Text),
    ("result.e", Type::Text),
    ("result.num", Type::Text),
    ("result.m.y", Type::Text),
    ("result.m.deep.k", Type::Text),
    ("result.texts[0]", Type::Text),
    ("result.objs[0].name", Type::Text),
    ("result.t", Type::Bool),
    ("result?.t", Type::Bool),
    ("result.a", Type::Numbers),
    ("result.m.deep.list", Type::Numbers),
    ("result.texts", Type::Texts),
    ("result.objs", Type::Objects),
    ("result.m", Type::Map),
    ("result.m.deep", Type::Map),
    ("result.objs[0]", Type::Map),
    ("result.none", Type::Nil),
    ("result.missing", Type::Nil),
    ("result.nope?.x.y", Type::Nil),
];

/// Mistakes that only show in a document.
const MISTAKES: &[&str] = &[
    "result.nope.x",
    "result.none.x",
    "result.none[0]",
    "result.n.x",
    "result.s.x",
    "result.t[0]",
    "result.a[7]",
    "result.a[-7]",
    "result.a.x",
    "result.a['x']",
    "result.m[1]",
    "result.mixed[2].x",
    "result.empty[0]",
    "result.texts[0].id",
    "result.nope()",
    "result.n()",
    "asInt(result.fl)",
    "asInt(result.s)",
    "asFloat(result.s + 'e')",
    "asInt(result.m)",
    "asFloat(result.none)",
    "int(result.s + 'x')",
    "float(result.t)",
    "fromJSON(result.s + '[')",
    "date(result.s)",
    "duration(result.s)",
    "isNaN(result.i > 5 ? 1 : result.s)",
    "-result.s",
    "not result.n",
    "len(result.n)",
    "max(result.mixed)",
    "sum(result.texts)",
    "mean(result.mixed)",
    "sort(result.mixed)",
    "first(result.none)",
    "result.n % 2",
    "1..result.s",
    "result.s matches result.s + '('",
    "repeat(result.s, -1)",
    "split(result.n, ',')",
    "upper(result.a)",
    "bitand(result.s, 1)",
    "join(result.mixed)",
    "flatten(result.n)",
    "result.a in result.m",
    "result.n in result.s",
    "keys(result.a)",
    "fromPairs(result.a)",
    "take(result.a, result.s)",
    "indexOf(result.n, 'a')",
    "reduce(result.empty, #acc)",
    "all(result.n, true)",
    "map(result.m, #)",
    "filter(result.none, true)",
    "count(result.objs, .v)",
    "groupBy(result.objs, #)",
    "timezone(result.s + '!')",
    "date(result.date, result.s, result.n)",
];
