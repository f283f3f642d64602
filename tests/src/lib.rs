//! Whole-system tests, named by feature, and what they share.
//!
//! ```text
//! tests/tests/oracle.rs -> oracle (a Go program of ours, in tests/oracle) -> what Go's libraries make of the same input
//! ```

pub mod oracle;
