//! From a schema to the tables that the codec runs on. Part of the build script, and of the tests.

use std::collections::{BTreeMap, HashMap};

use super::{
    parse::{FieldDef, KeyDef, KindDef, StructDef},
    put,
};

/// The first number that a stream's own types have.
const FIRST_ID: usize = 64;

/// Types with everything about them decided.
#[derive(Debug, Default)]
pub struct Compiled {
    /// In the schema's order; each has the wire type of its own index.
    pub structs: Vec<CompiledStruct>,
    /// What is defined on a stream: the structs, then slices, maps and the time.
    pub wires: Vec<CompiledWire>,
    /// Slices and maps, by what they hold.
    pub lists: Vec<CompiledList>,
}

#[derive(Debug)]
pub struct CompiledStruct {
    pub name: String,
    pub fields: Vec<CompiledField>,
    /// The fields of JSON's object in wire order, with those of inlined types in their places.
    pub slots: Vec<CompiledSlot>,
    /// JSON's keys in order, each with its slot.
    pub keys: BTreeMap<String, usize>,
    /// How many slots are always written.
    pub required: usize,
    /// What a value without content is on the wire.
    pub empty: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct CompiledField {
    pub name: String,
    pub key: Option<String>,
    pub inline: bool,
    pub kind: CompiledKind,
    /// Whether it is always written: structs that are no pointers are.
    pub required: bool,
}

#[derive(Clone, Debug)]
pub enum CompiledSlot {
    Field {
        number: usize,
        key: String,
        kind: CompiledKind,
        required: bool,
    },
    Open(usize),
    Close(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum CompiledKind {
    Bool,
    Int(u8),
    Uint(u8),
    Float,
    String,
    Json,
    Time(usize),
    Duration,
    /// How it looks in JSON, and which struct it is.
    Struct(Form, usize),
    List(usize),
    Map(usize),
}

/// How a struct looks in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Object,
    IntOrString,
    Quantity,
    RawJson,
}

#[derive(Debug)]
pub struct CompiledWire {
    pub id: usize,
    /// A whole message.
    pub definition: Vec<u8>,
    /// What it is made of.
    pub uses: Vec<usize>,
}

#[derive(Debug)]
pub struct CompiledList {
    pub wire: usize,
    pub element: CompiledKind,
}

/// Structs that are no objects in JSON, and what they must look like for that.
const FORMS: [(&str, Form, &[&str]); 3] = [
    ("intstr.IntOrString", Form::IntOrString, &["Type", "IntVal", "StrVal"]),
    ("resource.Quantity", Form::Quantity, &["Format"]),
    ("meta.FieldsV1", Form::RawJson, &["Raw"]),
];

/// Decides everything. An error names the type.
pub fn compile(schema: &[StructDef]) -> Result<Compiled, String> {
    let mut compiler = Compiler {
        schema,
        index: schema
            .iter()
            .enumerate()
            .map(|(at, def)| (def.name.as_str(), at))
            .collect(),
        known: HashMap::new(),
        time: None,
        lists: Vec::new(),
        wires: Vec::new(),
    };
    if compiler.index.len() != schema.len() {
        return Err("a type is there twice".to_owned());
    }
    let mut fields = Vec::new();
    for def in schema {
        fields.push(compiler.fields(def).map_err(|error| format!("{}: {error}", def.name))?);
    }
    let mut structs = Vec::new();
    let mut wires = Vec::new();
    for (at, def) in schema.iter().enumerate() {
        let within = |error: String| format!("{}: {error}", def.name);
        wires.push(compiler.define_struct(at, def, &fields[at]));
        let mut slots = Vec::new();
        slots_of(at, &fields, &mut slots, 0).map_err(within)?;
        let mut keys = BTreeMap::new();
        let mut required = 0;
        for (slot_at, slot) in slots.iter().enumerate() {
            if let CompiledSlot::Field {
                key,
                required: is_required,
                ..
            } = slot
            {
                required += usize::from(*is_required);
                if !key.is_empty() && keys.insert(key.clone(), slot_at).is_some() {
                    return Err(within(format!("key {key} is there twice")));
                }
            }
        }
        structs.push(CompiledStruct {
            name: def.name.clone(),
            fields: fields[at].clone(),
            slots,
            keys,
            required,
            empty: empty(at, &fields, 0).map_err(within)?,
        });
    }
    wires.extend(compiler.wires);
    Ok(Compiled {
        structs,
        wires,
        lists: compiler.lists,
    })
}

/// Types contain each other to some depth; one that contains itself is none that this codec is for.
const DEEPEST: usize = 64;

struct Compiler<'a> {
    schema: &'a [StructDef],
    index: HashMap<&'a str, usize>,
    /// Lists that are there already, by what they look like.
    known: HashMap<String, CompiledKind>,
    time: Option<usize>,
    lists: Vec<CompiledList>,
    /// What is behind the structs.
    wires: Vec<CompiledWire>,
}

impl Compiler<'_> {
    fn fields(&mut self, def: &StructDef) -> Result<Vec<CompiledField>, String> {
        // The way from one field number to the next is written as one byte.
        if def.fields.len() > 127 {
            return Err("more than 127 fields".to_owned());
        }
        def.fields.iter().map(|field| self.field(field)).collect()
    }

