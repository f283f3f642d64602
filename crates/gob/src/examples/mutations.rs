//! Streams of Go's with a few bytes changed, a great many of them.

use std::env;

use serde_json::Value as Json;

use super::{alone::alone, golden};
use crate::{DecodeError, Decoder, Encoder, Limits, Type, types, wire};

/// Reads a stream to its end as `of`, arguments as what they say they are. What can be read can be written.
fn survive(of: Type, mut stream: &[u8]) -> Result<usize, DecodeError> {
    let (mut decoder, mut written, mut values) = (Decoder::new(Limits::default()), Vec::new(), 0);
    while let Some(value) = decoder.next(&mut stream)? {
        let of = value.interface().and_then(wire::argument).unwrap_or(of);
        match value.decode::<Json>(of) {
            Ok(read) => {
                written.clear();
                Encoder::new().value(of, &read, &mut written).unwrap();
                values += 1;
            }
            Err(error) if error.ends_stream() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(values)
}

#[test]
fn x22_every_bit_flipped_and_every_end() {
    for (of, stream) in golden::streams() {
        survive(of, &stream).unwrap();
        for at in 0..stream.len() {
            let _ = survive(of, &stream[..at]);
            let mut flipped = stream.clone();
            for bit in 0..8 {
                flipped[at] = stream[at] ^ (1 << bit);
                let _ = survive(of, &flipped);
            }
        }
    }
}

/// `GOB_MUTATIONS` says how many; ten million take two minutes.
#[test]
fn x22_golden_streams_changed() {
    alone(64 << 20, || {
        let wanted = env::var("GOB_MUTATIONS").ok().and_then(|count| count.parse().ok());
        let mut next = 0x9e37_79b9_7f4a_7c15_u64;
        let mut roll = |below: usize| {
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            usize::try_from(next % below as u64).unwrap()
        };
        let golden = golden::streams();
        let (mut values, mut refused) = (0, 0);
        for at in 0..wanted.unwrap_or(500_000) {
            let (of, stream) = &golden[at % golden.len()];
            let mut stream = stream.clone();
            for _ in 0..=roll(4) {
                let at = roll(stream.len());
                match roll(7) {
                    0 => stream[at] = stream[at].wrapping_add(1),
                    1 => stream[at] ^= 1 << roll(8),
                    2 => drop(stream.remove(at)),
                    3 => stream.insert(at, [0, 1, 0x7f, 0x80, 0xf8, 0xff][roll(6)]),
                    4 => stream.truncate(at.max(1)),
                    5 => {
                        let (from, to) = (at, (at + 1 + roll(20)).min(stream.len()));
                        let part = stream[from..to].to_vec();
                        let into = roll(stream.len());
                        stream.splice(into..into, part);
                    }
                    _ => {
                        let (_, other) = &golden[roll(golden.len())];
                        let part = &other[roll(other.len())..];
                        stream.truncate(at);
                        stream.extend_from_slice(part);
                    }
                }
                if stream.is_empty() {
                    stream.push(0);
                }
            }
            // As what it was, and now and then as something else.
            let of = if roll(8) == 0 { types::STEP_RESPONSE } else { *of };
            match survive(of, &stream) {
                Ok(read) => values += read,
                Err(_) => refused += 1,
            }
        }
        println!("{values} values read, {refused} streams refused");
        assert!(values > 1000 && refused > 1000, "{values} {refused}");
    });
}
