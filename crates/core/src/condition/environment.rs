//! The names that an expression can use.

use std::sync::OnceLock;

use jiff::Timestamp;

use super::{
    function::{EnvironmentFunction, Function},
    types::Type,
    value::{Key, Map, MapKind, Value},
};

/// What an expression is evaluated in.
#[derive(Debug)]
pub(super) struct Environment {
    /// The result of a measurement; nothing where a time is wanted.
    result: Option<Value>,
    now: Timestamp,
    all: OnceLock<Value>,
}

impl Environment {
    pub(super) fn of_condition(result: Value, now: Timestamp) -> Self {
        Self {
            result: Some(result),
            now,
            all: OnceLock::new(),
        }
    }

    pub(super) fn of_time(now: Timestamp) -> Self {
        Self {
            result: None,
            now,
            all: OnceLock::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn result(&self) -> &Value {
        self.result.as_ref().unwrap_or(&Value::Nil)
    }

    fn functions(&self) -> &'static [EnvironmentFunction] {
        use EnvironmentFunction::{AsFloat, AsInt, Default, IsInf, IsNaN, IsNil};
        match self.result {
            Some(_) => &[AsInt, AsFloat, IsNaN, IsInf, IsNil, Default],
            None => &[IsNaN, IsInf],
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<Value> {
        match &self.result {
            Some(result) if name == "result" => Some(result.clone()),
            _ => {
                let function = self.functions().iter().find(|function| function.name() == name)?;
                Some(Value::Function(Function::of_environment(*function)))
            }
        }
    }

    pub(super) fn type_of(&self, name: &str) -> Option<Type> {
        self.value(name).as_ref().map(Type::of)
    }

    /// Everything at once: `$env`, the same map each time.
    pub(super) fn all(&self) -> Value {
        let entries = || {
            let result = self.result.iter().map(|result| ("result", result.clone()));
            let function = |function: &EnvironmentFunction| {
                (function.name(), Value::Function(Function::of_environment(*function)))
            };
            let all = result.chain(self.functions().iter().map(function));
            all.map(|(name, value)| (Key::String(name.into()), value)).collect()
        };
        self.all
            .get_or_init(|| Value::Map(Map::new(MapKind::StringToAny, entries())))
            .clone()
    }
}
