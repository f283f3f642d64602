//! Builtins that evaluate a predicate for each element.

use std::{collections::BTreeMap, sync::Arc};

use super::{BuiltinCall, Flow, Interpreter, Node, operators::unhashable, run};
use crate::condition::{
    builtins::{Builtin, as_bool, sorted_by},
    error::Result,
    value::{Array, ArrayKind, IntKind, Key, MapKind, Order, Value, ordered},
};

/// An open predicate: the elements, and where it is.
pub(super) struct Scope {
    items: Items,
    index: usize,
    accumulated: Value,
}

/// What is gone through.
enum Items {
    Values(Arc<[Value]>),
    /// A map of that length can be gone through too, as long as nobody looks.
    Hidden(usize),
}

impl Items {
    fn len(&self) -> usize {
        match self {
            Self::Values(items) => items.len(),
            Self::Hidden(length) => *length,
        }
    }
}

impl Scope {
    pub(super) fn item(&self) -> Result<Value> {
        match &self.items {
            // What a reduction of nothing starts with can ask for an element, too.
            Items::Values(items) => items.get(self.index).cloned().ok_or_else(|| {
                run(format!(
                    "runtime error: index out of range [{}] with length {}",
                    self.index,
                    items.len()
                ))
            }),
            Items::Hidden(_) => Err(run("reflect: call of reflect.Value.Index on map Value")),
        }
    }

    pub(super) fn index(&self) -> Value {
        int(self.index)
    }

    pub(super) fn accumulated(&self) -> Value {
        self.accumulated.clone()
    }
}

fn int(index: usize) -> Value {
    Value::Int(i64::try_from(index).unwrap_or(i64::MAX))
}

/// What a predicate builtin makes of its elements, one after the other.
enum Outcome {
    /// Go on.
    Next,
    /// This is the value of the whole call.
    Done(Value),
}

