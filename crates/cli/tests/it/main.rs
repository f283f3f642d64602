//! The command as a user types it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, helpers included"
)]

mod bench;
mod call;
mod conformance;
mod controller;
mod dev;
mod help;
mod inspect;
mod launch;
mod migrate;
mod native;
mod new;
mod plugins;
mod pod;
mod precompile;
mod prometheus;
mod recording;
mod schema;
mod shim;
mod support;
mod test;
