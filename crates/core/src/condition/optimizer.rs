//! Rewrites a checked tree as the original does.
//!
//! Not for speed: the rewriting is visible. `len(filter(...))` builds no array that counts against the memory budget,
//! `x and false` is false whatever `x` turns out to be, and `1 % 0` is an error even where it is never reached.

mod counts;
mod filters;
mod fold;
mod sums;

use std::{collections::BTreeSet, sync::Arc};

use super::{
    ast::{Action, Kind, Node},
    error::Result,
    types,
};

/// What follows folding, in the order that it is done in.
const PASSES: [fn(&mut Node); 11] = [
    in_range,
    filters::map_of_filter,
    filters::len_of_filter,
    filters::last_of_filter,
    filters::first_of_filter,
    counts::combine_predicates,
    sums::sum_of_range,
    sums::sum_of_array,
    sums::sum_of_map,
    counts::any_instead_of_count,
    counts::count_up_to,
];

/// Rewrites the whole tree.
pub(super) fn optimize(node: &mut Node) -> Result<()> {
    walk(node, &mut |node| {
        in_strings(node);
        Ok(())
    })?;
    // What was folded may let more be folded.
    for _ in 0..1000 {
        let mut applied = false;
        walk(node, &mut |node| {
            applied |= fold::fold(node)?;
            Ok(())
        })?;
        if !applied {
            break;
        }
    }
    for pass in PASSES {
        walk(node, &mut |node| {
            pass(node);
            Ok(())
        })?;
    }
    Ok(())
}

/// Visits children before their parents.
fn walk(node: &mut Node, visit: &mut dyn FnMut(&mut Node) -> Result<()>) -> Result<()> {
    node.kind.for_each_child_mut(&mut |child| walk(child, visit))?;
    visit(node)
}

/// Puts another node in a node's place; what was found out about its type stays.
fn replace(node: &mut Node, kind: Kind) {
    let ty = node.ty.clone();
    *node = Node::typed(kind, ty);
}

/// Takes a node out of a place that is about to be replaced.
fn take(node: &mut Node) -> Node {
    std::mem::replace(node, Node::new(Kind::Nil))
}

/// `x in ["a", "b"]`. What is not a text cannot be looked up in the set, which is an error.
fn in_strings(node: &mut Node) {
    let Kind::Binary { op, left, right } = &mut node.kind else {
        return;
    };
    let Kind::Array(items) = &right.kind else {
        return;
    };
    if op.action != Action::In || items.is_empty() {
        return;
    }
    let texts = items.iter().map(|item| item.as_string().cloned());
    let Some(set) = texts.collect::<Option<BTreeSet<Arc<str>>>>() else {
        return;
    };
    let left = Box::new(take(left));
    replace(
        node,
        Kind::InStrings {
            left,
            set: Arc::new(set),
        },
    );
}

/// `x in 1..3` for an int.
fn in_range(node: &mut Node) {
    let Kind::Binary { op, left, right } = &mut node.kind else {
        return;
    };
    let Kind::Binary {
        op: range,
        left: from,
        right: to,
    } = &right.kind
    else {
        return;
    };
    if op.action != Action::In || range.action != Action::Range || left.ty.kind() != types::Kind::Int {
        return;
    }
    if let (Some(from), Some(to)) = (from.as_int(), to.as_int()) {
        let left = Box::new(take(left));
        replace(node, Kind::InRange { left, from, to });
    }
}
