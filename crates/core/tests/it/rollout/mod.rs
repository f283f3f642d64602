//! Rollouts: thousands of generated ones, each rule against the original's own code, texts included.

mod advance;
mod classes;
mod counts;
mod generate;
mod hashes;
mod rules;
mod scaling;
mod services;
mod traffic;

use std::{collections::BTreeMap, env};

use anyhow::Context as _;
use serde_json::Value;

use crate::oracle::{Answer, Oracle};
use rules::RULES;

/// Another seed gives other cases.
const SEED: &str = "ROLLCAGE_ROLLOUT_SEED";

/// Cases of one rule.
const CASES: usize = 10_000;

/// Differences that are printed.
const SHOWN: usize = 5;

fn seed() -> anyhow::Result<u64> {
    env::var(SEED).map_or(Ok(1), |seed| seed.parse().context("a seed is a number"))
}

/// Asks both, and holds every difference against the rules. `None` without Go; else the original's answers.
fn compare(op: &str, requests: &[Value], here: impl Fn(&Value) -> Answer) -> anyhow::Result<Option<Vec<Answer>>> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(None);
    };
    let answers = oracle.ask_all(op, requests)?;
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (request, original) in requests.iter().zip(&answers) {
        let here = here(request);
        if *original == here {
            continue;
        }
        match RULES.iter().find(|rule| rule.explains(op, request, original, &here)) {
            Some(rule) => *explained.entry(rule.row).or_default() += 1,
            None => wrong.push(format!("{request}\n  original: {original:?}\n  here:     {here:?}")),
        }
    }
    let good = answers.iter().filter(|answer| answer.is_ok()).count();
    let seed = seed()?;
    println!(
        "{op}: {SEED}={seed}, {} cases, {good} without an error, by rules {explained:?}",
        requests.len()
    );
    assert!(
        wrong.is_empty(),
        "{op}: {SEED}={seed}: {} of {} differ:\n{}",
        wrong.len(),
        requests.len(),
        wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n")
    );
    let most = requests.len() / 20;
    assert!(explained.values().all(|known| *known <= most), "{explained:?}");
    Ok(Some(answers))
}

/// A claim of compatibility bears few differences, and hides none.
#[test]
fn there_are_few_kinds_of_differences_and_each_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compatibility.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    assert!(RULES.len() <= 10);
    for rule in RULES {
        assert!(page.contains(&format!("| {} |", rule.row)), "{}", rule.row);
    }
}
