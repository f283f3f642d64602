//! Argo Rollouts' own plugins behind our host, beside the same plugins behind the original's client.
//!
//! ```text
//! samples   upstream's plugins of every version: the same answers, the same objects left behind
//! registry  native plugins in the registry: their states, what ends them, and that they are started again
//! own       our plugin, compiled against every version: every method, every argument, answers to order
//! faults    the same plugin going wrong in every way that is known: a fault that says so, in time, and nothing left
//! states    each of those ways that keeps a plugin from serving is that plugin's own state, whatever its kind
//! slow      what only waits, with everyday's times
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: one that cannot go on fails"
)]

mod faults;
mod objects;
mod own;
mod registry;
mod samples;
mod slow;
mod states;
mod support;
