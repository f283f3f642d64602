//! Questions about how many.

use super::{Action, Kind, Node, replace, take};
use crate::condition::{
    ast::{BinaryOp, BuiltinCall},
    builtins::Builtin,
};

/// `all(x, p) && all(x, q)` is `all(x, p && q)`; likewise `any` with `||` and `none` with `&&`.
pub(super) fn combine_predicates(node: &mut Node) {
    let Kind::Binary { op, left, right } = &mut node.kind else {
        return;
    };
    let (Kind::Builtin(l), Kind::Builtin(r)) = (&mut left.kind, &mut right.kind) else {
        return;
    };
    let op = match (l.function, op.action) {
        (Builtin::All, Action::And) | (Builtin::Any, Action::Or) => *op,
        (Builtin::NoneOf, Action::And) => BinaryOp {
            action: Action::Or,
            spelling: "||",
        },
        _ => return,
    };
    let function = l.function;
    let ([collection, first], [same, second]) = (l.arguments.as_mut_slice(), r.arguments.as_mut_slice()) else {
        return;
    };
    if function != r.function || !alike(collection, same) {
        return;
    }
    let (Kind::Predicate(first), Kind::Predicate(second)) = (&mut first.kind, &mut second.kind) else {
        return;
    };
    let mut both = Node::new(Kind::Binary {
        op,
        left: Box::new(take(first)),
        right: Box::new(take(second)),
    });
    combine_predicates(&mut both);
    let predicate = Node::new(Kind::Predicate(Box::new(both)));
    let call = BuiltinCall::new(function, vec![take(collection), predicate]);
    replace(node, Kind::Builtin(call));
}

/// Whether two expressions are the same.
fn alike(left: &Node, right: &Node) -> bool {
    left.ty == right.ty && format!("{:?}", left.kind) == format!("{:?}", right.kind)
}

/// A count with a predicate on the left of a comparison with a literal.
fn count_and_literal(node: &mut Node) -> Option<(&mut BuiltinCall, Action, i64)> {
    let Kind::Binary { op, left, right } = &mut node.kind else {
        return None;
    };
    let literal = right.as_int()?;
    match &mut left.kind {
        Kind::Builtin(call) if call.function == Builtin::Count && call.arguments.len() == 2 => {
            Some((call, op.action, literal))
        }
        _ => None,
    }
}

/// `count(x, p) > 0` is `any(x, p)`.
pub(super) fn any_instead_of_count(node: &mut Node) {
    if let Some((count, Action::More, 0) | (count, Action::MoreOrEqual, 1)) = count_and_literal(node) {
        let arguments = std::mem::take(&mut count.arguments);
        replace(node, Kind::Builtin(BuiltinCall::new(Builtin::Any, arguments)));
    }
}

/// `count(x, p) > n` counts no further than it must.
pub(super) fn count_up_to(node: &mut Node) {
    let Some((count, action, literal)) = count_and_literal(node) else {
        return;
    };
    let threshold = match action {
        Action::More | Action::LessOrEqual => literal.wrapping_add(1),
        Action::MoreOrEqual | Action::Less => literal,
        _ => return,
    };
    if literal >= 0 && threshold > 1 {
        count.threshold = Some(threshold);
    }
}
