//! Finds out whether the types fit before anything is computed.
//!
//! The environment is checked against the actual values: with a text as `result`, `result > 1` is an error here. What is
//! inside of decoded JSON is unknown, and fits until it is met.

mod builtins;
mod calls;
mod members;
mod operators;

use std::sync::Arc;

use super::{
    ast::{Kind, Node, Pointer},
    builtins::Builtin,
    environment::Environment,
    error::{Result, mismatch},
    types::Type,
};

/// Checks the whole tree, and notes at each node what is known of its type.
pub(super) fn check(node: &mut Node, environment: &Environment) -> Result<()> {
    Checker {
        environment,
        scopes: Vec::new(),
        variables: Vec::new(),
    }
    .visit(node)
    .map(drop)
}

struct Checker<'a> {
    environment: &'a Environment,
    scopes: Vec<Scope>,
    variables: Vec<(Arc<str>, Type)>,
}

/// What the pointers of an open predicate point to.
struct Scope {
    collection: Type,
    /// `#index` and `#acc`, where the builtin has them.
    pointers: &'static [(&'static str, Type)],
}

impl Checker<'_> {
    fn visit(&mut self, node: &mut Node) -> Result<Type> {
        let ty = self.type_of(&mut node.kind)?;
        node.ty = ty.clone();
        Ok(ty)
    }

    fn type_of(&mut self, kind: &mut Kind) -> Result<Type> {
        match kind {
            Kind::Nil => Ok(Type::Nil),
            // The latter two are made after checking, as is a total.
            Kind::Bool(_) | Kind::InStrings { .. } | Kind::InRange { .. } => Ok(Type::Bool),
            Kind::Int(_) => Ok(Type::Int),
            Kind::Float(_) => Ok(Type::Float),
            Kind::String(_) => Ok(Type::String),
            Kind::Constant(value) => Ok(Type::of(value)),
            Kind::Identifier(name) => self.identifier(name),
            Kind::Pointer(pointer) => self.pointer(pointer),
            Kind::Unary { op, operand } => self.unary(*op, operand),
            Kind::Binary { op, left, right } => self.binary(*op, left, right),
            Kind::Chain(node) | Kind::Predicate(node) => self.visit(node),
            Kind::Member {
                base,
                property,
                optional,
                method,
            } => self.member(base, property, *optional, *method),
            Kind::Slice { base, from, to } => self.slice(base, from.as_deref_mut(), to.as_deref_mut()),
            Kind::Call { callee, arguments } => self.call(callee, arguments),
            Kind::Builtin(call) => self.builtin(call),
            Kind::Let { name, value, body } => self.declaration(name, value, body),
            Kind::Sequence(nodes) => {
                let mut last = Type::Unknown;
                for node in nodes {
                    last = self.visit(node)?;
                }
                Ok(last)
            }
            Kind::Conditional {
                condition,
                then,
                otherwise,
            } => self.conditional(condition, then, otherwise),
            Kind::Array(nodes) => self.array(nodes),
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    self.visit(key)?;
                    self.visit(value)?;
                }
                Ok(Type::MAP)
            }
            Kind::Total(_) => Ok(Type::Unknown),
        }
    }

    fn identifier(&self, name: &str) -> Result<Type> {
        if let Some((_, ty)) = self.variables.iter().rev().find(|(own, _)| **own == *name) {
            return Ok(ty.clone());
        }
        if name == "$env" {
            return Ok(Type::Unknown);
        }
        if let Some(ty) = self.environment.type_of(name) {
            return Ok(ty);
        }
        Builtin::of(name).map(Type::Builtin).ok_or_else(|| unknown_name(name))
    }

    fn pointer(&self, pointer: &Pointer) -> Result<Type> {
        let Some(scope) = self.scopes.last() else {
            return Err(mismatch("cannot use pointer accessor outside predicate"));
        };
        match pointer {
            Pointer::Item if scope.collection.is_unknown() => Ok(Type::Unknown),
            Pointer::Item => Ok(scope.collection.element()),
            Pointer::Named(name) => scope
                .pointers
                .iter()
                .find(|(own, _)| **own == **name)
                .map(|(_, ty)| ty.clone())
                .ok_or_else(|| mismatch(format!("unknown pointer #{name}"))),
        }
    }

    fn declaration(&mut self, name: &Arc<str>, value: &mut Node, body: &mut Node) -> Result<Type> {
        if self.environment.type_of(name).is_some() {
            return Err(mismatch(format!("cannot redeclare {name}")));
        }
        if Builtin::of(name).is_some() {
            return Err(mismatch(format!("cannot redeclare builtin {name}")));
        }
        if self.variables.iter().any(|(own, _)| own == name) {
            return Err(mismatch(format!("cannot redeclare variable {name}")));
        }
        let ty = self.visit(value)?;
        self.variables.push((Arc::clone(name), ty));
        let ty = self.visit(body);
        self.variables.pop();
        ty
    }

    fn conditional(&mut self, condition: &mut Node, then: &mut Node, otherwise: &mut Node) -> Result<Type> {
        let ty = self.visit(condition)?;
        if !ty.is_bool() && !ty.is_unknown() {
            return Err(mismatch(format!(
                "non-bool expression (type {}) used as condition",
                ty.pointed_to()
            )));
        }
        let (then, otherwise) = (self.visit(then)?, self.visit(otherwise)?);
        if then.is_nil() {
            return Ok(otherwise);
        }
        if otherwise.is_nil() {
            return Ok(then);
        }
        if !then.assignable_to(&otherwise) {
            return Ok(Type::Unknown);
        }
        if then.is_array() && otherwise.is_array() {
            let (element, other) = (then.element(), otherwise.element());
            if !element.assignable_to(&other) || !other.assignable_to(&element) {
                return Ok(Type::ANYS);
            }
        }
        Ok(then)
    }

    /// The elements are known to be of one type if neighbours are of one kind.
    fn array(&mut self, nodes: &mut [Node]) -> Result<Type> {
        let mut previous: Option<Type> = None;
        let mut same = true;
        for node in nodes {
            let ty = self.visit(node)?;
            same &= previous.is_none_or(|previous| previous.kind() == ty.kind());
            previous = Some(ty);
        }
        Ok(if same {
            Type::array_of(previous.unwrap_or(Type::Unknown))
        } else {
            Type::ANYS
        })
    }
}

fn unknown_name(name: &str) -> super::EvalError {
    mismatch(format!("unknown name {name}"))
}