impl Interpreter<'_> {
    #[inline(never)]
    pub(super) fn over_elements(&mut self, call: &BuiltinCall) -> Flow<Value> {
        let (collection, predicate, extra) = match call.arguments.as_slice() {
            [collection] => (collection, None, None),
            [collection, predicate] => (collection, Some(predicate), None),
            [collection, predicate, extra, ..] => (collection, Some(predicate), Some(extra)),
            [] => return Err(run(format!("not enough arguments to call {}", call.function.name())).into()),
        };
        let collection = self.value(collection)?;
        let items = self.elements(&collection)?;
        self.scopes.push(Scope {
            items,
            index: 0,
            accumulated: Value::Nil,
        });
        let outcome = match call.function {
            Builtin::SortBy => self.sort_by(predicate, extra),
            Builtin::Reduce => self.reduce(predicate, extra),
            _ => self.each(call, predicate),
        };
        self.scopes.pop();
        outcome
    }

    /// What can be gone through element by element.
    fn elements(&mut self, collection: &Value) -> Result<Items> {
        match collection {
            Value::Array(array) => Ok(Items::Values(array.shared_items())),
            // The checker lets an unknown value pass that turns out to be a text: its bytes.
            Value::String(text) => {
                self.meter.room_for(text.len())?;
                let bytes = text.bytes().map(|byte| Value::Integer(IntKind::Uint8, byte.into()));
                Ok(Items::Values(bytes.collect()))
            }
            Value::Map(map) => Ok(Items::Hidden(map.entries().len())),
            Value::Nil => Err(run("reflect: call of reflect.Value.Len on zero Value")),
            other => Err(run(format!(
                "reflect: call of reflect.Value.Len on {} Value",
                other.kind_name()
            ))),
        }
    }

    fn scope(&mut self) -> Result<&mut Scope> {
        self.scopes
            .last_mut()
            .ok_or_else(|| run("cannot use pointer accessor outside predicate"))
    }

    fn length(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.items.len())
    }

    /// The predicate's value for the current element; the element itself where there is no predicate.
    fn judge(&mut self, predicate: Option<&Node>) -> Flow<Value> {
        self.meter.step()?;
        match predicate {
            Some(predicate) => self.value(predicate),
            None => Ok(self.scope()?.item()?),
        }
    }

    fn each(&mut self, call: &BuiltinCall, predicate: Option<&Node>) -> Flow<Value> {
        let length = self.length();
        let backwards = matches!(call.function, Builtin::FindLast | Builtin::FindLastIndex);
        let mut gathered = Gathered::default();
        for step in 0..length {
            self.scope()?.index = if backwards { length - 1 - step } else { step };
            let value = self.judge(predicate)?;
            if let Outcome::Done(value) = self.take(call, value, &mut gathered)? {
                return Ok(value);
            }
        }
        self.conclude(call, gathered)
    }

    fn take(&mut self, call: &BuiltinCall, value: Value, gathered: &mut Gathered) -> Flow<Outcome> {
        match call.function {
            Builtin::All if !as_bool(&value)? => return Ok(Outcome::Done(Value::Bool(false))),
            Builtin::NoneOf if as_bool(&value)? => return Ok(Outcome::Done(Value::Bool(false))),
            Builtin::Any if as_bool(&value)? => return Ok(Outcome::Done(Value::Bool(true))),
            Builtin::One | Builtin::Count => {
                gathered.count += i64::from(as_bool(&value)?);
                if call.threshold.is_some_and(|threshold| gathered.count >= threshold) {
                    return Ok(Outcome::Done(Value::Int(gathered.count)));
                }
            }
            Builtin::Filter if as_bool(&value)? => {
                let kept = self.judge(call.map.as_deref())?;
                self.meter.room_for(1)?;
                gathered.items.push(kept);
            }
            Builtin::Map => {
                self.meter.room_for(1)?;
                gathered.items.push(value);
            }
            Builtin::Find | Builtin::FindLast if as_bool(&value)? => {
                return self.judge(call.map.as_deref()).map(Outcome::Done);
            }
            Builtin::FindIndex | Builtin::FindLastIndex if as_bool(&value)? => {
                return Ok(Outcome::Done(self.scope()?.index()));
            }
            Builtin::Sum => {
                let sum = gathered.sum.take().unwrap_or(Value::Int(0));
                gathered.sum = Some(self.operate(super::Action::Add, &value, &sum, None)?);
            }
            Builtin::GroupBy => {
                let item = self.scope()?.item()?;
                if let Value::String(text) = &value {
                    self.meter.steps(text.len() / 4)?;
                }
                self.meter.room_for(1)?;
                let nth = gathered.groups.len();
                let key = Key::of(&value, nth).ok_or_else(|| unhashable(&value, nth == 0))?;
                gathered.groups.entry(key).or_default().push(item);
            }
            _ => {}
        }
        Ok(Outcome::Next)
    }

    fn conclude(&mut self, call: &BuiltinCall, gathered: Gathered) -> Flow<Value> {
        Ok(match call.function {
            Builtin::All | Builtin::NoneOf => Value::Bool(true),
            Builtin::One => Value::Bool(gathered.count == 1),
            Builtin::Count => Value::Int(gathered.count),
            Builtin::Filter | Builtin::Map => {
                self.meter.elements(gathered.items.len())?;
                self.meter.array(ArrayKind::Any, gathered.items)?
            }
            Builtin::Find | Builtin::FindLast if call.throws => {
                return Err(run("reflect: slice index out of range").into());
            }
            Builtin::Sum => gathered.sum.unwrap_or(Value::Int(0)),
            Builtin::GroupBy => {
                let groups = gathered
                    .groups
                    .into_iter()
                    .map(|(key, items)| (key, Value::Array(Array::new(ArrayKind::Any, items))))
                    .collect();
                self.meter.map(MapKind::AnyToArray, groups)?
            }
            Builtin::Any => Value::Bool(false),
            _ => Value::Nil,
        })
    }

    fn reduce(&mut self, predicate: Option<&Node>, start: Option<&Node>) -> Flow<Value> {
        let mut first = 0;
        let start = match start {
            Some(start) => self.value(start)?,
            None if self.length() == 0 => {
                return Err(run("reduce of empty array with no initial value").into());
            }
            None => {
                first = 1;
                self.scope()?.item()?
            }
        };
        self.scope()?.accumulated = start;
        for index in first..self.length() {
            self.scope()?.index = index;
            let value = self.judge(predicate)?;
            self.scope()?.accumulated = value;
        }
        Ok(self.scope()?.accumulated())
    }

    fn sort_by(&mut self, predicate: Option<&Node>, order: Option<&Node>) -> Flow<Value> {
        let descending = match order {
            None => false,
            Some(order) => match self.value(order)? {
                Value::String(order) if &*order == "asc" => false,
                Value::String(order) if &*order == "desc" => true,
                Value::String(_) => return Err(run("unknown order, use asc or desc").into()),
                _ => return Err(run("sortBy order argument must be a string").into()),
            },
        };
        let length = self.length();
        self.meter.room_for(length.saturating_mul(2))?;
        let mut pairs = Vec::with_capacity(length);
        for index in 0..length {
            self.scope()?.index = index;
            let key = self.judge(predicate)?;
            pairs.push((key, self.scope()?.item()?));
        }
        let meter = &mut self.meter;
        let sorted = sorted_by(pairs, &mut |(left, _), (right, _)| {
            meter.step()?;
            let (left, right) = if descending { (right, left) } else { (left, right) };
            ordered(left, Order::Less, right, meter)
        })?;
        self.meter.elements(length)?;
        let items: Vec<_> = sorted.into_iter().map(|(_, item)| item).collect();
        Ok(self.meter.array(ArrayKind::Any, items)?)
    }
}

/// What is collected on the way.
#[derive(Default)]
struct Gathered {
    count: i64,
    items: Vec<Value>,
    sum: Option<Value>,
    groups: BTreeMap<Key, Vec<Value>>,
}
