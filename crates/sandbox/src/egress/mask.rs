//! Secret values out of a stream of bytes, whatever the chunks are.

use std::sync::Arc;

use bytes::Bytes;
use rollcage_core::secret::MASK;

/// Values to replace. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    /// Longest first.
    values: Arc<[Box<[u8]>]>,
}

impl Patterns {
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut values: Vec<Box<[u8]>> = values
            .into_iter()
            .filter(|value| !value.is_empty())
            .map(|value| value.as_bytes().into())
            .collect();
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values: values.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of `bytes`, masked.
    pub(super) fn mask(&self, bytes: Bytes) -> Bytes {
        let mut stream = StreamMask::new(self.clone());
        let mut masked = stream.push(bytes);
        let rest = stream.finish();
        if !rest.is_empty() {
            masked = [masked, rest].concat().into();
        }
        masked
    }

    /// What the bytes begin with; `end`: no more bytes can come.
    fn at(&self, bytes: &[u8], end: bool) -> Match {
        for value in self.values.iter() {
            if bytes.starts_with(value) {
                return Match::Value(value.len());
            }
            // A longer value may begin here, too: the longest counts.
            if !end && value.starts_with(bytes) {
                return Match::Open;
            }
        }
        Match::None
    }
}

enum Match {
    None,
    /// More bytes could make it a value.
    Open,
    /// A value of this length.
    Value(usize),
}

/// Masks a stream chunk by chunk: holds back only what may be the beginning of a value.
#[derive(Debug)]
pub(super) struct StreamMask {
    patterns: Patterns,
    first: [bool; 256],
    held: Vec<u8>,
}

impl StreamMask {
    pub(super) fn new(patterns: Patterns) -> Self {
        let mut first = [false; 256];
        for byte in patterns.values.iter().filter_map(|value| value.first()) {
            if let Some(slot) = first.get_mut(usize::from(*byte)) {
                *slot = true;
            }
        }
        Self {
            patterns,
            first,
            held: Vec::new(),
        }
    }

    /// The next chunk; the answer may be shorter, or empty.
    pub(super) fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.patterns.is_empty() {
            return chunk;
        }
        if self.held.is_empty() {
            if !chunk.iter().any(|byte| self.may_begin(*byte)) {
                return chunk;
            }
            self.held = chunk.into();
        } else {
            self.held.extend_from_slice(&chunk);
        }
        self.drain(false)
    }

    /// The end of the stream: what was held back.
    pub(super) fn finish(mut self) -> Bytes {
        self.drain(true)
    }

    fn may_begin(&self, byte: u8) -> bool {
        self.first.get(usize::from(byte)).copied().unwrap_or(true)
    }

    fn drain(&mut self, end: bool) -> Bytes {
        let held = std::mem::take(&mut self.held);
        let mut out = Vec::with_capacity(held.len());
        let mut rest = held.as_slice();
        while let Some((byte, after)) = rest.split_first() {
            if !self.may_begin(*byte) {
                out.push(*byte);
                rest = after;
                continue;
            }
            match self.patterns.at(rest, end) {
                Match::Open => {
                    self.held = rest.to_vec();
                    break;
                }
                Match::Value(length) => {
                    out.extend_from_slice(MASK.as_bytes());
                    rest = rest.get(length..).unwrap_or_default();
                }
                Match::None => {
                    out.push(*byte);
                    rest = after;
                }
            }
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_chunks(patterns: &Patterns, text: &[u8], size: usize) -> Vec<u8> {
        let mut stream = StreamMask::new(patterns.clone());
        let mut out = Vec::new();
        for chunk in text.chunks(size) {
            out.extend_from_slice(&stream.push(Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&stream.finish());
        out
    }

    #[test]
    fn masks_across_chunks() {
        let patterns = Patterns::new(["abc", "abcdef", "cde", "aab"]);
        for (text, masked) in [
            ("", ""),
            ("nothing", "nothing"),
            ("abc", "*****"),
            ("abcdef", "*****"),
            ("abcde", "*****de"),
            ("xabcdxcdey", "x*****dx*****y"),
            ("ab", "ab"),
            ("aaab", "a*****"),
            ("ababcab", "ab*****ab"),
        ] {
            for size in 1..=text.len().max(1) {
                let got = in_chunks(&patterns, text.as_bytes(), size);
                assert_eq!(String::from_utf8(got).unwrap(), masked, "{text} by {size}");
            }
        }
    }

    #[test]
    fn holds_back_no_more_than_it_must() {
        let mut stream = StreamMask::new(Patterns::new(["secret"]));
        assert_eq!(stream.push("data: 1\n".into()), "data: 1\n");
        assert_eq!(stream.push("a sec".into()), "a ");
        assert_eq!(stream.push("ond".into()), "second");
        assert_eq!(stream.finish(), "");
    }

    proptest! {
        #[test]
        fn no_value_survives_any_chunking(
            values in prop::collection::vec("[ab]{1,5}", 1..4),
            text in "[abc]{0,60}",
            size in 1_usize..8,
        ) {
            let patterns = Patterns::new(values.iter().map(String::as_str));
            let whole = in_chunks(&patterns, text.as_bytes(), usize::MAX);
            prop_assert_eq!(&in_chunks(&patterns, text.as_bytes(), size), &whole);
            let whole = String::from_utf8(whole).unwrap();
            for value in values {
                prop_assert!(!whole.contains(&value), "{} in {}", value, whole);
            }
        }
    }
}
