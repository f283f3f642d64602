//! Operators on literals.

use super::{Action, Kind, Node, Result, replace, take};
use crate::condition::{
    ast::{BinaryOp, BuiltinCall, UnaryOp},
    builtins::Builtin,
    error::mismatch,
    number::{float, power},
    types::Type,
    value::{Array, ArrayKind, Value},
};

/// Whether something was folded.
pub(super) fn fold(node: &mut Node) -> Result<bool> {
    let folded = match &mut node.kind {
        Kind::Unary { op, operand } => unary(*op, operand),
        Kind::Binary { op, left, right } => match op.action {
            Action::And | Action::Or => return Ok(logical(node)),
            action => binary(action, left, right)?,
        },
        Kind::Array(items) => constant_array(items),
        Kind::Builtin(_) => return Ok(filter_of_filter(node)),
        _ => None,
    };
    Ok(match folded {
        Some((kind, ty)) => {
            *node = Node::typed(kind, ty);
            true
        }
        None => false,
    })
}

type Folded = Option<(Kind, Type)>;

fn unary(op: UnaryOp, operand: &Node) -> Folded {
    Some(match (op, &operand.kind) {
        (UnaryOp::Minus, Kind::Int(value)) => (Kind::Int(value.wrapping_neg()), Type::Int),
        (UnaryOp::Minus, Kind::Float(value)) => (Kind::Float(-value), Type::Float),
        (UnaryOp::Plus, Kind::Int(value)) => (Kind::Int(*value), Type::Int),
        (UnaryOp::Plus, Kind::Float(value)) => (Kind::Float(*value), Type::Float),
        (UnaryOp::Bang | UnaryOp::Not, Kind::Bool(value)) => (Kind::Bool(!value), Type::Bool),
        _ => return None,
    })
}

fn binary(action: Action, left: &Node, right: &Node) -> Result<Folded> {
    if let (Kind::Int(left), Kind::Int(right)) = (&left.kind, &right.kind) {
        let int = |value| Some((Kind::Int(value), Type::Int));
        return Ok(match action {
            Action::Add => int(left.wrapping_add(*right)),
            Action::Subtract => int(left.wrapping_sub(*right)),
            Action::Multiply => int(left.wrapping_mul(*right)),
            Action::Modulo if *right == 0 => return Err(mismatch("integer divide by zero")),
            Action::Modulo => int(left.wrapping_rem(*right)),
            Action::Equal => Some((Kind::Bool(left == right), Type::Bool)),
            action => floats(action, float(*left), float(*right)),
        });
    }
    Ok(match (number(left), number(right)) {
        (Some(left), Some(right)) => floats(action, left, right),
        _ => match (&left.kind, &right.kind, action) {
            (Kind::String(left), Kind::String(right), Action::Add) => {
                let text = [&**left, &**right].concat();
                Some((Kind::String(text.into()), Type::String))
            }
            (Kind::String(left), Kind::String(right), Action::Equal) => Some((Kind::Bool(left == right), Type::Bool)),
            (Kind::Bool(left), Kind::Bool(right), Action::Equal) => Some((Kind::Bool(left == right), Type::Bool)),
            _ => None,
        },
    })
}

fn number(node: &Node) -> Option<f64> {
    match node.kind {
        Kind::Int(value) => Some(float(value)),
        Kind::Float(value) => Some(value),
        _ => None,
    }
}

fn floats(action: Action, left: f64, right: f64) -> Folded {
    let value = match action {
        Action::Add => left + right,
        Action::Subtract => left - right,
        Action::Multiply => left * right,
        Action::Divide => left / right,
        Action::Power => power(left, right),
        _ => return None,
    };
    Some((Kind::Float(value), Type::Float))
}

/// `true and x` is `x` and `x and false` is false, whatever `x` is; likewise for `or`.
fn logical(node: &mut Node) -> bool {
    let Kind::Binary { op, left, right } = &mut node.kind else {
        return false;
    };
    let neutral = op.action == Action::And;
    let literal = |node: &Node| match node.kind {
        Kind::Bool(value) => Some(value),
        _ => None,
    };
    let kept = match (literal(left), literal(right)) {
        (Some(value), _) if value == neutral => take(right).kind,
        (_, Some(value)) if value == neutral => take(left).kind,
        (None, None) => return false,
        _ => Kind::Bool(!neutral),
    };
    replace(node, kept);
    true
}

/// An array of literals is put together once, and does not count as built.
fn constant_array(items: &[Node]) -> Folded {
    if items.is_empty() {
        return None;
    }
    let literal = |node: &Node| match &node.kind {
        Kind::Int(value) => Some(Value::Int(*value)),
        Kind::Float(value) => Some(Value::Float(*value)),
        Kind::String(text) => Some(Value::String(text.clone())),
        Kind::Bool(value) => Some(Value::Bool(*value)),
        _ => None,
    };
    let values = items.iter().map(literal).collect::<Option<Vec<_>>>()?;
    Some((
        Kind::Constant(Value::Array(Array::new(ArrayKind::Any, values))),
        Type::ANYS,
    ))
}

/// `filter(filter(x, p), q)` asks `p && q`.
fn filter_of_filter(node: &mut Node) -> bool {
    let Kind::Builtin(outer) = &mut node.kind else {
        return false;
    };
    if outer.function != Builtin::Filter {
        return false;
    }
    let [base, predicate] = outer.arguments.as_mut_slice() else {
        return false;
    };
    let Kind::Builtin(inner) = &mut base.kind else {
        return false;
    };
    let [collection, first] = inner.arguments.as_mut_slice() else {
        return false;
    };
    let (Builtin::Filter, Kind::Predicate(first), Kind::Predicate(second)) =
        (inner.function, &mut first.kind, &mut predicate.kind)
    else {
        return false;
    };
    let op = BinaryOp {
        action: Action::And,
        spelling: "&&",
    };
    let (left, right) = (Box::new(take(first)), Box::new(take(second)));
    let both = Node::new(Kind::Predicate(Box::new(Node::new(Kind::Binary { op, left, right }))));
    let merged = BuiltinCall::new(Builtin::Filter, vec![take(collection), both]);
    replace(node, Kind::Builtin(merged));
    true
}
