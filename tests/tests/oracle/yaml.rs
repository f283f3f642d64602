//! YAML: `rollcage_api::yaml` against `sigs.k8s.io/yaml`.

mod corpus;

use std::path::PathBuf;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rollcage_api::{plugin::HeadersFrom, yaml};
use rollcage_tests::oracle::Oracle;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use corpus::{SCALARS, STRUCTURES};

/// Go's number text has no difference between `1` and `1.0`, ours has.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.as_i64().is_none() && number.as_u64().is_none() && float.fract() == 0.0 => {
                json!(format!("{float:e}"))
            }
            Some(float) if float.abs() >= 1e15 => json!(format!("{float:e}")),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, normal(value))).collect()),
        other => other,
    }
}

/// Differences between the two, each as a line. `ours` reads the text; errors only have to be errors.
fn differences<'t>(
    oracle: &mut Oracle,
    op: &str,
    texts: impl IntoIterator<Item = &'t str>,
    ours: impl Fn(&str) -> Result<Value, yaml::YamlError>,
) -> Vec<String> {
    let texts: Vec<&str> = texts.into_iter().collect();
    let asked: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    let answers = oracle.ask_all(op, &asked).expect("the oracle answers");
    texts
        .iter()
        .zip(answers)
        .filter_map(|(text, go)| match (ours(text).map(normal), go.map(normal)) {
            (Ok(ours), Ok(go)) if ours == go => None,
            (Err(_), Err(_)) => None,
            (ours, go) => Some(format!("{text:?}: Go {go:?}, Rollcage {ours:?}")),
        })
        .collect()
}

fn in_places(scalar: &str) -> impl Iterator<Item = String> {
    ["a: {}", "- {}\n- x", "{}: v", "[{}, x]"]
        .into_iter()
        .map(move |place| place.replace("{}", scalar))
}

/// Where the two differ, and why that may stay so. An entry that no longer differs fails the test.
const DIFFERENT: &[(&str, &str)] = &[
    ("\"\\/\"", "Go's reader does not know JSON's escaped slash"),
    ("[!!str, x]", "Go's reader takes the comma for a part of the tag"),
    ("[?x]", "Go reads a mapping here, YAML 1.2 a text: refused"),
    ("[-, x]", "Go reads a text of one dash: refused"),
];

#[test]
fn known_differences() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let texts = DIFFERENT.iter().map(|(text, _)| *text);
    let found = differences(&mut oracle, "yaml.toJSON", texts, |text| {
        yaml::from_str_like_argo("t", text)
    });
    assert_eq!(found.len(), DIFFERENT.len(), "{}", found.join("\n"));
}

#[test]
fn duplicate_keys() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let texts = [
        "a: 1\na: 2",
        "a: {b: 1, c: 2, b: 3}",
        "- x: 1\n- {y: 1, y: 1}",
        "yes: 1\ntrue: 2",
        "012: 1\n10: 2",
        "a: 1\nb: 2",
        "a: {b: 1}\nb: {b: 1}",
    ];
    let found = differences(&mut oracle, "yaml.toJSONStrict", texts, |text| {
        yaml::from_str("t", text)
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Argo's entry with Argo's types, to see what becomes of values of other types.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    name: String,
    location: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sha256: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers_from: Vec<HeadersFrom>,
}

#[test]
fn entries() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let texts = [
        "- name: a/b\n  location: file://x\n  sha256: abc\n  args: [--x, -y]\n  headersFrom: [{secretRef: {name: s}}]",
        "- NAME: a/b\n  Location: x\n  SHA256: abc\n  HEADERSFROM:\n  - SecretRef: {Name: s}",
        "- name: a/b\n  Name: c/d",
        "- {name: 012, location: yes, sha256: 123e4, args: [8080, true, 1.50, 1e9, ~, 0x10, 16777217.0]}",
        "- {name: ~, location: , args: ~, headersFrom: , disabled: ~}",
        "- name: a/b\n  disabled: yes",
        "- name: a/b\n  disabled: 'yes'",
        "- name: a/b\n  disabled: 1",
        "- name: [a]",
        "- name: {a: b}",
        "- name: a\n  args: x",
        "- name: a\n  args: {a: b}",
        "- a",
        "-",
        "name: a",
        "~",
        "",
        "- name: a\n  name: b\n  unknown: {x: [1]}",
        "- &a {name: a, location: x}\n- <<: *a\n  name: b",
        "- name: a\n---\n- name: b",
        "- name: !!str 12\n  location: !!binary aGk=",
        "- name: 2024-01-01\n  location: 12:30",
    ];
    let found = differences(&mut oracle, "yaml.entries", texts, |text| {
        let entries: Vec<Entry> = yaml::from_str_like_argo("t", text)?;
        Ok(serde_json::to_value(entries).expect("entries are JSON"))
    });
    // A nil slice is null in Go.
    let found: Vec<_> = found
        .iter()
        .filter(|line| !line.contains("Go Ok(Null), Rollcage Ok(Array [])"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn scalars() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let texts: Vec<String> = SCALARS.iter().flat_map(|scalar| in_places(scalar)).collect();
    let found = differences(&mut oracle, "yaml.toJSON", texts.iter().map(String::as_str), |text| {
        yaml::from_str_like_argo("t", text)
    });
    assert!(
        found.is_empty(),
        "{} of {}:\n{}",
        found.len(),
        texts.len(),
        found.join("\n")
    );
}

#[test]
fn structures() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let lenient = differences(&mut oracle, "yaml.toJSON", STRUCTURES.iter().copied(), |text| {
        yaml::from_str_like_argo("t", text)
    });
    assert!(lenient.is_empty(), "{}:\n{}", lenient.len(), lenient.join("\n"));
}

/// What we write is read by Go as what was written.
#[test]
fn written() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[-+.0-9_a-fxoXO~<>=yYnN:]{0,6}|[ -~]{0,12}|[a-z\n :#|>-]{0,12}|\\PC{0,4}|[\u{0}-\u{a0}]{1,3}"
            .prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-zA-Z0-9 <~/.:-]{0,4}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let values: Vec<Value> = (0..1500)
        .map(|_| value.new_tree(&mut runner).expect("a value").current())
        .collect();
    let texts = values.iter().map(yaml::to_string).collect::<Result<Vec<_>, _>>()?;
    let asked: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    for ((value, text), read) in values
        .into_iter()
        .zip(texts)
        .zip(oracle.ask_all("yaml.toJSON", &asked)?)
    {
        assert_eq!(read.map(normal), Ok(normal(value)), "{text}");
    }
    Ok(())
}

