//! Values of a document, each with its place.

use super::{
    Mark,
    error::{push_index, push_key},
};

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins; values from an alias have the place of what the alias stands for.
    pub mark: Mark,
    /// What it is.
    pub value: Value,
}

/// A JSON value, as Go reads it out of YAML.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// A YAML 1.1 boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above [`i64::MAX`].
    Unsigned(u64),
    /// Any other number. Infinities and NaN can only be read as text, as in Go.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Fields in the order of the text, keys as text.
    Mapping(Vec<(Key, Node)>),
}

/// A field's name and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where it begins.
    pub mark: Mark,
    /// The name; numbers and booleans as Go writes them.
    pub text: String,
}

impl Value {
    /// In words, for errors.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Unsigned(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::String(_) => "a text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

impl Node {
    /// The value of a field, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(fields) => fields.iter().find(|(name, _)| name.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The deepest place that exists along `path`, and the whole path as text.
    pub(super) fn locate(&self, path: &[&str]) -> (Mark, String) {
        let (mut mark, mut field, mut node) = (self.mark, String::new(), Some(self));
        for step in path {
            match node.map(|node| &node.value) {
                Some(Value::Sequence(items)) => {
                    let index: usize = step.parse().unwrap_or(usize::MAX);
                    push_index(&mut field, index);
                    node = items.get(index);
                    mark = node.map_or(mark, |node| node.mark);
                }
                Some(Value::Mapping(fields)) => {
                    push_key(&mut field, step);
                    let found = fields.iter().find(|(key, _)| key.text == *step);
                    mark = found.map_or(mark, |(key, _)| key.mark);
                    node = found.map(|(_, node)| node);
                }
                _ => {
                    push_key(&mut field, step);
                    node = None;
                }
            }
        }
        (mark, field)
    }
}
