//! The server's address.

use std::fmt::Write;

use crate::config::basic;

/// `SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX][?QUERY]`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    scheme: String,
    host: String,
    user: Option<String>,
    prefix: String,
    query: String,
}

impl Address {
    /// `None` when it has no scheme or no host.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_scheme) {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return None;
        }
        Some(Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            user: user.map(str::to_owned),
            prefix: clean(path),
            query: query.to_owned(),
        })
    }

    /// The address of an endpoint, with the query that the address itself carries.
    pub(crate) fn url(&self, path: &str) -> String {
        let url = self.url_without_query(path);
        if self.query.is_empty() {
            url
        } else {
            format!("{url}?{}", self.query)
        }
    }

    /// The address of an endpoint.
    pub(crate) fn url_without_query(&self, path: &str) -> String {
        format!("{}://{}{}{path}", self.scheme, self.host, self.prefix)
    }

    /// Parameters that the address itself carries.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        self.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
    }

    /// Value of the Authorization header that the user in the address asks for.
    pub(crate) fn authorization(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        let (username, password) = user.split_once(':').unwrap_or((user, ""));
        Some(basic(&decode(username, false), &decode(password, false)))
    }
}

/// A path without empty parts, `.` and `..`.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.into_iter().fold(String::new(), |path, part| path + "/" + part)
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = hex
            .filter(|_| byte == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, used) = match (byte, escaped) {
            (_, Some(decoded)) => (decoded, 2),
            (b'+', None) if plus_is_space => (b' ', 0),
            (byte, None) => (byte, 0),
        };
        bytes.push(byte);
        rest = after.get(used..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `NAME=VALUE&...` in the form encoding, ordered by name.
pub(crate) fn encode_form(mut parameters: Vec<(String, String)>) -> String {
    parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
                b' ' => encoded.push('+'),
                // Writing to a String cannot fail.
                _ => {
                    write!(encoded, "%{byte:02X}").ok();
                }
            }
            encoded
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_cleaned() {
        let cases = [
            ("http://p:9090", "http://p:9090/api"),
            ("http://p:9090/", "http://p:9090/api"),
            ("https://p/a//b/../c/", "https://p/a/c/api"),
            ("http://p/x?tenant=a#f", "http://p/x/api?tenant=a"),
            ("http://u:s@[::1]:9090/x", "http://[::1]:9090/x/api"),
        ];
        for (address, expected) in cases {
            assert_eq!(Address::parse(address).unwrap().url("/api"), expected, "{address}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        for text in [
            "",
            "prometheus:9090",
            "//p",
            "http://",
            "http:///x",
            "://p",
            "http://a b",
            "1http://p",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_user_becomes_a_header() {
        let address = Address::parse("http://me:p%40ss@p").unwrap();
        assert_eq!(address.authorization().as_deref(), Some("Basic bWU6cEBzcw=="));
    }

    #[test]
    fn forms_are_encoded_in_order() {
        let form = encode_form(vec![
            ("query".into(), "rate(x{a=\"é\"}[5m]) + 1".into()),
            ("end".into(), "1.5".into()),
        ]);
        assert_eq!(form, "end=1.5&query=rate%28x%7Ba%3D%22%C3%A9%22%7D%5B5m%5D%29+%2B+1");
        assert_eq!(decode("%C3%A9+%zz%2", true), "é %zz%2");
    }
}