/// Every YAML file of this repository, and of the folder that `ROLLCAGE_YAML_CORPUS` names, document by document.
#[test]
fn files() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")];
    folders.extend(std::env::var_os("ROLLCAGE_YAML_CORPUS").map(PathBuf::from));
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)?.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let skipped = name.to_string_lossy().starts_with('.') || name == "target" || name == "node_modules";
            if entry.file_type()?.is_dir() && !skipped {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
            {
                // The line that ends a document is kubectl's way of telling them apart, too.
                let text = std::fs::read_to_string(path)?;
                texts.extend(text.split("\n---\n").map(str::to_owned));
            }
        }
    }
    let found = differences(&mut oracle, "yaml.toJSON", texts.iter().map(String::as_str), |text| {
        yaml::from_str_like_argo("t", text)
    });
    assert!(
        found.is_empty(),
        "{} of {}:\n{:.4000}",
        found.len(),
        texts.len(),
        found.join("\n")
    );
    eprintln!("{} documents read alike", texts.len());
    Ok(())
}

#[test]
fn random_scalars() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let scalar = prop_oneof![
        "[-+]?(0[xXoObB])?[0-9a-f_.eE+-]{1,8}",
        "[-+.0-9_eExob]{1,9}[0-9_.e]",
        "[.~+-]?[a-zA-Z]{1,5}",
        "(\"|'|!!(int|float|str|bool|null) |! )?[0-9.yesno]{1,6}",
    ];
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let texts: Vec<String> = (0..1500)
        .flat_map(|_| in_places(&scalar.new_tree(&mut runner).expect("a scalar").current()).collect::<Vec<_>>())
        .collect();
    let found = differences(&mut oracle, "yaml.toJSON", texts.iter().map(String::as_str), |text| {
        yaml::from_str_like_argo("t", text)
    });
    assert!(
        found.is_empty(),
        "{} of {}:\n{}",
        found.len(),
        texts.len(),
        found.join("\n")
    );
}

/// Texts that are hardly ever sensible. The two may disagree on what is an error, but never on what a text means.
#[test]
fn random_texts() {
    let Some(mut oracle) = Oracle::start().expect("go builds the oracle") else {
        return;
    };
    let piece = prop_oneof![
        3 => Just("a: ".to_owned()),
        3 => Just("b: ".to_owned()),
        3 => Just("\n".to_owned()),
        3 => Just("\n  ".to_owned()),
        2 => Just("- ".to_owned()),
        1 => Just("? ".to_owned()),
        1 => Just("\n---\n".to_owned()),
        1 => Just("\n...\n".to_owned()),
        1 => Just("<<: ".to_owned()),
        1 => Just("|\n ".to_owned()),
        1 => Just(">-\n   ".to_owned()),
        2 => "[&*][ab] ".prop_map(String::from),
        2 => "[\\[\\]{},]".prop_map(String::from),
        1 => "[#|>!'\"%@`\t-]".prop_map(String::from),
        1 => "!!(str|int|float|bool|null|map|seq) ".prop_map(String::from),
        2 => "(yes|no|~|null|0?[0-9]{1,2})".prop_map(String::from),
        2 => "[a-z]{1,3} ?".prop_map(String::from),
    ];
    let text = proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let texts: Vec<String> = (0..5_000)
        .map(|_| text.new_tree(&mut runner).expect("a text").current())
        .collect();
    let found = differences(&mut oracle, "yaml.toJSON", texts.iter().map(String::as_str), |text| {
        yaml::from_str_like_argo("t", text)
    });
    if std::env::var_os("ORACLE_SHOW").is_some() {
        eprintln!("{} of {}:\n{}", found.len(), texts.len(), found.join("\n"));
    }
    let meaning: Vec<_> = found
        .iter()
        .filter(|line| line.contains("Go Ok") && line.contains("Rollcage Ok"))
        .collect();
    assert!(meaning.is_empty(), "{meaning:#?}");
}
