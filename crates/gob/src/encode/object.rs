//! Structs: fields come in any order and are sent in Go's.

use serde::{
    Serialize,
    ser::{SerializeMap, SerializeStruct},
};

use super::{Output, value};
use crate::{
    EncodeError, decode,
    schema::{Kind, Slot, Struct},
};

/// A field that is written: from the byte in front of it, which is for its number.
#[derive(Debug)]
pub(super) struct Piece {
    slot: usize,
    from: usize,
    to: usize,
}

/// An object that is being written.
pub(super) struct Object<'a> {
    output: &'a mut Output,
    shape: &'static Struct,
    /// Where it begins in the output, and its pieces.
    start: usize,
    first: usize,
    /// The slot that probably comes next.
    next: usize,
    required: u16,
    ordered: bool,
    /// The slot of a map's key, for its value.
    key: Option<usize>,
}

impl<'a> Object<'a> {
    pub(super) fn new(output: &'a mut Output, shape: &'static Struct) -> Self {
        Self {
            start: output.bytes.len(),
            first: output.pieces.len(),
            output,
            shape,
            next: usize::from(matches!(shape.slots.first(), Some(Slot::Open(_)))),
            required: 0,
            ordered: true,
            key: None,
        }
    }

    /// Finds a key. What Argo does not have is not sent: Go ignores it too when it reads the object.
    fn find(&mut self, key: &str) -> Option<usize> {
        let (at, _) = self.shape.slot(key, self.next)?;
        self.next = at + 1;
        if let Some(Slot::Open(_) | Slot::Close(_)) = self.shape.slots.get(self.next) {
            self.next += 1;
        }
        Some(at)
    }

    fn write<T: Serialize + ?Sized>(&mut self, at: usize, value: &T) -> Result<(), EncodeError> {
        let Some(Slot::Field(slot)) = self.shape.slots.get(at) else {
            return Ok(());
        };
        let from = self.output.bytes.len();
        self.output.bytes.push(0);
        if !value::write(self.output, slot.kind, false, value).map_err(|error| error.within(slot.key))? {
            self.output.bytes.truncate(from);
            return Ok(());
        }
        let pieces = &mut self.output.pieces;
        if pieces.len() > self.first && pieces.last().is_some_and(|before| before.slot >= at) {
            self.ordered = false;
        }
        self.required += u16::from(slot.required);
        pieces.push(Piece {
            slot: at,
            from,
            to: self.output.bytes.len(),
        });
        Ok(())
    }

    fn finish(self) {
        if self.ordered && !self.shape.inline && self.required == self.shape.required {
            self.number();
        } else {
            self.reorder();
        }
    }

    /// Everything is in its place: only the numbers are missing.
    fn number(self) {
        let output = self.output;
        let mut before = 0;
        for piece in output.pieces.drain(self.first..) {
            if let (Some(Slot::Field(slot)), Some(byte)) =
                (self.shape.slots.get(piece.slot), output.bytes.get_mut(piece.from))
            {
                // The first field is one away from none.
                *byte = slot.number + 1 - before;
                before = slot.number + 1;
            }
        }
        output.bytes.push(0);
    }

    /// Copies the pieces into Go's order, with what must be there in between.
    fn reorder(self) {
        let output = self.output;
        let (bytes, spare) = (&mut output.bytes, &mut output.spare);
        spare.clear();
        spare.extend_from_slice(bytes.get(self.start..).unwrap_or_default());
        bytes.truncate(self.start);
        // Stable: of a key that came twice the last one counts, as for Go.
        let pieces = output.pieces.get_mut(self.first..).unwrap_or_default();
        pieces.sort_by_key(|piece| piece.slot);
        let mut pieces = pieces.iter().peekable();
        let mut before = 0;
        for (at, slot) in self.shape.slots.iter().enumerate() {
            match slot {
                Slot::Field(slot) => {
                    let mut found = None;
                    while let Some(piece) = pieces.next_if(|piece| piece.slot == at) {
                        found = spare.get(piece.from + 1 - self.start..piece.to - self.start);
                    }
                    let empty = if slot.required { slot.kind.shape() } else { None };
                    if let Some(content) = found.or_else(|| empty.map(|shape| shape.empty)) {
                        bytes.push(slot.number + 1 - before);
                        bytes.extend_from_slice(content);
                        before = slot.number + 1;
                    }
                }
                Slot::Open(number) => {
                    bytes.push(number + 1 - before);
                    before = 0;
                }
                Slot::Close(number) => {
                    bytes.push(0);
                    before = number + 1;
                }
            }
        }
        bytes.push(0);
        output.pieces.truncate(self.first);
    }
}

impl SerializeStruct for Object<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
        match self.find(key) {
            Some(at) => self.write(at, value),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<bool, EncodeError> {
        self.finish();
        Ok(true)
    }
}

impl SerializeMap for Object<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        // The key is written behind the output for a moment, which makes a text of whatever it is.
        let from = self.output.bytes.len();
        value::write(self.output, Kind::String, true, key)?;
        let text = self.output.bytes.get(from..).unwrap_or_default();
        let prefix = decode::uint_len(text);
        let text = std::str::from_utf8(text.get(prefix..).unwrap_or_default()).unwrap_or_default();
        let (found, next) = match self.shape.slot(text, self.next) {
            Some((at, _)) => (Some(at), at + 1),
            None => (None, self.next),
        };
        self.key = found;
        self.next = next;
        self.output.bytes.truncate(from);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self.key.take() {
            Some(at) => self.write(at, value),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<bool, EncodeError> {
        self.finish();
        Ok(true)
    }
}
