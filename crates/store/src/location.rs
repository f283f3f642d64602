//! Where an entry says that the bytes are, read as Argo reads it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use url::Url;

/// Longest location: presigned addresses have some 2 KiB.
const MAX_LENGTH: usize = 8 << 10;

/// Where the bytes are. Shown without credentials and query: either may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of this machine.
    File(PathBuf),
    /// A web server.
    Http(Url),
    /// An OCI registry: the reference after `oci://`.
    Oci(String),
    /// A plugin that comes with the program: the name after `bundled://`.
    Bundled(String),
}

/// Why a text is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing there.
    #[error("location is empty")]
    Empty,
    /// Longer than any location.
    #[error("location has {0} bytes, more than {MAX_LENGTH}")]
    TooLong(usize),
    /// A path, not an address.
    #[error("location {0:?} has no scheme")]
    NoScheme(String),
    /// A scheme that is not known.
    #[error("location has the scheme {0:?}, and only file, http, https, oci and bundled are known")]
    Scheme(String),
    /// A `file:` address without a path.
    #[error("location is no file address: {0}")]
    File(&'static str),
    /// An `http:` address that cannot be understood.
    #[error("location is no web address: {0}")]
    Http(String),
}

impl LocationError {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::NoScheme(text) if text.starts_with('/') => format!("write file://{text}"),
            Self::NoScheme(text) if text.starts_with('.') => format!("write file://{text}"),
            _ => "write file:///absolute/path, file://./relative/path or https://host/path".to_owned(),
        }
    }
}

impl Location {
    /// Reads a location; relative files start at `base`.
    ///
    /// `file:` as Argo does it: the path is the address's host and path together, so `file://./x` and `file://plugins/x`
    /// are relative and `file:///x` is absolute.
    pub fn parse(text: &str, base: &Path) -> Result<Self, LocationError> {
        if text.trim().is_empty() {
            return Err(LocationError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(LocationError::TooLong(text.len()));
        }
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => return Err(LocationError::NoScheme(text.chars().take(200).collect())),
        };
        match scheme.as_str() {
            "file" => parse_file(rest, base).map(Self::File),
            "http" | "https" => parse_http(text).map(Self::Http),
            "oci" => Ok(Self::Oci(rest.trim_start_matches('/').to_owned())),
            "bundled" => Ok(Self::Bundled(rest.trim_start_matches('/').to_owned())),
            _ => Err(LocationError::Scheme(scheme)),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn parse_file(rest: &str, base: &Path) -> Result<PathBuf, LocationError> {
    if rest.contains(|c: char| c.is_ascii_control()) {
        return Err(LocationError::File("it has control characters"));
    }
    let rest = rest.split('?').next().unwrap_or_default();
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None if rest.starts_with('/') => ("", rest),
        None => return Err(LocationError::File("file: has to be followed by //")),
    };
    // User information is not part of Go's host.
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = percent_decode(host)
        .zip(percent_decode(path))
        .map(|(host, path)| host + &path)
        .ok_or(LocationError::File(
            "a % has to be followed by two hexadecimal digits of UTF-8 text",
        ))?;
    if path.is_empty() {
        return Err(LocationError::File("there is no path"));
    }
    if path.contains('\0') {
        return Err(LocationError::File("it has control characters"));
    }
    Ok(base.join(path))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? << 4 | digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn parse_http(text: &str) -> Result<Url, LocationError> {
    let mut url = Url::parse(text).map_err(|error| LocationError::Http(error.to_string()))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(LocationError::Http("there is no host".to_owned()));
    }
    url.set_fragment(None);
    Ok(url)
}

/// An address as it may be shown.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Only addresses without a host refuse these.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if url.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.into()
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Http(url) => f.write_str(&shown(url)),
            Self::Oci(reference) => write!(f, "oci://{reference}"),
            Self::Bundled(name) => write!(f, "bundled://{name}"),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_argo_reads_them() {
        let cases = [
            ("file:///abs/x.wasm", "/abs/x.wasm"),
            ("file://./x.wasm", "/base/./x.wasm"),
            ("file://plugin-bin/x.wasm", "/base/plugin-bin/x.wasm"),
            ("file://../x.wasm", "/base/../x.wasm"),
            ("FILE:///abs/x", "/abs/x"),
            ("file:/abs/x", "/abs/x"),
            ("file:///a%20b?query#kept", "/a b"),
            ("file:///a#b", "/a#b"),
            ("file://user@host/x", "/base/host/x"),
        ];
        for (text, path) in cases {
            let expected = Location::File(PathBuf::from(path));
            assert_eq!(Location::parse(text, Path::new("/base")), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_with_a_reason() {
        let cases = [
            ("", "location is empty"),
            ("  ", "location is empty"),
            ("/plugins/x.wasm", "location \"/plugins/x.wasm\" has no scheme"),
            ("x.wasm", "location \"x.wasm\" has no scheme"),
            (
                "ftp://host/x",
                "location has the scheme \"ftp\", and only file, http, https, oci and bundled are known",
            ),
            ("file:x", "location is no file address: file: has to be followed by //"),
            ("file://", "location is no file address: there is no path"),
            (
                "file:///a%zz",
                "location is no file address: a % has to be followed by two hexadecimal digits of UTF-8 text",
            ),
            ("file:///a%00", "location is no file address: it has control characters"),
            ("http://", "location is no web address: empty host"),
            (
                "https://a b/",
                "location is no web address: invalid international domain name",
            ),
        ];
        for (text, message) in cases {
            let error = Location::parse(text, Path::new("/base")).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
        }
        let error = Location::parse("/plugins/x.wasm", Path::new(".")).unwrap_err();
        assert_eq!(error.hint(), "write file:///plugins/x.wasm");
        let error = Location::parse(&format!("file:///{}", "x".repeat(9000)), Path::new(".")).unwrap_err();
        assert_eq!(error, LocationError::TooLong(9008));
    }

    #[test]
    fn shows_no_credentials() {
        let location = Location::parse("https://user:pass@host:8443/p/x.wasm?sig=secret#f", Path::new("")).unwrap();
        assert_eq!(location.to_string(), "https://host:8443/p/x.wasm?...");
        assert_eq!(format!("{location:?}"), "Location(https://host:8443/p/x.wasm?...)");
    }

    proptest::proptest! {
        #[test]
        fn survives_any_text(text in "(file|http|https|oci|x)?:?/{0,3}\\PC{0,60}") {
            if let Ok(location) = Location::parse(&text, Path::new("/base")) {
                let _ = location.to_string();
            }
        }
    }
}
