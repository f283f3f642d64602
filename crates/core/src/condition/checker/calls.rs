//! Types of calls.

use super::{Checker, Kind, Node, Result, Type, mismatch};
use crate::condition::{EvalError, ast::Action, types::Signature};

impl Checker<'_> {
    pub(super) fn call(&mut self, callee: &mut Node, arguments: &mut [Node]) -> Result<Type> {
        if callee.as_identifier() == Some("$env") {
            return Err(mismatch("map[string]interface {} is not callable"));
        }
        let ty = self.visit(callee)?;
        if ty.is_unknown() {
            // The arguments are not looked at either; names in them are met when it is evaluated.
            return Ok(Type::Unknown);
        }
        let name = match &callee.kind {
            Kind::Identifier(name) => name.clone(),
            Kind::Member { property, .. } => property.as_string().cloned().unwrap_or_else(|| "function".into()),
            _ => "function".into(),
        };
        match ty {
            Type::Nil => Err(mismatch(format!("{name} is nil; cannot call nil as function"))),
            Type::Function(signature) => self.signature(&name, signature, arguments),
            // By another name a builtin is nil, which is met when it is called.
            Type::Builtin(_) => {
                for argument in arguments {
                    self.visit(argument)?;
                }
                Ok(Type::Unknown)
            }
            other => Err(mismatch(format!("{} is not callable", other.name()))),
        }
    }

    fn signature(&mut self, name: &str, signature: &'static Signature, arguments: &mut [Node]) -> Result<Type> {
        if signature.outputs > 2 {
            return Err(mismatch(format!("func {name} returns more then two values")));
        }
        match self.fit(name, signature.parameters, arguments, &mut Vec::new())? {
            None => Ok(signature.returns.clone()),
            Some(unfit) => Err(unfit),
        }
    }

    /// Why arguments do not fit parameters, if they do not; an error within an argument is an error at once. `seen` keeps
    /// the types of arguments that were visited before: several parameter lists may be tried in turn, and nested calls
    /// would multiply the visits.
    pub(super) fn fit(
        &mut self,
        name: &str,
        parameters: &[Type],
        arguments: &mut [Node],
        seen: &mut Vec<Type>,
    ) -> Result<Option<EvalError>> {
        let wrong_count = match arguments.len().cmp(&parameters.len()) {
            std::cmp::Ordering::Greater => Some("too many"),
            std::cmp::Ordering::Less => Some("not enough"),
            std::cmp::Ordering::Equal => None,
        };
        for (index, argument) in arguments.iter_mut().enumerate() {
            let ty = if let Some(ty) = seen.get(index) {
                ty.clone()
            } else {
                let ty = self.visit(argument)?;
                seen.push(ty.clone());
                ty
            };
            if wrong_count.is_some() {
                continue;
            }
            let Some(wanted) = parameters.get(index) else {
                continue;
            };
            if *wanted == Type::Float && ty.is_integer() {
                to_float(argument);
                continue;
            }
            if wanted.is_integer() && ty.is_integer() {
                continue;
            }
            if ty.is_nil() && !matches!(wanted, Type::Any | Type::Location) {
                return Ok(Some(mismatch(format!(
                    "cannot use nil as argument (type {}) to call {name}",
                    wanted.name()
                ))));
            }
            if !ty.is_nil() && !ty.is_unknown() && !ty.assignable_to(wanted) {
                return Ok(Some(mismatch(format!(
                    "cannot use {} as argument (type {}) to call {name} ",
                    ty.name(),
                    wanted.name()
                ))));
            }
        }
        Ok(wrong_count.map(|how| mismatch(format!("{how} arguments to call {name}"))))
    }
}

/// Integer literals where a float is wanted become floats; other integers stay, and fail when they are met.
fn to_float(node: &mut Node) {
    match &mut node.kind {
        Kind::Int(value) => {
            node.kind = Kind::Float(crate::condition::number::float(*value));
            node.ty = Type::Float;
        }
        Kind::Unary { operand, .. } => to_float(operand),
        Kind::Binary { op, left, right } if matches!(op.action, Action::Add | Action::Subtract | Action::Multiply) => {
            to_float(left);
            to_float(right);
        }
        _ => {}
    }
}
