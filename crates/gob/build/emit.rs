//! Writes compiled types as Rust tables.

use std::fmt::{self, Write};

use super::compile::{Compiled, CompiledField, CompiledKind, CompiledSlot, Form};

/// Types that others may name; what they are made of stays inside.
const NAMED: [&str; 5] = ["metric.", "router.", "step.", "types.", "rpc."];
const ALSO_NAMED: [&str; 4] = ["AnalysisRun", "Rollout", "Metric", "Measurement"];

/// The tables as a source file.
pub fn emit(compiled: &Compiled) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for (at, wire) in compiled.wires.iter().enumerate() {
        let uses: Vec<_> = wire.uses.iter().map(|used| format!("&W{used}")).collect();
        writeln!(
            out,
            "static W{at}: Wire = Wire {{ id: {}, definition: &{:?}, uses: &[{}] }};",
            wire.id,
            wire.definition,
            uses.join(", ")
        )?;
    }
    for (at, list) in compiled.lists.iter().enumerate() {
        let element = kind(list.element);
        writeln!(
            out,
            "static L{at}: List = List {{ wire: &W{}, element: {element} }};",
            list.wire
        )?;
    }
    for (at, shape) in compiled.structs.iter().enumerate() {
        writeln!(out, "static S{at}: Struct = Struct {{")?;
        writeln!(
            out,
            "    name: {:?}, wire: &W{at}, required: {},",
            shape.name, shape.required
        )?;
        writeln!(out, "    empty: &{:?},", shape.empty)?;
        let inline = shape.fields.iter().any(|field| field.inline);
        writeln!(out, "    inline: {inline},\n    fields: &[")?;
        for field in &shape.fields {
            writeln!(out, "        {},", field_of(field))?;
        }
        writeln!(out, "    ],\n    slots: &[")?;
        for slot in &shape.slots {
            writeln!(out, "        {},", slot_of(slot))?;
        }
        writeln!(
            out,
            "    ],\n    keys: &{:?},\n}};",
            shape.keys.iter().collect::<Vec<_>>()
        )?;
    }
    for (at, shape) in compiled.structs.iter().enumerate() {
        if NAMED.iter().any(|prefix| shape.name.starts_with(prefix)) || ALSO_NAMED.contains(&shape.name.as_str()) {
            writeln!(out, "/// `{}`.", shape.name)?;
            let name = constant(&shape.name);
            writeln!(out, "pub const {name}: Type = Type(Kind::Struct(&S{at}));")?;
        }
    }
    let strings = compiled
        .structs
        .iter()
        .flat_map(|shape| &shape.fields)
        .find_map(|field| match field.kind {
            CompiledKind::Map(at) if matches!(compiled.lists[at].element, CompiledKind::String) => Some(at),
            _ => None,
        });
    if let Some(at) = strings {
        writeln!(out, "/// Texts by name.")?;
        writeln!(out, "pub const STRINGS: Type = Type(Kind::Map(&L{at}));")?;
    }
    Ok(out)
}

fn kind(kind: CompiledKind) -> String {
    match kind {
        CompiledKind::Bool => "Kind::Bool".to_owned(),
        CompiledKind::Int(bits) => format!("Kind::Int({bits})"),
        CompiledKind::Uint(bits) => format!("Kind::Uint({bits})"),
        CompiledKind::Float => "Kind::Float".to_owned(),
        CompiledKind::String => "Kind::String".to_owned(),
        CompiledKind::Json => "Kind::Json".to_owned(),
        CompiledKind::Time(wire) => format!("Kind::Time(&W{wire})"),
        CompiledKind::Duration => "Kind::Duration".to_owned(),
        CompiledKind::Struct(Form::Object, at) => format!("Kind::Struct(&S{at})"),
        CompiledKind::Struct(form, at) => format!("Kind::{form:?}(&S{at})"),
        CompiledKind::List(at) => format!("Kind::List(&L{at})"),
        CompiledKind::Map(at) => format!("Kind::Map(&L{at})"),
    }
}

fn field_of(field: &CompiledField) -> String {
    let key = match (&field.key, field.inline) {
        (_, true) => "Key::Inline".to_owned(),
        (Some(key), false) => format!("Key::Named({key:?})"),
        (None, false) => "Key::Hidden".to_owned(),
    };
    format!(
        "Field {{ name: {:?}, key: {key}, kind: {} }}",
        field.name,
        kind(field.kind)
    )
}

fn slot_of(slot: &CompiledSlot) -> String {
    match slot {
        CompiledSlot::Field {
            number,
            key,
            kind: held,
            required,
        } => format!(
            "Slot::Field(FieldSlot {{ number: {number}, key: {key:?}, kind: {}, required: {required} }})",
            kind(*held)
        ),
        CompiledSlot::Open(number) => format!("Slot::Open({number})"),
        CompiledSlot::Close(number) => format!("Slot::Close({number})"),
    }
}

/// `step.RunArgs` as `STEP_RUN_ARGS`.
fn constant(name: &str) -> String {
    let mut constant = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !constant.is_empty() && !constant.ends_with('_') {
            constant.push('_');
        }
        constant.push(if letter == '.' {
            '_'
        } else {
            letter.to_ascii_uppercase()
        });
    }
    constant
}
