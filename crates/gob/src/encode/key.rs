//! The key of a map that is an object of ours: looked at where it is.

use serde::{Serialize, Serializer, ser::Impossible};

use crate::EncodeError;

/// Hands a key's text to a function. Keys that are no text are what JSON makes of them, where it makes anything.
pub(super) struct KeyOf<F>(pub(super) F);

fn no_key<T>() -> Result<T, EncodeError> {
    Err(EncodeError::new("a key that is no text"))
}

macro_rules! display {
    ($($method:ident: $of:ty),*) => {$(
        fn $method(self, value: $of) -> Result<T, EncodeError> {
            Ok((self.0)(&value.to_string()))
        }
    )*};
}

impl<T, F: FnOnce(&str) -> T> Serializer for KeyOf<F> {
    type Ok = T;
    type Error = EncodeError;
    type SerializeSeq = Impossible<T, EncodeError>;
    type SerializeTuple = Impossible<T, EncodeError>;
    type SerializeTupleStruct = Impossible<T, EncodeError>;
    type SerializeTupleVariant = Impossible<T, EncodeError>;
    type SerializeMap = Impossible<T, EncodeError>;
    type SerializeStruct = Impossible<T, EncodeError>;
    type SerializeStructVariant = Impossible<T, EncodeError>;

    fn serialize_str(self, value: &str) -> Result<T, EncodeError> {
        Ok((self.0)(value))
    }

    display! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_char: char
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<T, EncodeError> {
        Ok((self.0)(variant))
    }

    fn serialize_newtype_struct<V: Serialize + ?Sized>(self, _: &'static str, value: &V) -> Result<T, EncodeError> {
        value.serialize(self)
    }

    fn serialize_some<V: Serialize + ?Sized>(self, value: &V) -> Result<T, EncodeError> {
        value.serialize(self)
    }

    fn serialize_f32(self, _: f32) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_f64(self, _: f64) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_none(self) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_unit(self) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_newtype_variant<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &V,
    ) -> Result<T, EncodeError> {
        no_key()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, EncodeError> {
        no_key()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, EncodeError> {
        no_key()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, EncodeError> {
        no_key()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        no_key()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, EncodeError> {
        no_key()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, EncodeError> {
        no_key()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        no_key()
    }
}
