//! Writing a stream.

mod encoded;
mod key;
mod object;
mod output;
mod quantity;
mod value;

use serde::Serialize;

pub use self::encoded::Encoded;
use self::output::Output;
use crate::{EncodeError, Type, put, schema::Wire};

/// The number of gob's interface type.
const INTERFACE: i64 = 8;

/// One stream that is written: it knows which types were defined.
#[derive(Debug, Default)]
pub struct Encoder {
    /// Numbers of defined types, in order.
    defined: Vec<i64>,
    output: Output,
}

impl Encoder {
    /// A stream on which nothing was written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a value: whole messages, definitions included. After an error nothing was appended.
    pub fn value<T: Serialize + ?Sized>(&mut self, of: Type, value: &T, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(of, value)?;
        self.define(of, to);
        let mut head = Vec::with_capacity(9);
        put::int(&mut head, of.0.id());
        put::uint(to, (head.len() + self.output.len()) as u64);
        to.extend_from_slice(&head);
        self.output.send(to);
        Ok(())
    }

    /// Appends a value inside an interface, under the name that its type is registered with.
    pub fn interface<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        of: Type,
        value: &T,
        to: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.write(of, value)?;
        self.define(of, to);
        let mut head = Vec::with_capacity(name.len() + 24);
        put::int(&mut head, INTERFACE);
        head.push(0);
        put::bytes(&mut head, name.as_bytes());
        put::int(&mut head, of.0.id());
        let length = self.output.len();
        put::uint(&mut head, length as u64);
        put::uint(to, (head.len() + length) as u64);
        to.extend_from_slice(&head);
        self.output.send(to);
        Ok(())
    }

    /// Appends an interface with nothing in it: the argument of methods that take none.
    pub fn nil_interface(&mut self, to: &mut Vec<u8>) {
        to.extend([3, 0x10, 0, 0]);
    }

    /// Writes the value's own bytes, with the zero that stands in front of what is no struct.
    fn write<T: Serialize + ?Sized>(&mut self, of: Type, value: &T) -> Result<(), EncodeError> {
        let output = &mut self.output;
        output.clear();
        if of.0.shape().is_none() {
            output.bytes.push(0);
        }
        value::write(output, of.0, true, value)?;
        Ok(())
    }

    fn define(&mut self, of: Type, to: &mut Vec<u8>) {
        if let Some(wire) = of.0.wire() {
            self.define_wire(wire, to);
        }
    }

    /// Sends the definition of a type and of what it is made of. Our types contain each other to a small depth.
    fn define_wire(&mut self, wire: &'static Wire, to: &mut Vec<u8>) {
        if let Err(at) = self.defined.binary_search(&wire.id) {
            self.defined.insert(at, wire.id);
            to.extend_from_slice(wire.definition);
            for used in wire.uses {
                self.define_wire(used, to);
            }
        }
    }
}
