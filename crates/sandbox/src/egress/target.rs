//! Where a request wants to go: its address, normalised once, and nothing else is used from then on.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use super::error::EgressError;

/// Longest address of a request.
const MAX_URL: usize = 16 * 1024;

/// A checked address. What is compared with grants and what is sent are the same value.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Url,
    host: TargetHost,
    port: u16,
}

/// The host of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TargetHost {
    /// Lower case, punycode, without trailing dot.
    Name(String),
    /// An address; an IPv4-mapped one is the IPv4 address.
    Address(IpAddr),
}

impl Target {
    /// Reads an absolute `http` or `https` address. The `url` crate does to odd spellings (`0x7f.1`, `2130706433`,
    /// `127.1`, full-width digits, upper case) what the connection would do, before anything is compared.
    pub(super) fn parse(text: &str) -> Result<Self, EgressError> {
        let invalid = |why: &str| EgressError::InvalidRequest(why.to_owned());
        if text.len() > MAX_URL {
            return Err(EgressError::InvalidRequest(format!(
                "the address is longer than {MAX_URL} bytes"
            )));
        }
        let mut url =
            Url::parse(text).map_err(|error| EgressError::InvalidRequest(format!("the address is wrong: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("only http and https addresses"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "the address holds a user or password; send a header or use a credential",
            ));
        }
        url.set_fragment(None);
        let host = match url.host() {
            Some(Host::Domain(name)) => TargetHost::Name(name.strip_suffix('.').unwrap_or(name).to_owned()),
            Some(Host::Ipv4(address)) => TargetHost::Address(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => {
                let address = IpAddr::V6(address).to_canonical();
                // The connection, too, goes to the IPv4 address that a mapped one is.
                url.set_ip_host(address)
                    .map_err(|()| invalid("the address has no host"))?;
                TargetHost::Address(address)
            }
            None => return Err(invalid("the address has no host")),
        };
        if host == TargetHost::Name(String::new()) {
            return Err(invalid("the address has no host"));
        }
        let port = url
            .port_or_known_default()
            .filter(|port| *port != 0)
            .ok_or_else(|| invalid("the address has no port"))?;
        Ok(Self { url, host, port })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn host(&self) -> &TargetHost {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// `scheme://NAME:PORT`: what messages may show, for paths and queries may hold secrets.
    pub(super) fn origin(&self) -> String {
        format!("{}://{self}", self.url.scheme())
    }
}

/// `NAME:PORT`, as in grants.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            TargetHost::Name(name) => write!(f, "{name}:{}", self.port),
            TargetHost::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            TargetHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spellings_are_what_they_are() {
        for (url, server) in [
            ("http://example.com/x?y#z", "example.com:80"),
            ("https://example.com", "example.com:443"),
            ("https://EXAMPLE.com:8443/", "example.com:8443"),
            ("http://example.com./", "example.com:80"),
            ("http://ex%61mple.com/", "example.com:80"),
            ("http://bücher.example/", "xn--bcher-kva.example:80"),
            ("http://ｅxample.com/", "example.com:80"),
            ("http:\\\\example.com\\x", "example.com:80"),
            ("http:/example.com/", "example.com:80"),
            (" http://exam\nple.com/ ", "example.com:80"),
            ("http://example.com#@evil.test/", "example.com:80"),
            ("http://127.1/", "127.0.0.1:80"),
            ("http://0x7f.1/", "127.0.0.1:80"),
            ("http://0177.0.0.1/", "127.0.0.1:80"),
            ("http://2130706433/", "127.0.0.1:80"),
            ("http://0x7f000001/", "127.0.0.1:80"),
            ("http://017700000001/", "127.0.0.1:80"),
            ("http://127.0.0.1./", "127.0.0.1:80"),
            ("http://①②⑦.0.0.1/", "127.0.0.1:80"),
            ("http://127。0。0。1/", "127.0.0.1:80"),
            ("http://0/", "0.0.0.0:80"),
            ("http://[::ffff:127.0.0.1]/", "127.0.0.1:80"),
            ("http://[::ffff:7f00:1]/", "127.0.0.1:80"),
            ("http://[0:0:0:0:0:0:0:1]/", "[::1]:80"),
            ("http://[::127.0.0.1]/", "[::7f00:1]:80"),
        ] {
            assert_eq!(Target::parse(url).unwrap().to_string(), server, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "example.com",
            "/path",
            "//example.com/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "gopher://example.com/",
            "data:text/plain,x",
            "http://",
            "http://./",
            "http://user@example.com/",
            "http://user:password@example.com/",
            "http://example.com:80@evil.test/",
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://256.0.0.1/",
            "http://1.2.3.4.5/",
            "http://0x100000000/",
            "http://[fe80::1%25eth0]/",
            "http://[::1/",
            "http://exa mple.com/",
        ] {
            assert!(
                matches!(Target::parse(url), Err(EgressError::InvalidRequest(_))),
                "{url}"
            );
        }
    }
}
