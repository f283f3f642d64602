//! Random values of all of Argo's types: Go's streams mean to us what they mean to Go, and ours to Go what they mean to us.

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    bytes::runs,
    oracle::Oracle,
    values::{read, rewrite_typed, write, write_typed},
};

#[derive(Deserialize)]
pub struct Random {
    pub stream: String,
    pub names: Vec<String>,
    pub json: Vec<Value>,
}

pub fn random(oracle: &mut Oracle, seed: u32, count: usize, density: f64) -> anyhow::Result<Random> {
    let args = json!({"seed": seed, "count": count, "density": density});
    let answer = oracle.ask("gob.random", &args)?.map_err(anyhow::Error::msg)?;
    Ok(serde_json::from_value(answer)?)
}

fn same(oracle: &mut Oracle, what: &str, args: &Value) -> anyhow::Result<()> {
    let differences = oracle
        .ask("gob.same", args)?
        .map_err(anyhow::Error::msg)
        .context(what.to_owned())?;
    let differences: Vec<String> = serde_json::from_value(differences)?;
    ensure!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
    Ok(())
}

/// Everything about one stream of random values.
fn compare(oracle: &mut Oracle, seed: u32, count: usize, density: f64) -> anyhow::Result<usize> {
    let Random { stream, names, json } = random(oracle, seed, count, density)?;
    let bytes = BASE64_STANDARD.decode(&stream)?;

    let values = read(&names, &bytes)?;
    // A delay is nanoseconds in Go's JSON, which nobody ever sees.
    let shown = |(name, value): (&String, &Value)| {
        if name == "step.Response" {
            Value::Null
        } else {
            value.clone()
        }
    };
    let as_json: Vec<_> = names.iter().zip(&values).map(shown).collect();
    same(
        oracle,
        "what we read of Go's, as JSON",
        &json!({"names": names, "go": stream, "json": as_json, "again": true}),
    )?;
    let again = BASE64_STANDARD.encode(write(&names, &values)?);
    same(
        oracle,
        "what we read of Go's, written again",
        &json!({"names": names, "go": stream, "ours": again, "again": true}),
    )?;
    let again = BASE64_STANDARD.encode(rewrite_typed(&names, &bytes)?);
    same(
        oracle,
        "what our types read of Go's, written again",
        &json!({"names": names, "go": stream, "ours": again, "again": true, "loose": true}),
    )?;

    // As a controller has them: from JSON. Amounts of quantities are there then, and their format crosses.
    let (names, json): (Vec<_>, Vec<_>) = names
        .into_iter()
        .zip(json)
        .filter(|(name, _)| name != "step.Response")
        .unzip();
    let ours = BASE64_STANDARD.encode(write(&names, &json)?);
    same(
        oracle,
        "JSON, written by us and by Go",
        &json!({"names": names, "json": json, "ours": ours}),
    )?;
    // Argo's schema has no null in these places.
    let json: Vec<_> = json.into_iter().map(without_null).collect();
    let ours = BASE64_STANDARD.encode(write_typed(&names, &json)?);
    same(
        oracle,
        "JSON, written by our types and by Go",
        &json!({"names": names, "json": json, "ours": ours, "loose": true}),
    )?;
    Ok(count)
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_null(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
        other => other,
    }
}

#[test]
fn values_mean_the_same_to_go() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let mut compared = 0;
    // Sparse and dense ones; and once everything there is, which is a few hundred KiB.
    for (seed, density) in (0..runs(60)).map(|seed| (seed, 0.05 + f64::from(seed % 12) / 16.0)) {
        compared +=
            compare(&mut oracle, seed, 51, density).with_context(|| format!("seed {seed}, density {density}"))?;
    }
    compared += compare(&mut oracle, 1000, 17, 1.0)?;
    assert!(compared >= 3000 || runs(60) < 60, "{compared}");
    Ok(())
}
