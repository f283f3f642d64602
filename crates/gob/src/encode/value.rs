//! One value of a type, from serde's data model to gob's bytes.

use jiff::Timestamp;
use rollcage_api::GoDuration;
use serde::{
    Serialize, Serializer,
    ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple},
};

use super::{Output, encoded, object::Object, quantity};
use crate::{
    EncodeError, put,
    schema::{Kind, List},
    time,
};

/// Writes a value. `always` is so in slices, maps and at the top; elsewhere a value that Go leaves out is not written, and
/// the answer is `false`.
pub(super) fn write<T: Serialize + ?Sized>(
    output: &mut Output,
    kind: Kind,
    always: bool,
    value: &T,
) -> Result<bool, EncodeError> {
    let written = match kind {
        Kind::Json => write_json(output, value)?,
        Kind::RawJson(_) => write_raw_json(output, value)?,
        _ => value.serialize(Writer {
            output,
            kind,
            always,
            encoded: false,
        })?,
    };
    if always && !written {
        write_zero(output, kind);
    }
    Ok(written || always)
}

/// What Go has where nothing was set.
fn write_zero(output: &mut Output, kind: Kind) {
    match kind {
        Kind::Time(_) => put::bytes(&mut output.bytes, &time::ZERO),
        _ => match kind.shape() {
            Some(shape) => output.bytes.extend_from_slice(shape.empty),
            None => output.bytes.push(0),
        },
    }
}

fn write_json<T: Serialize + ?Sized>(output: &mut Output, value: &T) -> Result<bool, EncodeError> {
    let from = output.bytes.len();
    serde_json::to_writer(&mut output.bytes, value).map_err(|error| EncodeError::new(error.to_string()))?;
    output.insert_uint(from, (output.bytes.len() - from) as u64);
    Ok(true)
}

/// A struct whose one field is JSON.
fn write_raw_json<T: Serialize + ?Sized>(output: &mut Output, value: &T) -> Result<bool, EncodeError> {
    let from = output.bytes.len();
    output.bytes.push(1);
    write_json(output, value)?;
    if output.bytes.get(from..) == Some(b"\x01\x04null") {
        output.bytes.truncate(from);
        return Ok(false);
    }
    output.bytes.push(0);
    Ok(true)
}

struct Writer<'a> {
    output: &'a mut Output,
    kind: Kind,
    always: bool,
    /// Whether what comes are the bytes of an [`Encoded`](encoded::Encoded).
    encoded: bool,
}

impl<'a> Writer<'a> {
    fn mismatch<T>(&self, what: &str) -> Result<T, EncodeError> {
        let wanted = match self.kind {
            Kind::Bool => "true or false",
            Kind::Int(_) | Kind::Uint(_) | Kind::Float => "a number",
            Kind::String => "a text",
            Kind::Json | Kind::RawJson(_) => "JSON",
            Kind::Time(_) => "a time",
            Kind::Duration => "a duration",
            Kind::Struct(of) => return Err(EncodeError::new(format!("{what} instead of an object ({})", of.name))),
            Kind::IntOrString(_) => "a number or a text",
            Kind::Quantity(_) => "a quantity",
            Kind::List(_) => "a list",
            Kind::Map(_) => "an object",
        };
        Err(EncodeError::new(format!("{what} instead of {wanted}")))
    }

