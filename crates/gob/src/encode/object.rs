//! Structs: fields come in any order and are sent in Go's.

use serde::{
    Serialize,
    ser::{SerializeMap, SerializeStruct},
};

use super::{
    Output,
    key::KeyOf,
    output::{Moved, Piece},
    value,
};
use crate::{
    EncodeError,
    schema::{FieldSlot, Slot, Struct},
};

/// An object that is being written.
pub(super) struct Object<'a> {
    output: &'a mut Output,
    shape: &'static Struct,
    /// Where it begins in the output, and its pieces.
    start: usize,
    first: usize,
    /// The slot that probably comes next.
    next: usize,
    /// Whether fields came in Go's order so far: then everything is in its place, up to this slot.
    ordered: bool,
    done: usize,
    /// The number that the next field's is counted from.
    before: u8,
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
            next: 0,
            ordered: true,
            done: 0,
            before: 0,
            key: None,
        }
    }

    /// Finds a key. What Argo does not have is not sent: Go ignores it too when it reads the object.
    fn find(&mut self, key: &[u8]) -> Option<usize> {
        let (at, _) = self.shape.slot(key, self.next)?;
        self.next = at + 1;
        Some(at)
    }

    fn write<T: Serialize + ?Sized>(&mut self, at: usize, value: &T) -> Result<(), EncodeError> {
        let Some(Slot::Field(slot)) = self.shape.slots.get(at) else {
            return Ok(());
        };
        let begin = self.output.bytes.len();
        let ordered = self.ordered && at >= self.done;
        let before = if ordered {
            fill(&mut self.output.bytes, self.shape, self.done..at, self.before)
        } else {
            0
        };
        let from = self.output.bytes.len();
        self.output.bytes.push((slot.number + 1).wrapping_sub(before));
        if !value::write(self.output, slot.kind, false, value).map_err(|error| error.within(slot.key))? {
            self.output.bytes.truncate(begin);
            return Ok(());
        }
        self.ordered = ordered;
        self.done = at + 1;
        self.before = slot.number + 1;
        self.output.pieces.push(Piece {
            slot: at,
            range: from..self.output.bytes.len(),
        });
        Ok(())
    }

    fn finish(self) {
        if self.ordered {
            let slots = self.done..self.shape.slots.len();
            fill(&mut self.output.bytes, self.shape, slots, self.before);
            self.output.bytes.push(0);
            self.output.pieces.truncate(self.first);
        } else {
            self.reorder();
        }
    }

    /// Says where the pieces go. They are not moved: what is around this object may have to move as well.
    fn reorder(self) {
        let (output, shape) = (self.output, self.shape);
        let mut moved = Moved::new(self.start);
        // Stable: of a key that came twice the last one counts, as for Go.
        output
            .pieces
            .get_mut(self.first..)
            .unwrap_or_default()
            .sort_by_key(|piece| piece.slot);
        let mut pieces = output.pieces.drain(self.first..).peekable();
        let (mut done, mut before) = (0, 0);
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_some_and(|next| next.slot == piece.slot) {
                output.moved.retain(|inner| !inner.within(&piece.range));
                continue;
            }
            let from = output.bytes.len();
            before = fill(&mut output.bytes, shape, done..piece.slot, before);
            moved.part(from..output.bytes.len());
            if let (Some(Slot::Field(FieldSlot { number, .. })), Some(byte)) =
                (shape.slots.get(piece.slot), output.bytes.get_mut(piece.range.start))
            {
                // The first field is one away from none.
                *byte = number + 1 - before;
                before = number + 1;
            }
            done = piece.slot + 1;
            moved.part(piece.range);
        }
        drop(pieces);
        let from = output.bytes.len();
        fill(&mut output.bytes, shape, done..shape.slots.len(), before);
        output.bytes.push(0);
        moved.part(from..output.bytes.len());
        moved.end = output.bytes.len();
        output.moved.push(moved);
    }
}

/// Writes what Go has in the slots of `range` when nothing was set, and gives the number to count on from.
#[inline]
fn fill(bytes: &mut Vec<u8>, shape: &Struct, range: std::ops::Range<usize>, before: u8) -> u8 {
    if shape.inline || shape.required > 0 {
        fill_required(bytes, shape, range, before)
    } else {
        before
    }
}

fn fill_required(bytes: &mut Vec<u8>, shape: &Struct, range: std::ops::Range<usize>, mut before: u8) -> u8 {
    for slot in shape.slots.get(range).unwrap_or_default() {
        match slot {
            Slot::Field(slot) if slot.required => {
                if let Some(of) = slot.kind.shape() {
                    bytes.push(slot.number + 1 - before);
                    bytes.extend_from_slice(of.empty);
                    before = slot.number + 1;
                }
            }
            Slot::Field(_) => {}
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
    before
}

impl SerializeStruct for Object<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
        match self.find(key.as_bytes()) {
            Some(at) => self.write(at, value),
            None => Ok(()),
        }
    }

    fn skip_field(&mut self, _: &'static str) -> Result<(), EncodeError> {
        self.next += 1;
        Ok(())
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
        let (shape, likely) = (self.shape, self.next);
        self.key = key.serialize(KeyOf(|text: &str| {
            shape.slot(text.as_bytes(), likely).map(|(at, _)| at)
        }))?;
        self.next = self.key.map_or(self.next, |at| at + 1);
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