    fn field(&mut self, field: &FieldDef) -> Result<CompiledField, String> {
        let kind = self.kind(&field.kind)?;
        let is_struct = matches!(kind, CompiledKind::Struct(..));
        let inline = matches!(field.key, KeyDef::Inline) && is_struct;
        if inline && (field.pointer || !matches!(kind, CompiledKind::Struct(Form::Object, _))) {
            return Err(format!("field {} cannot be inline", field.name));
        }
        Ok(CompiledField {
            name: field.name.clone(),
            key: match &field.key {
                KeyDef::Named(key) => Some(key.clone()),
                KeyDef::Inline | KeyDef::Hidden => None,
            },
            inline,
            kind,
            required: is_struct && !field.pointer,
        })
    }

    fn kind(&mut self, kind: &KindDef) -> Result<CompiledKind, String> {
        Ok(match kind {
            KindDef::Bool => CompiledKind::Bool,
            KindDef::Int(bits) => CompiledKind::Int(*bits),
            KindDef::Uint(bits) => CompiledKind::Uint(*bits),
            KindDef::Float => CompiledKind::Float,
            KindDef::String => CompiledKind::String,
            KindDef::Json => CompiledKind::Json,
            KindDef::Duration => CompiledKind::Duration,
            KindDef::Time => {
                if self.time.is_none() {
                    self.time = Some(self.define(5, &[], vec![]));
                }
                CompiledKind::Time(self.time.unwrap_or_default())
            }
            KindDef::Struct(name) => self.named(name)?,
            KindDef::List(element) | KindDef::Map(element) => {
                let shape = format!("{kind:?}");
                if let Some(known) = self.known.get(&shape) {
                    return Ok(*known);
                }
                let element = self.kind(element)?;
                let map = matches!(kind, KindDef::Map(_));
                let uses = self.wire(element).into_iter().collect();
                let wire = if map {
                    self.define(4, &[STRING_ID, self.id(element)], uses)
                } else {
                    self.define(2, &[self.id(element)], uses)
                };
                let at = self.lists.len();
                self.lists.push(CompiledList { wire, element });
                let compiled = if map {
                    CompiledKind::Map(at)
                } else {
                    CompiledKind::List(at)
                };
                self.known.insert(shape, compiled);
                compiled
            }
        })
    }

    fn named(&self, name: &str) -> Result<CompiledKind, String> {
        let at = *self.index.get(name).ok_or_else(|| format!("no type {name}"))?;
        let Some((_, form, shape)) = FORMS.iter().find(|(special, ..)| *special == name) else {
            return Ok(CompiledKind::Struct(Form::Object, at));
        };
        let has: Vec<_> = self.schema[at].fields.iter().map(|field| field.name.as_str()).collect();
        if has != *shape {
            return Err(format!("{name} has the fields {has:?}, not {shape:?}"));
        }
        Ok(CompiledKind::Struct(*form, at))
    }

