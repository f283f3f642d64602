//! The table of Go's types: which fields a struct has, in which order, and when they are left out.
//!
//! ```text
//! Container                      a struct
//!   name string                  always written
//!   image,omitempty string       left out when empty
//!   resources,omitempty Resource a struct is never empty
//!   ports,omitempty []Port       lists, {}maps by text, *pointers
//! ```

use std::{collections::HashMap, sync::OnceLock};

const TABLE: &str = include_str!("fields.txt");

/// One field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Left out when it is false, 0, nothing, or has no elements.
    pub(super) omit_empty: bool,
    /// Left out when it is as it began.
    pub(super) omit_zero: bool,
    pub(super) of: Type,
}

/// What a field is.
#[derive(Debug)]
pub(super) enum Type {
    Text,
    Int,
    Bool,
    /// JSON that is passed on.
    Raw,
    Time,
    Quantity,
    IntOrText,
    Pointer(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>),
    Struct(&'static str),
}

impl Type {
    pub(super) fn parse(text: &'static str) -> Self {
        let inner = |prefix| text.strip_prefix(prefix).map(|of| Box::new(Self::parse(of)));
        if let Some(of) = inner("*") {
            return Self::Pointer(of);
        }
        if let Some(of) = inner("[]") {
            return Self::List(of);
        }
        if let Some(of) = inner("{}") {
            return Self::Map(of);
        }
        match text {
            "string" => Self::Text,
            "int" => Self::Int,
            "bool" => Self::Bool,
            "raw" => Self::Raw,
            "time" => Self::Time,
            "quantity" => Self::Quantity,
            "int-or-string" => Self::IntOrText,
            name => Self::Struct(name),
        }
    }
}

/// Fields of a struct, in their order; none of one that is not known.
pub(super) fn of(name: &str) -> &'static [Field] {
    static FIELDS: OnceLock<HashMap<&'static str, Vec<Field>>> = OnceLock::new();
    FIELDS.get_or_init(parse).get(name).map_or(&[], Vec::as_slice)
}

fn parse() -> HashMap<&'static str, Vec<Field>> {
    let mut structs: HashMap<&'static str, Vec<Field>> = HashMap::new();
    let mut current = "";
    for line in TABLE.lines() {
        let Some(field) = line.strip_prefix("  ") else {
            current = line;
            structs.entry(current).or_default();
            continue;
        };
        let Some((name, of)) = field.split_once(' ') else {
            continue;
        };
        let mut parts = name.split(',');
        let name = parts.next().unwrap_or_default();
        let options: Vec<&str> = parts.collect();
        structs.entry(current).or_default().push(Field {
            name,
            omit_empty: options.contains(&"omitempty"),
            omit_zero: options.contains(&"omitzero"),
            of: Type::parse(of),
        });
    }
    structs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: &Type) {
        match of {
            Type::Pointer(of) | Type::List(of) | Type::Map(of) => check(of),
            Type::Struct(name) => assert!(parse().contains_key(name), "{name}"),
            _ => {}
        }
    }

    #[test]
    fn every_struct_that_is_named_is_there() {
        let structs = parse();
        assert!(structs.len() > 80 && structs["PodTemplateSpec"].len() == 2);
        for field in structs.values().flatten() {
            check(&field.of);
        }
    }
}
