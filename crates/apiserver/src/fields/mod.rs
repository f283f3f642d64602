//! Who manages which field: sets of field paths, and what server-side apply does with them.

mod apply;
mod compare;
mod lists;
mod managers;
mod set;

pub(crate) use apply::{merge, prune};
pub(crate) use compare::{compare, of, tracked, untracked};
pub use lists::Lists;
pub(crate) use lists::{ListType, push};
pub(crate) use managers::{Id, Managers, Operation};
