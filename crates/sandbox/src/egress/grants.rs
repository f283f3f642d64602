//! What an entry's `permissions.http` grants, and the decision about one request.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use http::Method;
use rollcage_api::plugin::HttpGrant;
use rollcage_core::Denial;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{
    address::AddressClass,
    error::{EgressError, GrantError},
    server::Server,
    target::{Target, TargetHost},
};

/// Grants of one plugin, ready to decide.
#[derive(Debug, Default)]
pub(super) struct Grants {
    grants: Vec<Grant>,
    /// Extra certificates, by the index that [`Trust`] holds.
    authorities: Vec<Vec<CertificateDer<'static>>>,
}

#[derive(Debug)]
struct Grant {
    /// The server as the entry writes it.
    text: Arc<str>,
    server: Server,
    insecure: bool,
    authority: Option<usize>,
    /// Empty: all.
    methods: Vec<Method>,
}

/// How a server's certificate is checked. Requests with equal trust and port share connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Trust {
    /// Extra certificates, indices into [`Grants::authorities`].
    pub(super) authorities: BTreeSet<usize>,
    /// Not at all.
    pub(super) insecure: bool,
}

impl Grants {
    pub(super) fn parse(entries: &[HttpGrant]) -> Result<Self, GrantError> {
        let mut grants = Self::default();
        for (index, entry) in entries.iter().enumerate() {
            grants.add(entry).map_err(|problem| GrantError {
                field: format!("permissions.http[{index}]"),
                problem: format!("{:?}: {problem}", entry.host()),
            })?;
        }
        Ok(grants)
    }

    fn add(&mut self, entry: &HttpGrant) -> Result<(), String> {
        let server = Server::parse(entry.host())?;
        let mut grant = Grant {
            text: entry.host().into(),
            server,
            insecure: false,
            authority: None,
            methods: Vec::new(),
        };
        if let HttpGrant::WithOptions(options) = entry {
            grant.insecure = options.insecure;
            grant.methods = options
                .methods
                .iter()
                .map(|method| parse_method(method).map_err(|error| format!("methods: {error}")))
                .collect::<Result<_, _>>()?;
            if !options.ca.is_empty() {
                grant.authority = Some(self.add_authority(&options.ca)?);
            }
        }
        self.grants.push(grant);
        Ok(())
    }

    fn add_authority(&mut self, pem: &str) -> Result<usize, String> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("ca: no PEM: {error}"))?;
        if certificates.is_empty() {
            return Err("ca: holds no certificate (`-----BEGIN CERTIFICATE-----`)".into());
        }
        let mut store = rustls::RootCertStore::empty();
        for certificate in &certificates {
            store
                .add(certificate.clone())
                .map_err(|error| format!("ca: no usable certificate: {error}"))?;
        }
        let known = self.authorities.iter().position(|known| *known == certificates);
        Ok(known.unwrap_or_else(|| {
            self.authorities.push(certificates);
            self.authorities.len() - 1
        }))
    }

    /// The extra certificates of an index.
    pub(super) fn authority(&self, index: usize) -> &[CertificateDer<'static>] {
        self.authorities.get(index).map_or(&[], Vec::as_slice)
    }

    /// The first grant that names the server, as the entry writes it.
    pub(super) fn naming(&self, target: &Target) -> Option<&Arc<str>> {
        let mut grants = self.grants.iter();
        grants
            .find(|grant| grant.server.matches(target))
            .map(|grant| &grant.text)
    }

    /// Decides by what the request says; a name's addresses are decided by [`may_lead_to`](Self::may_lead_to).
    pub(super) fn check(&self, target: &Target, method: &Method, insecure: bool) -> Result<Trust, EgressError> {
        let wanted = format!("{method} {}", target.origin());
        let denied = |why: String, grant: String, address| EgressError::Denied {
            denial: Denial {
                capability: "http".into(),
                wanted: wanted.clone(),
                grant,
            },
            why,
            address,
        };
        let mut server_known = false;
        let mut method_known = false;
        let mut may_be_insecure = false;
        let mut trust = Trust::default();
        for grant in self.grants.iter().filter(|grant| grant.server.matches(target)) {
            server_known = true;
            if !grant.methods.is_empty() && !grant.methods.contains(method) {
                continue;
            }
            method_known = true;
            may_be_insecure |= grant.insecure;
            trust.authorities.extend(grant.authority);
        }
        if !server_known {
            let class = match target.host() {
                TargetHost::Address(address) => Some(AddressClass::of(*address)),
                TargetHost::Name(_) => None,
            }
            .filter(|class| !class.reachable_by_name());
            let what = class.map_or_else(String::new, |class| format!(" ({class} address)"));
            return Err(denied(
                format!("{wanted}{what}"),
                format!(r#"http: ["{target}"]"#),
                class,
            ));
        }
        if !method_known {
            return Err(denied(
                format!("{wanted}: the method"),
                format!(r#"http: [{{host: "{target}", methods: [{method}]}}]"#),
                None,
            ));
        }
        if insecure && target.is_https() {
            if !may_be_insecure {
                return Err(denied(
                    format!("{wanted} without checking the certificate"),
                    format!(r#"http: [{{host: "{target}", insecure: true}}]"#),
                    None,
                ));
            }
            trust = Trust {
                authorities: BTreeSet::new(),
                insecure: true,
            };
        }
        if !target.is_https() {
            trust = Trust::default();
        }
        Ok(trust)
    }

    /// Whether a granted name may lead to this address. A grant with `methods` opens an address only to requests that
    /// name the address itself, for a connection serves requests of any method.
    pub(super) fn may_lead_to(&self, name: &str, address: IpAddr, port: u16) -> Result<(), AddressClass> {
        let address = address.to_canonical();
        let class = AddressClass::of(address);
        let named = |grant: &Grant| grant.methods.is_empty() && grant.server.names_address(address, port);
        let by_name = if name == "localhost" {
            class == AddressClass::Loopback
        } else {
            class.reachable_by_name()
        };
        if by_name || self.grants.iter().any(named) {
            Ok(())
        } else {
            Err(class)
        }
    }
}

/// A method that a request may have: any token but the two that are about connections, not resources.
pub(super) fn parse_method(text: &str) -> Result<Method, String> {
    let text = if text.is_empty() { "GET" } else { text };
    let upper = text.to_ascii_uppercase();
    if upper.len() > 32 || matches!(upper.as_str(), "CONNECT" | "TRACE") {
        return Err("this method is never sent".into());
    }
    Method::from_bytes(upper.as_bytes()).map_err(|_| "not a method".into())
}
