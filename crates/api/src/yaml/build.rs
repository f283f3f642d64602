//! From an outline to values: `serde_yaml` reads the document along it, and every scalar becomes what Go reads there.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    MAX_DEPTH, MAX_NODES, MAX_SCALAR_BYTES, Mark, Strictness, YamlError, YamlErrorKind,
    error::{push_index, push_key},
    node::{Key, Node, Value},
    outline::{Kind, Outline, Tag},
    scalar::{float_text, resolve},
};

/// What the two parsers say when they see different documents.
const AMBIGUOUS: &str = "this can be read in more than one way: put texts into quotes";
/// Marks `serde_yaml`'s errors that mean just that.
const EXPECTED: &str = "the outlined";

/// Reads one document. `reader` is `serde_yaml`'s next document; `first_line` is the file's line on which its text began.
pub(super) fn build(
    file: &str,
    outline: &Outline,
    reader: Option<serde_yaml::Deserializer<'_>>,
    first_line: usize,
    strictness: Strictness,
) -> Result<Node, YamlError> {
    let mut builder = Builder {
        file,
        strictness,
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        depth: 0,
        path: Vec::new(),
        error: None,
    };
    let Some(reader) = reader else {
        return Err(builder.error(
            YamlErrorKind::Syntax,
            outline.mark,
            "the text ends before this document does",
        ));
    };
    let result = Along {
        outline,
        builder: &mut builder,
    }
    .deserialize(reader);
    match (result, builder.error) {
        (Ok(built), None) => Ok(built.node),
        (_, Some(error)) => Err(*error),
        (Err(error), None) => {
            let mark = error.location().map_or(outline.mark, |location| Mark {
                line: location.line() + first_line - 1,
                column: location.column(),
            });
            let text = error.to_string();
            let cause = if text.contains(EXPECTED) {
                AMBIGUOUS
            } else {
                // The place is told once, before the message.
                text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause)
            };
            Err(YamlError::new(YamlErrorKind::Syntax, file, mark, String::new(), cause))
        }
    }
}

/// What stays the same over a document.
struct Builder<'o> {
    file: &'o str,
    strictness: Strictness,
    anchors: HashMap<usize, Built>,
    /// Values made so far, those behind aliases included.
    nodes: usize,
    /// Bytes of scalars made so far, those behind aliases included.
    bytes: usize,
    depth: usize,
    path: Vec<Step>,
    /// Our own error: `serde_yaml`'s has no room for it.
    error: Option<Box<YamlError>>,
}

enum Step {
    Key(String),
    Index(usize),
}

/// A value and what it costs to have it once more.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    bytes: usize,
    /// Lists and mappings inside each other.
    height: usize,
}

impl Builder<'_> {
    fn error(&self, kind: YamlErrorKind, mark: Mark, cause: impl Into<String>) -> YamlError {
        let mut field = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => push_key(&mut field, key),
                Step::Index(index) => push_index(&mut field, *index),
            }
        }
        YamlError::new(kind, self.file, mark, field, cause)
    }

    /// Keeps our error and gives `serde_yaml` one that ends the reading.
    fn fail<E: serde::de::Error>(&mut self, kind: YamlErrorKind, mark: Mark, cause: impl Into<String>) -> E {
        let error = self.error(kind, mark, cause);
        self.error.get_or_insert_with(|| Box::new(error));
        E::custom("stopped")
    }

    fn spend<E: serde::de::Error>(&mut self, mark: Mark, nodes: usize, bytes: usize, height: usize) -> Result<(), E> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        let cause = if self.nodes > MAX_NODES {
            format!("more than {MAX_NODES} values when aliases are followed")
        } else if self.bytes > MAX_SCALAR_BYTES {
            format!("more than {MAX_SCALAR_BYTES} bytes of text when aliases are followed")
        } else if self.depth + height > MAX_DEPTH {
            format!("nested deeper than {MAX_DEPTH} when aliases are followed")
        } else {
            return Ok(());
        };
        Err(self.fail(YamlErrorKind::Bound, mark, cause))
    }

    fn scalar<E: serde::de::Error>(&mut self, mark: Mark, tag: Tag, implicit: bool, text: &str) -> Result<Built, E> {
        self.spend(mark, 1, text.len(), 0)?;
        match resolve(tag, implicit, text) {
            Ok(value) => Ok(Built {
                node: Node { mark, value },
                nodes: 1,
                bytes: text.len(),
                height: 0,
            }),
            Err(cause) => Err(self.fail(YamlErrorKind::Syntax, mark, cause)),
        }
    }

    fn alias<E: serde::de::Error>(&mut self, mark: Mark, id: usize) -> Result<Built, E> {
        let Some(target) = self.anchors.get(&id) else {
            return Err(self.fail(YamlErrorKind::Syntax, mark, "an anchor's value contains itself"));
        };
        let (nodes, bytes, height) = (target.nodes, target.bytes, target.height);
        self.spend(mark, nodes, bytes, height)?;
        match self.anchors.get(&id) {
            Some(target) => Ok(target.clone()),
            None => Err(E::custom("stopped")),
        }
    }

    fn key<E: serde::de::Error>(&mut self, node: Node) -> Result<Key, E> {
        let text = match node.value {
            Value::String(text) => text,
            Value::Bool(bool) => bool.to_string(),
            Value::Int(int) => int.to_string(),
            Value::Float(float) => match float_text(float).as_str() {
                "+Inf" => ".inf".to_owned(),
                "-Inf" => "-.inf".to_owned(),
                "NaN" => ".nan".to_owned(),
                text => text.to_owned(),
            },
            other => {
                let cause = format!("a key cannot be {}", other.what());
                return Err(self.fail(YamlErrorKind::Syntax, node.mark, cause));
            }
        };
        Ok(Key { mark: node.mark, text })
    }
}

