//! What a plugin author in Rust imports
