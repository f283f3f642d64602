//! Reads typed values out of [`Node`]s, with Go's way with types and an error that knows its field and its place.

use std::{borrow::Cow, fmt};

use serde::{
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    Mark, Strictness, YamlError, YamlErrorKind,
    error::{push_index, push_key},
    node::{Key, Node, Value},
    scalar::float_text,
};

/// An error on its way up, to which every level adds its step.
#[derive(Debug)]
pub(super) struct ReadError {
    cause: String,
    mark: Option<Mark>,
    /// Innermost first.
    path: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl ReadError {
    /// With file and, where nothing better is known, the place of the document.
    pub(super) fn into_yaml(self, file: &str, document: Mark) -> YamlError {
        let mut field = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Key(key) => push_key(&mut field, key),
                Step::Index(index) => push_index(&mut field, *index),
            }
        }
        YamlError::new(
            YamlErrorKind::Value,
            file,
            self.mark.unwrap_or(document),
            field,
            self.cause,
        )
    }

    fn at(mut self, mark: Mark) -> Self {
        self.mark.get_or_insert(mark);
        self
    }

    fn in_key(mut self, key: &Key) -> Self {
        self.path.push(Step::Key(key.text.clone()));
        self.at(key.mark)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            cause: message.to_string(),
            mark: None,
            path: Vec::new(),
        }
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de> {
    node: &'de Node,
    strictness: Strictness,
}

impl<'de> Reader<'de> {
    pub(super) fn new(node: &'de Node, strictness: Strictness) -> Self {
        Self { node, strictness }
    }

    fn inside(self, node: &'de Node) -> Self {
        Self { node, ..self }
    }

    /// A scalar as text, which is what Go makes of it where a text is wanted.
    fn text(self) -> Option<Cow<'de, str>> {
        match &self.node.value {
            Value::Null => Some(Cow::Borrowed("")),
            Value::Bool(bool) => Some(Cow::Borrowed(if *bool { "true" } else { "false" })),
            Value::Int(int) => Some(Cow::Owned(int.to_string())),
            Value::Unsigned(int) => Some(Cow::Owned(int.to_string())),
            Value::Float(float) => Some(Cow::Owned(float_text(*float))),
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    fn items<V: Visitor<'de>>(self, items: &'de [Node], visitor: V) -> Result<V::Value, ReadError> {
        let mut access = Items {
            reader: self,
            items: items.iter().enumerate(),
        };
        let value = visitor.visit_seq(&mut access)?;
        match access.items.next() {
            None => Ok(value),
            Some((index, extra)) => {
                let cause = format!("a list of {index} items is expected, and this is one more");
                Err(<ReadError as de::Error>::custom(cause).at(extra.mark))
            }
        }
    }

