//! A server as grants write it: `NAME:PORT`, `ADDRESS:PORT`, `CIDR:PORT`, `*.NAME:PORT`, `*:PORT`, `*:*`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::Host;

use super::{address::AddressClass, target::Target};

/// Longest text of a server: a name of 253 bytes, brackets, a port.
const MAX_TEXT: usize = 300;

/// Which servers an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: HostPattern,
    /// Absent: every port, which only `*:*` says.
    port: Option<u16>,
}

/// Which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// One name, lower case, without trailing dot.
    Name(String),
    /// The names with one more label before this one, as in certificates.
    Under(String),
    /// One address.
    Address(IpAddr),
    /// The addresses of a network, whatever their class.
    Network(IpNet),
    /// Every name but `localhost`, and every address that a name may lead to.
    Any,
}

impl Server {
    /// Reads one; the error is a sentence that says how to write it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("longer than {MAX_TEXT} bytes"));
        }
        if text.contains("://") {
            return Err("a server is NAME:PORT, without scheme and path".into());
        }
        if text.contains('@') {
            return Err("a server is NAME:PORT, without user".into());
        }
        if text == "*" {
            return Err("`*` needs a port: `*:443`, or `*:*` for every port".into());
        }
        let (host, port) = split(text)?;
        let host = HostPattern::parse(host)?;
        let port = match port {
            "*" if host == HostPattern::Any => None,
            "*" => return Err("only `*:*` means every port".into()),
            digits => Some(parse_port(digits)?),
        };
        Ok(Self { host, port })
    }

    /// Whether a request for `target` is one for this server, by what the request says (before any name is resolved).
    pub(super) fn matches(&self, target: &Target) -> bool {
        self.has_port(target.port()) && self.host.matches(target.host())
    }

    /// Whether this address itself is named, alone or by its network.
    pub(super) fn names_address(&self, address: IpAddr, port: u16) -> bool {
        self.has_port(port)
            && match &self.host {
                HostPattern::Address(granted) => *granted == address,
                HostPattern::Network(network) => network.contains(&address),
                HostPattern::Name(_) | HostPattern::Under(_) | HostPattern::Any => false,
            }
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|granted| granted == port)
    }
}

impl HostPattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Self::parse_v6(inner);
        }
        if text.contains(':') {
            return Err("an IPv6 address stands in brackets: `[fd00::1]:443`, `[fd00::/8]:443`".into());
        }
        if text.contains('/') {
            let network: Ipv4Net = text
                .parse()
                .map_err(|_| "not a network; write it like `10.0.0.0/8:9090`".to_owned())?;
            return network_without_host_bits(IpNet::V4(network));
        }
        if let Some(parent) = text.strip_prefix("*.") {
            let parent = parse_name(parent)?;
            // `*.com` or `*.svc` would be next to everything: say `*:PORT` then, which is clearer.
            if !parent.contains('.') {
                return Err("a wildcard needs two more labels: `*.example.com:443`".into());
            }
            return Ok(Self::Under(parent));
        }
        if text.contains('*') {
            return Err("`*` stands for the whole first label: `*.example.com:443`".into());
        }
        match parse_host(text)? {
            Host::Ipv4(address) if address.to_string() == text => Ok(Self::Address(IpAddr::V4(address))),
            Host::Ipv4(address) => Err(format!("write the address as {address}")),
            Host::Domain(_) => parse_name(text).map(Self::Name),
            Host::Ipv6(_) => Err("an IPv6 address stands in brackets".into()),
        }
    }

    fn parse_v6(inner: &str) -> Result<Self, String> {
        let mapped = |address: Ipv6Addr| {
            address.to_ipv4_mapped().map_or(Ok(()), |v4: Ipv4Addr| {
                Err(format!("write the IPv4 address {v4} as itself"))
            })
        };
        if inner.contains('/') {
            let network: Ipv6Net = inner
                .parse()
                .map_err(|_| "not a network; write it like `[fd00::/8]:9090`".to_owned())?;
            mapped(network.network())?;
            network_without_host_bits(IpNet::V6(network))
        } else {
            let address: Ipv6Addr = inner
                .parse()
                .map_err(|_| "brackets hold an IPv6 address or network".to_owned())?;
            mapped(address)?;
            Ok(Self::Address(IpAddr::V6(address)))
        }
    }

    fn matches(&self, host: &super::target::TargetHost) -> bool {
        use super::target::TargetHost;
        match (self, host) {
            (Self::Name(granted), TargetHost::Name(name)) => granted == name,
            (Self::Under(parent), TargetHost::Name(name)) => name
                .strip_suffix(parent.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
            (Self::Any, TargetHost::Name(name)) => name != "localhost",
            (Self::Any, TargetHost::Address(address)) => AddressClass::of(*address).reachable_by_name(),
            (Self::Address(granted), TargetHost::Address(address)) => granted == address,
            (Self::Network(network), TargetHost::Address(address)) => network.contains(address),
            (Self::Name(_) | Self::Under(_), TargetHost::Address(_))
            | (Self::Address(_) | Self::Network(_), TargetHost::Name(_)) => false,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Name(name) => f.write_str(name),
            HostPattern::Under(parent) => write!(f, "*.{parent}"),
            HostPattern::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            HostPattern::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            HostPattern::Network(IpNet::V4(network)) => write!(f, "{network}"),
            HostPattern::Network(IpNet::V6(network)) => write!(f, "[{network}]"),
            HostPattern::Any => f.write_str("*"),
        }?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let missing = || "a port is missing: write NAME:PORT, such as `prometheus.monitoring.svc:9090`".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(missing)?;
    if host.is_empty() {
        return Err("a name is missing before the port".into());
    }
    // `[fd00::1]` without port: the last colon is inside of the brackets.
    if port.ends_with(']') {
        return Err(missing());
    }
    Ok((host, port))
}

fn parse_port(digits: &str) -> Result<u16, String> {
    let ok = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if ok => Ok(port),
        _ => Err(format!("`{digits}` is no port from 1 to 65535")),
    }
}

