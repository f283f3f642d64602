//! Between net/rpc and gob: what a stream needs to know of the messages that it carries.
//!
//! A stream has one encoder and one decoder for its life, because gob sends the definition of a type once. The call layer
//! itself only tells definitions from values, and numbers calls.

use std::collections::HashMap;

use super::message::number;

/// Header of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Number of the call.
    pub seq: u64,
    /// The plugin's error; empty if there is none.
    pub error: String,
}

/// A message that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gob: {0}")]
pub struct CodecError(pub String);

/// A gob implementation, as far as net/rpc needs it.
pub trait Codec: Send + Sync + 'static {
    /// What the sending half remembers: the types that were sent.
    type Encoder: Default + Send;
    /// What the receiving half remembers: the types that came.
    type Decoder: Default + Send;

    /// Appends the header of a call.
    fn request(encoder: &mut Self::Encoder, method: &str, seq: u64, out: &mut Vec<u8>);

    /// Takes a message that defines a type.
    fn define(decoder: &mut Self::Decoder, message: &[u8]) -> Result<(), CodecError>;

    /// Reads a value as the header of an answer.
    fn response(decoder: &mut Self::Decoder, message: &[u8]) -> Result<Response, CodecError>;
}

/// Whether a message defines a type: its first number is negative.
pub(super) fn is_definition(message: &[u8]) -> Option<bool> {
    let (number, _) = number(message).ok()??;
    Some(number & 1 == 1)
}

/// The gob of the control stream: headers, truth values, text and numbers, and nothing else.
#[derive(Clone, Copy, Debug)]
pub enum Control {}

/// Types that a stream may define here; a server that knows three methods defines a handful.
const TYPES: usize = 1024;

/// Types of gob itself.
const UINT: i64 = 3;
const STRING: i64 = 6;

/// The structs that came, by number: name and type of each field.
#[derive(Debug, Default)]
pub struct Structs(HashMap<i64, Vec<(Vec<u8>, i64)>>);

/// What was sent.
#[derive(Debug, Default)]
pub struct Sent {
    request: bool,
}

/// `type Request struct { ServiceMethod string; Seq uint64 }` as type 64.
const REQUEST: &[u8] =
    b"\x2e\x7f\x03\x01\x01\x07Request\x01\xff\x80\x00\x01\x02\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00";

impl Codec for Control {
    type Encoder = Sent;
    type Decoder = Structs;

    fn request(encoder: &mut Sent, method: &str, seq: u64, out: &mut Vec<u8>) {
        if !encoder.request {
            out.extend_from_slice(REQUEST);
            encoder.request = true;
        }
        let mut body = vec![0xff, 0x80, 1];
        put_uint(method.len() as u64, &mut body);
        body.extend_from_slice(method.as_bytes());
        if seq > 0 {
            body.push(1);
            put_uint(seq, &mut body);
        }
        body.push(0);
        put_uint(body.len() as u64, out);
        out.extend_from_slice(&body);
    }

    fn define(decoder: &mut Structs, message: &[u8]) -> Result<(), CodecError> {
        if decoder.0.len() >= TYPES {
            return Err(CodecError("too many types".to_owned()));
        }
        let mut reader = Reader(message);
        let id = reader.int()?.wrapping_neg();
        if id < 64 || decoder.0.contains_key(&id) {
            return Err(CodecError("duplicate type received".to_owned()));
        }
        // Other kinds than structs (the third field of a wire type) are never read here.
        let fields = if reader.uint()? == 3 {
            reader.struct_type()?
        } else {
            Vec::new()
        };
        decoder.0.insert(id, fields);
        Ok(())
    }

    fn response(decoder: &mut Structs, message: &[u8]) -> Result<Response, CodecError> {
        let mut reader = Reader(message);
        let id = reader.int()?;
        let fields = decoder
            .0
            .get(&id)
            .ok_or_else(|| CodecError("unknown type id or corrupted data".to_owned()))?;
        let mut response = Response::default();
        let mut place = 0_usize;
        // A missing end is accepted, as Go does.
        while !reader.0.is_empty() {
            let delta = reader.uint()?;
            if delta == 0 {
                break;
            }
            place = usize::try_from(delta)
                .ok()
                .and_then(|delta| place.checked_add(delta))
                .unwrap_or(usize::MAX);
            let (name, kind) = fields
                .get(place.wrapping_sub(1))
                .ok_or_else(|| CodecError("field numbers out of bounds".to_owned()))?;
            match (name.as_slice(), *kind) {
                (b"Seq", UINT) => response.seq = reader.uint()?,
                (b"Error", STRING) => response.error = String::from_utf8_lossy(reader.bytes()?).into_owned(),
                (b"Seq" | b"Error", _) => return Err(CodecError("wrong type for a field of Response".to_owned())),
                (_, STRING) => drop(reader.bytes()?),
                (_, UINT) => drop(reader.uint()?),
                _ => return Err(CodecError("a Response with unknown fields".to_owned())),
            }
        }
        Ok(response)
    }
}

impl Control {
    /// Appends `true`.
    pub(crate) fn put_true(out: &mut Vec<u8>) {
        out.extend_from_slice(&[3, 2, 0, 1]);
    }

    /// Appends a text.
    pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
        let mut body = vec![12, 0];
        put_uint(text.len() as u64, &mut body);
        body.extend_from_slice(text.as_bytes());
        put_uint(body.len() as u64, out);
        out.extend_from_slice(&body);
    }

    /// Reads a number.
    pub(crate) fn uint(message: &[u8]) -> Result<u64, CodecError> {
        let mut reader = Reader(message);
        if reader.int()? != UINT || reader.uint()? != 0 {
            return Err(CodecError("wrong type: a number was expected".to_owned()));
        }
        reader.uint()
    }
}

