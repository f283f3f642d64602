//! The connections of one plugin: a client for every port and trust, none shared with another plugin.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, redirect::Policy};

use super::{
    error::EgressError,
    grants::{Grants, Trust},
    headers::{MAX_HEADER_BYTES, MAX_HEADERS},
    names::{CheckedNames, Names, SharedNames},
    tls,
};

/// Clients kept at most; only `*:*` can ask for more.
const MAX_CLIENTS: usize = 16;

/// Time for a connection, over all addresses of a name: one dead replica must not take a whole deadline.
const CONNECT: Duration = Duration::from_secs(10);

/// Idle connections are closed after this time: shorter than what load balancers keep.
const IDLE: Duration = Duration::from_secs(50);

/// Idle connections of one server: as many as calls may run at the same time by default.
const MAX_IDLE: usize = 8;

/// Makes and keeps clients.
#[derive(Debug)]
pub(super) struct Clients {
    grants: Arc<Grants>,
    names: Arc<dyn Names>,
    /// Source address of connections; the system's choice when absent.
    source: Option<IpAddr>,
    /// Most recently used last.
    kept: Mutex<Vec<((u16, Trust), Client)>>,
}

impl Clients {
    pub(super) fn new(grants: Arc<Grants>, names: Arc<dyn Names>, source: Option<IpAddr>) -> Self {
        Self {
            grants,
            names,
            source,
            kept: Mutex::default(),
        }
    }

    /// The client for a port and trust.
    pub(super) fn get(&self, port: u16, trust: &Trust) -> Result<Client, EgressError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|((p, t), _)| *p == port && t == trust);
        let entry = match found {
            Some(index) => kept.remove(index),
            None => ((port, trust.clone()), self.make(port, trust)?),
        };
        let client = entry.1.clone();
        if kept.len() >= MAX_CLIENTS {
            kept.remove(0);
        }
        kept.push(entry);
        Ok(client)
    }

    fn make(&self, port: u16, trust: &Trust) -> Result<Client, EgressError> {
        let names = SharedNames(Arc::new(CheckedNames {
            names: self.names.clone(),
            grants: self.grants.clone(),
            port,
        }));
        Client::builder()
            .tls_backend_preconfigured(tls::config(trust, &self.grants)?)
            .dns_resolver(names)
            .local_address(self.source)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .build()
            .map_err(|error| EgressError::Host(format!("the HTTP client cannot be set up: {error}")))
    }
}
