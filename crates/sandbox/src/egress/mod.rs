//! The one way out of the sandbox over HTTP: behind the contract's `http` import and behind `wasi:http` outgoing.
//!
//! ```text
//! request -> target (normalised once) -> grants (server, method, insecure) -> gate (is the server worth asking?)
//!         -> credentials attached -> responder, or: names -> every address checked -> connection to a checked address
//!         -> answer: bounded while it streams -> credentials masked -> guest
//! ```
//!
//! Invariants
//! - What is compared with grants is what is sent: the address is parsed once, and nothing else is used from then on.
//! - A name is resolved only when it is granted, and a connection goes to an address that was checked for it. There is
//!   no second resolution that could answer otherwise, no proxy, and no redirect is followed.
//! - Loopback, link-local, unspecified, multicast, broadcast, reserved and metadata addresses are reached only when the
//!   address itself is granted as ADDRESS or CIDR, or (loopback) under the granted name `localhost`.
//! - Everything ends at the call's deadline, in real time; every byte that a call sends or takes counts.
//! - A credential's value is in no answer (header, trailer or body), no message and no log.
//! - Connections belong to one plugin.
//!
//! What it does not do: look into bodies, stop a granted server from passing on what the plugin sends to it, or follow
//! where that server connects to.

mod address;
mod call;
mod clients;
mod credentials;
mod error;
mod failure;
mod grants;
mod guard;
mod headers;
mod mask;
mod names;
mod server;
mod shapes;
mod target;
mod tls;
mod wasi;

use rollcage_api::plugin::Permissions;
use rollcage_core::host::NoCluster;

/// Whether an entry's grants and credentials can be read, without anything that they would need to work.
pub fn check(permissions: &Permissions) -> Result<(), GrantError> {
    grants::Grants::parse(&permissions.http)?;
    credentials::Credentials::parse(&permissions.credentials, std::sync::Arc::new(NoCluster))?;
    Ok(())
}

#[cfg(test)]
mod tests;
pub use address::AddressClass;
pub use call::EgressCall;
pub use error::{EgressError, EgressErrorKind, GrantError};
pub use guard::{Egress, SendOptions};
pub use names::Names;
pub use shapes::shapes;
pub use wasi::WasiEgress;
