//! Ten thousand conditions that nobody thought of.

use std::env;

use anyhow::Context as _;
use rollcage_tests::oracle::Oracle;

use super::{
    Case, Stage, ask, generate,
    rules::{RULES, rule_for},
    show,
};

const CASES: usize = 10_000;

/// Another seed gives other conditions.
const SEED: &str = "ROLLCAGE_CONDITIONS_SEED";

#[test]
fn conditions_that_nobody_thought_of() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let seed = match env::var(SEED) {
        Ok(seed) => seed.parse().context("a seed is a number")?,
        Err(_) => 1,
    };
    let mut rng = fastrand::Rng::with_seed(seed);
    let cases: Vec<Case> = (0..CASES).map(|_| generate::case(&mut rng)).collect();
    let answers = ask(&mut oracle, &cases)?;

    let share = |stage| answers.iter().filter(|answer| answer.stage() == stage).count();
    let verdicts = share(None);
    let failures = [Stage::Compile, Stage::Run, Stage::Outcome].map(|stage| share(Some(stage)));
    let mut explained = vec![0; RULES.len()];
    let mut wrong = Vec::new();
    for (case, original) in cases.iter().zip(&answers) {
        let (original, here) = (original.outcome(), case.here());
        if original == here {
            continue;
        }
        match rule_for(case, &original, &here) {
            Some(rule) => explained[rule] += 1,
            None => wrong.push(show(case, &original, &here)),
        }
    }
    let shares = format!("{SEED}={seed}: {verdicts} verdicts, {failures:?} failures, by rules {explained:?}");
    if env::var_os("ORACLE_SHOW").is_some() {
        eprintln!("{shares}");
    }
    assert!(
        wrong.is_empty(),
        "{shares}\n{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(verdicts * 100 >= CASES * 60, "{shares}");
    let [compile, run, _] = failures;
    assert!(compile * 100 >= CASES * 15 && run * 100 >= CASES * 15, "{shares}");
    assert!(explained.iter().all(|cases| cases * 100 < CASES), "{shares}");
    Ok(())
}
