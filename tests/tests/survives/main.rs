//! What is left when a host is killed at any moment, or its disk is full.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests, helpers included"
)]

mod disk;
mod killed;
mod origin;