    /// `fields` are those that the target has, when it says so.
    fn fields<V: Visitor<'de>>(
        self,
        pairs: &'de [(Key, Node)],
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_map(Fields {
            reader: self,
            all: pairs,
            pairs: pairs.iter(),
            wanted: fields,
            value: None,
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Int(int) => match u64::try_from(*int) {
                Ok(int) => visitor.visit_u64(int),
                Err(_) => visitor.visit_i64(*int),
            },
            Value::Unsigned(int) => visitor.visit_u64(*int),
            Value::Float(float) => number(*float, visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => self.items(items, visitor),
            Value::Mapping(pairs) => self.fields(pairs, None, visitor),
        }
        .map_err(|error: ReadError| error.at(self.node.mark))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.text() {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Some(Cow::Owned(text)) => visitor.visit_string(text),
            None => return self.deserialize_any(visitor),
        }
        .map_err(|error: ReadError| error.at(self.node.mark))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Null => self.items(&[], visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Null => self
                .fields(&[], None, visitor)
                .map_err(|error| error.at(self.node.mark)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => self.fields(&[], Some(fields), visitor),
            Value::Mapping(pairs) => self.fields(pairs, Some(fields), visitor),
            // Derived code would take the list's items for the fields, which Go does not.
            Value::Sequence(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &visitor)),
            _ => return self.deserialize_any(visitor),
        }
        .map_err(|error: ReadError| error.at(self.node.mark))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| error.at(self.node.mark))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Mapping(pairs) => match pairs.as_slice() {
                [(key, node)] => visitor
                    .visit_enum(Variant {
                        name: &key.text,
                        content: Some(self.inside(node)),
                    })
                    .map_err(|error: ReadError| error.in_key(key)),
                _ => Err(de::Error::custom("a mapping with exactly one key is expected")),
            },
            Value::Sequence(_) => return self.deserialize_any(visitor),
            _ => visitor.visit_enum(Variant {
                name: &self.text().unwrap_or_default(),
                content: None,
            }),
        }
        .map_err(|error: ReadError| error.at(self.node.mark))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// A float as Go's JSON has it: whole numbers below 10^21 are written without fraction and can be read as integers.
fn number<'de, V: Visitor<'de>>(float: f64, visitor: V) -> Result<V::Value, ReadError> {
    if !float.is_finite() {
        let cause = "JSON has neither infinity nor NaN: put the value into quotes if it is meant as text";
        return Err(de::Error::custom(cause));
    }
    // 2^63: every whole float below fits, and 2^64 likewise.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within range")]
    if float.fract() == 0.0 && float.abs() < 9_223_372_036_854_775_808.0 {
        let int = float as i64;
        return match u64::try_from(int) {
            Ok(int) => visitor.visit_u64(int),
            Err(_) => visitor.visit_i64(int),
        };
    }
    visitor.visit_f64(float)
}

struct Items<'de> {
    reader: Reader<'de>,
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(self.reader.inside(node))
            .map(Some)
            .map_err(|mut error| {
                error.path.push(Step::Index(index));
                error.at(node.mark)
            })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'de> {
    reader: Reader<'de>,
    all: &'de [(Key, Node)],
    pairs: std::slice::Iter<'de, (Key, Node)>,
    wanted: Option<&'static [&'static str]>,
    value: Option<&'de (Key, Node)>,
}

impl<'de> Fields<'de> {
    /// The target's own name for a key, as `encoding/json` finds it: exact, else in any case when nothing is exact.
    fn name(&self, key: &'de str) -> &'de str {
        let Some(fields) = self.wanted.filter(|_| self.reader.strictness == Strictness::LikeArgo) else {
            return key;
        };
        if fields.contains(&key) {
            return key;
        }
        fields
            .iter()
            .find(|field| field.eq_ignore_ascii_case(key) && !self.all.iter().any(|(key, _)| key.text == **field))
            .map_or(key, |field| *field)
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        while let Some(pair) = self.pairs.next() {
            let (key, node) = pair;
            let name = self.name(&key.text);
            // As in Go, null leaves a field at its default.
            if node.value == Value::Null && self.wanted.is_some_and(|fields| fields.contains(&name)) {
                continue;
            }
            self.value = Some(pair);
            let name: StrDeserializer<'_, ReadError> = name.into_deserializer();
            return seed.deserialize(name).map(Some).map_err(|error| error.in_key(key));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(self.reader.inside(node))
            .map_err(|error| error.at(node.mark).in_key(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

struct Variant<'de, 'n> {
    name: &'n str,
    content: Option<Reader<'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'de, '_> {
    type Error = ReadError;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), ReadError> {
        let name: StrDeserializer<'_, ReadError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content<'de>(Option<Reader<'de>>);

impl<'de> Content<'de> {
    fn reader(self) -> Result<Reader<'de>, ReadError> {
        self.0
            .ok_or_else(|| de::Error::custom("a mapping with this as its only key is expected"))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.0.map(|reader| &reader.node.value) {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(de::Error::custom("this takes no value")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.reader()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.reader()?.deserialize_struct("", fields, visitor)
    }
}
