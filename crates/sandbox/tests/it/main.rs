//! The sandbox from outside: components in, answers and faults out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod calls;
mod compiler;
mod guest;
mod imports;
mod limits;
mod load;
mod old_contract;
mod ports;
mod support;
mod time;
mod wasi;
