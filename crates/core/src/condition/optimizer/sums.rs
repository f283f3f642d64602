//! Sums that need no array.

use super::{Action, Kind, Node, take};
use crate::condition::{
    ast::{BuiltinCall, Pointer},
    builtins::Builtin,
    types::Type,
};

/// `sum(1..10)`, also of `# * 2` and its like, and `reduce(1..10, # + #acc)`: computed at once.
pub(super) fn sum_of_range(node: &mut Node) {
    let Kind::Builtin(call) = &node.kind else {
        return;
    };
    let value = match call.function {
        Builtin::Sum => range_sum(call).and_then(|(sum, count)| match call.arguments.get(1) {
            None => Some(sum),
            Some(predicate) => sum_of_terms(sum, count, predicate),
        }),
        Builtin::Reduce => range_sum(call).and_then(|(sum, _)| match call.arguments.as_slice() {
            [_, predicate] if adds_up(predicate) => Some(sum),
            [_, predicate, start] if adds_up(predicate) => Some(start.as_int()?.wrapping_add(sum)),
            _ => None,
        }),
        _ => None,
    };
    if let Some(value) = value {
        *node = Node::typed(Kind::Int(value), Type::Int);
    }
}

/// Sum and number of the integers of a range of literals that is not empty.
fn range_sum(call: &BuiltinCall) -> Option<(i64, i64)> {
    let Kind::Binary { op, left, right } = &call.arguments.first()?.kind else {
        return None;
    };
    let (from, to) = (left.as_int()?, right.as_int()?);
    if op.action != Action::Range || to < from {
        return None;
    }
    let count = to.wrapping_sub(from).wrapping_add(1);
    Some((count.wrapping_mul(from.wrapping_add(to)) / 2, count))
}

fn body(predicate: &Node) -> Option<&Node> {
    match &predicate.kind {
        Kind::Predicate(body) => Some(body),
        _ => None,
    }
}

fn is_item(node: &Node) -> bool {
    matches!(node.kind, Kind::Pointer(Pointer::Item))
}

/// The sum of `#`, or of `#` and a literal with an operator in between.
fn sum_of_terms(sum: i64, count: i64, predicate: &Node) -> Option<i64> {
    let body = body(predicate)?;
    if is_item(body) {
        return Some(sum);
    }
    let Kind::Binary { op, left, right } = &body.kind else {
        return None;
    };
    let (literal, item_first) = match (left.as_int(), right.as_int()) {
        (None, Some(literal)) if is_item(left) => (literal, true),
        (Some(literal), None) if is_item(right) => (literal, false),
        _ => return None,
    };
    let literals = count.wrapping_mul(literal);
    match op.action {
        Action::Multiply => Some(literal.wrapping_mul(sum)),
        Action::Add => Some(sum.wrapping_add(literals)),
        Action::Subtract if item_first => Some(sum.wrapping_sub(literals)),
        Action::Subtract => Some(literals.wrapping_sub(sum)),
        _ => None,
    }
}

/// Whether a predicate is `# + #acc`.
fn adds_up(predicate: &Node) -> bool {
    let Some(Kind::Binary { op, left, right }) = body(predicate).map(|body| &body.kind) else {
        return false;
    };
    let is_acc = |node: &Node| matches!(&node.kind, Kind::Pointer(Pointer::Named(name)) if **name == *"acc");
    op.action == Action::Add && ((is_item(left) && is_acc(right)) || (is_acc(left) && is_item(right)))
}

/// `sum([a, b, c])` is `a + (b + c)`.
pub(super) fn sum_of_array(node: &mut Node) {
    let Kind::Builtin(call) = &mut node.kind else {
        return;
    };
    let (Builtin::Sum, [only]) = (call.function, call.arguments.as_mut_slice()) else {
        return;
    };
    if let Kind::Array(items) = &mut only.kind
        && items.len() >= 2
    {
        let items = std::mem::take(items);
        super::replace(node, Kind::Total(items));
    }
}

/// `sum(map(x, p))` is `sum(x, p)`.
pub(super) fn sum_of_map(node: &mut Node) {
    let Kind::Builtin(call) = &mut node.kind else {
        return;
    };
    let (Builtin::Sum, [only]) = (call.function, call.arguments.as_mut_slice()) else {
        return;
    };
    if let Kind::Builtin(map) = &mut only.kind
        && map.function == Builtin::Map
        && let [collection, predicate] = map.arguments.as_mut_slice()
    {
        let arguments = vec![take(collection), take(predicate)];
        super::replace(node, Kind::Builtin(BuiltinCall::new(Builtin::Sum, arguments)));
    }
}
