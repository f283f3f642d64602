//! JSONPath of the web plugin, which is JavaScript, against the Kubernetes client library's.

use std::{
    env,
    io::{Seek, SeekFrom, Write},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use rollcage_tests::oracle::Oracle;
use serde_json::{Value, json};

const CASES: usize = 5_000;

/// Another seed gives other paths.
const SEED: &str = "ROLLCAGE_JSONPATH_SEED";

/// Answers of the plugin's own file under Node; `None` where there is no Node.
fn here(requests: &[Value]) -> anyhow::Result<Option<Vec<Result<Value, String>>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let implementation = root.join("../examples/web/jsonpath.js").canonicalize()?;
    let mut input = tempfile::tempfile()?;
    for request in requests {
        writeln!(input, "{request}")?;
    }
    input.seek(SeekFrom::Start(0))?;
    let output = Command::new("node")
        .arg(root.join("tests/oracle/jsonpath/ask.mjs"))
        .arg(implementation)
        .stdin(input)
        .output();
    let output = match output {
        Err(error) if env::var("CI").is_ok_and(|ci| ci == "true") => {
            return Err(error).context("node is not installed");
        }
        Err(error) => {
            eprintln!("skipped: no node: {error}");
            return Ok(None);
        }
        Ok(output) => output,
    };
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout)?
        .lines()
        .map(|line| {
            let answer: Value = serde_json::from_str(line)?;
            Ok(match answer["error"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(answer["ok"].clone()),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(answers.len() == requests.len(), "{} answers", answers.len());
    Ok(Some(answers))
}

fn one_of<'a>(rng: &mut Rng, all: &[&'a str]) -> &'a str {
    all[rng.usize(..all.len())]
}

/// A step of a path, of all kinds that there are.
fn step(rng: &mut Rng) -> String {
    let name = one_of(
        rng,
        &["a", "b", "items", "n", "name", "ok", "none", "a-b", "deep", "\\.x", "é"],
    )
    .to_owned();
    match rng.u32(..24) {
        0..9 => format!(".{name}"),
        9 => format!("['{name}']"),
        10..13 => format!("[{}]", rng.i32(-4..5)),
        13 => format!("[{}:{}]", rng.i32(-3..4), rng.i32(-3..4)),
        14 => format!(
            "[{}]",
            one_of(
                rng,
                &["1:", ":2", ":", "::2", "0:3:2", "::-1", "1:0", "::0", "-1:", "*"]
            )
        ),
        15 => format!("[{},{}]", rng.i32(0..3), rng.i32(-1..3)),
        16 => format!("['{name}','n']"),
        17 => "[*]".to_owned(),
        18 => format!("..{name}"),
        19 => ".*".to_owned(),
        20..23 => {
            let left = one_of(rng, &["@.n", "@.name", "@.ok", "@.none", "@", "1.5", "@.deep.n", "'a'"]);
            let operator = one_of(rng, &["==", "!=", "<", ">", "<=", ">=", "=", " == ", "<>"]);
            let right = one_of(
                rng,
                &[
                    "1.5", "2.0", "1", "'a'", "\"b\"", "true", "false", "@.n", "@.deep.n", "-1.5", "x",
                ],
            );
            if rng.u32(..6) == 0 {
                format!("[?({left})]")
            } else {
                format!("[?({left}{operator}{right})]")
            }
        }
        _ => one_of(
            rng,
            &[
                "[", "]", ".", "..", "{", "[?(", "'", "\"x", "$", "@", "[a]", "[1.5]", "[,]", "+1", "true", "!",
            ],
        )
        .to_owned(),
    }
}

fn path(rng: &mut Rng) -> String {
    let steps = |rng: &mut Rng, most: usize| -> String { (0..rng.usize(..=most)).map(|_| step(rng)).collect() };
    match rng.u32(..20) {
        0..15 => format!(
            "{{{}{}}}",
            one_of(rng, &["", "$", ".items", "$.items", ".items"]),
            steps(rng, 3)
        ),
        15 => format!(
            "{}{{{}}}{}",
            one_of(rng, &["n=", " ", "é"]),
            steps(rng, 2),
            one_of(rng, &["", "!", "}"])
        ),
        16 | 17 => format!(
            "{{range .items{}}}{}{{{}}}{{end}}",
            steps(rng, 1),
            one_of(rng, &["", "-", "{'\\n'}"]),
            steps(rng, 2)
        ),
        18 => format!(
            "{{range .items[*]}}{{range .list[*]}}{{@}}{{{}}}{{end}}{{end}}",
            steps(rng, 1)
        ),
        _ => {
            let pieces = [
                "{", "}", ".", "items", "[", "]", "*", "0", "?(", ")", "@", "$", "range ", "end", "'", "\"", " ", "\\",
                "é", "1", "==",
            ];
            (0..rng.usize(..8)).map(|_| one_of(rng, &pieces)).collect()
        }
    }
}

