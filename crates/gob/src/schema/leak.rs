//! Tables of a schema that a test writes down, for as long as the tests run.

use super::{
    Field, FieldSlot, Key, Kind, List, Slot, Struct, Type, Wire,
    compile::{Compiled, CompiledKind, CompiledSlot, Form, compile},
    parse::parse,
};

/// The last type of a schema.
pub(crate) fn last(schema: &str) -> Type {
    let compiled = compile(&parse(schema).unwrap()).unwrap();
    let last = compiled.structs.len() - 1;
    Type(kind(&compiled, CompiledKind::Struct(Form::Object, last)))
}

/// The first: its number is the first one, too.
pub(crate) fn first(schema: &str) -> Type {
    let compiled = compile(&parse(schema).unwrap()).unwrap();
    Type(kind(&compiled, CompiledKind::Struct(Form::Object, 0)))
}

fn forever<T>(items: impl IntoIterator<Item = T>) -> &'static [T] {
    items.into_iter().collect::<Vec<_>>().leak()
}

fn text(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn wire(compiled: &Compiled, at: usize) -> &'static Wire {
    let of = &compiled.wires[at];
    Box::leak(Box::new(Wire {
        id: of.id as i64,
        definition: of.definition.clone().leak(),
        uses: forever(of.uses.iter().map(|used| wire(compiled, *used))),
    }))
}

fn kind(compiled: &Compiled, of: CompiledKind) -> Kind {
    let list = |at: usize| -> &'static List {
        let list = &compiled.lists[at];
        Box::leak(Box::new(List {
            wire: wire(compiled, list.wire),
            element: kind(compiled, list.element),
        }))
    };
    match of {
        CompiledKind::Bool => Kind::Bool,
        CompiledKind::Int(bits) => Kind::Int(bits),
        CompiledKind::Uint(bits) => Kind::Uint(bits),
        CompiledKind::Float => Kind::Float,
        CompiledKind::String => Kind::String,
        CompiledKind::Json => Kind::Json,
        CompiledKind::Duration => Kind::Duration,
        CompiledKind::Time(at) => Kind::Time(wire(compiled, at)),
        CompiledKind::List(at) => Kind::List(list(at)),
        CompiledKind::Map(at) => Kind::Map(list(at)),
        CompiledKind::Struct(Form::Object, at) => Kind::Struct(shape(compiled, at)),
        CompiledKind::Struct(Form::IntOrString, at) => Kind::IntOrString(shape(compiled, at)),
        CompiledKind::Struct(Form::Quantity, at) => Kind::Quantity(shape(compiled, at)),
        CompiledKind::Struct(Form::RawJson, at) => Kind::RawJson(shape(compiled, at)),
    }
}

fn shape(compiled: &Compiled, at: usize) -> &'static Struct {
    let of = &compiled.structs[at];
    Box::leak(Box::new(Struct {
        name: text(&of.name),
        wire: wire(compiled, at),
        required: of.required as u16,
        empty: of.empty.clone().leak(),
        inline: of.fields.iter().any(|field| field.inline),
        fields: forever(of.fields.iter().map(|field| Field {
            name: text(&field.name),
            key: match &field.key {
                _ if field.inline => Key::Inline,
                Some(key) => Key::Named(text(key)),
                None => Key::Hidden,
            },
            kind: kind(compiled, field.kind),
        })),
        slots: forever(of.slots.iter().map(|slot| match slot {
            CompiledSlot::Field {
                number,
                key,
                kind: held,
                required,
            } => Slot::Field(FieldSlot {
                number: *number as u8,
                key: text(key),
                kind: kind(compiled, *held),
                required: *required,
            }),
            CompiledSlot::Open(number) => Slot::Open(*number as u8),
            CompiledSlot::Close(number) => Slot::Close(*number as u8),
        })),
        keys: forever(of.keys.iter().map(|(key, slot)| (text(key), *slot as u16))),
    }))
}
