//! Which arguments a builtin takes, and what it gives.

use std::borrow::Cow;

use super::Builtin;
use crate::condition::{
    types::{Kind, Type},
    value::ArrayKind,
};

/// How the checker finds out whether a call is right.
pub(in crate::condition) enum Rule {
    /// One of these parameter lists must fit; the error is that of the last one.
    Overloads(&'static [(&'static [Type], Type)]),
    /// Decides from the types of all arguments.
    Validate(fn(Builtin, &[Type]) -> Result<Type, String>),
    /// `get`, which is checked like an index.
    Index,
}

const TEXT: Type = Type::String;
const INT: Type = Type::Int;

/// The rule of a builtin without a predicate.
pub(in crate::condition) fn rule(function: Builtin) -> Rule {
    use Builtin as B;
    match function {
        B::Type | B::String | B::ToJson => Rule::Overloads(&[(&[Type::Any], TEXT)]),
        B::Trim => Rule::Overloads(&[(&[TEXT], TEXT), (&[TEXT, TEXT], TEXT)]),
        B::TrimPrefix | B::TrimSuffix => Rule::Overloads(&[(&[TEXT, TEXT], TEXT), (&[TEXT], TEXT)]),
        B::Upper | B::Lower | B::ToBase64 | B::FromBase64 => Rule::Overloads(&[(&[TEXT], TEXT)]),
        B::Split | B::SplitAfter => {
            Rule::Overloads(&[(&[TEXT, TEXT], Type::STRINGS), (&[TEXT, TEXT, INT], Type::STRINGS)])
        }
        B::Replace => Rule::Overloads(&[(&[TEXT, TEXT, TEXT, INT], TEXT), (&[TEXT, TEXT, TEXT], TEXT)]),
        B::Repeat => Rule::Overloads(&[(&[TEXT, INT], TEXT)]),
        B::Join => Rule::Overloads(&[
            (&[Type::STRINGS, TEXT], TEXT),
            (&[Type::ANYS, TEXT], TEXT),
            (&[Type::ANYS], TEXT),
            (&[Type::STRINGS, TEXT], TEXT),
            (&[Type::STRINGS], TEXT),
        ]),
        B::IndexOf | B::LastIndexOf => Rule::Overloads(&[(&[TEXT, TEXT], INT)]),
        B::HasPrefix | B::HasSuffix => Rule::Overloads(&[(&[TEXT, TEXT], Type::Bool)]),
        B::FromJson => Rule::Overloads(&[(&[TEXT], Type::Any)]),
        B::Duration => Rule::Overloads(&[(&[TEXT], Type::Duration)]),
        B::Timezone => Rule::Overloads(&[(&[TEXT], Type::Location)]),
        B::Sort => Rule::Overloads(&[
            (&[Type::ANYS, TEXT], Type::ANYS),
            (&[Type::INTS, TEXT], Type::ANYS),
            (&[Type::FLOATS, TEXT], Type::ANYS),
            (&[Type::STRINGS, TEXT], Type::ANYS),
            (&[Type::ANYS], Type::ANYS),
            (&[Type::FLOATS], Type::ANYS),
            (&[Type::STRINGS], Type::ANYS),
            (&[Type::INTS], Type::ANYS),
        ]),
        B::BitAnd | B::BitOr | B::BitXor | B::BitNand | B::BitShl | B::BitShr | B::BitUshr => {
            Rule::Overloads(&[(&[INT, INT], INT)])
        }
        B::BitNot => Rule::Overloads(&[(&[INT], INT)]),
        B::Max | B::Min | B::Mean | B::Median => Rule::Validate(aggregate),
        B::Now => Rule::Validate(now),
        B::Date => Rule::Validate(date),
        B::Take => Rule::Validate(take),
        B::Concat => Rule::Validate(concat),
        B::Get => Rule::Index,
        _ => Rule::Validate(one_argument),
    }
}

/// Go's type of a builtin that is named but not called.
pub(in crate::condition) fn function_type(function: Builtin) -> String {
    use Builtin as B;
    let predicate = |of: &str, returns: &str| format!("func([]interface {{}}, func({of}) {returns}");
    match function {
        B::All | B::NoneOf | B::Any | B::One => predicate("interface {}", "bool) bool"),
        B::Filter => predicate("interface {}", "bool) []interface {}"),
        B::Map => predicate("interface {}", "interface {}) []interface {}"),
        B::Find | B::FindLast => predicate("interface {}", "bool) interface {}"),
        B::FindIndex | B::FindLastIndex | B::Count | B::Sum => predicate("interface {}", "bool) int"),
        B::GroupBy => predicate("interface {}", "interface {}) map[interface {}][]interface {}"),
        B::SortBy => predicate("interface {}", "bool, string) []interface {}"),
        B::Reduce => predicate("interface {}, interface {}", "interface {}, interface {}) interface {}"),
        _ => match rule(function) {
            Rule::Overloads([(parameters, returns), ..]) => {
                let parameters: Vec<_> = parameters.iter().map(Type::name).collect();
                let returns = match function {
                    B::Duration | B::Timezone => format!("({}, error)", returns.name()),
                    _ => returns.name().into_owned(),
                };
                format!("func({}) {returns}", parameters.join(", "))
            }
            _ => "func(...interface {}) (interface {}, error)".to_owned(),
        },
    }
}

