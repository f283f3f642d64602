//! Computes the value of a checked tree.

mod members;
mod operators;
mod predicates;

use std::sync::Arc;

use super::{
    ast::{Action, BinaryOp, BuiltinCall, Kind, Node, Pointer, UnaryOp},
    budget::Meter,
    builtins::{self, as_bool, as_text},
    environment::Environment,
    error::{EvalError, Result, run},
    limits::Limits,
    regex::Patterns,
    types::Type,
    value::{ArrayKind, Key, MapKind, Value},
};

/// Evaluates a whole expression.
pub(super) fn evaluate(node: &Node, environment: &Environment, limits: Limits) -> Result<Value> {
    let mut interpreter = Interpreter {
        environment,
        meter: Meter::new(limits),
        variables: Vec::new(),
        scopes: Vec::new(),
        patterns: Patterns::default(),
    };
    match interpreter.value(node) {
        Ok(value) => Ok(value),
        Err(Stop::Error(error)) => Err(error),
        // Every optional member is inside of a chain.
        Err(Stop::Chain) => Ok(Value::Nil),
    }
}

struct Interpreter<'a> {
    environment: &'a Environment,
    meter: Meter,
    variables: Vec<(Arc<str>, Value)>,
    scopes: Vec<predicates::Scope>,
    patterns: Patterns,
}

/// Why an evaluation does not go on.
enum Stop {
    Error(EvalError),
    /// An optional member met nil: the chain around it is nil.
    Chain,
}

impl<E: Into<EvalError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

pub(super) use members::{fetch, lossy};
pub(super) use operators::{key_of, unhashable};

type Flow<T> = std::result::Result<T, Stop>;

