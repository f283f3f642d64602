//! The values of an expression: Go's, as far as an expression can meet them.

mod compare;
mod format;
mod map;

use std::{fmt, sync::Arc};

use super::{
    error::EvalError,
    function::Function,
    gotime::{Time, Zone},
};

pub(super) use compare::{Number, Order, equal, numbers, ordered};
pub use map::{Key, Map, MapKind};

/// A value. Arrays, maps and texts are shared, so that a clone costs nothing.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing there.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// Go's `int`: what an integer literal is.
    Int(i64),
    /// An integer of another type, which arithmetic turns into an `int`.
    Integer(IntKind, i64),
    /// Go's `float64`: what every number in JSON is.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// Values in a row.
    Array(Array),
    /// Values by key.
    Map(Map),
    /// A moment, seen from a time zone.
    Time(Time),
    /// A length of time in nanoseconds.
    Duration(i64),
    /// A time zone.
    Location(Zone),
    /// A function that is named but not called.
    Function(Function),
}

/// Go's integer types other than `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntKind {
    /// `int64`: what `asInt` gives.
    Int64,
    /// `uint8`: a byte of a text.
    Uint8,
    /// `time.Month`, from 1.
    Month,
    /// `time.Weekday`, from Sunday, 0.
    Weekday,
}

impl IntKind {
    pub(super) fn go_name(self) -> &'static str {
        match self {
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }
}

/// Values in a row, and what Go's type says of them.
#[derive(Clone, Debug)]
pub struct Array {
    items: Arc<[Value]>,
    depth: u32,
    kind: ArrayKind,
    /// A nil slice: equal to nil, empty otherwise.
    absent: bool,
}

/// Go's type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayKind {
    /// `[]any`: what an array in JSON is.
    Any,
    /// `[]int`: what a range is.
    Int,
    /// `[]float64`: what a metric provider that answers with numbers gives.
    Float,
    /// `[]string`: what `split` gives.
    String,
    /// `[]uint8`: bytes.
    Uint8,
    /// `[][2]any`: what `toPairs` gives.
    Pairs,
    /// `[2]any`: one of those.
    Pair,
}

impl ArrayKind {
    pub(super) fn go_name(self) -> &'static str {
        match self {
            Self::Any => "[]interface {}",
            Self::Int => "[]int",
            Self::Float => "[]float64",
            Self::String => "[]string",
            Self::Uint8 => "[]uint8",
            Self::Pairs => "[][2]interface {}",
            Self::Pair => "[2]interface {}",
        }
    }
}

impl Array {
    /// An array of that type. The caller answers for the elements being of it.
    pub(super) fn new(kind: ArrayKind, items: impl Into<Arc<[Value]>>) -> Self {
        let items = items.into();
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or_default();
        Self {
            items,
            depth,
            kind,
            absent: false,
        }
    }

    /// A nil slice.
    pub(super) fn absent(kind: ArrayKind) -> Self {
        Self {
            absent: true,
            ..Self::new(kind, [])
        }
    }

    /// Go's type.
    pub fn kind(&self) -> ArrayKind {
        self.kind
    }

    /// The elements.
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    pub(super) fn shared_items(&self) -> Arc<[Value]> {
        Arc::clone(&self.items)
    }

    pub(super) fn is_absent(&self) -> bool {
        self.absent
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.items, &other.items)
    }
}

impl Value {
    /// `[]float64`: what Argo's own providers give for a vector. An expression is checked more strictly against it than
    /// against an array out of JSON.
    pub fn floats(items: impl IntoIterator<Item = f64>) -> Self {
        Self::Array(Array::new(
            ArrayKind::Float,
            items.into_iter().map(Self::Float).collect::<Vec<_>>(),
        ))
    }

    /// The value of a JSON text, as Go decodes it into `any`: every number becomes the nearest `float64`. (What parses
    /// JSON on the way to [`serde_json::Value`] may be off by the last bit.)
    pub fn from_json(text: &str) -> Result<Self, EvalError> {
        super::json::read(text)
    }

    pub(super) fn bytes(bytes: &[u8]) -> Self {
        let items: Vec<_> = bytes
            .iter()
            .map(|byte| Self::Integer(IntKind::Uint8, i64::from(*byte)))
            .collect();
        Self::Array(Array::new(ArrayKind::Uint8, items))
    }

    /// Levels of arrays and maps within each other.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Array(array) => array.depth,
            Self::Map(map) => map.depth(),
            _ => 0,
        }
    }

    /// What [`Display`](fmt::Display) writes, or nothing if it is longer than `limit`. A value that holds another one many
    /// times over can be short in memory and endless in text.
    pub(super) fn text(&self, limit: usize) -> Option<String> {
        let mut text = format::Bounded::new(limit);
        fmt::write(&mut text, format_args!("{self}"))
            .is_ok()
            .then(|| text.into_inner())
    }

    /// The beginning of what it displays, for an error message.
    pub(super) fn brief(&self) -> String {
        let mut text = format::Bounded::new(1024);
        match fmt::write(&mut text, format_args!("{self}")) {
            Ok(()) => text.into_inner(),
            Err(fmt::Error) => text.into_inner() + "...",
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Array(array) => array.absent,
            _ => false,
        }
    }

    /// Go's name of the value's type (`%T`).
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Integer(kind, _) => kind.go_name(),
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::Array(array) => array.kind.go_name(),
            Self::Map(map) => map.kind().go_name(),
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Location(_) => "*time.Location",
            Self::Function(function) => function.signature().text,
        }
    }

    /// Go's name of the value's kind.
    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Integer(IntKind::Month | IntKind::Weekday, _) => "int",
            Self::Array(array) if array.kind == ArrayKind::Pair => "array",
            Self::Array(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Duration(_) => "int64",
            Self::Location(_) => "ptr",
            Self::Function(_) => "func",
            other => other.type_name(),
        }
    }
}

impl From<serde_json::Value> for Value {
    /// As Go decodes JSON into `any`: every number becomes a `float64`.
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(items) => Self::Array(Array::new(
                ArrayKind::Any,
                items.into_iter().map(Self::from).collect::<Vec<_>>(),
            )),
            serde_json::Value::Object(fields) => Self::Map(Map::new(
                MapKind::StringToAny,
                fields
                    .into_iter()
                    .map(|(name, value)| (Key::String(name.into()), Self::from(value)))
                    .collect(),
            )),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// As Go prints it with `%v`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        format::print(self, f)
    }
}
