//! What plugins cannot reach, and what does not leave them.

#![expect(clippy::unwrap_used, reason = "tests, helpers included")]

mod egress;
mod kit;
mod secrets;
