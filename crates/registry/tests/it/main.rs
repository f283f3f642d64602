//! The registry with loaders and ports that do as they are told.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside of test functions"
)]

mod calls;
mod chaos;
mod configuration;
mod fake;
mod observed;
mod process;
mod real;
mod states;
mod swap;
