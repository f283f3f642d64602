//! An in-process Kubernetes API with a virtual clock, for `dev`, for `plugin call` and `plugin test`, and for tests.
//!
//! ```text
//! kube client -> service (no socket) | serve (HTTP) -> route -> handle -> write, patch, delete, list -> store
//!                                                                                                       |
//!                                        watch  <- history (the last changes, bounded)  <---------------+
//!                                        Subscription (same process, in order, before the answer)  <----+
//! ```
//!
//! Invariants: everything happens in one order, under one lock, and `resourceVersion` numbers it; a change is in the
//! feeds before its request is answered; a write that changes nothing makes no version; the time that objects carry is
//! the caller's clock; every bound of [`Limits`] is enforced.
//!
//! What it does not do: authenticate, authorise, run controllers or admission webhooks, validate, prune or default by
//! schema, convert between versions (but for Events), schedule pods.

mod apply;
mod builtin;
mod crd;
mod delete;
mod discovery;
mod error;
mod feed;
mod fields;
mod handle;
mod history;
mod hook;
mod id;
mod kind;
mod limits;
mod list;
mod load;
mod object;
mod openapi;
mod patch;
mod reply;
mod route;
mod secret;
mod selector;
mod serve;
mod server;
mod service;
mod settle;
mod snapshot;
mod store;
mod validate;
mod watching;
mod write;

pub use error::{ApiError, Cause, Details, Reason};
pub use feed::{Change, ChangeType, Gvk, Lagged, Subscription};
pub use fields::Lists;
pub use hook::{Disturbance, Match, Recorder, RequestRecord};
pub use kind::{Generation, Kind, NameRule, Served};
pub use limits::Limits;
pub use load::{LoadError, Loaded, Manifest};
pub use reply::ResponseBody;
pub use route::Verb;
pub use server::ApiServer;
pub use service::ApiService;
pub use snapshot::{Difference, ObjectKey, Snapshot, without_bookkeeping};
pub use store::Now;
