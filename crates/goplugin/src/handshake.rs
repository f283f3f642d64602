//! The one line that a go-plugin server prints: `CORE|APP|NETWORK|ADDRESS|PROTOCOL|CERTIFICATE[|MULTIPLEX]`.

use std::{net::SocketAddr, path::PathBuf};

/// Longest first line that is read.
pub(crate) const LINE: usize = 64 * 1024;

/// The protocol version of go-plugin itself.
pub(crate) const CORE_VERSION: &str = "1";

/// The protocol version of Argo Rollouts' plugins.
pub(crate) const APP_VERSION: &str = "1";

/// A path of a Unix socket, without its final NUL.
pub(crate) const SOCKET_PATH: usize = 107;

/// A longer sixth field is a certificate; go-plugin ignores shorter ones.
const CERTIFICATE: usize = 50;

/// Where the plugin listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix {}", path.display()),
            Self::Tcp(address) => write!(f, "tcp {address}"),
        }
    }
}

/// What is wrong with a first line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not the line of a plugin.
    #[error("unrecognized remote plugin message: {0}")]
    Unrecognized(String),
    /// Longer than any handshake.
    #[error("the first line on standard output has more than {LINE} bytes: {0}")]
    TooLong(String),
    /// NUL bytes, or no UTF-8.
    #[error("the first line on standard output is no text: {0}")]
    NotText(String),
    /// The first field is no number.
    #[error("the core protocol version {0:?} is no number")]
    CoreNotANumber(String),
    /// Another core protocol.
    #[error("incompatible core API version with plugin: plugin version {0}, core version {CORE_VERSION}")]
    CoreVersion(String),
    /// The second field is no number.
    #[error("the protocol version {0:?} is no number")]
    AppNotANumber(String),
    /// Another version of Argo's protocol.
    #[error("incompatible API version with plugin: plugin version {0}, client versions [{APP_VERSION}]")]
    AppVersion(String),
    /// Neither `unix` nor `tcp`.
    #[error("unknown address type {network:?} of address {address:?}")]
    Network {
        /// The third field.
        network: String,
        /// The fourth.
        address: String,
    },
    /// An address that cannot be one.
    #[error("{address:?} is no address: {why}")]
    Address {
        /// The fourth field.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// gRPC, in practice.
    #[error("unsupported plugin protocol {0:?}, supported: [netrpc]")]
    Protocol(String),
    /// The plugin wants TLS though it was given no certificate.
    #[error("the plugin asks for TLS, which Argo Rollouts never offers")]
    Tls,
}

/// What is shown of a line.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const SHOWN: usize = 300;
    let text = String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes));
    let escaped: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if bytes.len() > SHOWN { escaped + "…" } else { escaped }
}