    fn integer(self, value: i128) -> Result<bool, EncodeError> {
        let range = || EncodeError::new(format!("{value} is out of range"));
        match self.kind {
            Kind::Int(bits) => {
                let value = i64::try_from(value).map_err(|_| range())?;
                if (value >> (bits - 1)) != (value >> 63) {
                    return Err(range());
                }
                Ok(self.signed(value))
            }
            Kind::Uint(bits) => {
                let value = u64::try_from(value).map_err(|_| range())?;
                if bits < 64 && value >> bits != 0 {
                    return Err(range());
                }
                if value == 0 && !self.always {
                    return Ok(false);
                }
                put::uint(&mut self.output.bytes, value);
                Ok(true)
            }
            #[expect(clippy::cast_precision_loss, reason = "as Go reads an integer for a float")]
            Kind::Float => Ok(self.float(value as f64)),
            Kind::Duration => {
                let value = i64::try_from(value).map_err(|_| range())?;
                Ok(self.signed(value))
            }
            Kind::IntOrString(_) => {
                let value = i32::try_from(value).map_err(|_| range())?;
                if value != 0 {
                    self.output.bytes.push(2);
                    put::int(&mut self.output.bytes, value.into());
                }
                self.output.bytes.push(0);
                Ok(true)
            }
            Kind::Quantity(_) => Ok(self.quantity("DecimalSI")),
            // What our own times are to those who do not ask for text.
            Kind::Time(_) => {
                let time = time::write_nanoseconds(value).ok_or_else(range)?;
                put::bytes(&mut self.output.bytes, &time);
                Ok(true)
            }
            _ => self.mismatch("a number"),
        }
    }

    fn signed(self, value: i64) -> bool {
        if value == 0 && !self.always {
            return false;
        }
        put::int(&mut self.output.bytes, value);
        true
    }

    fn float(self, value: f64) -> bool {
        // Go compares with zero, which -0.0 is equal to.
        if value == 0.0 && !self.always {
            return false;
        }
        put::uint(&mut self.output.bytes, value.to_bits().swap_bytes());
        true
    }

    fn quantity(self, format: &str) -> bool {
        self.output.bytes.push(1);
        put::bytes(&mut self.output.bytes, format.as_bytes());
        self.output.bytes.push(0);
        true
    }

    fn text(self, value: &str) -> Result<bool, EncodeError> {
        let bytes = &mut self.output.bytes;
        match self.kind {
            Kind::String => {
                if value.is_empty() && !self.always {
                    return Ok(false);
                }
                put::bytes(bytes, value.as_bytes());
                Ok(true)
            }
            Kind::Time(_) => {
                let time: Timestamp = value
                    .parse()
                    .map_err(|error| EncodeError::new(format!("no RFC 3339 time: {error}")))?;
                put::bytes(bytes, &time::write(time));
                Ok(true)
            }
            Kind::Duration => {
                let duration: GoDuration = value.parse().map_err(|error| EncodeError::new(format!("{error}")))?;
                let nanoseconds = i64::try_from(duration.0.as_nanos()).unwrap_or(i64::MAX);
                Ok(self.signed(nanoseconds))
            }
            Kind::IntOrString(_) => {
                bytes.extend([1, 2]);
                if !value.is_empty() {
                    bytes.push(2);
                    put::bytes(bytes, value.as_bytes());
                }
                bytes.push(0);
                Ok(true)
            }
            Kind::Quantity(_) => match quantity::format(value) {
                Some(format) => Ok(self.quantity(format)),
                None => self.mismatch("another text"),
            },
            _ => self.mismatch("a text"),
        }
    }

    /// A slice or a map, whose count is known now or at its end.
    fn list(self, list: &'static List, count: Option<usize>) -> Items<'a> {
        let start = self.output.bytes.len();
        if let Some(count) = count {
            put::uint(&mut self.output.bytes, count as u64);
        }
        Items {
            output: self.output,
            element: list.element,
            always: self.always || matches!(self.kind, Kind::Map(_)),
            start,
            announced: count,
            count: 0,
        }
    }
}

/// A slice or a map that is being written.
pub(super) struct Items<'a> {
    output: &'a mut Output,
    element: Kind,
    always: bool,
    start: usize,
    announced: Option<usize>,
    count: usize,
}

impl Items<'_> {
    fn finish(self) -> Result<bool, EncodeError> {
        match self.announced {
            Some(announced) if announced != self.count => {
                return Err(EncodeError::new("a list that announced another length than it has"));
            }
            Some(_) => {}
            None => self.output.insert_uint(self.start, self.count as u64),
        }
        if self.count == 0 && !self.always {
            self.output.bytes.truncate(self.start);
            return Ok(false);
        }
        Ok(true)
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.count += 1;
        write(self.output, self.element, true, value).map(drop)
    }

    fn end(self) -> Result<bool, EncodeError> {
        self.finish()
    }
}