fn parse_host(text: &str) -> Result<Host, String> {
    // What a URL decodes, a grant does not need.
    if text.contains('%') {
        return Err("not a host name".into());
    }
    Host::parse(text).map_err(|_| "not a host name".into())
}

/// A name as URLs normalise it: lower case, punycode, without trailing dot.
fn parse_name(text: &str) -> Result<String, String> {
    let Host::Domain(name) = parse_host(text)? else {
        return Err("not a host name".into());
    };
    let name = name.strip_suffix('.').unwrap_or(&name);
    let labels = name
        .split('.')
        .all(|label| !label.is_empty() && label.len() <= 63 && !label.contains('*'));
    if labels && name.len() <= 253 {
        Ok(name.to_owned())
    } else {
        Err("not a host name".into())
    }
}

fn network_without_host_bits(network: IpNet) -> Result<HostPattern, String> {
    if network.addr() == network.network() {
        Ok(HostPattern::Network(network))
    } else {
        Err(format!("the network is {}", network.trunc()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_an_operator_writes() {
        for (text, shown) in [
            ("prometheus.monitoring.svc:9090", "prometheus.monitoring.svc:9090"),
            ("Prometheus.Example.COM:443", "prometheus.example.com:443"),
            ("prometheus.example.com.:443", "prometheus.example.com:443"),
            ("bücher.example:80", "xn--bcher-kva.example:80"),
            ("localhost:8080", "localhost:8080"),
            ("my_service:1", "my_service:1"),
            ("10.1.2.3:65535", "10.1.2.3:65535"),
            ("10.0.0.0/8:9090", "10.0.0.0/8:9090"),
            ("[fd00::1]:443", "[fd00::1]:443"),
            ("[FD00::/8]:443", "[fd00::/8]:443"),
            ("*.example.com:443", "*.example.com:443"),
            ("*:443", "*:443"),
            ("*:*", "*:*"),
        ] {
            assert_eq!(
                Server::parse(text).map(|server| server.to_string()),
                Ok(shown.to_owned())
            );
        }
    }

    #[test]
    fn says_how_to_write_it() {
        for (text, part) in [
            ("", "a port is missing"),
            ("example.com", "a port is missing"),
            ("[fd00::1]", "a port is missing"),
            (":443", "a name is missing"),
            ("*", "`*` needs a port"),
            ("example.com:*", "only `*:*`"),
            ("10.0.0.0/8:*", "only `*:*`"),
            ("example.com:0", "no port"),
            ("example.com:+80", "no port"),
            ("example.com:080", "no port"),
            ("example.com:65536", "no port"),
            ("example.com:", "no port"),
            ("https://example.com:443", "without scheme"),
            ("user@example.com:443", "without user"),
            ("fd00::1:443", "brackets"),
            ("[10.0.0.1]:443", "brackets hold an IPv6"),
            ("[::ffff:127.0.0.1]:443", "write the IPv4 address 127.0.0.1"),
            ("[::ffff:0:0/96]:443", "write the IPv4 address 0.0.0.0"),
            ("10.0.0.1/8:443", "the network is 10.0.0.0/8"),
            ("[fd00::1/8]:443", "the network is fd00::/8"),
            ("10.0.0.0/33:443", "not a network"),
            ("127.1:80", "write the address as 127.0.0.1"),
            ("0x7f.1:80", "write the address as 127.0.0.1"),
            ("2130706433:80", "write the address as 127.0.0.1"),
            ("1.2.3.4.:80", "write the address as 1.2.3.4"),
            ("*.com:443", "two more labels"),
            ("*.*.example.com:443", "not a host name"),
            ("a*.example.com:443", "whole first label"),
            ("exa mple.com:443", "not a host name"),
            ("exa%6dple.com:443", "not a host name"),
            ("a..example.com:443", "not a host name"),
            ("example.com..:443", "not a host name"),
        ] {
            let error = Server::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,320}") {
            let _ = Server::parse(&text);
        }

        #[test]
        fn what_is_read_is_read_again_the_same(text in "(\\*\\.)?[a-z0-9.:/\\[\\]*-]{1,40}:[0-9*]{1,5}") {
            if let Ok(server) = Server::parse(&text) {
                prop_assert_eq!(Server::parse(&server.to_string()), Ok(server));
            }
        }
    }
}