/// Reads the line (with or without its end).
pub fn parse(line: &[u8]) -> Result<Address, LineError> {
    if line.len() > LINE {
        return Err(LineError::TooLong(shown(line)));
    }
    let text = std::str::from_utf8(line)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| LineError::NotText(shown(line)))?;
    let fields: Vec<&str> = text.trim().split('|').collect();
    let [core, app, network, address, rest @ ..] = fields.as_slice() else {
        return Err(LineError::Unrecognized(shown(line)));
    };
    let small = |text: &str| shown(text.as_bytes());
    if core.parse::<i64>().is_err() {
        return Err(LineError::CoreNotANumber(small(core)));
    }
    if core.parse::<i64>().ok() != CORE_VERSION.parse().ok() {
        return Err(LineError::CoreVersion(small(core)));
    }
    if app.parse::<i64>().is_err() {
        return Err(LineError::AppNotANumber(small(app)));
    }
    if app.parse::<i64>().ok() != APP_VERSION.parse().ok() {
        return Err(LineError::AppVersion(small(app)));
    }
    if let Some(protocol) = rest.first()
        && *protocol != "netrpc"
    {
        return Err(LineError::Protocol(small(protocol)));
    }
    if rest.get(1).is_some_and(|certificate| certificate.len() > CERTIFICATE) {
        return Err(LineError::Tls);
    }
    let refused = |why| LineError::Address {
        address: small(address),
        why,
    };
    match *network {
        "unix" if !address.starts_with('/') => Err(refused("a socket file has an absolute path")),
        "unix" if address.len() > SOCKET_PATH => Err(refused("a socket's path has at most 107 bytes")),
        "unix" => Ok(Address::Unix(PathBuf::from(address))),
        "tcp" => match address.parse::<SocketAddr>() {
            // A plugin is a child of this host: anything else would make the host talk to a third party.
            Ok(tcp) if tcp.ip().is_loopback() => Ok(Address::Tcp(tcp)),
            Ok(_) => Err(refused("a plugin listens on the loopback interface")),
            Err(_) => Err(refused("it should be IP:PORT")),
        },
        _ => Err(LineError::Network {
            network: small(network),
            address: small(address),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unix(path: &str) -> Address {
        Address::Unix(path.into())
    }

    #[test]
    fn lines_are_read_as_go_reads_them() {
        let text = |s: &str| s.to_owned();
        let long = format!("/{}", "x".repeat(107));
        let address = |address: &str, why| {
            Err(LineError::Address {
                address: address.to_owned(),
                why,
            })
        };
        let certificate = "Q".repeat(400);
        let cases = [
            ("1|1|unix|/t/plugin1|netrpc|", Ok(unix("/t/plugin1"))),
            ("1|1|unix|/t/plugin1|netrpc", Ok(unix("/t/plugin1"))),
            ("1|1|unix|/t/plugin1", Ok(unix("/t/plugin1"))),
            ("  1|1|unix|/t/plugin1|netrpc|  \r\n", Ok(unix("/t/plugin1"))),
            ("1|1|unix|/t/plugin1|netrpc|abc|true", Ok(unix("/t/plugin1"))),
            (
                "1|1|tcp|127.0.0.1:1234|netrpc|",
                Ok(Address::Tcp("127.0.0.1:1234".parse().unwrap())),
            ),
            (&format!("1|1|unix|/t/p|netrpc|{certificate}"), Err(LineError::Tls)),
            (
                "starting my plugin v1.2.3",
                Err(LineError::Unrecognized(text("starting my plugin v1.2.3"))),
            ),
            ("1|1|unix", Err(LineError::Unrecognized(text("1|1|unix")))),
            ("", Err(LineError::Unrecognized(String::new()))),
            (
                "loading 1|1|unix|/t/p|netrpc|",
                Err(LineError::CoreNotANumber(text("loading 1"))),
            ),
            ("2|1|unix|/t/p|netrpc|", Err(LineError::CoreVersion(text("2")))),
            ("1|x|unix|/t/p|netrpc|", Err(LineError::AppNotANumber(text("x")))),
            ("1|2|unix|/t/p|netrpc|", Err(LineError::AppVersion(text("2")))),
            (
                "1|1|pipe|/t/p|netrpc|",
                Err(LineError::Network {
                    network: text("pipe"),
                    address: text("/t/p"),
                }),
            ),
            ("1|1|unix|/t/p|grpc|", Err(LineError::Protocol(text("grpc")))),
            (
                "1|1|unix|plugin1|netrpc|",
                address("plugin1", "a socket file has an absolute path"),
            ),
            (
                &format!("1|1|unix|{long}|netrpc|"),
                address(&long, "a socket's path has at most 107 bytes"),
            ),
            (
                "1|1|tcp|10.0.0.1:80|netrpc|",
                address("10.0.0.1:80", "a plugin listens on the loopback interface"),
            ),
            (
                "1|1|tcp|localhost:80|netrpc|",
                address("localhost:80", "it should be IP:PORT"),
            ),
            (
                "1|1|unix|/t/\0p|netrpc|",
                Err(LineError::NotText(text("1|1|unix|/t/\u{fffd}p|netrpc|"))),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
        assert!(matches!(parse(b"1|1|unix|/t/\xff|netrpc|"), Err(LineError::NotText(_))));
        assert!(matches!(parse(&vec![b'1'; LINE + 1]), Err(LineError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn anything_is_survived(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let shown_in_error = parse(&line).err().map_or(0, |error| error.to_string().len());
            prop_assert!(shown_in_error < 2000);
        }

        #[test]
        fn anything_with_fields_is_survived(fields in proptest::collection::vec("(1|2|x|unix|tcp|netrpc|/t/p|[ -~]{0,5})", 0..9)) {
            if let Ok(address) = parse(fields.join("|").as_bytes()) {
                prop_assert!(fields.len() >= 4 && !address.to_string().is_empty());
            }
        }
    }
}
