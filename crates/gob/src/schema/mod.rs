//! What types there are: tables that the build script makes of `schema/*.types`.

#[cfg(test)]
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the build script's code"
)]
mod compile;
#[cfg(test)]
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "the numbers of small schemas"
)]
pub(crate) mod leak;
#[cfg(test)]
mod parse;
#[cfg(test)]
use crate::put;

/// A type that crosses: see [`types`].
#[derive(Clone, Copy, Debug)]
pub struct Type(pub(crate) Kind);

/// What a field, an element or a whole value holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bool,
    /// Signed, of so many bits: all are the same on the wire, the range is the reader's.
    Int(u8),
    Uint(u8),
    #[cfg_attr(not(test), expect(dead_code, reason = "no type of today's Argo has one"))]
    Float,
    String,
    /// Bytes that are JSON.
    Json,
    Time(&'static Wire),
    /// Nanoseconds; a text such as `1m30s` in our objects.
    Duration,
    Struct(&'static Struct),
    /// A struct; a number or a text in our objects.
    IntOrString(&'static Struct),
    /// A struct that only keeps a format: gob loses the amount.
    Quantity(&'static Struct),
    /// A struct of one field with JSON.
    RawJson(&'static Struct),
    List(&'static List),
    Map(&'static List),
}

impl Kind {
    /// Its number on the streams that we write.
    pub(crate) fn id(self) -> i64 {
        match self {
            Self::Bool => 1,
            Self::Int(_) | Self::Duration => 2,
            Self::Uint(_) => 3,
            Self::Float => 4,
            Self::Json => 5,
            Self::String => 6,
            _ => self.wire().map_or(0, |wire| wire.id),
        }
    }

    /// Its definition, unless gob has it built in.
    pub(crate) fn wire(self) -> Option<&'static Wire> {
        match self {
            Self::Time(wire) => Some(wire),
            Self::Struct(of) | Self::IntOrString(of) | Self::Quantity(of) | Self::RawJson(of) => Some(of.wire),
            Self::List(list) | Self::Map(list) => Some(list.wire),
            _ => None,
        }
    }

    /// The struct on the wire.
    pub(crate) fn shape(self) -> Option<&'static Struct> {
        match self {
            Self::Struct(of) | Self::IntOrString(of) | Self::Quantity(of) | Self::RawJson(of) => Some(of),
            _ => None,
        }
    }
}

/// A type definition as we send it.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Its number, the same on every stream.
    pub(crate) id: i64,
    /// The whole message.
    pub(crate) definition: &'static [u8],
    /// What it is made of, which is defined too.
    pub(crate) uses: &'static [&'static Wire],
}

/// A slice, or a map by strings.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) wire: &'static Wire,
    pub(crate) element: Kind,
}

/// A struct.
#[derive(Debug)]
pub(crate) struct Struct {
    /// With the prefix of its package.
    pub(crate) name: &'static str,
    pub(crate) wire: &'static Wire,
    /// How many of its slots are always written.
    pub(crate) required: u16,
    /// A value without content.
    pub(crate) empty: &'static [u8],
    /// Whether any slot is in an inlined struct.
    pub(crate) inline: bool,
    pub(crate) fields: &'static [Field],
    pub(crate) slots: &'static [Slot],
    /// Keys in order, each with its slot.
    pub(crate) keys: &'static [(&'static str, u16)],
}

/// How far in front of the expected slot a key is looked for before all keys are.
const NEAR: usize = 4;

impl Struct {
    /// The slot of a key. `likely` is tried first, and what follows it: objects mostly come in order.
    pub(crate) fn slot(&self, key: &[u8], likely: usize) -> Option<(usize, &'static FieldSlot)> {
        // Fields that JSON does not have are under an empty one.
        if key.is_empty() {
            return None;
        }
        for at in likely..likely + NEAR {
            match self.slots.get(at) {
                Some(Slot::Field(slot)) if slot.key.as_bytes() == key => return Some((at, slot)),
                Some(_) => {}
                None => break,
            }
        }
        let at = self
            .keys
            .binary_search_by(|(known, _)| known.as_bytes().cmp(key))
            .ok()?;
        let at = usize::from(self.keys.get(at)?.1);
        match self.slots.get(at)? {
            Slot::Field(slot) => Some((at, slot)),
            Slot::Open(_) | Slot::Close(_) => None,
        }
    }
}

/// A field as Go has it.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) key: Key,
    pub(crate) kind: Kind,
}

/// A field's place in our objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Named(&'static str),
    /// Its own fields are its parent's.
    Inline,
    /// Nowhere: it is dropped.
    Hidden,
}

/// A step in writing a struct: a field, or the begin or end of an inlined struct with its field number.
#[derive(Debug)]
pub(crate) enum Slot {
    Field(FieldSlot),
    Open(u8),
    Close(u8),
}

/// A field of our objects.
#[derive(Debug)]
pub(crate) struct FieldSlot {
    pub(crate) number: u8,
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    /// A struct that is no pointer: written even when nothing is in it.
    pub(crate) required: bool,
}

/// The types that cross between Argo Rollouts and its plugins, and the headers of net/rpc.
pub mod types {
    use super::{Field, FieldSlot, Key, Kind, List, Slot, Struct, Type, Wire};

    /// A text.
    pub const STRING: Type = Type(Kind::String);
    /// True or false.
    pub const BOOL: Type = Type(Kind::Bool);
    /// An unsigned number of 32 bits.
    pub const UINT32: Type = Type(Kind::Uint(32));

    include!(concat!(env!("OUT_DIR"), "/types.rs"));
}
