//! The builtin functions: their names, their types and what they do.

mod array;
mod bits;
mod conversion;
mod date;
mod map;
mod number;
mod signature;
mod string;

use super::{
    budget::Meter,
    environment::Environment,
    error::{Result, run},
    value::Value,
};

pub(super) use array::sorted_by;
pub(super) use signature::{Rule, function_type, rule};

macro_rules! builtins {
    ($($variant:ident $name:literal,)*) => {
        /// A builtin function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Builtin {
            $($variant,)*
        }

        impl Builtin {
            /// The builtin of that name.
            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

builtins! {
    All "all",
    NoneOf "none",
    Any "any",
    One "one",
    Filter "filter",
    Map "map",
    Find "find",
    FindIndex "findIndex",
    FindLast "findLast",
    FindLastIndex "findLastIndex",
    Count "count",
    Sum "sum",
    GroupBy "groupBy",
    SortBy "sortBy",
    Reduce "reduce",
    Len "len",
    Type "type",
    Abs "abs",
    Ceil "ceil",
    Floor "floor",
    Round "round",
    Int "int",
    Float "float",
    String "string",
    Trim "trim",
    TrimPrefix "trimPrefix",
    TrimSuffix "trimSuffix",
    Upper "upper",
    Lower "lower",
    Split "split",
    SplitAfter "splitAfter",
    Replace "replace",
    Repeat "repeat",
    Join "join",
    IndexOf "indexOf",
    LastIndexOf "lastIndexOf",
    HasPrefix "hasPrefix",
    HasSuffix "hasSuffix",
    Max "max",
    Min "min",
    Mean "mean",
    Median "median",
    ToJson "toJSON",
    FromJson "fromJSON",
    ToBase64 "toBase64",
    FromBase64 "fromBase64",
    Now "now",
    Duration "duration",
    Date "date",
    Timezone "timezone",
    First "first",
    Last "last",
    Get "get",
    Take "take",
    Keys "keys",
    Values "values",
    ToPairs "toPairs",
    FromPairs "fromPairs",
    Reverse "reverse",
    Uniq "uniq",
    Concat "concat",
    Flatten "flatten",
    Sort "sort",
    BitAnd "bitand",
    BitOr "bitor",
    BitXor "bitxor",
    BitNand "bitnand",
    BitShl "bitshl",
    BitShr "bitshr",
    BitUshr "bitushr",
    BitNot "bitnot",
}

/// What a builtin with a predicate takes at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Value,
    Predicate,
    OptionalValue,
    OptionalPredicate,
}

impl Argument {
    pub(super) fn is_optional(self) -> bool {
        matches!(self, Self::OptionalValue | Self::OptionalPredicate)
    }

    pub(super) fn is_predicate(self) -> bool {
        matches!(self, Self::Predicate | Self::OptionalPredicate)
    }
}

impl Builtin {
    /// The arguments of a builtin that evaluates a predicate for each element; nothing for the others.
    pub(super) fn predicate_arguments(self) -> Option<&'static [Argument]> {
        match self {
            Self::All
            | Self::NoneOf
            | Self::Any
            | Self::One
            | Self::Filter
            | Self::Map
            | Self::Find
            | Self::FindIndex
            | Self::FindLast
            | Self::FindLastIndex
            | Self::GroupBy => Some(&[Argument::Value, Argument::Predicate]),
            Self::Count | Self::Sum => Some(&[Argument::Value, Argument::OptionalPredicate]),
            Self::SortBy | Self::Reduce => Some(&[Argument::Value, Argument::Predicate, Argument::OptionalValue]),
            _ => None,
        }
    }
}

/// Arguments and surroundings of one call.
pub(super) struct Call<'a> {
    pub(super) arguments: &'a [Value],
    pub(super) meter: &'a mut Meter,
    pub(super) environment: &'a Environment,
}

impl<'a> Call<'a> {
    /// The argument at that place. The checker has counted them.
    fn value(&self, index: usize) -> &'a Value {
        self.arguments.get(index).unwrap_or(&Value::Nil)
    }

    fn text(&self, index: usize) -> Result<&'a std::sync::Arc<str>> {
        as_text(self.value(index))
    }
}