/// Objects with one member where wildcards may meet them: Go walks members in no order.
fn data(rng: &mut Rng) -> Value {
    let numbers = [
        json!(1.5),
        json!(2),
        json!(-1.5),
        json!(0),
        json!(1e21),
        json!(123_456_789),
    ];
    let number = |rng: &mut Rng| numbers[rng.usize(..numbers.len())].clone();
    let items: Vec<Value> = (0..rng.usize(..5))
        .map(|_| match rng.u32(..6) {
            0 => json!({"n": number(rng)}),
            1 => json!({"name": one_of(rng, &["a", "b"]), "n": number(rng)}),
            2 => json!({"ok": rng.bool(), "deep": {"n": number(rng)}}),
            3 => json!({"list": [1, "x", null]}),
            4 => json!([number(rng), one_of(rng, &["a", "é"])]),
            _ => json!([null, true, "a", 2.0])[rng.usize(..4)].clone(),
        })
        .collect();
    match rng.u32(..10) {
        0 => json!([items]),
        1 => number(rng),
        2 => json!({"a": {"b": {"n": number(rng)}}}),
        _ => json!({"items": items}),
    }
}

/// Without a value to go on, as in a range over nothing, the original fails by what it is made of.
fn is_crash(original: &Result<Value, String>) -> bool {
    let made_of = ["panic: reflect: ", "<invalid reflect.Value> "];
    original
        .as_ref()
        .is_err_and(|error| made_of.iter().any(|start| error.starts_with(start)))
}

/// Rows of the page on compatibility by which answers may differ: crashes.
pub(crate) fn documented_differences() -> impl Iterator<Item = &'static str> {
    std::iter::once("`web` provider, JSONPath without a value")
}

/// Whether a path has wildcards, which may meet the members of an object.
fn meets_members(path: &str) -> bool {
    path.contains("..") || path.contains('*')
}

/// Lists in any order where the order is left to chance in Go.
fn normal(path: &str, answer: &Result<Value, String>) -> Result<Value, String> {
    let mut answer = answer.clone().map(plain);
    if let Ok(Value::Array(lists)) = &mut answer
        && meets_members(path)
    {
        for list in lists {
            if let Value::Array(values) = list {
                values.sort_by_key(Value::to_string);
            }
        }
    }
    answer
}

/// Numbers out of JSON are floats in both, and members have no order.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(all) => all.into_iter().map(plain).collect(),
        Value::Object(all) => {
            let mut all: Vec<_> = all.into_iter().map(|(key, value)| (key, plain(value))).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(all.into_iter().collect())
        }
        other => other,
    }
}

#[test]
fn paths_of_the_web_plugin() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let seed = env::var(SEED).map_or(Ok(1), |seed| seed.parse().context("a seed is a number"))?;
    let mut rng = Rng::with_seed(seed);
    let requests: Vec<Value> = (0..CASES)
        .map(|_| json!({"path": path(&mut rng), "data": data(&mut rng)}))
        .collect();
    let Some(here) = here(&requests)? else {
        return Ok(());
    };
    let originals = oracle.ask_all("jsonpath.find", &requests)?;
    let mut wrong = Vec::new();
    let (mut good, mut known) = (0, 0);
    for ((request, original), here) in requests.iter().zip(&originals).zip(&here) {
        good += usize::from(original.is_ok());
        let path = request["path"].as_str().unwrap_or_default();
        let (original, here) = (normal(path, original), normal(path, here));
        // Which member fails first is left to chance, too.
        let both_fail = original.is_err() && here.is_err() && meets_members(path);
        if original != here && is_crash(&original) {
            known += 1;
        } else if original != here && !both_fail {
            wrong.push(format!("{request}\n  original: {original:?}\n  here:     {here:?}"));
        }
    }
    if env::var_os("ORACLE_SHOW").is_some() {
        eprintln!("jsonpath: {CASES} cases, {good} without an error, {known} crashes");
    }
    assert!(
        wrong.is_empty(),
        "{SEED}={seed}: {} of {CASES} differ:\n{}",
        wrong.len(),
        wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(
        good * 100 >= CASES * 25 && good * 100 <= CASES * 90,
        "{good} of {CASES} find something"
    );
    Ok(())
}
