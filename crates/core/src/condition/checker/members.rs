//! Types of members, indices and slices.

use super::{Checker, Kind, Node, Result, Type, mismatch, unknown_name};

impl Checker<'_> {
    pub(super) fn member(
        &mut self,
        base: &mut Node,
        property: &mut Node,
        optional: bool,
        method: bool,
    ) -> Result<Type> {
        if base.as_identifier() == Some("$env") {
            // Neither variables nor builtins are part of the environment.
            return match property.as_string() {
                Some(name) => match self.environment.type_of(name) {
                    Some(ty) => Ok(ty),
                    None if optional => Ok(Type::Unknown),
                    None => Err(unknown_name(name)),
                },
                None => Ok(Type::Unknown),
            };
        }
        let ty = self.visit(base)?;
        let key = self.visit(property)?;
        if ty.is_unknown() {
            return Ok(Type::Unknown);
        }
        if let Some(name) = property.as_string() {
            if ty.is_nil() {
                return Err(mismatch(format!("type nil has no field {name}")));
            }
            if let Some(method) = ty.method(name) {
                return Ok(Type::Function(&method.signature));
            }
        }
        match &ty {
            Type::Map(_) => {
                if !key.is_unknown() && !key.assignable_to(&ty.key()) {
                    return Err(mismatch(format!(
                        "cannot use {} to get an element from {}",
                        key.name(),
                        ty.name()
                    )));
                }
                Ok(ty.element())
            }
            Type::Array(..) => {
                if !key.is_integer() && !key.is_unknown() {
                    return Err(mismatch(format!(
                        "array elements can only be selected using an integer (got {})",
                        key.name()
                    )));
                }
                Ok(ty.element())
            }
            _ => {
                // A pointer is looked through when it has no such method.
                let name = ty.pointed_to();
                Err(mismatch(match (&property.kind, method) {
                    (Kind::String(property), true) => format!("type {name} has no method {property}"),
                    (Kind::String(property), false) => format!("type {name} has no field {property}"),
                    _ => format!("type {name}[{}] is undefined", key.name()),
                }))
            }
        }
    }

    pub(super) fn slice(&mut self, base: &mut Node, from: Option<&mut Node>, to: Option<&mut Node>) -> Result<Type> {
        let ty = self.visit(base)?;
        if !ty.is_unknown() && !ty.is_string() && !ty.is_array() {
            return Err(mismatch(format!("cannot slice {}", ty.name())));
        }
        for bound in [from, to].into_iter().flatten() {
            // Of an unknown base not even the names in its bounds are looked at; they are met when it is evaluated.
            if ty.is_unknown() {
                continue;
            }
            let bound = self.visit(bound)?;
            if !bound.is_integer() && !bound.is_unknown() {
                return Err(mismatch(format!("non-integer slice index {}", bound.name())));
            }
        }
        Ok(if ty.is_unknown() { Type::Unknown } else { ty })
    }

    /// `get(base, key)`.
    pub(super) fn get(&mut self, arguments: &mut [Node]) -> Result<Type> {
        let [base, property] = arguments else {
            return Err(mismatch(format!(
                "invalid number of arguments (expected 2, got {})",
                arguments.len()
            )));
        };
        let ty = self.visit(base)?;
        let key = self.visit(property)?;
        if base.as_identifier() == Some("$env") {
            let known = property.as_string().and_then(|name| self.environment.type_of(name));
            return Ok(known.unwrap_or(Type::Unknown));
        }
        if ty.is_unknown() {
            return Ok(Type::Unknown);
        }
        match &ty {
            Type::Array(..) if !key.is_integer() && !key.is_unknown() => {
                Err(mismatch(format!("non-integer slice index {}", key.name())))
            }
            Type::Map(_) if !key.is_unknown() && !key.assignable_to(&ty.key()) => Err(mismatch(format!(
                "cannot use {} to get an element from {}",
                key.name(),
                ty.name()
            ))),
            Type::Array(..) | Type::Map(_) => Ok(ty.element()),
            _ => Err(mismatch(format!("type {} does not support indexing", ty.name()))),
        }
    }
}
