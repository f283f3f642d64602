//! Go's gob encoding of what crosses between Argo Rollouts and its plugins, both ways.
//!
//! ```text
//! schema/*.types -> build script -> tables of types
//!                                        |
//! object (serde) -> Encoder -> definitions not sent yet, one value message       -> net/rpc stream
//! net/rpc stream -> frame -> Decoder -> definitions kept | Value -> plan -> object (serde)
//! ```
//!
//! Objects are `rollcage-api`'s, or anything else with their fields: they are written and read through serde's data model
//! by the names that JSON gives them, directly from and to gob's bytes. Only plugin configuration and step status, which
//! are JSON inside gob as well, are written and read as JSON. What Argo wraps objects in (arguments, replies, headers of
//! net/rpc) is in [`wire`], generic over the objects, so that what is sent is borrowed and what is read is owned.
//!
//! Invariants:
//! - Types are data. A newer Argo release is a new `schema/argo-rollouts.types`; a test compares the file with Go's types.
//! - What gob loses is lost: zero behind a pointer, empty slices, amounts of quantities, zones. Structs that are no
//!   pointers are always sent. Also lost, since our objects do not have them: fields that JSON does not have either
//!   (`TemplateResolvedFromRef`), and whether a string was valid UTF-8 (it is read with replacement characters).
//! - A stream has its own numbers for types, defines each once, and no value is half written: an [`Encoder`] that fails
//!   leaves the stream as it was. All definitions are sent in front of a value, never inside.
//! - Bytes from outside are bounded by [`Limits`]: messages, definitions, and what a value may amount to in memory. Remote
//!   types are a table, never expanded; what recursion there is follows our own types, or is counted.
//! - After a value that does not fit its type the stream goes on; see [`DecodeError::ends_stream`].
//!
//! Not here: I/O, net/rpc's calls, the choice of a type for a method.

mod decode;
mod encode;
mod error;
#[cfg(test)]
mod examples;
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "integers are taken apart into bytes"
)]
mod put;
mod schema;
mod time;
pub mod wire;

pub use decode::{Decoder, Limits, Value, frame};
pub use encode::{Encoded, Encoder};
pub use error::{DecodeError, EncodeError};
pub use schema::{Type, types};
