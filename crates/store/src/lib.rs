//! From a plugin's location to verified bytes on disk.
//!
//! ```text
//! entry -> location, digest (resolve) -> cache by digest? ------------------------------------+
//!                                          | no                                               |
//!                                          v                                                  v
//!                     file | http(s) (fetch) -> temporary file -> sha256, identity (verify) -> blobs/sha256/<hex> -> Fetched
//!                                          | fails, and the entry has no sha256
//!                                          +-> last known good of this plugin and this location
//! ```
//!
//! On disk (folders 0700, files 0600, native plugins that run 0555):
//!
//! ```text
//! <dir>/blobs/sha256/<hex>     the bytes; complete and synced before they have this name, checked at every reading
//! <dir>/blobs/sha256/.tmp-*    being written; locked by its writer, removed by the next opener when the writer is gone
//! <dir>/aside/                 blobs that were found damaged
//! <dir>/good/<kind>/<hash>     the digest that last served a plugin, by the hash of the plugin's name
//! <dir>/revalidate/<hash>      what a server said about a location, to ask only for changes
//! ```
//!
//! Invariants: what [`Fetched`] holds has the digest that it tells, and the wanted one if the entry names one. A crash at
//! any moment, another process on the same folder, a full disk or a read-only one lose nothing that was there. The folder
//! stays below its bound except for what is in use or known to be good. Errors are [`Fault`](rollcage_core::Fault)s of the
//! phases resolve, fetch and verify; no address in them shows credentials or query, and no header value is in any.
//!
//! Not here: what a component exports (that is `sandbox`), when to try again (`registry`), OCI registries (not yet).

mod config;
mod digest;
mod disk;
mod download;
mod flight;
mod headers;
mod identity;
mod location;
mod problem;
mod store;
mod work;

pub use config::{StoreConfig, StoreError};
pub use digest::{Digest, DigestError};
pub use disk::KnownGood;
pub use identity::{Architecture, Identity, NativeFormat, identify};
pub use location::{Location, LocationError};
pub use store::{Executable, Fetched, Origin, Store};
pub use work::{Stage, Transfer};