    /// The wire type of a kind, unless gob has it built in.
    fn wire(&self, kind: CompiledKind) -> Option<usize> {
        match kind {
            CompiledKind::Time(wire) | CompiledKind::Struct(_, wire) => Some(wire),
            CompiledKind::List(list) | CompiledKind::Map(list) => Some(self.lists[list].wire),
            _ => None,
        }
    }

    /// The number of a kind on the wire.
    fn id(&self, kind: CompiledKind) -> i64 {
        match kind {
            CompiledKind::Bool => 1,
            CompiledKind::Int(_) | CompiledKind::Duration => 2,
            CompiledKind::Uint(_) => 3,
            CompiledKind::Float => 4,
            CompiledKind::Json => 5,
            CompiledKind::String => STRING_ID,
            _ => self.wire(kind).map_or(0, own_id),
        }
    }

    /// Defines a type that is no struct: a nameless one, made of others.
    fn define(&mut self, variant: u8, parts: &[i64], uses: Vec<usize>) -> usize {
        let wire = self.schema.len() + self.wires.len();
        // The variant of the definition's union; in it the common part without a name.
        let mut body = vec![variant, 1, 2];
        put::int(&mut body, own_id(wire));
        body.push(0);
        for part in parts {
            body.push(1);
            put::int(&mut body, *part);
        }
        body.extend([0, 0]);
        self.wires.push(CompiledWire {
            id: FIRST_ID + wire,
            definition: message(wire, &body),
            uses,
        });
        wire
    }

    fn define_struct(&self, at: usize, def: &StructDef, fields: &[CompiledField]) -> CompiledWire {
        let name = def.name.rsplit('.').next().unwrap_or_default();
        let mut body = vec![3, 1, 1];
        put::bytes(&mut body, name.as_bytes());
        body.push(1);
        put::int(&mut body, own_id(at));
        body.push(0);
        if !fields.is_empty() {
            body.push(1);
            put::uint(&mut body, fields.len() as u64);
        }
        for field in fields {
            body.push(1);
            put::bytes(&mut body, field.name.as_bytes());
            body.push(1);
            put::int(&mut body, self.id(field.kind));
            body.push(0);
        }
        body.extend([0, 0]);
        CompiledWire {
            id: FIRST_ID + at,
            definition: message(at, &body),
            uses: fields.iter().filter_map(|field| self.wire(field.kind)).collect(),
        }
    }
}

const STRING_ID: i64 = 6;

fn own_id(wire: usize) -> i64 {
    (FIRST_ID + wire) as i64
}

/// A definition as a whole message.
fn message(wire: usize, body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    put::int(&mut content, -own_id(wire));
    content.extend_from_slice(body);
    let mut message = Vec::new();
    put::bytes(&mut message, &content);
    message
}

fn slots_of(
    at: usize,
    fields: &[Vec<CompiledField>],
    slots: &mut Vec<CompiledSlot>,
    depth: usize,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Err("contains itself".to_owned());
    }
    for (number, field) in fields[at].iter().enumerate() {
        match field.kind {
            CompiledKind::Struct(_, inner) if field.inline => {
                slots.push(CompiledSlot::Open(number));
                slots_of(inner, fields, slots, depth + 1)?;
                slots.push(CompiledSlot::Close(number));
            }
            kind => slots.push(CompiledSlot::Field {
                number,
                key: field.key.clone().unwrap_or_default(),
                kind,
                required: field.required,
            }),
        }
    }
    Ok(())
}

/// A struct without content: the structs in it are there all the same.
fn empty(at: usize, fields: &[Vec<CompiledField>], depth: usize) -> Result<Vec<u8>, String> {
    if depth > DEEPEST {
        return Err("contains itself".to_owned());
    }
    let mut bytes = Vec::new();
    let mut before = -1;
    for (number, field) in (0_i64..).zip(&fields[at]) {
        if let CompiledKind::Struct(_, inner) = field.kind
            && field.required
        {
            put::uint(&mut bytes, (number - before) as u64);
            bytes.extend(empty(inner, fields, depth + 1)?);
            before = number;
        }
    }
    bytes.push(0);
    Ok(bytes)
}