/// Reads what the outline says is there.
struct Along<'a, 'o> {
    outline: &'o Outline,
    builder: &'a mut Builder<'o>,
}

impl<'de> DeserializeSeed<'de> for Along<'_, '_> {
    type Value = Built;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Built, D::Error> {
        let Self { outline, builder } = self;
        let mark = outline.mark;
        let built = match &outline.kind {
            Kind::Scalar { tag, implicit, text } => {
                let read = deserializer.deserialize_str(Text)?;
                if read != *text {
                    return Err(builder.fail(YamlErrorKind::Syntax, mark, AMBIGUOUS));
                }
                builder.scalar(mark, *tag, *implicit, &read)?
            }
            Kind::Alias(id) => {
                // One event for `serde_yaml`: what is behind it was read before.
                deserializer.deserialize_ignored_any(IgnoredAny)?;
                return builder.alias(mark, *id);
            }
            Kind::Sequence(items) => {
                builder.depth += 1;
                let items = deserializer.deserialize_seq(Items { items, builder })?;
                builder.depth -= 1;
                collection(builder, mark, items)?
            }
            Kind::Mapping(pairs) => {
                builder.depth += 1;
                let fields = deserializer.deserialize_map(Pairs { pairs, builder })?;
                builder.depth -= 1;
                collection(builder, mark, fields)?
            }
        };
        if outline.anchor > 0 {
            // Anchors inside anchors would else be kept once for every level, at no cost.
            builder.spend(mark, built.nodes, built.bytes, 0)?;
            builder.anchors.insert(outline.anchor, built.clone());
        }
        Ok(built)
    }
}

fn collection<E: serde::de::Error>(builder: &mut Builder<'_>, mark: Mark, mut inside: Built) -> Result<Built, E> {
    builder.spend(mark, 1, 0, 0)?;
    inside.node.mark = mark;
    inside.nodes += 1;
    inside.height += 1;
    Ok(inside)
}

/// The text of any scalar, whatever its tag.
struct Text;

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EXPECTED} scalar")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

struct Items<'a, 'o> {
    items: &'o [Outline],
    builder: &'a mut Builder<'o>,
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = Built;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EXPECTED} list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Built, A::Error> {
        let mut sum = Sum::default();
        let mut nodes = Vec::with_capacity(self.items.len());
        for (index, outline) in self.items.iter().enumerate() {
            self.builder.path.push(Step::Index(index));
            let seed = Along {
                outline,
                builder: self.builder,
            };
            match access.next_element_seed(seed)? {
                Some(built) => nodes.push(sum.add(built)),
                None => return Err(A::Error::custom(EXPECTED)),
            }
            self.builder.path.pop();
        }
        Ok(sum.into_built(Value::Sequence(nodes)))
    }
}

