//! Where a text is wrong, and why.

use std::fmt::{self, Write as _};

use super::Mark;

/// What kind of wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YamlErrorKind {
    /// No YAML, or YAML that Go cannot read.
    Syntax,
    /// A key is there twice.
    DuplicateKey,
    /// Too large, too deep, or too much after aliases.
    Bound,
    /// Good YAML that is not what the reader wants.
    Value,
}

/// A text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct YamlError {
    /// What kind of wrong.
    pub kind: YamlErrorKind,
    /// The file, as the caller named it.
    pub file: String,
    /// Line, from 1; 0 when the text as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the text as a whole is meant.
    pub column: usize,
    /// The field, as `spec.metrics[0].name`; empty at the top, and where the text is not YAML.
    pub field: String,
    /// What is wrong, lower case, without trailing period.
    pub cause: String,
}

impl YamlError {
    pub(super) fn new(kind: YamlErrorKind, file: &str, mark: Mark, field: String, cause: impl Into<String>) -> Self {
        Self {
            kind,
            file: file.to_owned(),
            line: mark.line,
            column: mark.column,
            field,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.cause)
    }
}

/// Adds a key to a field path: `a`, `a.b`, and `a[b/c]` for keys that hold anything but letters, digits, `-` and `_`.
pub(super) fn push_key(path: &mut String, key: &str) {
    let simple = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if simple {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        // A key of a hostile file may be a megabyte.
        path.push('[');
        path.extend(key.chars().take(100));
        path.push(']');
    }
}

/// Adds an index to a field path.
pub(super) fn push_index(path: &mut String, index: usize) {
    // Writing to a String cannot fail.
    let _ = write!(path, "[{index}]");
}
