//! Messages out of the bytes of a stream: an unsigned number, and as many bytes.
//!
//! What is in a message is the gob crate's. Where it ends is found here as well, because one that is too large is dropped
//! here and the stream goes on.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};

/// Longest length that is read and dropped to keep a stream usable: beyond that it is given up.
const SKIP: u64 = 1 << 30;

/// What is kept of a message that is dropped: enough for the number of its type.
const HEAD: usize = 9;

/// Something that is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A number of more than eight bytes.
    #[error("encoded unsigned integer out of range")]
    Number,
    /// Too large even to skip.
    #[error("a message of {0} bytes")]
    Length(u64),
}

/// A message, or the beginning of one that is larger than allowed (the rest was dropped).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Whole(Bytes),
    TooLarge { length: u64, head: Bytes },
}

/// Gathers messages. Holds at most `limit` bytes and what came with one read.
#[derive(Debug)]
pub(crate) struct Messages {
    buffer: BytesMut,
    limit: u64,
    /// A message that is being dropped: its head and what is still to come.
    skipping: Option<(u64, Bytes, u64)>,
}

impl Messages {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit,
            skipping: None,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is there.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, MessageError> {
        if let Some((length, head, left)) = self.skipping.take() {
            let here = left.min(self.buffer.len() as u64);
            self.buffer.advance(usize::try_from(here).unwrap_or(usize::MAX));
            if here < left {
                self.skipping = Some((length, head, left - here));
                return Ok(None);
            }
            return Ok(Some(Message::TooLarge { length, head }));
        }
        let Some((length, used)) = number(&self.buffer)? else {
            return Ok(None);
        };
        if length > self.limit {
            if length > SKIP {
                return Err(MessageError::Length(length));
            }
            let Some(head) = self.buffer.get(used..used + HEAD).map(Bytes::copy_from_slice) else {
                return Ok(None);
            };
            self.buffer.advance(used);
            self.skipping = Some((length, head, length));
            return self.next();
        }
        let end = used.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        if self.buffer.len() < end {
            // What is missing comes in parts: a length that lies costs nothing.
            return Ok(None);
        }
        let mut message = self.buffer.split_to(end).freeze();
        message.advance(used);
        Ok(Some(Message::Whole(message)))
    }
}

/// Whether a message defines a type: its first number is negative.
pub(crate) fn is_definition(message: &[u8]) -> bool {
    matches!(number(message), Ok(Some((number, _))) if number & 1 == 1)
}

/// The messages of `whole`, our own, that define types.
pub(crate) fn definitions(whole: &[u8]) -> Vec<u8> {
    let (mut all, mut rest) = (Vec::new(), whole);
    while let Ok(Some((length, used))) = number(rest) {
        let end = used.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let (message, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if message.get(used..).is_some_and(is_definition) {
            all.extend_from_slice(message);
        }
        rest = after;
    }
    all
}

/// An unsigned number at the beginning of `bytes` and how long it is; none if it is not there yet.
pub(super) fn number(bytes: &[u8]) -> Result<Option<(u64, usize)>, MessageError> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if *first <= 127 {
        return Ok(Some((u64::from(*first), 1)));
    }
    let count = usize::from(first.wrapping_neg());
    if count > 8 {
        return Err(MessageError::Number);
    }
    let digits: Range<usize> = 0..count;
    Ok(rest.get(digits).map(|digits| {
        let number = digits.iter().fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit));
        (number, 1 + count)
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(bytes: &'static [u8]) -> Message {
        Message::Whole(Bytes::from_static(bytes))
    }

    #[test]
    fn messages_are_cut_out() {
        let mut messages = Messages::new(100);
        messages.push(&[3, 4, 0, 14, 0, 5]);
        assert_eq!(messages.next(), Ok(Some(whole(&[4, 0, 14]))));
        assert_eq!(messages.next(), Ok(Some(whole(&[]))));
        assert_eq!(messages.next(), Ok(None));
        messages.push(b"hello\xff\x03abc");
        assert_eq!(messages.next(), Ok(Some(whole(b"hello"))));
        assert_eq!(messages.next(), Ok(Some(whole(b"abc"))));
        assert_eq!(messages.next(), Ok(None));
    }

    #[test]
    fn x03_x04_hostile_lengths() {
        let after = |bytes: &[u8]| {
            let mut messages = Messages::new(100);
            messages.push(bytes);
            messages.next()
        };
        assert_eq!(after(&[0xf7; 12]), Err(MessageError::Number));
        assert_eq!(after(&[0xfb, 2, 0, 0, 0, 0]), Err(MessageError::Length(8 << 30)));
        assert_eq!(after(&[0xfe]), Ok(None));
    }

    #[test]
    fn what_is_too_large_is_dropped_and_the_next_is_read() {
        let mut messages = Messages::new(100);
        messages.push(&[0xfd, 1, 0, 0]);
        assert_eq!(messages.next(), Ok(None));
        for _ in 0..655 {
            messages.push(&[7; 100]);
            assert_eq!(messages.next(), Ok(None));
            assert!(messages.buffer.len() <= 100);
        }
        messages.push(&[7; 36]);
        let head = Bytes::from_static(&[7; HEAD]);
        assert_eq!(messages.next(), Ok(Some(Message::TooLarge { length: 65_536, head })));
        messages.push(&[1, 9]);
        assert_eq!(messages.next(), Ok(Some(whole(&[9]))));
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..500), size in 1usize..50) {
            let mut messages = Messages::new(64);
            'all: for part in bytes.chunks(size) {
                messages.push(part);
                loop {
                    match messages.next() {
                        Ok(Some(Message::Whole(message))) => prop_assert!(message.len() <= 64),
                        Ok(Some(Message::TooLarge { length, .. })) => prop_assert!(length > 64),
                        Ok(None) => break,
                        Err(_) => break 'all,
                    }
                }
                prop_assert!(messages.buffer.len() <= 64 + 9 + 50);
            }
        }
    }
}
