//! What reqwest's chain of causes means.

use std::{error::Error, io};

use rollcage_core::Denial;

use super::{error::EgressError, headers::MAX_HEADER_BYTES, names::NameError, target::Target};

/// Longest text taken out of a cause.
const MAX_CAUSE: usize = 300;

/// A request's failure, in our kinds.
pub(super) fn classify(error: &reqwest::Error, target: &Target) -> EgressError {
    let server = target.to_string();
    if let Some(own) = find::<EgressError>(error) {
        return own.clone();
    }
    match find::<NameError>(error) {
        Some(NameError::Unknown(cause)) => {
            return EgressError::Dns {
                server,
                cause: shorten(cause),
            };
        }
        Some(NameError::Prohibited { address, class }) => {
            let port = target.port();
            let granted = match address {
                std::net::IpAddr::V4(address) => format!("{address}:{port}"),
                std::net::IpAddr::V6(address) => format!("[{address}]:{port}"),
            };
            return EgressError::Denied {
                denial: Denial {
                    capability: "http".into(),
                    wanted: format!("{} at {granted}", target.origin()),
                    grant: format!(r#"http: ["{granted}"]"#),
                },
                why: format!("{server} leads to {address}, a {class} address"),
                address: Some(*class),
            };
        }
        None => {}
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return EgressError::Tls {
            server,
            cause: shorten(&tls.to_string()),
        };
    }
    if let Some(hyper) = find::<hyper::Error>(error)
        && hyper.is_parse_too_large()
    {
        return EgressError::TooLarge(format!(
            "{server}: the response headers are too many or larger than {MAX_HEADER_BYTES} bytes"
        ));
    }
    let cause = shorten(&innermost(error));
    if error.is_connect() || error.is_timeout() {
        EgressError::Connect {
            server,
            cause,
            timed_out: error.is_timeout(),
        }
    } else if error.is_builder() {
        EgressError::InvalidRequest(cause)
    } else {
        EgressError::Protocol { server, cause }
    }
}

/// The first cause of type `T`; `io::Error` hides its own.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    for _ in 0..32 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The last cause of the chain: what happened, without the layers above it, whose texts hold the address.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    for _ in 0..32 {
        match last.source() {
            Some(source) => last = source,
            None => break,
        }
    }
    match last.downcast_ref::<reqwest::Error>() {
        Some(_) => "the request failed".into(),
        None => last.to_string(),
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_CAUSE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
