//! Bytes that Go 1.27 has written, and bytes that nobody should have written, as tests: named after the cases of
//! docs/wire-cases.md.

#[path = "../../../../tests/src/alone.rs"]
mod alone;
mod calls;
mod compatible;
mod golden;
mod hostile;
mod interfaces;
mod mutations;
mod omitted;
mod requests;
mod scalars;
mod special;
mod structs;

use std::fmt::Write;

use serde_json::Value as Json;

use crate::{DecodeError, Decoder, Encoder, Limits, Type, schema::Kind};

/// Bytes as people write them: hexadecimal digits, and texts in quotes.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        for byte in part.split_whitespace() {
            match byte.split_once('*') {
                Some((byte, times)) => {
                    let byte = u8::from_str_radix(byte, 16).unwrap();
                    bytes.extend(std::iter::repeat_n(byte, times.parse().unwrap()));
                }
                None => bytes.push(u8::from_str_radix(byte, 16).unwrap()),
            }
        }
    }
    bytes
}

/// The values of a stream, each as JSON.
fn all(of: Type, stream: &str) -> Result<Vec<Json>, DecodeError> {
    let stream = bytes(stream);
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::new(Limits::default());
    let mut values = Vec::new();
    while let Some(value) = decoder.next(&mut rest)? {
        values.push(value.decode(of)?);
    }
    if !rest.is_empty() || !decoder.at_rest() {
        return Err(DecodeError::stream("unexpected EOF"));
    }
    Ok(values)
}

fn one(of: Type, stream: &str) -> Result<Json, DecodeError> {
    Ok(all(of, stream)?.pop().unwrap())
}

fn written(of: Type, values: &[Json]) -> Vec<u8> {
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for value in values {
        encoder.value(of, value, &mut stream).unwrap();
    }
    stream
}

fn refused(of: Type, stream: &str) -> String {
    one(of, stream).expect_err(stream).to_string()
}

const INT: Type = Type(Kind::Int(64));
const UINT: Type = Type(Kind::Uint(64));
const FLOAT: Type = Type(Kind::Float);
const JSON: Type = Type(Kind::Json);

/// Corrects the lengths of messages, one a line.
fn fixed(stream: &str) -> String {
    let mut corrected = String::new();
    for line in stream.lines() {
        let (_, rest) = line.trim().split_once(' ').unwrap();
        writeln!(corrected, "{:02x} {rest}", bytes(rest).len()).unwrap();
    }
    corrected
}
