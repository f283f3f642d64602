//! The registry with loaders and ports that do as they are told.

mod calls;
mod fake;
mod states;
mod swap;
