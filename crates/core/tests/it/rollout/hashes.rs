//! Hashes of pod templates and steps, and the table of fields that they are made by.

use anyhow::ensure;
use fastrand::Rng;
use rollcage_api::rollout::Rollout;
use rollcage_core::rollout::{pod_template_hash, step_hash};
use serde_json::{Value, json};

use super::{
    CASES, compare,
    generate::{one_of, percent, rollout},
    seed,
};
use crate::oracle::Oracle;

fn word(rng: &mut Rng) -> Value {
    let words = [
        "a",
        "web",
        "",
        "<b>&\"\\",
        "größe\u{2028}",
        "\t\n\u{1}\u{8}\u{c}",
        "0",
        "true",
        "x/y",
    ];
    (*one_of(rng, &words)).into()
}

fn amount(rng: &mut Rng) -> Value {
    if percent(rng, 15) {
        return match rng.u32(..3) {
            0 => rng.u32(..5000).into(),
            1 => json!(f64::from(rng.u32(..5000)) / 1000.0),
            _ => json!(f64::from(rng.u32(..5000)) * 1e-9),
        };
    }
    let mut text = String::new();
    let signs: [&str; 9] = ["", "", "", "", "", "+", "-", "0", "00"];
    text.push_str(signs[rng.usize(..9)]);
    match rng.u32(..6) {
        0 => text.push_str(&rng.u64(..u64::MAX).to_string()),
        1 => text.push_str(&(rng.u64(..2000) * 1000).to_string()),
        _ => text.push_str(&rng.u64(..5000).to_string()),
    }
    if percent(rng, 30) {
        text.push('.');
        let parts: [&str; 8] = ["", "0", "5", "25", "500", "001", "1234567891", "000"];
        text.push_str(parts[rng.usize(..8)]);
    }
    let suffixes = [
        "", "", "m", "m", "k", "M", "G", "T", "P", "E", "n", "u", "Ki", "Mi", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E2",
        "e-2", "e0",
    ];
    text.push_str(suffixes[rng.usize(..suffixes.len())]);
    text.into()
}

fn labels(rng: &mut Rng) -> Value {
    let mut labels = json!({});
    for name in ["b", "app", "A/b", "\u{e9}", "z.<"] {
        if percent(rng, 35) {
            labels[name] = word(rng);
        }
    }
    labels
}

/// Any field of anything, by the table; what is wanted is that every kind of field is there, and absent, and empty.
fn value(rng: &mut Rng, table: &Table, of: &str, depth: u32) -> Value {
    if let Some(of) = of.strip_prefix('*') {
        return if percent(rng, 4) {
            Value::Null
        } else {
            value(rng, table, of, depth)
        };
    }
    if let Some(of) = of.strip_prefix("[]") {
        let count = rng.usize(..3);
        return (0..count).map(|_| value(rng, table, of, depth + 1)).collect();
    }
    if let Some(of) = of.strip_prefix("{}") {
        let mut map = json!({});
        for name in ["memory", "cpu", "a"] {
            if percent(rng, 40) {
                map[name] = value(rng, table, of, depth + 1);
            }
        }
        return map;
    }
    match of {
        "string" => word(rng),
        "int" => rng.i32(-2..9000).into(),
        "bool" => rng.bool().into(),
        "raw" => json!({"z": [1, 1.5, 1e22, 2e-9, null, {"b": "<", "a": true}], "a": word(rng)}),
        "time" => (*one_of(rng, &["2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00"])).into(),
        "quantity" => amount(rng),
        "int-or-string" => {
            if rng.bool() {
                rng.u16(..).into()
            } else {
                word(rng)
            }
        }
        name => {
            let mut object = json!({});
            let fields = &table[name];
            let often = if fields.len() > 12 { 12 } else { 45 };
            for (field, of) in fields {
                // A list of fields that are managed has a type of its own.
                if *field != "managedFields" && percent(rng, often / (1 + depth / 4)) {
                    object[*field] = value(rng, table, of, depth + 1);
                }
            }
            if percent(rng, 2) {
                object["noSuchField"] = json!({"x": 1});
            }
            object
        }
    }
}

type Table = std::collections::HashMap<&'static str, Vec<(&'static str, &'static str)>>;

const FIELDS: &str = include_str!("../../../src/rollout/hash/fields.txt");

fn table() -> Table {
    let mut table = Table::new();
    let mut current = "";
    for line in FIELDS.lines() {
        match line.strip_prefix("  ").and_then(|field| field.split_once(' ')) {
            None => current = line,
            Some((name, of)) => {
                let name = name.split(',').next().expect("a name");
                table.entry(current).or_default().push((name, of));
            }
        }
    }
    table
}

#[test]
fn the_table_of_fields_is_that_of_gos_types() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let original = oracle.ask("rollout.fields", &json!({}))?.map_err(anyhow::Error::msg)?;
    let original = original.as_str().expect("a text");
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (original.lines().collect(), FIELDS.lines().collect());
    let added: Vec<_> = theirs.iter().filter(|line| !ours.contains(line)).collect();
    let gone: Vec<_> = ours.iter().filter(|line| !theirs.contains(line)).collect();
    ensure!(
        original == FIELDS,
        "Go's types have changed: pods get another hash when a field of theirs comes or goes.\n\
         new: {added:?}\ngone: {gone:?}\nthe order otherwise; what the oracle answers to rollout.fields is the table"
    );
    Ok(())
}

#[test]
fn hashes_are_the_originals() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let table = table();
    let requests: Vec<Value> = (0..CASES)
        .map(|_| {
            let mut rollout = rollout(&mut rng);
            rollout["spec"]["template"] = value(&mut rng, &table, "PodTemplateSpec", 0);
            if percent(&mut rng, 50) {
                rollout["spec"]["template"]["metadata"]["labels"] = labels(&mut rng);
            }
            if percent(&mut rng, 30) {
                let steps: Vec<Value> = (0..3).map(|_| value(&mut rng, &table, "CanaryStep", 0)).collect();
                rollout["spec"]["strategy"]["canary"]["steps"] = steps.into();
            }
            if percent(&mut rng, 30) {
                rollout["status"]["collisionCount"] = rng.i32(0..3).into();
            }
            if percent(&mut rng, 3) {
                rollout["spec"]["strategy"]["blueGreen"] = json!({"activeService": "a"});
            }
            json!({"rollout": rollout})
        })
        .collect();
    let answers = compare("rollout.hashes", &requests, |request| {
        let rollout: Rollout =
            serde_json::from_value(request["rollout"].clone()).map_err(|_| "malformed".to_owned())?;
        let pods = pod_template_hash(rollout.spec.template.as_ref(), rollout.status.collision_count);
        Ok(json!({"pods": pods, "steps": step_hash(&rollout)}))
    })?;
    if let Some(answers) = answers {
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(good * 100 > CASES * 90, "{good} of {CASES} can be read");
    }
    Ok(())
}
