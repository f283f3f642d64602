//! The other side's types: a table by their numbers, never expanded.

use std::collections::HashMap;

use super::{
    Limits,
    take::{self, Bytes},
};
use crate::DecodeError;

/// Types on one stream, fields of one type, bytes of a name: what Go programs have is far below.
const MOST_TYPES: usize = 8192;
const MOST_FIELDS: usize = 4096;
const LONGEST_NAME: usize = 1024;
/// How deep a value that nobody wants may nest.
const DEEPEST: usize = 128;

pub(super) const BOOL: i32 = 1;
pub(super) const INT: i32 = 2;
pub(super) const UINT: i32 = 3;
pub(super) const FLOAT: i32 = 4;
pub(super) const BYTES: i32 = 5;
pub(super) const STRING: i32 = 6;
const COMPLEX: i32 = 7;
pub(super) const INTERFACE: i32 = 8;
/// Below are gob's own.
const FIRST: i32 = 64;

/// A type that the other side has defined.
#[derive(Debug)]
pub(super) enum Remote {
    Array {
        element: i32,
        length: u64,
    },
    Slice {
        element: i32,
    },
    Map {
        key: i32,
        element: i32,
    },
    Struct(Box<[RemoteField]>),
    /// A type that encodes itself, by `GobEncode`.
    Gob,
    /// By `MarshalBinary` or `MarshalText`.
    Marshaler,
}

/// A field as it was sent.
#[derive(Debug)]
pub(super) struct RemoteField {
    pub(super) name: Box<[u8]>,
    pub(super) id: i32,
}

/// What was defined on a stream.
#[derive(Debug, Default)]
pub(super) struct Remotes {
    by_id: HashMap<i32, Remote>,
    /// Bytes of all definitions.
    size: usize,
}

impl Remotes {
    pub(super) fn get(&self, id: i32) -> Option<&Remote> {
        self.by_id.get(&id)
    }

    /// Reads a definition and keeps it. Whatever is wrong with it, values of the type could no longer be told.
    pub(super) fn define(&mut self, id: i32, from: &mut Bytes<'_>, limits: &Limits) -> Result<(), DecodeError> {
        if id < FIRST || self.by_id.contains_key(&id) {
            return Err(DecodeError::stream("duplicate type received"));
        }
        let before = from.len();
        let remote = definition(from).map_err(DecodeError::in_stream)?;
        self.size = self.size.saturating_add(before - from.len());
        if self.by_id.len() >= MOST_TYPES || self.size > limits.definitions {
            return Err(DecodeError::stream("too many type definitions"));
        }
        self.by_id.insert(id, remote);
        Ok(())
    }

    /// Passes over a value that has no place here.
    pub(super) fn skip(&mut self, from: &mut Bytes<'_>, id: i32, limits: &Limits) -> Result<(), DecodeError> {
        self.skip_at(from, id, limits, 0)
    }

    fn skip_at(&mut self, from: &mut Bytes<'_>, id: i32, limits: &Limits, depth: usize) -> Result<(), DecodeError> {
        if depth > DEEPEST {
            return Err(DecodeError::value("values nest too deeply"));
        }
        let depth = depth + 1;
        match id {
            BOOL | INT | UINT | FLOAT => return take::uint(from).map(drop),
            COMPLEX => return take::uint(from).and_then(|_| take::uint(from)).map(drop),
            BYTES | STRING => return take::bytes(from).map(drop),
            INTERFACE => return self.skip_interface(from, limits),
            _ => {}
        }
        let undefined = || DecodeError::value(format!("type {id} is undefined"));
        match self.get(id).ok_or_else(undefined)? {
            Remote::Gob | Remote::Marshaler => take::bytes(from).map(drop),
            Remote::Array { element, length } => {
                let (element, length) = (*element, *length);
                let count = take::count(from)?;
                if count as u64 != length {
                    return Err(DecodeError::value("length mismatch of an array"));
                }
                self.skip_elements(from, element, count, limits, depth)
            }
            Remote::Slice { element } => {
                let element = *element;
                let count = take::count(from)?;
                self.skip_elements(from, element, count, limits, depth)
            }
            Remote::Map { key, element } => {
                let (key, element) = (*key, *element);
                for _ in 0..take::count(from)? {
                    self.skip_at(from, key, limits, depth)?;
                    self.skip_at(from, element, limits, depth)?;
                }
                Ok(())
            }
            Remote::Struct(fields) => {
                let count = fields.len();
                let mut before = -1;
                while let Some(at) = take::field(from, before, count)? {
                    let Some(Remote::Struct(fields)) = self.get(id) else {
                        return Err(undefined());
                    };
                    let field = fields.get(at).map(|field| field.id).ok_or_else(undefined)?;
                    self.skip_at(from, field, limits, depth)?;
                    before = i64::try_from(at).unwrap_or(i64::MAX);
                }
                Ok(())
            }
        }
    }

