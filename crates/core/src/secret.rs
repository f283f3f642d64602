//! Keeping secret values out of everything that leaves a call.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

/// What stands in a secret's place.
pub const MASK: &str = "*****";

/// A line of a secret of several lines that is shorter than this says too little, and occurs too often elsewhere.
const LINE: usize = 8;

/// The secret values in play. Cheap to clone; `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Masker {
    /// Longest first, so that a value that contains another one is masked whole.
    values: Arc<Vec<String>>,
}

impl Masker {
    /// Masks these values; empty ones are left out. What is used of a value may be less than what its Secret holds: it is
    /// masked without the white space around it as well, and every longer line of it by itself.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values.into_iter().collect();
        let parts: Vec<String> = values.iter().flat_map(|value| parts(value)).collect();
        values.extend(parts);
        values.retain(|value| !value.is_empty());
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self {
            values: Arc::new(values),
        }
    }

    /// These values and more.
    pub fn with(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut more = more.into_iter().peekable();
        if more.peek().is_none() {
            self.clone()
        } else {
            Self::new(self.values.iter().cloned().chain(more))
        }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The text with every secret value replaced.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for value in self.values.iter() {
            if masked.contains(value.as_str()) {
                masked = Cow::Owned(masked.replace(value.as_str(), MASK));
            }
        }
        masked
    }

    /// Replaces secret values in the texts and names of a document: in the texts themselves, since escaped as JSON they may
    /// look different.
    pub fn mask_json(&self, document: &mut Value) {
        if self.is_empty() {
            return;
        }
        match document {
            Value::String(text) => *text = self.mask(text).into_owned(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_json(item)),
            Value::Object(fields) => {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, mut value)| {
                        self.mask_json(&mut value);
                        (self.mask(&name).into_owned(), value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What is masked of a value beside the value.
fn parts(value: &str) -> Vec<String> {
    let trimmed = value.trim();
    if trimmed == value && !value.contains('\n') {
        return Vec::new();
    }
    let lines = trimmed.lines().map(str::trim).filter(|line| line.len() >= LINE);
    std::iter::once(trimmed).chain(lines).map(str::to_owned).collect()
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} values)", self.values.len())
    }
}

/// The secret values of a call that goes on: they grow as the call meets more of them. All clones are the same.
#[derive(Clone, Debug, Default)]
pub struct SharedMasker(Arc<Mutex<Masker>>);

impl SharedMasker {
    /// Begins with these.
    pub fn new(masker: Masker) -> Self {
        Self(Arc::new(Mutex::new(masker)))
    }

    /// More values to mask from now on.
    pub fn add(&self, values: impl IntoIterator<Item = String>) {
        let mut masker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more: Vec<String> = values
            .into_iter()
            .filter(|value| !masker.values.contains(value))
            .collect();
        if !more.is_empty() {
            *masker = masker.with(more);
        }
    }

    /// All values known now.
    pub fn current(&self) -> Masker {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_masker_grows_for_all() {
        let shared = SharedMasker::new(Masker::new(["abc".into()]));
        shared.clone().add(["xyz".into(), "abc".into(), String::new()]);
        assert_eq!(shared.current().mask("abc xyz"), "***** *****");
        assert_eq!(format!("{:?}", shared.current()), "Masker(2 values)");
    }

    #[test]
    fn masks_what_is_used_of_a_value() {
        let masker = Masker::new([
            " hunter2\n".into(),
            "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqh\n-----END KEY-----\n".into(),
        ]);
        assert_eq!(masker.mask("user:hunter2@x"), "user:*****@x");
        assert_eq!(masker.mask("line MIIEvQIBADANBg of it"), "line ***** of it");
        assert_eq!(masker.mask("kqh"), "kqh");
    }

    #[test]
    fn masks_the_longer_value_whole() {
        let masker = Masker::new(["abc".into(), "abcdef".into(), String::new()]);
        assert_eq!(masker.mask("abcdef and abc and xyz"), "***** and ***** and xyz");
        assert_eq!(format!("{masker:?}"), "Masker(2 values)");
    }
}
