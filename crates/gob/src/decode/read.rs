//! One value, from gob's bytes to serde's data model.

use std::borrow::Cow;

use rollcage_api::GoDuration;
use serde::de::{
    DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    value::{BorrowedStrDeserializer, CowStrDeserializer},
};

use super::{
    Limits,
    plan::{Op, Plans, Step},
    remote::Remotes,
    take::{self, Bytes},
};
use crate::{DecodeError, time};

/// The value's bytes, and what may still be made of them.
pub(super) struct Input<'a, 'd> {
    bytes: Bytes<'d>,
    /// Skipped interfaces may define types.
    remotes: &'a mut Remotes,
    limits: Limits,
    parts: usize,
}

impl<'a, 'd> Input<'a, 'd> {
    pub(super) fn new(bytes: Bytes<'d>, remotes: &'a mut Remotes, limits: Limits) -> Self {
        Self {
            bytes,
            remotes,
            parts: limits.parts,
            limits,
        }
    }

    fn charge(&mut self, parts: usize) -> Result<(), DecodeError> {
        self.parts = self
            .parts
            .checked_sub(parts)
            .ok_or_else(|| DecodeError::value(format!("more than {} parts", self.limits.parts)))?;
        Ok(())
    }

    fn skip(&mut self, id: i32) -> Result<(), DecodeError> {
        self.remotes.skip(&mut self.bytes, id, &self.limits)
    }

    /// Bytes that are JSON, of which any four may become a part.
    fn json(&mut self) -> Result<Bytes<'d>, DecodeError> {
        let bytes = take::bytes(&mut self.bytes)?;
        self.charge(bytes.len() / 4)?;
        Ok(bytes)
    }

    /// A text; Go does not promise UTF-8.
    fn text(&mut self) -> Result<Cow<'d, str>, DecodeError> {
        Ok(String::from_utf8_lossy(take::bytes(&mut self.bytes)?))
    }

    fn int(&mut self, bits: u8) -> Result<i64, DecodeError> {
        let value = take::int(&mut self.bytes)?;
        if (value >> (bits - 1)) != (value >> 63) {
            return Err(DecodeError::value(format!("value {value} out of range")));
        }
        Ok(value)
    }

    fn uint(&mut self, bits: u8) -> Result<u64, DecodeError> {
        let value = take::uint(&mut self.bytes)?;
        if bits < 64 && value >> bits != 0 {
            return Err(DecodeError::value(format!("value {value} out of range")));
        }
        Ok(value)
    }
}

/// Reads one value as its plan says.
pub(super) struct Reader<'r, 'a, 'd> {
    input: &'r mut Input<'a, 'd>,
    plans: &'r Plans,
    op: Op,
}

impl<'r, 'a, 'd> Reader<'r, 'a, 'd> {
    pub(super) fn new(input: &'r mut Input<'a, 'd>, plans: &'r Plans, op: Op) -> Self {
        Self { input, plans, op }
    }

