//! Values by key.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use super::{IntKind, Value};
use crate::condition::gotime::Time;

/// Values by key. Unlike Go's, the order is always the same: that of the keys.
#[derive(Clone, Debug)]
pub struct Map {
    entries: Arc<BTreeMap<Key, Value>>,
    depth: u32,
    kind: MapKind,
}

/// Go's type of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// `map[string]any`: what an object in JSON is.
    StringToAny,
    /// `map[any]any`: what `fromPairs` gives.
    AnyToAny,
    /// `map[any][]any`: what `groupBy` gives.
    AnyToArray,
}

impl MapKind {
    pub(in crate::condition) fn go_name(self) -> &'static str {
        match self {
            Self::StringToAny => "map[string]interface {}",
            Self::AnyToAny => "map[interface {}]interface {}",
            Self::AnyToArray => "map[interface {}][]interface {}",
        }
    }
}

/// What a value is found by. Keys of different types are never the same, `1` and `1.0` included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Nil.
    Nil,
    /// A bool.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// An integer of another type.
    Integer(IntKind, i64),
    /// A number that is one.
    Float(Finite),
    /// The n-th NaN. No NaN is the same as another one, so each is a key of its own.
    NaN(usize),
    /// Text.
    String(Arc<str>),
    /// A length of time in nanoseconds.
    Duration(i64),
    /// A moment.
    Time(Time),
}

/// A float that is not NaN, by value: both zeros are the same.
#[derive(Clone, Copy, Debug)]
pub struct Finite(f64);

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl Key {
    /// The key that a value is, if it can be one. `nth` tells NaNs apart.
    pub(in crate::condition) fn of(value: &Value, nth: usize) -> Option<Self> {
        Some(match value {
            Value::Nil => Self::Nil,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Integer(kind, value) => Self::Integer(*kind, *value),
            Value::Float(value) if value.is_nan() => Self::NaN(nth),
            Value::Float(value) => Self::Float(Finite(*value)),
            Value::String(text) => Self::String(Arc::clone(text)),
            Value::Duration(nanos) => Self::Duration(*nanos),
            Value::Time(time) => Self::Time(time.clone()),
            Value::Array(_) | Value::Map(_) | Value::Location(_) | Value::Function(_) => return None,
        })
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Nil => Self::Nil,
            Key::Bool(value) => Self::Bool(value),
            Key::Int(value) => Self::Int(value),
            Key::Integer(kind, value) => Self::Integer(kind, value),
            Key::Float(value) => Self::Float(value.0),
            Key::NaN(_) => Self::Float(f64::NAN),
            Key::String(text) => Self::String(text),
            Key::Duration(nanos) => Self::Duration(nanos),
            Key::Time(time) => Self::Time(time),
        }
    }
}

impl Map {
    pub(in crate::condition) fn new(kind: MapKind, entries: BTreeMap<Key, Value>) -> Self {
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or_default();
        Self {
            entries: Arc::new(entries),
            depth,
            kind,
        }
    }

    /// Go's type.
    pub fn kind(&self) -> MapKind {
        self.kind
    }

    /// Keys and values.
    pub fn entries(&self) -> &BTreeMap<Key, Value> {
        &self.entries
    }

    pub(in crate::condition) fn depth(&self) -> u32 {
        self.depth
    }

    pub(in crate::condition) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.entries, &other.entries)
    }
}
