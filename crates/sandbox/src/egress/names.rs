//! Names to addresses, and the check that stands between the two and the connection.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::{address::AddressClass, grants::Grants};

/// Addresses of one name that are tried at most.
const MAX_ADDRESSES: usize = 16;

/// Look-ups of one plugin at the same time. Each holds a thread until the system's resolver gives up, even when the call
/// has ended: a slow name server must not take the threads of everybody else.
const MAX_LOOKUPS: usize = 4;

/// Resolves names. Production asks the system; tests answer themselves.
#[async_trait]
pub trait Names: Send + Sync + fmt::Debug {
    /// The addresses of a name, best first. A trailing dot makes the name absolute.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver (`getaddrinfo`), with the cluster's search domains.
#[derive(Debug)]
pub(super) struct SystemNames {
    permits: Arc<Semaphore>,
}

impl Default for SystemNames {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }
}

#[async_trait]
impl Names for SystemNames {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let permit = self.permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        let name = name.to_owned();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Ok((name.as_str(), 0)
                .to_socket_addrs()?
                .map(|address| address.ip())
                .collect())
        })
        .await
        .map_err(io::Error::other)?
    }
}

/// What reqwest asks when it connects: the addresses it gets are the ones it connects to, and all of them are checked.
/// It belongs to one port, because grants do.
#[derive(Debug)]
pub(super) struct CheckedNames {
    pub(super) names: Arc<dyn Names>,
    pub(super) grants: Arc<Grants>,
    pub(super) port: u16,
}

impl CheckedNames {
    async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, NameError> {
        let bare = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        // RFC 6761: `localhost` is this machine, whatever a name server says.
        let found = if bare == "localhost" {
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
        } else {
            self.names
                .lookup(name)
                .await
                .map_err(|error| NameError::Unknown(error.to_string()))?
        };
        let mut prohibited = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.grants.may_lead_to(&bare, address, self.port) {
                Ok(()) => allowed.push(SocketAddr::new(address.to_canonical(), self.port)),
                Err(class) => prohibited = prohibited.or(Some((address, class))),
            }
        }
        allowed.truncate(MAX_ADDRESSES);
        match prohibited {
            _ if !allowed.is_empty() => Ok(allowed),
            Some((address, class)) => Err(NameError::Prohibited { address, class }),
            None => Err(NameError::Unknown("it has no address".into())),
        }
    }
}

impl Resolve for SharedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.0.clone();
        Box::pin(async move {
            let addresses = names.resolve(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// As reqwest takes it.
#[derive(Clone, Debug)]
pub(super) struct SharedNames(pub(super) Arc<CheckedNames>);

/// Why a name leads nowhere. Found again in reqwest's chain of causes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    /// The resolver's words.
    #[error("{0}")]
    Unknown(String),
    /// It leads to addresses that a name may not lead to.
    #[error("{address} is a {class} address")]
    Prohibited {
        /// The first of them.
        address: IpAddr,
        /// What it is.
        class: AddressClass,
    },
}