/// A type as the original's validators print it: they have no word for nil.
fn name(ty: &Type) -> Cow<'static, str> {
    match ty {
        Type::Nil => Cow::Borrowed("%!s(<nil>)"),
        Type::Unknown => Type::Any.name(),
        other => other.name(),
    }
}

fn kind(ty: &Type) -> Kind {
    match ty {
        Type::Unknown => Kind::Interface,
        // Validators look through pointers.
        Type::Location => Kind::Struct,
        other => other.kind(),
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Int64 | Kind::Uint8 | Kind::Float64)
}

fn is_array(kind: Kind) -> bool {
    matches!(kind, Kind::Slice | Kind::Array)
}

fn one_argument(function: Builtin, types: &[Type]) -> Result<Type, String> {
    use Builtin as B;
    let [ty] = types else {
        return Err(format!("invalid number of arguments (expected 1, got {})", types.len()));
    };
    let kind = kind(ty);
    let unknown = kind == Kind::Interface;
    let refuse = |what: &str| Err(format!("{what} {}", name(ty)));
    match function {
        B::Abs | B::First | B::Last if unknown => Ok(Type::Any),
        B::Abs if is_number(kind) => Ok(ty.clone()),
        B::Ceil | B::Floor | B::Round if unknown || is_number(kind) => Ok(Type::Float),
        B::Int if unknown || is_number(kind) || kind == Kind::String => Ok(Type::Int),
        B::Float if unknown || is_number(kind) || kind == Kind::String => Ok(Type::Float),
        B::Len if unknown || is_array(kind) || matches!(kind, Kind::Map | Kind::String) => Ok(Type::Int),
        // What a literal's elements are known to be is forgotten here.
        B::First | B::Last if is_array(kind) => Ok(match ty {
            Type::Array(kind, _) => Type::Array(*kind, None).element(),
            other => other.element(),
        }),
        B::First => refuse("cannot get first element from"),
        B::Last => refuse("cannot get last element from"),
        B::Keys | B::Values | B::ToPairs if unknown || kind == Kind::Map => Ok(Type::ANYS),
        B::Keys => refuse("cannot get keys from"),
        B::Values => refuse("cannot get values from"),
        B::ToPairs => Err(format!("cannot transform {} to pairs", name(ty))),
        B::FromPairs if unknown || is_array(kind) => Ok(Type::Map(crate::condition::value::MapKind::AnyToAny)),
        B::FromPairs => Err(format!("cannot transform {} from pairs", name(ty))),
        B::Reverse | B::Uniq | B::Flatten if unknown || is_array(kind) => Ok(Type::ANYS),
        B::Reverse => refuse("cannot reverse"),
        B::Uniq => refuse("cannot uniq"),
        B::Flatten => refuse("cannot flatten"),
        _ => Err(format!("invalid argument for {} (type {})", function.name(), name(ty))),
    }
}

fn aggregate(function: Builtin, types: &[Type]) -> Result<Type, String> {
    let Some(first) = types.first() else {
        return Err(format!("not enough arguments to call {}", function.name()));
    };
    for ty in types {
        match kind(ty) {
            Kind::Interface | Kind::Slice | Kind::Array => return Ok(Type::Any),
            kind if is_number(kind) => {}
            _ => return Err(format!("invalid argument for {} (type {})", function.name(), name(ty))),
        }
    }
    Ok(first.clone())
}

fn now(_: Builtin, types: &[Type]) -> Result<Type, String> {
    match types {
        [] | [Type::Location] => Ok(Type::Time),
        _ => Err(format!("invalid number of arguments (expected 0, got {})", types.len())),
    }
}

fn date(_: Builtin, types: &[Type]) -> Result<Type, String> {
    let rest = match types {
        [] => return Err("invalid number of arguments (expected at least 1, got 0)".to_owned()),
        [Type::Location, rest @ ..] => rest,
        all => all,
    };
    if rest.len() > 3 {
        return Err(format!(
            "invalid number of arguments (expected at most 3, got {})",
            rest.len()
        ));
    }
    Ok(Type::Time)
}

fn take(_: Builtin, types: &[Type]) -> Result<Type, String> {
    let [array, count] = types else {
        return Err(format!("invalid number of arguments (expected 2, got {})", types.len()));
    };
    if !matches!(kind(array), Kind::Interface | Kind::Slice | Kind::Array) {
        return Err(format!("cannot take from {}", name(array)));
    }
    if !matches!(kind(count), Kind::Interface | Kind::Int | Kind::Int64) {
        return Err(format!("cannot take {} elements", name(count)));
    }
    Ok(match array {
        Type::Array(kind, _) => Type::Array(*kind, None),
        _ => Type::Any,
    })
}

fn concat(_: Builtin, types: &[Type]) -> Result<Type, String> {
    if types.is_empty() {
        return Err("invalid number of arguments (expected at least 1, got 0)".to_owned());
    }
    match types
        .iter()
        .find(|ty| !matches!(kind(ty), Kind::Interface | Kind::Slice | Kind::Array))
    {
        Some(ty) => Err(format!("cannot concat {}", name(ty))),
        None => Ok(Type::Array(ArrayKind::Any, None)),
    }
}
