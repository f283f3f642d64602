//! Filters of which only a part is wanted.

use super::{Kind, Node, replace, take};
use crate::condition::{
    ast::{BuiltinCall, Pointer},
    builtins::Builtin,
};

/// The filter that is the only argument of a builtin, or the base of `[index]`.
fn filter_in(node: &mut Node) -> Option<BuiltinCall> {
    match &mut node.kind {
        Kind::Builtin(call) if call.function == Builtin::Filter && call.arguments.len() == 2 => {
            let empty = BuiltinCall::new(Builtin::Filter, Vec::new());
            Some(std::mem::replace(call, empty))
        }
        _ => None,
    }
}

/// `map(filter(x, p), q)` maps what it keeps, unless `q` asks for `#index`.
pub(super) fn map_of_filter(node: &mut Node) {
    let Kind::Builtin(map) = &mut node.kind else {
        return;
    };
    let (Builtin::Map, [base, mapping]) = (map.function, map.arguments.as_mut_slice()) else {
        return;
    };
    let fits = base
        .as_builtin(Builtin::Filter)
        .is_some_and(|filter| filter.map.is_none());
    if !fits || asks_for_index(mapping) {
        return;
    }
    let Kind::Predicate(mapping) = &mut mapping.kind else {
        return;
    };
    if let Some(mut filter) = filter_in(base) {
        filter.map = Some(Box::new(take(mapping)));
        replace(node, Kind::Builtin(filter));
    }
}

fn asks_for_index(node: &Node) -> bool {
    if matches!(&node.kind, Kind::Pointer(Pointer::Named(name)) if **name == *"index") {
        return true;
    }
    let mut found = false;
    node.kind
        .for_each_child(&mut |child| found = found || asks_for_index(child));
    found
}

/// `len(filter(x, p))` is `count(x, p)`.
pub(super) fn len_of_filter(node: &mut Node) {
    if let Some(filter) = only_argument(node, Builtin::Len) {
        replace(node, Kind::Builtin(BuiltinCall::new(Builtin::Count, filter.arguments)));
    }
}

/// `filter(x, p)[-1]` and `last(filter(x, p))`.
pub(super) fn last_of_filter(node: &mut Node) {
    one_of_filter(node, -1, Builtin::Last, Builtin::FindLast);
}

/// `filter(x, p)[0]` and `first(filter(x, p))`.
pub(super) fn first_of_filter(node: &mut Node) {
    one_of_filter(node, 0, Builtin::First, Builtin::Find);
}

fn one_of_filter(node: &mut Node, index: i64, function: Builtin, find: Builtin) {
    let (filter, throws) = match &mut node.kind {
        Kind::Member {
            base,
            property,
            optional: false,
            ..
        } if property.as_int() == Some(index) => (filter_in(base), true),
        _ => (only_argument(node, function), false),
    };
    if let Some(filter) = filter {
        let call = BuiltinCall {
            function: find,
            throws,
            threshold: None,
            ..filter
        };
        replace(node, Kind::Builtin(call));
    }
}

fn only_argument(node: &mut Node, function: Builtin) -> Option<BuiltinCall> {
    match &mut node.kind {
        Kind::Builtin(call) if call.function == function => match call.arguments.as_mut_slice() {
            [only] => filter_in(only),
            _ => None,
        },
        _ => None,
    }
}
