//! Counts what an evaluation uses.

use std::sync::Arc;

use super::{
    error::{Budget, Result},
    limits::Limits,
    value::{Array, ArrayKind, Key, Map, MapKind, Value},
};

/// What is left of the limits during one evaluation.
#[derive(Debug)]
pub(super) struct Meter {
    steps: usize,
    /// Elements built so far, as the original counts them.
    memory: usize,
    bytes: usize,
    limits: Limits,
}

/// What an element costs in bytes, roughly.
const ELEMENT: usize = size_of::<Value>();

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            steps: limits.steps,
            memory: 0,
            bytes: limits.bytes,
            limits,
        }
    }

    /// One node or one element.
    pub(super) fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    pub(super) fn steps(&mut self, count: usize) -> Result<()> {
        self.steps = self.steps.checked_sub(count).ok_or(Budget::Steps)?;
        Ok(())
    }

    /// A text of which `bytes` are read; short ones are part of the step that reads them.
    pub(super) fn look_at(&mut self, bytes: usize) -> Result<()> {
        self.steps(bytes / 32)
    }

    /// `count` elements, where the original counts them.
    pub(super) fn elements(&mut self, count: usize) -> Result<()> {
        self.memory = self.memory.saturating_add(count);
        if self.memory >= self.limits.memory {
            Err(Budget::Memory.into())
        } else {
            Ok(())
        }
    }

    fn bytes(&mut self, count: usize) -> Result<()> {
        self.bytes = self.bytes.checked_sub(count).ok_or(Budget::Memory)?;
        Ok(())
    }

    /// Room for an array or map of `count` elements; to be asked before building it.
    pub(super) fn room_for(&mut self, count: usize) -> Result<()> {
        self.steps(count)?;
        self.bytes(count.saturating_mul(ELEMENT))
    }

    /// Room for a text of `bytes`; to be asked before building it.
    pub(super) fn room_for_text(&mut self, bytes: usize) -> Result<()> {
        self.look_at(bytes)?;
        self.bytes(bytes)
    }

    /// How long a text may be at all.
    pub(super) fn longest_text(&self) -> usize {
        self.bytes
    }

    /// An array of which the room was asked for.
    pub(super) fn array(&self, kind: ArrayKind, items: impl Into<Arc<[Value]>>) -> Result<Value> {
        self.shallow(Value::Array(Array::new(kind, items)))
    }

    /// A map of which the room was asked for.
    pub(super) fn map(&self, kind: MapKind, entries: std::collections::BTreeMap<Key, Value>) -> Result<Value> {
        self.shallow(Value::Map(Map::new(kind, entries)))
    }

    /// Refuses a value that is too deep: everything that walks through values recurses.
    pub(super) fn shallow(&self, value: Value) -> Result<Value> {
        if usize::try_from(value.depth()).unwrap_or(usize::MAX) > self.limits.value_depth {
            return Err(Budget::ValueDepth(self.limits.value_depth).into());
        }
        Ok(value)
    }
}