/// Appends an unsigned number.
fn put_uint(number: u64, out: &mut Vec<u8>) {
    if number <= 127 {
        out.push(number.to_le_bytes()[0]);
        return;
    }
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    out.push(u8::try_from(digits.len()).unwrap_or(8).wrapping_neg());
    out.extend_from_slice(digits);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn uint(&mut self) -> Result<u64, CodecError> {
        let (number, used) = number(self.0)
            .map_err(|error| CodecError(error.to_string()))?
            .ok_or_else(|| CodecError("unexpected EOF".to_owned()))?;
        self.0 = self.0.get(used..).unwrap_or_default();
        Ok(number)
    }

    fn int(&mut self) -> Result<i64, CodecError> {
        let number = self.uint()?;
        let half = i64::try_from(number >> 1).unwrap_or(i64::MAX);
        Ok(if number & 1 == 1 { !half } else { half })
    }

    fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(self.uint()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| CodecError("unexpected EOF".to_owned()))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A name and a number, as both a type and a field have them.
    fn named(&mut self) -> Result<(Vec<u8>, i64), CodecError> {
        let (mut name, mut id, mut place) = (Vec::new(), 0, 0_u64);
        loop {
            let delta = self.uint()?;
            place = place.saturating_add(delta);
            match (delta, place) {
                (0, _) => return Ok((name, id)),
                (_, 1) => self.bytes()?.clone_into(&mut name),
                (_, 2) => id = self.int()?,
                _ => return Err(CodecError("a type with unknown fields".to_owned())),
            }
        }
    }

    fn struct_type(&mut self) -> Result<Vec<(Vec<u8>, i64)>, CodecError> {
        let (mut fields, mut place) = (Vec::new(), 0_u64);
        loop {
            let delta = self.uint()?;
            place = place.saturating_add(delta);
            match (delta, place) {
                (0, _) => return Ok(fields),
                (_, 1) => drop(self.named()?),
                (_, 2) => {
                    let count = self.uint()?;
                    // Each takes at least a byte.
                    if count > self.0.len() as u64 {
                        return Err(CodecError("unexpected EOF".to_owned()));
                    }
                    for _ in 0..count {
                        fields.push(self.named()?);
                    }
                }
                _ => return Err(CodecError("a type with unknown fields".to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RESPONSE: &[u8] = b"\xff\x81\x03\x01\x01\x08Response\x01\xff\x82\x00\x01\x03\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x01\x05Error\x01\x0c\x00\x00\x00";

    /// N01: the bytes of Go.
    #[test]
    fn dispense_is_what_go_sends() {
        let (mut sent, mut out) = (Sent::default(), Vec::new());
        Control::request(&mut sent, "Dispenser.Dispense", 0, &mut out);
        Control::put_text("RpcMetricProviderPlugin", &mut out);
        assert_eq!(out.len(), 98);
        assert!(out.ends_with(b"\x17\xff\x80\x01\x12Dispenser.Dispense\x00\x1a\x0c\x00\x17RpcMetricProviderPlugin"));
        out.clear();
        Control::request(&mut sent, "Control.Ping", 1, &mut out);
        Control::put_true(&mut out);
        assert_eq!(out, b"\x13\xff\x80\x01\x0cControl.Ping\x01\x01\x00\x03\x02\x00\x01");
    }

    #[test]
    fn answers_of_go_are_read() {
        let mut structs = Structs::default();
        assert_eq!(is_definition(RESPONSE), Some(true));
        Control::define(&mut structs, RESPONSE).unwrap();
        let header = b"\xff\x82\x01\x12Dispenser.Dispense\x01\x02\x01\x19unknown plugin type: nope\x00";
        assert_eq!(is_definition(header), Some(false));
        let response = Control::response(&mut structs, header).unwrap();
        assert_eq!(
            (response.seq, response.error.as_str()),
            (2, "unknown plugin type: nope")
        );
        // N02: numbers at both ends.
        let first = Control::response(&mut structs, b"\xff\x82\x01\x01x\x00").unwrap();
        assert_eq!(first.seq, 0);
        let last = Control::response(&mut structs, b"\xff\x82\x02\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x00").unwrap();
        assert_eq!(last.seq, u64::MAX);
        assert_eq!(Control::uint(&[6, 0, 1]), Ok(1));
        assert!(Control::uint(&[12, 0, 1]).is_err());
        // X08.
        assert!(Control::define(&mut structs, RESPONSE).is_err());
        Control::define(&mut structs, b"\xff\x83\x03\x01\x02\xff\x84\x00\x00\x00").unwrap();
    }

    proptest! {
        #[test]
        fn anything_is_survived(messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..5)) {
            let mut structs = Structs::default();
            for message in messages {
                let _ = Control::define(&mut structs, &message);
                let _ = Control::response(&mut structs, &message);
                let _ = Control::uint(&message);
            }
        }

        #[test]
        fn a_damaged_definition_is_survived(place in 0usize..60, byte in any::<u8>(), header in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut definition = RESPONSE.to_vec();
            let place = place % definition.len();
            definition[place] = byte;
            let mut structs = Structs::default();
            let _ = Control::define(&mut structs, &definition);
            let message = [&[0xff, 0x82][..], &header].concat();
            let _ = Control::response(&mut structs, &message);
        }
    }
}
