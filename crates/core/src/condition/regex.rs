//! Regular expressions of `matches`.

use std::{collections::HashMap, sync::Arc};

use regex::bytes::{Regex, RegexBuilder};

use super::{
    budget::Meter,
    error::{EvalError, Result, mismatch, run},
};

/// Patterns that were compiled during an evaluation.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    compiled: HashMap<Arc<str>, Regex>,
}

/// More than this are not kept: who builds patterns in a loop pays for each.
const KEPT: usize = 64;

impl Patterns {
    pub(super) fn get(&mut self, pattern: &Arc<str>, meter: &mut Meter) -> Result<Regex> {
        meter.look_at(pattern.len())?;
        if let Some(regex) = self.compiled.get(pattern) {
            return Ok(regex.clone());
        }
        meter.steps(1000 + pattern.len() * 100)?;
        let regex = build(pattern).map_err(run)?;
        if self.compiled.len() < KEPT {
            self.compiled.insert(Arc::clone(pattern), regex.clone());
        }
        Ok(regex)
    }
}

/// Checks a pattern that is known before anything is evaluated.
pub(super) fn compile(pattern: &str) -> Result<(), EvalError> {
    build(pattern).map(drop).map_err(mismatch)
}

fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .nest_limit(250)
        .build()
        .map_err(|error| format!("error parsing regexp: {error}"))
}
