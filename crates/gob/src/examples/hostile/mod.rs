//! Streams that mean harm: each ends as an error, or is read, in bounded time and memory.

mod counts;
mod definitions;
mod depth;
mod lengths;

use serde_json::Value as Json;

use super::{INT, all, alone::alone, bytes, fixed, one, refused};
use crate::{DecodeError, Decoder, Type};

/// Memory that refusing a stream may take: buffers of the test itself, and what the allocator keeps.
const LITTLE: u64 = 8 << 20;

/// Each stream is refused, with these words.
fn refuse(cases: &[(Type, &str, &str)]) {
    for (of, stream, error) in cases {
        let said = refused(*of, stream);
        assert!(said.contains(error), "{stream}: {said} should say {error}");
    }
}

/// Reads the first value of a stream.
fn first(of: Type, mut stream: &[u8]) -> Result<Json, DecodeError> {
    Decoder::default().next(&mut stream)?.unwrap().decode(of)
}