struct Pairs<'a, 'o> {
    pairs: &'o [(Outline, Outline)],
    builder: &'a mut Builder<'o>,
}

impl<'de> Visitor<'de> for Pairs<'_, '_> {
    type Value = Built;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EXPECTED} mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Built, A::Error> {
        let builder = self.builder;
        let mut sum = Sum::default();
        let mut fields = Fields::default();
        for (key, value) in self.pairs {
            let seed = Along { outline: key, builder };
            let Some(built_key) = access.next_key_seed(seed)? else {
                return Err(A::Error::custom(EXPECTED));
            };
            let key_node = sum.add(built_key);
            if is_merge(key) {
                let built = sum.add(access.next_value_seed(Along {
                    outline: value,
                    builder,
                })?);
                if !fields.merge(value, built) {
                    let cause = "`<<` takes a mapping, an alias of one, or a list of them";
                    return Err(builder.fail(YamlErrorKind::Syntax, value.mark, cause));
                }
                continue;
            }
            let key = builder.key(key_node)?;
            builder.path.push(Step::Key(key.text.clone()));
            if let Some(first) = fields.explicit(&key.text)
                && builder.strictness == Strictness::Strict
            {
                let cause = format!("this key is already on line {}: remove one of them", first.line);
                return Err(builder.fail(YamlErrorKind::DuplicateKey, key.mark, cause));
            }
            let node = sum.add(access.next_value_seed(Along {
                outline: value,
                builder,
            })?);
            fields.insert(key, node, true);
            builder.path.pop();
        }
        Ok(sum.into_built(Value::Mapping(fields.fields)))
    }
}

/// `<<` written plainly, or with its tag.
fn is_merge(key: &Outline) -> bool {
    matches!(&key.kind, Kind::Scalar { tag, implicit, text } if text == "<<" && (*implicit || *tag == Tag::Merge))
}

/// Fields of one mapping. As in Go, what is written later wins, merged or not.
#[derive(Default)]
struct Fields {
    fields: Vec<(Key, Node)>,
    /// Where a key is, and whether it is written here rather than merged.
    index: HashMap<String, (usize, bool)>,
}

impl Fields {
    /// Where a key is written in this very mapping.
    fn explicit(&self, key: &str) -> Option<Mark> {
        let (position, explicit) = self.index.get(key)?;
        let (key, _) = self.fields.get(*position)?;
        explicit.then_some(key.mark)
    }

    fn insert(&mut self, key: Key, node: Node, explicit: bool) {
        match self.index.entry(key.text.clone()) {
            Entry::Occupied(mut found) => {
                let (position, was_explicit) = found.get_mut();
                *was_explicit |= explicit;
                if let Some(field) = self.fields.get_mut(*position) {
                    *field = (key, node);
                }
            }
            Entry::Vacant(vacant) => {
                vacant.insert((self.fields.len(), explicit));
                self.fields.push((key, node));
            }
        }
    }

    /// Merges what `<<` holds; false when it is nothing that can be merged.
    fn merge(&mut self, outline: &Outline, node: Node) -> bool {
        match (&outline.kind, node.value) {
            (Kind::Mapping(_) | Kind::Alias(_), Value::Mapping(fields)) => self.insert_all(fields),
            (Kind::Sequence(outlines), Value::Sequence(items)) => {
                // Backwards: earlier ones win.
                for (outline, item) in outlines.iter().zip(items).rev() {
                    match (&outline.kind, item.value) {
                        (Kind::Mapping(_) | Kind::Alias(_), Value::Mapping(fields)) => self.insert_all(fields),
                        _ => return false,
                    }
                }
            }
            _ => return false,
        }
        true
    }

    fn insert_all(&mut self, fields: Vec<(Key, Node)>) {
        for (key, node) in fields {
            self.insert(key, node, false);
        }
    }
}

/// What the parts of a list or mapping cost together.
#[derive(Default)]
struct Sum {
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl Sum {
    fn add(&mut self, built: Built) -> Node {
        self.nodes = self.nodes.saturating_add(built.nodes);
        self.bytes = self.bytes.saturating_add(built.bytes);
        self.height = self.height.max(built.height);
        built.node
    }

    fn into_built(self, value: Value) -> Built {
        Built {
            node: Node {
                mark: Mark::default(),
                value,
            },
            nodes: self.nodes,
            bytes: self.bytes,
            height: self.height,
        }
    }
}