    /// The fields of a struct that is no object of ours, by our numbers: at most three, of which each was sent or not.
    fn special(&mut self, plan: usize) -> Result<(i64, i64, Bytes<'d>), DecodeError> {
        let (mut kind, mut number, mut text): (_, _, Bytes<'d>) = (0, 0, &[]);
        let steps = self.plans.steps(plan);
        let mut before = -1;
        while let Some(at) = take::field(&mut self.input.bytes, before, steps.len())? {
            before = i64::try_from(at).unwrap_or(i64::MAX);
            match steps.get(at) {
                Some(Step::Field(_, _, Op::String)) => text = take::bytes(&mut self.input.bytes)?,
                Some(Step::Field(_, _, Op::Json)) => text = self.input.json()?,
                Some(Step::Field(_, 0, Op::Int(bits))) => kind = self.input.int(*bits)?,
                Some(Step::Field(_, _, Op::Int(bits))) => number = self.input.int(*bits)?,
                Some(Step::Skip(id)) => self.input.skip(*id)?,
                _ => return Err(DecodeError::value("wrong type")),
            }
        }
        Ok((kind, number, text))
    }

    fn int_or_string<V: Visitor<'d>>(mut self, plan: usize, visitor: V) -> Result<V::Value, DecodeError> {
        let (kind, number, text) = self.special(plan)?;
        match kind {
            0 => visitor.visit_i64(number),
            1 => match String::from_utf8_lossy(text) {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            _ => Err(DecodeError::value("impossible IntOrString.Type")),
        }
    }
}

/// JSON that came as bytes. Go keeps bytes that are none, we have nowhere to.
fn json<'d, V: Visitor<'d>>(bytes: Bytes<'d>, visitor: V) -> Result<V::Value, DecodeError> {
    if bytes.is_empty() {
        return visitor.visit_unit();
    }
    let no_json = |error: serde_json::Error| DecodeError::value(format!("no JSON: {error}"));
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = reader.deserialize_any(visitor).map_err(no_json)?;
    reader.end().map_err(no_json)?;
    Ok(value)
}

impl<'d> Deserializer<'d> for Reader<'_, '_, 'd> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'d>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let input = &mut *self.input;
        match self.op {
            Op::Bool => visitor.visit_bool(take::uint(&mut input.bytes)? != 0),
            Op::Int(bits) => visitor.visit_i64(input.int(bits)?),
            Op::Uint(bits) => visitor.visit_u64(input.uint(bits)?),
            Op::Float => visitor.visit_f64(f64::from_bits(take::uint(&mut input.bytes)?.swap_bytes())),
            Op::String => match input.text()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Op::Json => json(input.json()?, visitor),
            Op::Time => {
                let time = time::read(take::bytes(&mut input.bytes)?).map_err(DecodeError::value)?;
                visitor.visit_string(time.to_string())
            }
            Op::Duration => {
                // What is below zero asks for no delay.
                let nanoseconds = u64::try_from(take::int(&mut input.bytes)?).unwrap_or_default();
                visitor.visit_string(GoDuration(std::time::Duration::from_nanos(nanoseconds)).to_string())
            }
            Op::IntOrString(plan) => self.int_or_string(plan, visitor),
            Op::Quantity(plan) => {
                self.special(plan)?;
                visitor.visit_borrowed_str("0")
            }
            Op::RawJson(plan) => {
                let (_, _, bytes) = self.special(plan)?;
                json(bytes, visitor)
            }
            Op::Struct(plan) => {
                let steps = self.plans.steps(plan);
                input.charge(1 + steps.len())?;
                visitor.visit_map(Object {
                    input,
                    plans: self.plans,
                    steps,
                    before: -1,
                    outer: Vec::new(),
                    value: None,
                })
            }
            Op::List(element) | Op::Map(element) => {
                let left = take::count(&mut input.bytes)?;
                let op = self
                    .plans
                    .element(element)
                    .ok_or_else(|| DecodeError::value("wrong type"))?;
                let items = Items {
                    left,
                    op,
                    input,
                    plans: self.plans,
                };
                if matches!(self.op, Op::Map(_)) {
                    visitor.visit_map(items)
                } else {
                    visitor.visit_seq(items)
                }
            }
        }
    }

    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.op {
            // Raw JSON asks serde_json by this way.
            Op::Json => {
                let bytes = self.input.json()?;
                serde_json::Deserializer::from_slice(bytes)
                    .deserialize_newtype_struct(name, visitor)
                    .map_err(|error| DecodeError::value(format!("no JSON: {error}")))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.op {
            Op::String => {
                let text = self.input.text()?;
                visitor.visit_enum(IntoDeserializer::<DecodeError>::into_deserializer(text))
            }
            _ => Err(DecodeError::value("wrong type")),
        }
    }

    /// Our own times ask for nanoseconds since 1970.
    fn deserialize_i128<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.op {
            Op::Time => {
                let time = time::read(take::bytes(&mut self.input.bytes)?).map_err(DecodeError::value)?;
                visitor.visit_i128(time.as_nanosecond())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'d>>
        bool i8 i16 i32 i64 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The fields of a struct, and of those that are inlined in it, as one map.
struct Object<'r, 'a, 'd> {
    input: &'r mut Input<'a, 'd>,
    plans: &'r Plans,
    steps: &'r [Step],
    before: i64,
    /// Where to go on behind an inlined struct.
    outer: Vec<(&'r [Step], i64)>,
    value: Option<(&'static str, Op)>,
}

impl<'d> MapAccess<'d> for Object<'_, '_, 'd> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'d>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        loop {
            let Some(at) = take::field(&mut self.input.bytes, self.before, self.steps.len())? else {
                let Some((steps, before)) = self.outer.pop() else {
                    return Ok(None);
                };
                (self.steps, self.before) = (steps, before);
                continue;
            };
            self.before = i64::try_from(at).unwrap_or(i64::MAX);
            match self.steps.get(at) {
                Some(Step::Field(key, _, op)) => {
                    self.value = Some((key, *op));
                    return seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some);
                }
                Some(Step::Inline(plan)) => {
                    self.outer.push((self.steps, self.before));
                    self.steps = self.plans.steps(*plan);
                    self.before = -1;
                    self.input.charge(self.steps.len())?;
                }
                Some(Step::Skip(id)) => self.input.skip(*id)?,
                None => return Err(DecodeError::value("field numbers out of bounds")),
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'d>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, op) = self
            .value
            .take()
            .ok_or_else(|| DecodeError::value("a value without key"))?;
        seed.deserialize(Reader::new(self.input, self.plans, op))
            .map_err(|error| error.within(key))
    }
}

/// The elements of a slice or a map.
struct Items<'r, 'a, 'd> {
    left: usize,
    op: Op,
    input: &'r mut Input<'a, 'd>,
    plans: &'r Plans,
}

impl<'d> SeqAccess<'d> for Items<'_, '_, 'd> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'d>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        take::element(&self.input.bytes)?;
        self.input.charge(1)?;
        seed.deserialize(Reader::new(self.input, self.plans, self.op)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'d> MapAccess<'d> for Items<'_, '_, 'd> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'d>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.input.charge(2)?;
        let key = self.input.text()?;
        seed.deserialize(CowStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'d>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        seed.deserialize(Reader::new(self.input, self.plans, self.op))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}
