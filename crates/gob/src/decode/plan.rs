//! How values of a remote type become ours: decided once for each pair of types, checked as Go checks it.

use std::collections::HashMap;

use super::remote::{self, Remote, Remotes};
use crate::{
    DecodeError,
    schema::{Key, Kind, Struct},
};

/// Steps of all plans of a stream together: our types have some two thousand fields.
const MOST_STEPS: usize = 1 << 16;

/// How one value is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Bool,
    Int(u8),
    Uint(u8),
    Float,
    String,
    Json,
    Time,
    Duration,
    /// Structs by their plan.
    Struct(usize),
    IntOrString(usize),
    Quantity(usize),
    RawJson(usize),
    /// Slices and maps by their elements.
    List(usize),
    Map(usize),
}

/// What becomes of a field that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// It is ours, under this key and with this number among our fields.
    Field(&'static str, usize, Op),
    /// Its fields are its parent's.
    Inline(usize),
    /// It is dropped.
    Skip(i32),
}

/// Plans of one stream.
#[derive(Debug, Default)]
pub(super) struct Plans {
    structs: Vec<Box<[Step]>>,
    elements: Vec<Op>,
    /// By our struct (its number on our streams) and theirs.
    known: HashMap<(i64, i32), usize>,
    known_elements: HashMap<(i64, i32), usize>,
    steps: usize,
}

impl Plans {
    pub(super) fn steps(&self, plan: usize) -> &[Step] {
        self.structs.get(plan).map_or(&[], |steps| steps)
    }

    pub(super) fn element(&self, at: usize) -> Option<Op> {
        self.elements.get(at).copied()
    }

    /// The plan for a whole value: of its fields one at least must be known.
    pub(super) fn whole(&mut self, kind: Kind, id: i32, remotes: &Remotes) -> Result<Op, DecodeError> {
        if let (Some(shape), Some(Remote::Struct(fields))) = (kind.shape(), remotes.get(id)) {
            let known = |name: &[u8]| shape.fields.iter().any(|field| field.name.as_bytes() == name);
            if !fields.is_empty() && !fields.iter().any(|field| known(&field.name)) {
                return Err(DecodeError::value(format!(
                    "type mismatch: no fields matched compiling decoder for {}",
                    shape.name
                )));
            }
        }
        self.plan(kind, id, remotes)
    }

    fn plan(&mut self, kind: Kind, id: i32, remotes: &Remotes) -> Result<Op, DecodeError> {
        let op = match (kind, id, remotes.get(id)) {
            (Kind::Bool, remote::BOOL, _) => Op::Bool,
            (Kind::Int(bits), remote::INT, _) => Op::Int(bits),
            (Kind::Uint(bits), remote::UINT, _) => Op::Uint(bits),
            (Kind::Float, remote::FLOAT, _) => Op::Float,
            (Kind::String, remote::STRING, _) => Op::String,
            (Kind::Json, remote::BYTES, _) => Op::Json,
            (Kind::Duration, remote::INT, _) => Op::Duration,
            (Kind::Time(_), _, Some(Remote::Gob)) => Op::Time,
            (Kind::List(list), _, Some(Remote::Slice { element })) => {
                Op::List(self.plan_element(list.wire.id, list.element, id, *element, remotes)?)
            }
            (Kind::Map(list), _, Some(Remote::Map { key, element })) if *key == remote::STRING => {
                Op::Map(self.plan_element(list.wire.id, list.element, id, *element, remotes)?)
            }
            (Kind::Struct(of), _, Some(Remote::Struct(_))) => Op::Struct(self.plan_struct(of, id, false, remotes)?),
            (Kind::IntOrString(of), _, Some(Remote::Struct(_))) => {
                Op::IntOrString(self.plan_struct(of, id, true, remotes)?)
            }
            (Kind::Quantity(of), _, Some(Remote::Struct(_))) => Op::Quantity(self.plan_struct(of, id, true, remotes)?),
            (Kind::RawJson(of), _, Some(Remote::Struct(_))) => Op::RawJson(self.plan_struct(of, id, true, remotes)?),
            (_, _, None) if !(1..=22).contains(&id) => {
                return Err(DecodeError::value("unknown type id or corrupted data"));
            }
            _ => return Err(DecodeError::value("wrong type")),
        };
        Ok(op)
    }

    fn plan_element(
        &mut self,
        ours: i64,
        kind: Kind,
        theirs: i32,
        element: i32,
        remotes: &Remotes,
    ) -> Result<usize, DecodeError> {
        if let Some(known) = self.known_elements.get(&(ours, theirs)) {
            return Ok(*known);
        }
        let op = self.plan(kind, element, remotes)?;
        self.count(1)?;
        let at = self.elements.len();
        self.elements.push(op);
        self.known_elements.insert((ours, theirs), at);
        Ok(at)
    }

    /// Our types contain each other to a small depth, and so do their plans, whatever the remote types are.
    /// `special` structs are no objects of ours: all their fields are read.
    fn plan_struct(
        &mut self,
        of: &'static Struct,
        id: i32,
        special: bool,
        remotes: &Remotes,
    ) -> Result<usize, DecodeError> {
        if let Some(known) = self.known.get(&(of.wire.id, id)) {
            return Ok(*known);
        }
        let Some(Remote::Struct(fields)) = remotes.get(id) else {
            return Err(DecodeError::value("wrong type"));
        };
        self.count(fields.len() + 1)?;
        let mut steps = Vec::with_capacity(fields.len());
        for field in fields {
            if field.name.is_empty() {
                return Err(DecodeError::value(format!(
                    "empty name for remote field of type {}",
                    of.name
                )));
            }
            let ours = of
                .fields
                .iter()
                .enumerate()
                .find(|(_, ours)| ours.name.as_bytes() == &*field.name);
            let Some((number, ours)) = ours else {
                if field.id > 22 && remotes.get(field.id).is_none() {
                    return Err(DecodeError::value(format!("type {} is undefined", field.id)));
                }
                steps.push(Step::Skip(field.id));
                continue;
            };
            let op = self.plan(ours.kind, field.id, remotes).map_err(|error| match error {
                DecodeError::Value { path, reason } if path.is_empty() => {
                    DecodeError::value(format!("{reason} for received field {}.{}", of.name, ours.name))
                        .within(ours.name)
                }
                other => other.within(ours.name),
            })?;
            steps.push(match (ours.key, op) {
                (Key::Inline, Op::Struct(plan)) => Step::Inline(plan),
                (Key::Named(key), op) => Step::Field(key, number, op),
                // Its type was checked all the same.
                (Key::Hidden | Key::Inline, op) if special => Step::Field("", number, op),
                (Key::Hidden | Key::Inline, _) => Step::Skip(field.id),
            });
        }
        let at = self.structs.len();
        self.structs.push(steps.into_boxed_slice());
        self.known.insert((of.wire.id, id), at);
        Ok(at)
    }

    fn count(&mut self, steps: usize) -> Result<(), DecodeError> {
        self.steps += steps;
        if self.steps > MOST_STEPS {
            return Err(DecodeError::stream("too many combinations of types"));
        }
        Ok(())
    }
}
