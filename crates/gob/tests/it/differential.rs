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

/// What Go wrote, read by us and written again.
fn compare_reading(oracle: &mut Oracle, random: &Random) -> anyhow::Result<()> {
    let Random { stream, names, .. } = random;
    let bytes = BASE64_STANDARD.decode(stream)?;
    let values = read(names, &bytes)?;
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
    let again = BASE64_STANDARD.encode(write(names, &values)?);
    same(
        oracle,
        "what we read of Go's, written again",
        &json!({"names": names, "go": stream, "ours": again, "again": true}),
    )?;
    let again = BASE64_STANDARD.encode(rewrite_typed(names, &bytes)?);
    same(
        oracle,
        "what our types read of Go's, written again",
        &json!({"names": names, "go": stream, "ours": again, "again": true, "loose": true}),
    )
}

/// What a controller has as JSON, written by us and by Go. Amounts of quantities are there, and their format crosses.
fn compare_writing(oracle: &mut Oracle, random: Random) -> anyhow::Result<()> {
    let (names, json): (Vec<_>, Vec<_>) = random
        .names
        .into_iter()
        .zip(random.json)
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
    )
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
    for (seed, density) in (0..runs(60)).map(|seed| (seed, 0.05 + f64::from(seed % 12) / 16.0)) {
        let about = || format!("seed {seed}, density {density}");
        let random = random(&mut oracle, seed, 51, density)?;
        compared += random.names.len();
        compare_reading(&mut oracle, &random).with_context(about)?;
        compare_writing(&mut oracle, random).with_context(about)?;
    }
    assert!(compared >= 3000 || runs(60) < 60, "{compared}");
    Ok(())
}

/// Objects with everything in them, some hundred KiB each; a number or a text of one may be zero, hence more than one.
const COMPLETE: [u32; 3] = [1000, 1001, 1002];

#[derive(Deserialize)]
struct Unset {
    types: usize,
    unset: Vec<String>,
}

/// Whether the complete objects together have every field of every type that crosses.
fn complete(oracle: &mut Oracle) -> anyhow::Result<()> {
    let all = oracle.ask("gob.unset", &json!({"seeds": COMPLETE, "count": 17, "density": 1.0}))?;
    let Unset { types, unset } = serde_json::from_value(all.map_err(anyhow::Error::msg)?)?;
    ensure!(types > 200, "only {types} types");
    ensure!(unset.is_empty(), "never set: {}", unset.join(", "));
    Ok(())
}

#[test]
fn g16_go_reads_our_complete_objects() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    complete(&mut oracle)?;
    for seed in COMPLETE {
        let random = random(&mut oracle, seed, 17, 1.0)?;
        compare_writing(&mut oracle, random).with_context(|| format!("seed {seed}"))?;
    }
    Ok(())
}

#[test]
fn g17_we_read_gos_complete_objects() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    complete(&mut oracle)?;
    for seed in COMPLETE {
        let random = random(&mut oracle, seed, 17, 1.0)?;
        compare_reading(&mut oracle, &random).with_context(|| format!("seed {seed}"))?;
    }
    Ok(())
}