impl SerializeTuple for Items<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<bool, EncodeError> {
        self.finish()
    }
}

/// Serde's maps and structs: objects of a known shape, or maps by strings.
pub(super) enum Fields<'a> {
    Object(Object<'a>),
    Map(Items<'a>),
}

impl SerializeMap for Fields<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        match self {
            Self::Object(object) => SerializeMap::serialize_key(object, key),
            Self::Map(items) => {
                items.count += 1;
                write(items.output, Kind::String, true, key).map(drop)
            }
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self {
            Self::Object(object) => SerializeMap::serialize_value(object, value),
            Self::Map(items) => write(items.output, items.element, true, value).map(drop),
        }
    }

    fn end(self) -> Result<bool, EncodeError> {
        match self {
            Self::Object(object) => SerializeMap::end(object),
            Self::Map(items) => items.finish(),
        }
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = bool;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
        match self {
            Self::Object(object) => object.serialize_field(key, value),
            Self::Map(_) => SerializeMap::serialize_entry(self, key, value),
        }
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), EncodeError> {
        match self {
            Self::Object(object) => object.skip_field(key),
            Self::Map(_) => Ok(()),
        }
    }

    fn end(self) -> Result<bool, EncodeError> {
        SerializeMap::end(self)
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = bool;
    type Error = EncodeError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Impossible<bool, EncodeError>;
    type SerializeTupleVariant = Impossible<bool, EncodeError>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<bool, EncodeError>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<bool, EncodeError> {
        match self.kind {
            Kind::Bool if !value && !self.always => Ok(false),
            Kind::Bool => {
                self.output.bytes.push(value.into());
                Ok(true)
            }
            _ => self.mismatch("true or false"),
        }
    }

    fn serialize_i8(self, value: i8) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<bool, EncodeError> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<bool, EncodeError> {
        self.integer(value.into())
    }

    fn serialize_f32(self, value: f32) -> Result<bool, EncodeError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<bool, EncodeError> {
        match self.kind {
            Kind::Float => Ok(self.float(value)),
            Kind::Quantity(_) => self.text(&value.to_string()),
            _ => self.mismatch("a fraction"),
        }
    }

    fn serialize_char(self, value: char) -> Result<bool, EncodeError> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<bool, EncodeError> {
        self.text(value)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<bool, EncodeError> {
        match encoded::value_of(bytes, self.kind.id()) {
            Some(value) if self.encoded => {
                self.output.bytes.extend_from_slice(value);
                Ok(true)
            }
            _ => self.mismatch("bytes"),
        }
    }

    fn serialize_none(self) -> Result<bool, EncodeError> {
        Ok(false)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, EncodeError> {
        write(self.output, self.kind, self.always, value)
    }

    fn serialize_unit(self) -> Result<bool, EncodeError> {
        // JSON's null leaves every Go type as it was.
        Ok(false)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<bool, EncodeError> {
        Ok(false)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<bool, EncodeError> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<bool, EncodeError> {
        if name == encoded::NAME {
            return value.serialize(Writer { encoded: true, ..self });
        }
        write(self.output, self.kind, self.always, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<bool, EncodeError> {
        self.mismatch(variant)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, EncodeError> {
        match self.kind {
            Kind::List(list) => Ok(self.list(list, length)),
            _ => self.mismatch("a list"),
        }
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, EncodeError> {
        self.mismatch(name)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        self.mismatch(variant)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Fields<'a>, EncodeError> {
        match self.kind {
            Kind::Struct(shape) => Ok(Fields::Object(Object::new(self.output, shape))),
            Kind::Map(list) => Ok(Fields::Map(self.list(list, length))),
            _ => self.mismatch("an object"),
        }
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields<'a>, EncodeError> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        self.mismatch(variant)
    }
}
