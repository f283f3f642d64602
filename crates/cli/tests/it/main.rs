//! The command as a user types it.

mod bench;
mod call;
mod dev;
mod help;
mod inspect;
mod new;
mod prometheus;
mod support;
