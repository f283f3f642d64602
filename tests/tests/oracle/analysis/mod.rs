//! AnalysisRuns: arguments, templates, validation and whole passes against the original's own functions, texts included.

mod arguments;
mod from_templates;
mod jobs;
mod passes;
mod resolve;
mod rules;
mod validate;

use std::{collections::BTreeSet, env, fmt::Debug};

use anyhow::Context as _;
use fastrand::Rng;
use rollcage_tests::oracle::Oracle;
use serde_json::Value;

use rules::{RULES, Rule};

/// Rows of the page on compatibility by which answers may differ.
pub(crate) fn documented_differences() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.row)
}

/// Another seed gives other cases.
const SEED: &str = "ROLLCAGE_ANALYSIS_SEED";

/// Differences that are printed.
const SHOWN: usize = 5;

/// Something that both can be asked.
trait Case: Debug {
    /// What the original is asked.
    const OP: &'static str;

    fn request(&self) -> Value;

    /// What Rollcage makes of it, in the shape of the original's answer.
    fn here(&self) -> Result<Value, String>;

    /// Where there are several right answers, one of them.
    fn normal(original: Value) -> Value {
        original
    }
}

/// Asks both, and holds every difference against the rules. The answers are the original's.
fn compare<C: Case>(cases: &[C]) -> anyhow::Result<Option<Vec<Result<Value, String>>>> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(None);
    };
    let requests: Vec<Value> = cases.iter().map(Case::request).collect();
    let answers = oracle.ask_all(C::OP, &requests)?;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.map(C::normal)).collect();
    let mut explained = vec![0; RULES.len()];
    let mut wrong = Vec::new();
    for ((case, request), original) in cases.iter().zip(&requests).zip(&answers) {
        let here = case.here();
        if *original == here {
            continue;
        }
        match RULES
            .iter()
            .position(|rule| rule.explains_in(C::OP, request, original, &here))
        {
            Some(rule) => explained[rule] += 1,
            None => wrong.push(format!("{request}\n{}", show(original, &here))),
        }
    }
    let told: Vec<_> = RULES.iter().map(|rule: &Rule| rule.row).zip(&explained).collect();
    if env::var_os("ORACLE_SHOW").is_some() {
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        eprintln!(
            "{}: {} cases, {good} without an error, by rules {told:?}",
            C::OP,
            cases.len()
        );
    }
    assert!(
        wrong.is_empty(),
        "{SEED}={}: {} of {} differ:\n{}",
        seed()?,
        wrong.len(),
        cases.len(),
        wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(explained.iter().all(|known| known * 100 < cases.len()), "{told:?}");
    Ok(Some(answers))
}

/// What differs, by its place.
fn show(original: &Result<Value, String>, here: &Result<Value, String>) -> String {
    let (Ok(original), Ok(here)) = (original, here) else {
        return format!("  original: {original:?}\n  here:     {here:?}");
    };
    let mut lines = Vec::new();
    differences("", original, here, &mut lines);
    lines.join("\n")
}

fn differences(place: &str, original: &Value, here: &Value, lines: &mut Vec<String>) {
    match (original, here) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let of = |all: &serde_json::Map<String, Value>| all.get(name).cloned().unwrap_or_default();
                differences(&format!("{place}.{name}"), &of(a), &of(b), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{place}[{index}]"), a, b, lines);
            }
        }
        (a, b) if a == b => {}
        (a, b) => lines.push(format!("  {place}: original {a}, here {b}")),
    }
}

fn seed() -> anyhow::Result<u64> {
    env::var(SEED).map_or(Ok(1), |seed| seed.parse().context("a seed is a number"))
}

fn rng() -> anyhow::Result<Rng> {
    Ok(Rng::with_seed(seed()?))
}

fn one_of<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

fn percent(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

/// A text of these pieces.
fn text(rng: &mut Rng, pieces: &[&str], most: usize) -> String {
    (0..rng.usize(..=most)).map(|_| *one_of(rng, pieces)).collect()
}

/// At least so many of a hundred: what always fails the same way compares little.
fn assert_share(part: usize, all: usize, percent: usize, what: &str) {
    assert!(part * 100 >= all * percent, "{part} of {all} {what}");
}
