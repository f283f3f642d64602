//! Runs a WebAssembly component under limits, with only what it was granted

pub mod egress;
