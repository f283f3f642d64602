//! The types that the checker reasons with: Go's, as far as an expression can meet them.

use std::{borrow::Cow, sync::Arc};

use super::{
    builtins::{Builtin, function_type},
    value::{ArrayKind, IntKind, MapKind, Value},
};

/// What is known of a value before it is computed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Nothing. Printed as `unknown`.
    Unknown,
    /// The value nil. It has no type either, but is known.
    Nil,
    /// Anything (`interface {}`): as little is known, but it has a name.
    Any,
    Bool,
    Int,
    /// An integer of another type than int.
    Integer(IntKind),
    Float,
    String,
    Time,
    Duration,
    Location,
    /// An array; the elements may be known better than the array's own type says.
    Array(ArrayKind, Option<Arc<Type>>),
    Map(MapKind),
    Function(&'static Signature),
    /// A builtin that is named but not called.
    Builtin(Builtin),
}

/// The signature of a function of the environment or of a method.
#[derive(Debug)]
pub(super) struct Signature {
    /// As Go prints the type.
    pub(super) text: &'static str,
    pub(super) parameters: &'static [Type],
    pub(super) returns: Type,
    /// How many values it returns; an expression gets the first one, and may not call what returns three.
    pub(super) outputs: usize,
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Go's kinds, as far as they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint8,
    Float64,
    String,
    Struct,
    Pointer,
    Slice,
    Array,
    Map,
    Function,
    Interface,
}

impl Type {
    pub(super) const INTS: Self = Self::Array(ArrayKind::Int, None);
    pub(super) const ANYS: Self = Self::Array(ArrayKind::Any, None);
    pub(super) const STRINGS: Self = Self::Array(ArrayKind::String, None);
    pub(super) const FLOATS: Self = Self::Array(ArrayKind::Float, None);
    pub(super) const MAP: Self = Self::Map(MapKind::StringToAny);
    pub(super) const INT64: Self = Self::Integer(IntKind::Int64);

    /// The type of a value that is there.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Integer(kind, _) => Self::Integer(*kind),
            Value::Float(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::Array(array) => Self::Array(array.kind(), None),
            Value::Map(map) => Self::Map(map.kind()),
            Value::Time(_) => Self::Time,
            Value::Duration(_) => Self::Duration,
            Value::Location(_) => Self::Location,
            Value::Function(function) => Self::Function(function.signature()),
        }
    }

    /// `[]any` of which the elements are known to be `element`.
    pub(super) fn array_of(element: Self) -> Self {
        Self::Array(ArrayKind::Any, Some(Arc::new(element)))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::Nil => Kind::Invalid,
            Self::Any => Kind::Interface,
            Self::Bool => Kind::Bool,
            Self::Int | Self::Integer(IntKind::Month | IntKind::Weekday) => Kind::Int,
            Self::Integer(IntKind::Int64) | Self::Duration => Kind::Int64,
            Self::Integer(IntKind::Uint8) => Kind::Uint8,
            Self::Float => Kind::Float64,
            Self::String => Kind::String,
            Self::Time => Kind::Struct,
            Self::Location => Kind::Pointer,
            Self::Array(ArrayKind::Pair, _) => Kind::Array,
            Self::Array(..) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Function(_) | Self::Builtin(_) => Kind::Function,
        }
    }

    /// Go's name of the type.
    pub(super) fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unknown | Self::Nil => "unknown",
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Integer(kind) => kind.go_name(),
            Self::Float => "float64",
            Self::String => "string",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Location => "*time.Location",
            Self::Array(kind, _) => kind.go_name(),
            Self::Map(kind) => kind.go_name(),
            Self::Function(signature) => signature.text,
            Self::Builtin(function) => return function_type(*function).into(),
        })
    }

    /// The name of what a pointer points to, of everything else its own.
    pub(super) fn pointed_to(&self) -> Cow<'static, str> {
        match self {
            Self::Location => Cow::Borrowed("time.Location"),
            other => other.name(),
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown | Self::Any)
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// A builtin integer type; a month is none.
    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Self::Int | Self::Integer(IntKind::Int64 | IntKind::Uint8))
    }

    pub(super) fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::Float)
    }

    pub(super) fn is_bool(&self) -> bool {
        matches!(self, Self::Bool)
    }

    pub(super) fn is_string(&self) -> bool {
        matches!(self, Self::String)
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Array(..))
    }

    /// The type of the elements of an array or the values of a map.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::Array(_, Some(element)) => element.as_ref().clone(),
            Self::Array(kind, None) => match kind {
                ArrayKind::Any | ArrayKind::Pair => Self::Any,
                ArrayKind::Int => Self::Int,
                ArrayKind::Float => Self::Float,
                ArrayKind::String => Self::String,
                ArrayKind::Uint8 => Self::Integer(IntKind::Uint8),
                ArrayKind::Pairs => Self::Array(ArrayKind::Pair, None),
            },
            Self::Map(MapKind::AnyToArray) => Self::ANYS,
            Self::Map(_) => Self::Any,
            _ => Self::Unknown,
        }
    }

    /// The type of the keys of a map.
    pub(super) fn key(&self) -> Self {
        match self {
            Self::Map(MapKind::StringToAny) => Self::String,
            _ => Self::Any,
        }
    }

    /// Whether Go would let a value of this type be put where one of the `other` type is wanted. What is unknown is not
    /// assignable to anything.
    pub(super) fn assignable_to(&self, other: &Self) -> bool {
        if self.is_nil() {
            return matches!(
                other.kind(),
                Kind::Pointer | Kind::Interface | Kind::Function | Kind::Map | Kind::Slice
            );
        }
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown | Self::Nil) => false,
            (_, Self::Any) => true,
            (Self::Array(kind, _), Self::Array(other, _)) => kind == other,
            _ => self == other,
        }
    }

    /// Whether `==` and `in` make sense between the two.
    pub(super) fn comparable_to(&self, other: &Self) -> bool {
        self.is_unknown()
            || other.is_unknown()
            || self.is_nil()
            || other.is_nil()
            || (self.is_number() && other.is_number())
            || (self.is_array() && other.is_array())
            || self.assignable_to(other)
    }

    /// Whether the pair may turn out to fit: at least one is unknown, and the other one is unknown or accepted.
    pub(super) fn maybe_fits(&self, other: &Self, accepted: impl Fn(&Self) -> bool) -> bool {
        match (self.is_unknown(), other.is_unknown()) {
            (true, true) => true,
            (true, false) => accepted(other),
            (false, true) => accepted(self),
            (false, false) => false,
        }
    }
}
