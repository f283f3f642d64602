//! YAML with the meaning of Go's `sigs.k8s.io/yaml`, which is what Argo Rollouts, kubectl and the API server read.
//!
//! ```text
//! text -> split (documents) -> outline (granit-parser: how and where everything is written; bounds)
//!                                 |
//!                                 v
//!                              build (serde_yaml reads the document along the outline; scalar: what Go reads in it)
//!                                 |
//!                                 v
//!                              Node (a JSON value with places) -> read -> T: Deserialize
//! ```
//!
//! Why two parsers. `serde_yaml` has libyaml's grammar, as Go's reader has, and it decides what a document is. But it
//! resolves plain scalars by YAML 1.2 and then hides how they were written: `yes` and `"yes"`, `012` and `"012"` are the
//! same to its callers, and Go reads them apart. So `granit-parser`'s events (safe Rust, in this build through the
//! Kubernetes client anyway) tell style, tag and place of every scalar, and `serde_yaml` is then driven along them. A
//! document that the two see differently is refused, not guessed.
//!
//! Invariants: size, depth, and size after aliases are bounded ([`MAX_BYTES`], [`MAX_DEPTH`], [`MAX_NODES`],
//! [`MAX_SCALAR_BYTES`]); every error has a place and, inside a document, the field. What differs from Go on purpose:
//! a key that is there twice and a second document are errors ([`from_str_like_argo`] does as Go does), and merge keys
//! may be overridden when duplicates are checked.

mod build;
mod error;
mod node;
mod outline;
mod read;
mod scalar;
mod split;
mod write;

use std::sync::Arc;

use serde::de::DeserializeOwned;

use self::{build::build, outline::outline, read::Reader, split::split};
pub use self::{
    error::{YamlError, YamlErrorKind},
    node::{Key, Node, Value},
    write::to_string,
};

/// Longest text: a ConfigMap holds 1 MiB, the largest manifests (custom resource definitions) a few.
pub const MAX_BYTES: usize = 8 << 20;
/// Deepest nesting, aliases followed: ten times what a Rollout needs, and below `serde_yaml`'s own 128.
pub const MAX_DEPTH: usize = 100;
/// Most values in one document, aliases followed: Go stops near 400 000 of them from aliases.
pub const MAX_NODES: usize = 500_000;
/// Most bytes in all scalars of one document, aliases followed.
pub const MAX_SCALAR_BYTES: usize = 32 << 20;

/// Where in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// What Go tolerates and we would rather tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    /// A key twice in one mapping is an error; field names have one spelling.
    Strict,
    /// As `yaml.Unmarshal`: the last of equal keys wins, field names match in any case.
    LikeArgo,
}

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    file: Arc<str>,
    strictness: Strictness,
    root: Node,
}

impl Document {
    /// Where its first value is.
    pub fn mark(&self) -> Mark {
        self.root.mark
    }

    /// The file that it came from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its value with places.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The items of a list, each as a document of its own, so that one that cannot be read does not hide the others.
    /// Null is a list without items; `None` is anything else.
    pub fn into_items(self) -> Option<Vec<Self>> {
        let Self { file, strictness, root } = self;
        match root.value {
            Value::Null => Some(Vec::new()),
            Value::Sequence(items) => {
                let document = |root| Self {
                    file: Arc::clone(&file),
                    strictness,
                    root,
                };
                Some(items.into_iter().map(document).collect())
            }
            _ => None,
        }
    }

    /// Reads it as a `T`. Go's way with types: a number or boolean where a text is wanted becomes its text, a whole
    /// number may be written as `1.0`, and null stands for an absent field.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, YamlError> {
        T::deserialize(Reader::new(&self.root, self.strictness))
            .map_err(|error| error.into_yaml(&self.file, self.mark()))
    }

    /// An error at a field of this document, for checks made after reading. `path` holds keys and indices as text; the
    /// place is that of the deepest one that exists.
    pub fn error_at(&self, path: &[&str], cause: impl Into<String>) -> YamlError {
        let (mark, field) = self.root.locate(path);
        YamlError::new(YamlErrorKind::Value, &self.file, mark, field, cause)
    }
}

/// Reads the one document of `text`; an empty text is null. `file` is for errors.
pub fn from_str<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, YamlError> {
    let mut all = documents(file, text).into_iter();
    let first = match all.next() {
        Some(document) => document?,
        None => null_document(file, Strictness::Strict),
    };
    if let Some(second) = all.next() {
        let mark = second?.mark();
        let cause =
            "a second document begins here, and only one is read: remove the `---`, or put it into a file of its own";
        return Err(YamlError::new(YamlErrorKind::Syntax, file, mark, String::new(), cause));
    }
    first.read()
}

/// Reads `text` exactly as Argo's `yaml.Unmarshal` does: the last of equal keys wins, field names match in any case, and
/// what follows the first document is not looked at.
pub fn from_str_like_argo<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, YamlError> {
    document_like_argo(file, text)?.read()
}

/// The document that [`from_str_like_argo`] reads, not yet read as something.
pub fn document_like_argo(file: &str, text: &str) -> Result<Document, YamlError> {
    let name: Arc<str> = Arc::from(file);
    check_size(&name, text)?;
    let first = split(text).into_iter().next();
    let documents = first.map(|(line, part)| parse_part(&name, part, line, Strictness::LikeArgo));
    match documents.and_then(|documents| documents.into_iter().next()) {
        Some(document) => document,
        None => Ok(null_document(file, Strictness::LikeArgo)),
    }
}

/// All documents of `text` that are not empty, in order. A document that cannot be parsed is an error in its place and
/// does not hide those after it, as `---` at the begin of a line always begins a new one.
pub fn documents(file: &str, text: &str) -> Vec<Result<Document, YamlError>> {
    let name: Arc<str> = Arc::from(file);
    if let Err(error) = check_size(&name, text) {
        return vec![Err(error)];
    }
    split(text)
        .into_iter()
        .flat_map(|(line, part)| parse_part(&name, part, line, Strictness::Strict))
        .filter(|document| !matches!(document, Ok(document) if document.root.value == Value::Null))
        .collect()
}

fn null_document(file: &str, strictness: Strictness) -> Document {
    let mark = Mark { line: 1, column: 1 };
    Document {
        file: Arc::from(file),
        strictness,
        root: Node {
            mark,
            value: Value::Null,
        },
    }
}

fn check_size(file: &Arc<str>, text: &str) -> Result<(), YamlError> {
    if text.len() <= MAX_BYTES {
        return Ok(());
    }
    let cause = format!("{} bytes are more than the {MAX_BYTES} that are read", text.len());
    Err(YamlError::new(
        YamlErrorKind::Bound,
        file,
        Mark::default(),
        String::new(),
        cause,
    ))
}

/// Parses a part of a file that begins at `line`; it has one document, or more when `...` ends some.
fn parse_part(file: &Arc<str>, text: &str, line: usize, strictness: Strictness) -> Vec<Result<Document, YamlError>> {
    let (outlines, failure) = outline(file, text, line);
    let mut readers = serde_yaml::Deserializer::from_str(text);
    let mut documents: Vec<_> = outlines
        .iter()
        .map(|outline| {
            let root = build(file, outline, readers.next(), line, strictness)?;
            Ok(Document {
                file: Arc::clone(file),
                strictness,
                root,
            })
        })
        .collect();
    documents.extend(failure.map(Err));
    documents
}

#[cfg(test)]
mod tests;
