//! Regular expressions of `matches`.

mod syntax;

use std::{collections::HashMap, sync::Arc};

use regex::bytes::{Regex, RegexBuilder};

use super::{
    budget::Meter,
    error::{EvalError, Result, mismatch, run},
};

/// Patterns that were compiled during an evaluation.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    compiled: HashMap<Arc<str>, Pattern>,
}

/// A compiled pattern, and how much work it makes for each byte that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    weight: usize,
}

impl Pattern {
    /// Whether it is found in a text. Looking for it takes time proportional to the length of both.
    pub(super) fn is_found_in(&self, text: &[u8], meter: &mut Meter) -> Result<bool> {
        meter.steps(text.len().saturating_mul(self.weight.saturating_add(8)) / 64)?;
        Ok(self.regex.is_match(text))
    }
}

/// More than this are not kept: who builds patterns in a loop pays for each.
const KEPT: usize = 64;

/// No larger automata than this are built.
const MAX_WEIGHT: usize = 200_000;

impl Patterns {
    pub(super) fn get(&mut self, pattern: &Arc<str>, meter: &mut Meter) -> Result<Pattern> {
        meter.look_at(pattern.len())?;
        if let Some(known) = self.compiled.get(pattern) {
            return Ok(known.clone());
        }
        let translated = syntax::translate(pattern).map_err(run)?;
        // Building an automaton is what takes time.
        meter.steps(1000 + 10 * pattern.len() + 10 * translated.weight)?;
        let too_large = || run(format!("error parsing regexp: expression too large: `{pattern}`"));
        if translated.weight > MAX_WEIGHT {
            return Err(too_large());
        }
        // What goes wrong with a pattern that Go accepts is its size.
        let regex = RegexBuilder::new(&translated.pattern)
            .size_limit(32 << 20)
            .dfa_size_limit(1 << 20)
            .nest_limit(1000)
            .build()
            .map_err(|_| too_large())?;
        let compiled = Pattern {
            regex,
            weight: translated.weight,
        };
        if self.compiled.len() < KEPT {
            self.compiled.insert(Arc::clone(pattern), compiled.clone());
        }
        Ok(compiled)
    }
}

/// A pattern outside of conditions, where nobody counts steps: one that Go refuses, or that is large, is none.
pub(crate) fn small(pattern: &str) -> Option<Regex> {
    const WEIGHT: usize = 10_000;
    let translated = syntax::translate(pattern)
        .ok()
        .filter(|translated| translated.weight <= WEIGHT)?;
    RegexBuilder::new(&translated.pattern)
        .size_limit(1 << 20)
        .nest_limit(1000)
        .build()
        .ok()
}

/// Checks a pattern that is known before anything is evaluated.
pub(super) fn check(pattern: &str) -> Result<(), EvalError> {
    syntax::translate(pattern).map(drop).map_err(mismatch)
}
