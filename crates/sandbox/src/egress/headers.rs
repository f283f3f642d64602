//! Which headers a guest may send, and how large an answer's headers may be.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{error::EgressError, target::Target};

/// Headers of one message at most.
pub(super) const MAX_HEADERS: usize = 128;

/// Bytes of the names and values of one message's headers at most.
pub(super) const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// Headers that belong to the connection or to the framing of messages: the host's alone.
pub(super) fn is_hosts_own(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host"
            | "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "content-length"
            | "expect"
    )
}

/// A guest's headers, checked. `Host` and `Content-Length` are taken off when they say what is the case anyway.
pub(super) fn outgoing(
    pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    target: &Target,
    body: Option<u64>,
) -> Result<HeaderMap, EgressError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        let wrong = |why: &str| {
            let name: String = name.chars().take(64).collect();
            EgressError::InvalidRequest(format!("header {name:?} {why}"))
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is no header name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| wrong("has a value that no header may have"))?;
        match name {
            header::HOST if says_the_host(&value, target) => continue,
            header::HOST => return Err(wrong("cannot name another server than the address does")),
            header::CONTENT_LENGTH if body.is_none() || says_the_length(&value, body) => continue,
            header::CONTENT_LENGTH => return Err(wrong("differs from the body's length")),
            _ if is_hosts_own(&name) => return Err(wrong("belongs to the host")),
            _ => {}
        }
        if headers.len() >= MAX_HEADERS {
            return Err(EgressError::TooLarge(format!(
                "more than {MAX_HEADERS} request headers"
            )));
        }
        headers
            .try_append(name, value)
            .map_err(|_| EgressError::TooLarge("too many request headers".into()))?;
    }
    if size(&headers) > MAX_HEADER_BYTES as usize {
        return Err(EgressError::TooLarge(format!(
            "more than {MAX_HEADER_BYTES} bytes of request headers"
        )));
    }
    Ok(headers)
}

/// An answer's headers (or trailers), bounded. What belongs to the connection is taken off.
pub(super) fn incoming(headers: &HeaderMap) -> Result<HeaderMap, EgressError> {
    if headers.len() > MAX_HEADERS {
        return Err(EgressError::TooLarge(format!(
            "more than {MAX_HEADERS} response headers"
        )));
    }
    if size(headers) > MAX_HEADER_BYTES as usize {
        return Err(EgressError::TooLarge(format!(
            "more than {MAX_HEADER_BYTES} bytes of response headers"
        )));
    }
    let mut kept = headers.clone();
    for name in headers.keys() {
        if *name != header::CONTENT_LENGTH && is_hosts_own(name) {
            kept.remove(name);
        }
    }
    Ok(kept)
}

/// Bytes of names and values.
pub(super) fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

fn says_the_host(value: &HeaderValue, target: &Target) -> bool {
    let Some(text) = value
        .to_str()
        .ok()
        .filter(|text| !text.contains(['/', '@', '?', '#', '\\']))
    else {
        return false;
    };
    Target::parse(&format!("{}://{text}/", target.url().scheme()))
        .is_ok_and(|named| named.host() == target.host() && named.port() == target.port())
}

fn says_the_length(value: &HeaderValue, body: Option<u64>) -> bool {
    value.to_str().ok().and_then(|text| text.parse::<u64>().ok()) == body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Result<HeaderMap, EgressError> {
        let target = Target::parse("https://example.com/x").unwrap();
        outgoing(pairs.iter().copied(), &target, Some(3))
    }

    #[test]
    fn a_guest_cannot_speak_for_the_connection() {
        for name in [
            "Connection",
            "keep-alive",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "UPGRADE",
            "HTTP2-Settings",
            "Proxy-Authorization",
            "Proxy-Connection",
            "Expect",
        ] {
            let error = headers(&[(name, "x")]).unwrap_err();
            assert!(matches!(error, EgressError::InvalidRequest(_)), "{name}: {error}");
        }
        for host in [
            "evil.test",
            "example.com:80",
            "example.com:8443",
            "example.com/x",
            "example.com@evil.test",
            "",
            "127.0.0.1",
        ] {
            assert!(headers(&[("Host", host)]).is_err(), "{host}");
        }
        for length in ["2", "4", "x", "-3", ""] {
            assert!(headers(&[("content-length", length)]).is_err(), "{length}");
        }
        assert!(headers(&[("x y", "z")]).is_err());
        assert!(headers(&[("x", "a\r\nHost: evil.test")]).is_err());
        assert!(headers(&[("", "a")]).is_err());
    }

    #[test]
    fn what_is_the_case_anyway_may_be_said() {
        for host in ["example.com", "Example.COM:443", "example.com."] {
            assert_eq!(headers(&[("HOST", host)]).unwrap(), HeaderMap::new(), "{host}");
        }
        assert_eq!(headers(&[("Content-Length", "3")]).unwrap(), HeaderMap::new());
        assert_eq!(
            headers(&[("X-A", "1"), ("x-a", "2")])
                .unwrap()
                .get_all("x-a")
                .iter()
                .count(),
            2
        );
    }

    #[test]
    fn many_or_long_headers_are_too_large() {
        let many: Vec<(String, &str)> = (0..=MAX_HEADERS).map(|n| (format!("x-{n}"), "y")).collect();
        let target = Target::parse("https://example.com/x").unwrap();
        assert!(matches!(outgoing(many, &target, None), Err(EgressError::TooLarge(_))));
        let long = "x".repeat(MAX_HEADER_BYTES as usize);
        assert!(matches!(headers(&[("x", &long)]), Err(EgressError::TooLarge(_))));
    }
}
