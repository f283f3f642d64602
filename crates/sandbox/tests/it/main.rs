//! The sandbox from outside: components in, answers and faults out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod guest;
mod load;
mod ports;
mod support;
