//! Reading a stream.

mod plan;
mod read;
mod remote;
mod take;

use std::ops::Range;

use serde::Deserialize;

pub(crate) use self::take::uint_len;
use self::{
    plan::Plans,
    read::{Input, Reader},
    remote::Remotes,
};
use crate::{DecodeError, Type};

/// How much one stream, and one value of it, may make us hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a message.
    pub message: usize,
    /// Bytes of all type definitions of a stream; Argo's take 25 KiB.
    pub definitions: usize,
    /// What a value may become: a field, an element or a key each, set or not. About 32 bytes of memory each.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            definitions: 1 << 20,
            parts: 1 << 20,
        }
    }
}

/// Finds the first message in what has arrived: where its content is, which is what [`Decoder::message`] takes. The next
/// message begins at the range's end. `None` when more must arrive.
pub fn frame(buffer: &[u8], limits: &Limits) -> Result<Option<Range<usize>>, DecodeError> {
    let Some(first) = buffer.first() else {
        return Ok(None);
    };
    let prefix = uint_len(buffer);
    if prefix > 9 {
        return Err(DecodeError::stream("encoded unsigned integer out of range"));
    }
    let Some(mut head) = buffer.get(..prefix) else {
        return Ok(None);
    };
    let length = take::uint(&mut head).map_err(DecodeError::in_stream)?;
    if length == 0 {
        return Err(DecodeError::stream(format!("an empty message ({first:#04x})")));
    }
    let limit = limits.message;
    let too_long = DecodeError::TooLong { length, limit };
    let Some(end) = usize::try_from(length)
        .ok()
        .filter(|length| *length <= limit)
        .and_then(|length| prefix.checked_add(length))
    else {
        return Err(too_long);
    };
    Ok((end <= buffer.len()).then_some(prefix..end))
}

/// One stream that is read: it knows what was defined.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    remotes: Remotes,
    plans: Plans,
    /// The name of an interface whose value has not come yet.
    pending: Option<String>,
    /// Whether definitions were read for a value that has not come yet.
    defined: bool,
}

/// A value that has arrived, not looked at yet. Dropping it passes over it.
#[derive(Debug)]
pub struct Value<'a, 'd> {
    decoder: &'a mut Decoder,
    content: Content<'d>,
}

#[derive(Debug)]
struct Content<'d> {
    /// The name that an interface's type is registered with; empty for nil.
    interface: Option<String>,
    /// Its type, and its bytes.
    id: i32,
    bytes: &'d [u8],
}

impl Decoder {
    /// A stream of which nothing was read yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Whether the stream may end here: not between the definitions for a value and the value.
    pub fn at_rest(&self) -> bool {
        self.pending.is_none() && !self.defined
    }

    /// Takes the content of one message. `None` when it has no value yet, only types.
    pub fn message<'d>(&mut self, body: &'d [u8]) -> Result<Option<Value<'_, 'd>>, DecodeError> {
        let content = self.absorb(body)?;
        Ok(content.map(|content| Value { decoder: self, content }))
    }

    /// Takes messages from the front of `buffer` until there is a value. `None` when more must arrive; what was taken is
    /// gone from `buffer` all the same.
    pub fn next<'d>(&mut self, buffer: &mut &'d [u8]) -> Result<Option<Value<'_, 'd>>, DecodeError> {
        while let Some(range) = frame(buffer, &self.limits)? {
            let (message, rest) = buffer.split_at(range.end);
            *buffer = rest;
            let content = self.absorb(message.get(range).unwrap_or_default())?;
            if let Some(content) = content {
                return Ok(Some(Value { decoder: self, content }));
            }
        }
        Ok(None)
    }

    fn absorb<'d>(&mut self, from: &'d [u8]) -> Result<Option<Content<'d>>, DecodeError> {
        let content = self.content(from);
        self.defined = matches!(content, Ok(None));
        content
    }

    fn content<'d>(&mut self, mut from: &'d [u8]) -> Result<Option<Content<'d>>, DecodeError> {
        if self.pending.is_none() {
            let id = take::id(&mut from).map_err(DecodeError::in_stream)?;
            if id < 0 {
                self.remotes.define(id.saturating_neg(), &mut from, &self.limits)?;
                if !from.is_empty() {
                    return Err(DecodeError::stream("extra data in buffer"));
                }
                return Ok(None);
            }
            if id != remote::INTERFACE {
                return Ok(Some(Content {
                    interface: None,
                    id,
                    bytes: from,
                }));
            }
            singleton(&mut from)?;
            let name = String::from_utf8_lossy(remote::interface_name(&mut from)?).into_owned();
            if name.is_empty() {
                return Ok(Some(Content {
                    interface: Some(name),
                    id: 0,
                    bytes: &[],
                }));
            }
            self.pending = Some(name);
        }
        self.interface(from)
    }

    /// An interface behind its name, or what follows a definition in it.
    fn interface<'d>(&mut self, mut from: &'d [u8]) -> Result<Option<Content<'d>>, DecodeError> {
        let id = loop {
            if from.is_empty() {
                return Ok(None);
            }
            let id = take::id(&mut from).map_err(DecodeError::in_stream)?;
            if id >= 0 {
                break id;
            }
            self.remotes.define(id.saturating_neg(), &mut from, &self.limits)?;
            if !from.is_empty() {
                // The length of the part that follows. No length is trusted.
                take::uint(&mut from).map_err(DecodeError::in_stream)?;
            }
        };
        let interface = self.pending.take();
        take::uint(&mut from)?;
        Ok(Some(Content {
            interface,
            id,
            bytes: from,
        }))
    }
}

/// The zero in front of a whole value that is no struct.
fn singleton(from: &mut &[u8]) -> Result<(), DecodeError> {
    match take::uint(from)? {
        0 => Ok(()),
        _ => Err(DecodeError::value("non-zero delta for singleton")),
    }
}

impl<'d> Value<'_, 'd> {
    /// The name that the type of an interface's content is registered with: empty when there is nothing in it, `None` when
    /// the value is no interface.
    pub fn interface(&self) -> Option<&str> {
        self.content.interface.as_deref()
    }

    /// Reads the value, or what is in the interface, as a type. Fields that were not sent are left to serde.
    pub fn decode<T: Deserialize<'d>>(self, of: Type) -> Result<T, DecodeError> {
        let Self { decoder, content } = self;
        if content.interface.as_deref() == Some("") {
            return Err(DecodeError::value("nothing in the interface"));
        }
        let op = decoder.plans.whole(of.0, content.id, &decoder.remotes)?;
        let mut bytes = content.bytes;
        if of.0.shape().is_none() {
            singleton(&mut bytes)?;
        }
        let mut input = Input::new(bytes, &mut decoder.remotes, decoder.limits);
        T::deserialize(Reader::new(&mut input, &decoder.plans, op))
    }
}
