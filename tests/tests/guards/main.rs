//! What plugins cannot reach, and what does not leave them.

mod egress;
mod kit;
mod secrets;