    fn skip_elements(
        &mut self,
        from: &mut Bytes<'_>,
        element: i32,
        count: usize,
        limits: &Limits,
        depth: usize,
    ) -> Result<(), DecodeError> {
        for _ in 0..count {
            take::element(from)?;
            self.skip_at(from, element, limits, depth)?;
        }
        Ok(())
    }

    /// An interface in a value: definitions in it stay, its value is dropped by its length.
    fn skip_interface(&mut self, from: &mut Bytes<'_>, limits: &Limits) -> Result<(), DecodeError> {
        if interface_name(from)?.is_empty() {
            return Ok(());
        }
        loop {
            let id = take::id(from)?;
            if id >= 0 {
                break;
            }
            self.define(id.saturating_neg(), from, limits)?;
            if from.is_empty() {
                return Err(DecodeError::stream(
                    "an interface that nobody asked for goes on in the next message",
                ));
            }
            // The length of what follows.
            take::uint(from)?;
        }
        take::bytes(from).map(drop)
    }
}

/// The name in front of an interface's value.
pub(super) fn interface_name<'d>(from: &mut Bytes<'d>) -> Result<Bytes<'d>, DecodeError> {
    let name = take::bytes(from)?;
    if name.len() > LONGEST_NAME {
        return Err(DecodeError::value("the name of an interface's type is too long"));
    }
    Ok(name)
}

/// gob's `wireType`: a struct of which one field is set.
fn definition(from: &mut Bytes<'_>) -> Result<Remote, DecodeError> {
    let mut found = None;
    let mut before = -1;
    while let Some(variant) = take::field(from, before, 7)? {
        before = i64::try_from(variant).unwrap_or(i64::MAX);
        let remote = match variant {
            0 => {
                let [element, length] = parts(from, 3)?;
                Remote::Array {
                    element: number(element)?,
                    length: u64::try_from(length).map_err(|_| DecodeError::value("an array of negative length"))?,
                }
            }
            1 => {
                let [element, _] = parts(from, 2)?;
                Remote::Slice {
                    element: number(element)?,
                }
            }
            2 => Remote::Struct(fields(from)?),
            3 => {
                let [key, element] = parts(from, 3)?;
                Remote::Map {
                    key: number(key)?,
                    element: number(element)?,
                }
            }
            _ => {
                parts(from, 1)?;
                if variant == 4 { Remote::Gob } else { Remote::Marshaler }
            }
        };
        if found.replace(remote).is_some() {
            return Err(DecodeError::value("a type of two kinds"));
        }
    }
    found.ok_or_else(|| DecodeError::value("a type of no kind"))
}

fn number(id: i64) -> Result<i32, DecodeError> {
    i32::try_from(id).map_err(|_| DecodeError::value("a type's number out of range"))
}

/// The common part and the numbers behind it, `fields` in all.
fn parts(from: &mut Bytes<'_>, fields: usize) -> Result<[i64; 2], DecodeError> {
    let mut parts = [0; 2];
    let mut before = -1;
    while let Some(at) = take::field(from, before, fields)? {
        match at {
            0 => common(from)?,
            1 => parts[0] = take::int(from)?,
            _ => parts[1] = take::int(from)?,
        }
        before = i64::try_from(at).unwrap_or(i64::MAX);
    }
    Ok(parts)
}

/// `CommonType`: a name and a number, neither of which means anything.
fn common(from: &mut Bytes<'_>) -> Result<(), DecodeError> {
    let mut before = -1;
    while let Some(at) = take::field(from, before, 2)? {
        if at == 0 {
            take::bytes(from)?;
        } else {
            take::int(from)?;
        }
        before = i64::try_from(at).unwrap_or(i64::MAX);
    }
    Ok(())
}

fn fields(from: &mut Bytes<'_>) -> Result<Box<[RemoteField]>, DecodeError> {
    let mut fields = Vec::new();
    let mut before = -1;
    while let Some(at) = take::field(from, before, 2)? {
        if at == 0 {
            common(from)?;
        } else {
            let count = take::count(from)?;
            if count > MOST_FIELDS {
                return Err(DecodeError::value("a type with too many fields"));
            }
            for _ in 0..count {
                fields.push(field(from)?);
            }
        }
        before = i64::try_from(at).unwrap_or(i64::MAX);
    }
    Ok(fields.into_boxed_slice())
}

fn field(from: &mut Bytes<'_>) -> Result<RemoteField, DecodeError> {
    let mut name: Bytes<'_> = &[];
    let mut id = 0;
    let mut before = -1;
    while let Some(at) = take::field(from, before, 2)? {
        if at == 0 {
            name = take::bytes(from)?;
        } else {
            id = take::id(from)?;
        }
        before = i64::try_from(at).unwrap_or(i64::MAX);
    }
    if name.len() > LONGEST_NAME {
        return Err(DecodeError::value("a field whose name is too long"));
    }
    Ok(RemoteField { name: name.into(), id })
}
