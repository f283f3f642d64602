//! The contract only grows: everything that a component of 0.1.0 imports and exports still has the same shape.

use std::fs;

use rollcage_toolchain::contract;
use wit_component::DecodedWasm;
use wit_parser::{Function, Resolve, Type, TypeDefKind, WorldItem};

use crate::root;

#[test]
fn nothing_of_contract_0_1_0_has_changed() {
    let (current, package) = contract::resolve().unwrap();
    for (world, functions) in [("metric-provider", 19), ("traffic-router", 21), ("step", 17)] {
        let path = root().join(format!("tests/fixtures/contract-0.1.0/{world}.wasm"));
        let DecodedWasm::Component(old, id) = wit_component::decode(&fs::read(path).unwrap()).unwrap() else {
            panic!("{world} is no component");
        };
        let now = current.select_world(&[package], Some(world)).unwrap();
        let mut compared = 0;
        for (old_items, items) in [
            (&old.worlds[id].imports, &current.worlds[now].imports),
            (&old.worlds[id].exports, &current.worlds[now].exports),
        ] {
            for (key, item) in old_items {
                let name = old.name_world_key(key);
                let interface = name.split('@').next().unwrap();
                let found = items
                    .iter()
                    .find(|(key, _)| current.name_world_key(key).starts_with(&format!("{interface}@0.1.")));
                let (WorldItem::Interface { id: before, .. }, Some((_, WorldItem::Interface { id: after, .. }))) =
                    (item, found)
                else {
                    panic!("{world}: {name} is gone");
                };
                let (before, after) = (&old.interfaces[*before], &current.interfaces[*after]);
                for (function_name, function) in &before.functions {
                    let current_function = &after.functions[function_name];
                    let shapes = (signature(&old, function), signature(&current, current_function));
                    assert_eq!(shapes.0, shapes.1, "{name} {function_name}");
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, functions, "{world} uses all of the contract");
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let params = function.params.iter();
    let params: Vec<_> = params
        .map(|param| format!("{}: {}", param.name, shape(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref().map(|ty| shape(resolve, ty));
    format!("({}) -> {}", params.join(", "), result.unwrap_or_default())
}

/// A type down to its primitive parts: names of types do not cross the boundary, those of fields and cases do.
fn shape(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}");
    };
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| shape(resolve, ty));
    match &resolve.types[*id].kind {
        TypeDefKind::Type(inner) => shape(resolve, inner),
        TypeDefKind::Option(inner) => format!("option<{}>", shape(resolve, inner)),
        TypeDefKind::List(inner) => format!("list<{}>", shape(resolve, inner)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let fields: Vec<_> = fields
                .map(|field| format!("{}: {}", field.name, shape(resolve, &field.ty)))
                .collect();
            format!("record {{{}}}", fields.join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let cases: Vec<_> = cases
                .map(|case| format!("{}({})", case.name, optional(&case.ty)))
                .collect();
            format!("variant {{{}}}", cases.join(", "))
        }
        TypeDefKind::Enum(cases) => {
            let cases: Vec<_> = cases.cases.iter().map(|case| case.name.as_str()).collect();
            format!("enum {{{}}}", cases.join(", "))
        }
        other => panic!("the contract has no {}", other.as_str()),
    }
}
