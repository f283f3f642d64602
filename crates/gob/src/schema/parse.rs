//! The grammar of the schema files (`schema/*.types`). Part of the build script, and of the tests.

/// One type.
#[derive(Debug)]
pub struct StructDef {
    /// Its name, with the prefix of its Go package.
    pub name: String,
    /// Its fields in wire order.
    pub fields: Vec<FieldDef>,
}

/// One field of a type.
#[derive(Debug)]
pub struct FieldDef {
    /// Go's name, which crosses.
    pub name: String,
    /// JSON's name.
    pub key: KeyDef,
    /// Whether it may be absent although its type may not.
    pub pointer: bool,
    /// What it holds.
    pub kind: KindDef,
}

/// A field's place in JSON.
#[derive(Debug)]
pub enum KeyDef {
    /// Under this key.
    Named(String),
    /// Its own fields are its parent's.
    Inline,
    /// Nowhere.
    Hidden,
}

/// What a field holds.
#[derive(Debug)]
pub enum KindDef {
    Bool,
    Int(u8),
    Uint(u8),
    Float,
    String,
    Json,
    Time,
    Duration,
    List(Box<KindDef>),
    Map(Box<KindDef>),
    Struct(String),
}

/// Reads a schema. An error names its line.
pub fn parse(text: &str) -> Result<Vec<StructDef>, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(at, line)| parse_struct(line).map_err(|error| format!("line {}: {error}", at + 1)))
        .collect()
}

fn parse_struct(line: &str) -> Result<StructDef, String> {
    let (name, rest) = line.split_once('{').ok_or("no {")?;
    let fields = rest.trim().strip_suffix('}').ok_or("no } at the end")?;
    Ok(StructDef {
        name: name.trim().to_owned(),
        fields: fields.split_whitespace().map(parse_field).collect::<Result<_, _>>()?,
    })
}

fn parse_field(text: &str) -> Result<FieldDef, String> {
    let (name, kind) = text
        .split_once(':')
        .ok_or_else(|| format!("field {text} has no kind"))?;
    let (name, key) = match name.split_once('=') {
        Some((name, "inline")) => (name, KeyDef::Inline),
        Some((name, "-")) => (name, KeyDef::Hidden),
        Some((name, key)) => (name, KeyDef::Named(key.to_owned())),
        None => {
            let mut letters = name.chars();
            let first = letters.next().ok_or_else(|| format!("field {text} has no name"))?;
            (name, KeyDef::Named(first.to_lowercase().chain(letters).collect()))
        }
    };
    let (pointer, kind) = match kind.strip_prefix('*') {
        Some(kind) => (true, kind),
        None => (false, kind),
    };
    Ok(FieldDef {
        name: name.to_owned(),
        key,
        pointer,
        kind: parse_kind(kind)?,
    })
}

fn parse_kind(text: &str) -> Result<KindDef, String> {
    if let Some(element) = text.strip_prefix("[]") {
        return Ok(KindDef::List(Box::new(parse_kind(element)?)));
    }
    if let Some(element) = text.strip_prefix("{}") {
        return Ok(KindDef::Map(Box::new(parse_kind(element)?)));
    }
    Ok(match text {
        "b" => KindDef::Bool,
        "s" => KindDef::String,
        "B" => KindDef::Json,
        "T" => KindDef::Time,
        "D" => KindDef::Duration,
        "f" => KindDef::Float,
        "i8" => KindDef::Int(8),
        "i16" => KindDef::Int(16),
        "i32" => KindDef::Int(32),
        "i64" => KindDef::Int(64),
        "u8" => KindDef::Uint(8),
        "u16" => KindDef::Uint(16),
        "u32" => KindDef::Uint(32),
        "u64" => KindDef::Uint(64),
        "" => return Err("a field without kind".to_owned()),
        // A pointer in a slice or a map cannot be nil on the wire, and nothing has one.
        name if name.starts_with('*') => return Err(format!("{name}: a pointer in a slice or a map")),
        name => KindDef::Struct(name.to_owned()),
    })
}