/// The text that a value is, in the words of a failed Go type assertion if it is none.
pub(super) fn as_text(value: &Value) -> Result<&std::sync::Arc<str>> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(unexpected_type(other, "string")),
    }
}

/// The bool that a value is.
pub(super) fn as_bool(value: &Value) -> Result<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        other => Err(unexpected_type(other, "bool")),
    }
}

pub(super) fn unexpected_type(value: &Value, wanted: &str) -> super::EvalError {
    let name = if matches!(value, Value::Nil) {
        "nil"
    } else {
        value.type_name()
    };
    run(format!("interface conversion: interface {{}} is {name}, not {wanted}"))
}

/// A number as an int: an index, a count.
pub(super) fn to_int(value: &Value) -> Result<i64> {
    use super::value::Number;
    match Number::of(value) {
        Some(Number::Int(value)) => Ok(value),
        Some(Number::Float(value)) => Ok(super::number::truncate(value)),
        None => Err(run(format!("invalid operation: int({})", value.type_name()))),
    }
}

/// Calls a builtin without a predicate.
pub(super) fn call(function: Builtin, mut call: Call<'_>) -> Result<Value> {
    use Builtin as B;
    let call = &mut call;
    match function {
        B::Len => array::len(call),
        B::Type => Ok(conversion::type_of(call)),
        B::Abs => number::abs(call),
        B::Ceil => number::round(call, "ceil", f64::ceil),
        B::Floor => number::round(call, "floor", f64::floor),
        B::Round => number::round(call, "round", f64::round),
        B::Int => conversion::int(call),
        B::Float => conversion::float(call),
        B::String => conversion::string(call),
        B::Trim => string::trim(call),
        B::TrimPrefix => string::trim_prefix(call),
        B::TrimSuffix => string::trim_suffix(call),
        B::Upper => string::change_case(call, string::upper),
        B::Lower => string::change_case(call, string::lower),
        B::Split => string::split(call, false),
        B::SplitAfter => string::split(call, true),
        B::Replace => string::replace(call),
        B::Repeat => string::repeat(call),
        B::Join => string::join(call),
        B::IndexOf => string::position(call, |text, part| text.find(part)),
        B::LastIndexOf => string::position(call, |text, part| text.rfind(part)),
        B::HasPrefix => string::test(call, |text, part| text.starts_with(part)),
        B::HasSuffix => string::test(call, |text, part| text.ends_with(part)),
        B::Max => number::extreme(call, "max", super::value::Order::Less),
        B::Min => number::extreme(call, "min", super::value::Order::More),
        B::Mean => number::mean(call),
        B::Median => number::median(call),
        B::ToJson => conversion::to_json(call),
        B::FromJson => conversion::from_json(call),
        B::ToBase64 => conversion::to_base64(call),
        B::FromBase64 => conversion::from_base64(call),
        B::Now => date::now(call),
        B::Duration => date::duration(call),
        B::Date => date::date(call),
        B::Timezone => date::timezone(call),
        B::First => array::end(call, 0),
        B::Last => array::end(call, -1),
        B::Get => map::get(call),
        B::Take => array::take(call),
        B::Keys => map::keys(call),
        B::Values => map::values(call),
        B::ToPairs => map::to_pairs(call),
        B::FromPairs => map::from_pairs(call),
        B::Reverse => array::reverse(call),
        B::Uniq => array::uniq(call),
        B::Concat => array::concat(call),
        B::Flatten => array::flatten(call),
        B::Sort => array::sort(call),
        B::BitAnd | B::BitOr | B::BitXor | B::BitNand | B::BitShl | B::BitShr | B::BitUshr | B::BitNot => {
            bits::call(function, call)
        }
        B::All
        | B::NoneOf
        | B::Any
        | B::One
        | B::Filter
        | B::Map
        | B::Find
        | B::FindIndex
        | B::FindLast
        | B::FindLastIndex
        | B::Count
        | B::Sum
        | B::GroupBy
        | B::SortBy
        | B::Reduce => Err(run(format!("unknown builtin {}", function.name()))),
    }
}
