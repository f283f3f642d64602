//! Functions that are values: those of the environment, and methods.

use super::{
    builtins::unexpected_type,
    environment::Environment,
    error::{Result, run},
    gotime::Method,
    number::{self, float, truncate},
    quote::quote,
    types::{Signature, Type},
    value::{IntKind, Value},
};
use std::sync::Arc;

/// A function that can be called by name.
#[derive(Clone, Debug)]
pub struct Function(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Environment(EnvironmentFunction),
    /// A method and what it is called on.
    Method(Arc<Value>, &'static Method),
}

/// The functions that Argo adds to the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvironmentFunction {
    AsInt,
    AsFloat,
    IsNaN,
    IsInf,
    /// Asks about the whole result, whatever it is called with.
    IsNil,
    /// Likewise.
    Default,
}

impl Function {
    pub(super) fn of_environment(function: EnvironmentFunction) -> Self {
        Self(Inner::Environment(function))
    }

    pub(super) fn method(receiver: Value, method: &'static Method) -> Self {
        Self(Inner::Method(Arc::new(receiver), method))
    }

    pub(super) fn signature(&self) -> &'static Signature {
        match &self.0 {
            Inner::Environment(function) => function.signature(),
            Inner::Method(_, method) => &method.bound,
        }
    }

    /// Calls the function. `known` says that the checker knew which one it would be.
    pub(super) fn call(&self, arguments: &[Value], known: bool, environment: &Environment) -> Result<Value> {
        let wanted = self.signature().parameters;
        if wanted.len() != arguments.len() {
            return Err(run(format!(
                "invalid number of arguments: expected {}, got {}",
                wanted.len(),
                arguments.len()
            )));
        }
        let direct = known
            && match &self.0 {
                Inner::Environment(_) => true,
                Inner::Method(_, method) => method.direct,
            };
        let arguments = arguments
            .iter()
            .zip(wanted)
            .map(|(argument, wanted)| fit(argument, wanted, direct))
            .collect::<Result<Vec<_>>>()?;
        match &self.0 {
            Inner::Environment(function) => function.call(&arguments, environment),
            Inner::Method(receiver, method) => (method.call)(receiver, &arguments),
        }
    }
}

/// The argument, if it is of the type that is wanted.
fn fit(argument: &Value, wanted: &Type, direct: bool) -> Result<Value> {
    let ty = Type::of(argument);
    match (argument, wanted) {
        (_, Type::Any) => Ok(argument.clone()),
        _ if ty == *wanted => Ok(argument.clone()),
        _ if direct => Err(unexpected_type(argument, &wanted.name())),
        // Reflection takes nil for the zero of every type.
        (Value::Nil, Type::Int) => Ok(Value::Int(0)),
        (Value::Nil, Type::Float) => Ok(Value::Float(0.0)),
        (Value::Nil, Type::Duration) => Ok(Value::Duration(0)),
        (Value::Nil, Type::String) => Ok("".into()),
        (Value::Nil, _) => Ok(Value::Nil),
        _ => Err(run(format!(
            "reflect: Call using {} as type {}",
            ty.name(),
            wanted.name()
        ))),
    }
}

impl EnvironmentFunction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AsInt => "asInt",
            Self::AsFloat => "asFloat",
            Self::IsNaN => "isNaN",
            Self::IsInf => "isInf",
            Self::IsNil => "isNil",
            Self::Default => "default",
        }
    }

    fn signature(self) -> &'static Signature {
        macro_rules! signature {
            ($text:literal, $parameters:expr, $returns:expr) => {{
                static SIGNATURE: Signature = Signature {
                    text: $text,
                    parameters: &$parameters,
                    returns: $returns,
                    outputs: 1,
                };
                &SIGNATURE
            }};
        }
        match self {
            Self::AsInt => signature!("func(interface {}) int64", [Type::Any], Type::INT64),
            Self::AsFloat => signature!("func(interface {}) float64", [Type::Any], Type::Float),
            Self::IsNaN | Self::IsInf => signature!("func(float64) bool", [Type::Float], Type::Bool),
            Self::IsNil => signature!("func(interface {}) bool", [Type::Any], Type::Bool),
            Self::Default => {
                signature!(
                    "func(interface {}, interface {}) interface {}",
                    [Type::Any, Type::Any],
                    Type::Any
                )
            }
        }
    }

    fn call(self, arguments: &[Value], environment: &Environment) -> Result<Value> {
        let first = arguments.first().unwrap_or(&Value::Nil);
        Ok(match self {
            Self::AsInt => Value::Integer(IntKind::Int64, as_int(first)?),
            Self::AsFloat => Value::Float(as_float(first)?),
            Self::IsNaN => Value::Bool(float64(first)?.is_nan()),
            Self::IsInf => Value::Bool(float64(first)?.is_infinite()),
            Self::IsNil => Value::Bool(environment.result().is_nil()),
            Self::Default if environment.result().is_nil() => arguments.get(1).cloned().unwrap_or(Value::Nil),
            Self::Default => environment.result().clone(),
        })
    }
}

fn float64(value: &Value) -> Result<f64> {
    match value {
        Value::Float(value) => Ok(*value),
        other => Err(unexpected_type(other, "float64")),
    }
}

fn as_int(value: &Value) -> Result<i64> {
    match value {
        Value::Int(value) | Value::Integer(IntKind::Int64 | IntKind::Uint8, value) => Ok(*value),
        Value::Float(value) => Ok(truncate(*value)),
        Value::String(text) => number::parse_int(text, 10)
            .map_err(|error| run(format!("strconv.ParseInt: parsing {}: {error}", quote(text)))),
        other => Err(unsupported("asInt", other)),
    }
}

fn as_float(value: &Value) -> Result<f64> {
    match value {
        Value::Int(value) | Value::Integer(IntKind::Int64 | IntKind::Uint8, value) => Ok(float(*value)),
        Value::Float(value) => Ok(*value),
        Value::String(text) => number::parse_float(text)
            .map_err(|error| run(format!("strconv.ParseFloat: parsing {}: {error}", quote(text)))),
        other => Err(unsupported("asFloat", other)),
    }
}

fn unsupported(function: &str, value: &Value) -> super::EvalError {
    run(format!(
        "{function}() not supported on {} {}",
        value.type_name(),
        value.brief()
    ))
}
