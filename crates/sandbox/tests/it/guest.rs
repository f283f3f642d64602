//! Components made of a few lines of WebAssembly text.

pub use rollcage_wat_guest::*;