impl Interpreter<'_> {
    /// The value of a node. The stack that one level of the tree takes matters here: whatever needs room is in functions
    /// of its own.
    fn value(&mut self, node: &Node) -> Flow<Value> {
        self.meter.step()?;
        match &node.kind {
            Kind::Nil => Ok(Value::Nil),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Float(value) => Ok(Value::Float(*value)),
            Kind::String(text) => Ok(Value::String(Arc::clone(text))),
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Identifier(name) => Ok(self.identifier(name)),
            Kind::Pointer(pointer) => self.pointer(pointer),
            Kind::Unary { op, operand } => self.unary(*op, operand),
            Kind::Binary { op, left, right } => self.binary(*op, left, right),
            Kind::InStrings { left, set } => self.in_strings(left, set),
            Kind::InRange { left, from, to } => self.in_range(left, *from, *to),
            Kind::Total(nodes) => self.total(nodes),
            Kind::Chain(node) => match self.value(node) {
                Err(Stop::Chain) => Ok(Value::Nil),
                Ok(value) if value.is_nil() => Ok(Value::Nil),
                other => other,
            },
            Kind::Predicate(node) => self.value(node),
            Kind::Member {
                base,
                property,
                optional,
                ..
            } => self.member(base, property, *optional),
            Kind::Slice { base, from, to } => self.slice(base, from.as_deref(), to.as_deref()),
            Kind::Call { callee, arguments } => self.call(callee, arguments),
            Kind::Builtin(call) => self.builtin(call),
            Kind::Let { name, value, body } => self.declaration(name, value, body),
            Kind::Sequence(nodes) => self.sequence(nodes),
            Kind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                if self.truth(condition)? {
                    self.value(then)
                } else {
                    self.value(otherwise)
                }
            }
            Kind::Array(nodes) => self.array(nodes),
            Kind::Map(pairs) => self.map(pairs),
        }
    }

    fn truth(&mut self, node: &Node) -> Flow<bool> {
        let value = self.value(node)?;
        Ok(as_bool(&value)?)
    }

    fn identifier(&self, name: &str) -> Value {
        if let Some((_, value)) = self.variables.iter().rev().find(|(own, _)| **own == *name) {
            return value.clone();
        }
        if name == "$env" {
            return self.environment.all();
        }
        // A builtin's name alone is nil, as is a name in arguments that the checker did not look at.
        self.environment.value(name).unwrap_or(Value::Nil)
    }

    fn pointer(&mut self, pointer: &Pointer) -> Flow<Value> {
        let Some(scope) = self.scopes.last() else {
            return Err(run("cannot use pointer accessor outside predicate").into());
        };
        match pointer {
            Pointer::Item => Ok(scope.item()?),
            Pointer::Named(name) => match &**name {
                "index" => Ok(scope.index()),
                "acc" => Ok(scope.accumulated()),
                other => Err(run(format!("unknown pointer {other}")).into()),
            },
        }
    }

    #[inline(never)]
    fn unary(&mut self, op: UnaryOp, operand: &Node) -> Flow<Value> {
        let value = self.value(operand)?;
        match op {
            UnaryOp::Bang | UnaryOp::Not => Ok(Value::Bool(!as_bool(&value)?)),
            UnaryOp::Plus => Ok(value),
            UnaryOp::Minus => Ok(operators::negate(&value)?),
        }
    }

    #[inline(never)]
    fn binary(&mut self, op: BinaryOp, left: &Node, right: &Node) -> Flow<Value> {
        match op.action {
            Action::Or => {
                if self.truth(left)? {
                    Ok(Value::Bool(true))
                } else {
                    self.value(right)
                }
            }
            Action::And => {
                if self.truth(left)? {
                    self.value(right)
                } else {
                    Ok(Value::Bool(false))
                }
            }
            Action::Coalesce => {
                let value = self.value(left)?;
                if value.is_nil() { self.value(right) } else { Ok(value) }
            }
            action => {
                let l = self.value(left)?;
                let r = self.value(right)?;
                let same = operators::strict_equality(&left.ty, &right.ty);
                Ok(self.operate(action, &l, &r, same)?)
            }
        }
    }

    #[inline(never)]
    fn declaration(&mut self, name: &Arc<str>, value: &Node, body: &Node) -> Flow<Value> {
        let value = self.value(value)?;
        self.variables.push((Arc::clone(name), value));
        let outcome = self.value(body);
        self.variables.pop();
        outcome
    }

    #[inline(never)]
    fn sequence(&mut self, nodes: &[Node]) -> Flow<Value> {
        let mut last = Value::Nil;
        for node in nodes {
            last = self.value(node)?;
        }
        Ok(last)
    }

    #[inline(never)]
    fn array(&mut self, nodes: &[Node]) -> Flow<Value> {
        self.meter.room_for(nodes.len())?;
        let mut items = Vec::with_capacity(nodes.len());
        for node in nodes {
            items.push(self.value(node)?);
        }
        self.meter.elements(items.len())?;
        Ok(self.meter.array(ArrayKind::Any, items)?)
    }

    #[inline(never)]
    fn map(&mut self, pairs: &[(Node, Node)]) -> Flow<Value> {
        self.meter.room_for(pairs.len())?;
        let mut items = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            items.push((self.value(key)?, self.value(value)?));
        }
        self.meter.elements(items.len())?;
        let mut entries = std::collections::BTreeMap::new();
        // From the back: of a key that comes twice, the first value stays.
        for (key, value) in items.into_iter().rev() {
            entries.insert(Key::String(Arc::clone(as_text(&key)?)), value);
        }
        Ok(self.meter.map(MapKind::StringToAny, entries)?)
    }

    #[inline(never)]
    fn builtin(&mut self, call: &BuiltinCall) -> Flow<Value> {
        if call.function.predicate_arguments().is_some() {
            return self.over_elements(call);
        }
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(self.value(argument)?);
        }
        Ok(builtins::call(
            call.function,
            builtins::Call {
                arguments: &arguments,
                meter: &mut self.meter,
                environment: self.environment,
            },
        )?)
    }

    #[inline(never)]
    fn call(&mut self, callee: &Node, arguments: &[Node]) -> Flow<Value> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        match self.value(callee)? {
            Value::Function(function) => {
                let known = matches!(callee.ty, Type::Function(_));
                Ok(function.call(&values, known, self.environment)?)
            }
            Value::Nil => Err(run("invalid operation: cannot call nil").into()),
            other => Err(run(format!(
                "invalid operation: cannot call non-function of type {}",
                other.type_name()
            ))
            .into()),
        }
    }
}
