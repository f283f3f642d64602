//! The bytes of a value as they come, and in which order they are sent.
//!
//! Objects that came in another order than Go's are not put in order one by one: each level would copy what is inside it
//! once more. It is noted where their pieces go, and all is copied once, to where it is sent from.

use std::ops::Range;

use crate::put;

/// A field that is written: from the byte in front of it, which is for its number.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) slot: usize,
    pub(super) range: Range<usize>,
}

/// An object that is sent in another order than it was written in.
#[derive(Debug)]
pub(super) struct Moved {
    start: usize,
    pub(super) end: usize,
    /// What is sent, in order. What is in none of them is not.
    parts: Vec<Range<usize>>,
}

impl Moved {
    pub(super) fn new(start: usize) -> Self {
        Self {
            start,
            end: start,
            parts: Vec::new(),
        }
    }

    pub(super) fn part(&mut self, range: Range<usize>) {
        match self.parts.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.parts.push(range),
        }
    }

    pub(super) fn within(&self, range: &Range<usize>) -> bool {
        range.contains(&self.start)
    }

    fn len(&self) -> usize {
        self.parts.iter().map(Range::len).sum()
    }
}

/// A value in the making. Its buffers stay from one value to the next.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// Fields of the objects that are open, each object's behind its parent's.
    pub(super) pieces: Vec<Piece>,
    /// Inner ones in front of outer ones.
    pub(super) moved: Vec<Moved>,
}

impl Output {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.moved.clear();
    }

    /// Puts a length in front of what it is the length of.
    pub(super) fn insert_uint(&mut self, from: usize, length: u64) {
        let end = self.bytes.len();
        put::uint(&mut self.bytes, length);
        let prefix = self.bytes.len() - end;
        if let Some(bytes) = self.bytes.get_mut(from..) {
            bytes.rotate_right(prefix);
        }
        for moved in self.moved.iter_mut().rev().take_while(|moved| moved.start >= from) {
            moved.start += prefix;
            moved.end += prefix;
            for part in &mut moved.parts {
                *part = part.start + prefix..part.end + prefix;
            }
        }
    }

    /// How many bytes are sent.
    pub(super) fn len(&self) -> usize {
        // Each moved object has its own difference, whatever is around it.
        let written: usize = self.moved.iter().map(|moved| moved.end - moved.start).sum();
        let sent: usize = self.moved.iter().map(Moved::len).sum();
        self.bytes.len() + sent - written
    }

    /// Appends what is sent.
    pub(super) fn send(&mut self, to: &mut Vec<u8>) {
        self.moved.sort_unstable_by_key(|moved| moved.start);
        to.reserve(self.bytes.len());
        self.copy(0..self.bytes.len(), 0, to);
    }

    /// Copies a part, with what is moved in it from `next` on. Goes as deep as our types.
    fn copy(&self, range: Range<usize>, mut next: usize, to: &mut Vec<u8>) {
        let mut at = range.start;
        while let Some(moved) = self.moved.get(next).filter(|moved| moved.start < range.end) {
            to.extend_from_slice(self.bytes.get(at..moved.start).unwrap_or_default());
            for part in &moved.parts {
                // Strictly inside: the object begins where its first part may begin.
                let inner = self.moved.partition_point(|moved| moved.start <= part.start);
                self.copy(part.clone(), inner, to);
            }
            at = moved.end;
            next = self.moved.partition_point(|moved| moved.start < at);
        }
        to.extend_from_slice(self.bytes.get(at..range.end).unwrap_or_default());
    }
}
