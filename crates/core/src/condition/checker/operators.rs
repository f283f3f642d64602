//! Types of operators.

use super::{Checker, Node, Result, Type, mismatch};
use crate::condition::{
    ast::{Action, BinaryOp, UnaryOp},
    regex,
    value::ArrayKind,
};

impl Checker<'_> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &mut Node) -> Result<Type> {
        let ty = self.visit(operand)?;
        match op {
            UnaryOp::Bang | UnaryOp::Not if ty.is_bool() || ty.is_unknown() => Ok(Type::Bool),
            UnaryOp::Plus | UnaryOp::Minus if ty.is_number() => Ok(ty),
            UnaryOp::Plus | UnaryOp::Minus if ty.is_unknown() => Ok(Type::Unknown),
            _ => Err(mismatch(format!(
                "invalid operation: {} (mismatched type {})",
                op.spelling(),
                ty.pointed_to()
            ))),
        }
    }

    pub(super) fn binary(&mut self, op: BinaryOp, left: &mut Node, right: &mut Node) -> Result<Type> {
        let l = self.visit(left)?;
        let r = self.visit(right)?;
        match op.action {
            Action::In => check_in(&l, &r)?,
            Action::Matches => {
                if let Some(pattern) = right.as_string() {
                    regex::check(pattern)?;
                }
                let bytes = l == Type::Array(ArrayKind::Uint8, None);
                ((bytes && r.is_string()) || fits(&l, &r, Type::is_string)).then_some(Type::Bool)
            }
            action => outcome(action, &l, &r),
        }
        .ok_or_else(|| {
            mismatch(format!(
                "invalid operation: {} (mismatched types {} and {})",
                op.spelling,
                l.pointed_to(),
                r.pointed_to()
            ))
        })
    }
}

/// Whether both are accepted, or may turn out to be.
fn fits(l: &Type, r: &Type, accepted: impl Fn(&Type) -> bool) -> bool {
    (accepted(l) && accepted(r)) || l.maybe_fits(r, accepted)
}

/// What an operator gives, or nothing if the operands do not fit.
fn outcome(action: Action, l: &Type, r: &Type) -> Option<Type> {
    use Type::{Bool, Duration, Float, Int, Time, Unknown};
    let maybe = |accepted: fn(&Type) -> bool| l.maybe_fits(r, accepted);
    let numbers = l.is_number() && r.is_number();
    let promoted = if *l == Float || *r == Float { Float } else { Int };
    match action {
        Action::Equal | Action::NotEqual => l.comparable_to(r).then_some(Bool),
        Action::Or | Action::And => fits(l, r, Type::is_bool).then_some(Bool),
        Action::Less | Action::More | Action::LessOrEqual | Action::MoreOrEqual => (numbers
            || (l == r && matches!(l, Type::String | Time | Duration))
            || maybe(|ty| ty.is_number() || matches!(ty, Type::String | Time | Duration)))
        .then_some(Bool),
        Action::Subtract => match (l, r) {
            _ if numbers => Some(promoted),
            (Time, Time) | (Duration, Duration) => Some(Duration),
            (Time, Duration) => Some(Time),
            _ => maybe(|ty| ty.is_number() || matches!(ty, Time | Duration)).then_some(Unknown),
        },
        Action::Multiply => match (l, r) {
            _ if numbers => Some(promoted),
            (Duration, Duration) => Some(Duration),
            (number, Duration) | (Duration, number) if number.is_number() => Some(Duration),
            _ => maybe(|ty| ty.is_number() || *ty == Duration).then_some(Unknown),
        },
        Action::Divide | Action::Power => fits(l, r, Type::is_number).then_some(Float),
        Action::Modulo => fits(l, r, Type::is_integer).then_some(Int),
        Action::Add => match (l, r) {
            _ if numbers => Some(promoted),
            (Type::String, Type::String) => Some(Type::String),
            (Time, Duration) | (Duration, Time) => Some(Time),
            (Duration, Duration) => Some(Duration),
            _ => maybe(|ty| ty.is_number() || matches!(ty, Type::String | Time | Duration)).then_some(Unknown),
        },
        Action::Contains | Action::StartsWith | Action::EndsWith => fits(l, r, Type::is_string).then_some(Bool),
        Action::Range => fits(l, r, Type::is_integer).then(|| Type::array_of(Int)),
        Action::Coalesce => Some(match (l, r) {
            (Type::Nil, _) => r.clone(),
            (_, Type::Nil) => l.clone(),
            _ if r.assignable_to(l) => l.clone(),
            _ => Unknown,
        }),
        Action::In | Action::Matches => None,
    }
}

fn check_in(l: &Type, r: &Type) -> Result<Option<Type>> {
    let fits = match r {
        // They have no fields that are to be seen.
        Type::Time | Type::Location => l.is_string() || l.is_unknown(),
        Type::Map(_) => {
            let key = r.key();
            if !l.is_unknown() && !l.assignable_to(&key) {
                return Err(mismatch(format!(
                    "cannot use {} as type {} in map key",
                    l.pointed_to(),
                    key.name()
                )));
            }
            true
        }
        Type::Array(..) => {
            let element = r.element();
            if !l.comparable_to(&element) {
                return Err(mismatch(format!(
                    "cannot use {} as type {} in array",
                    l.pointed_to(),
                    element.name()
                )));
            }
            true
        }
        Type::String => l.is_unknown(),
        _ => r.is_unknown(),
    };
    Ok(fits.then_some(Type::Bool))
}
