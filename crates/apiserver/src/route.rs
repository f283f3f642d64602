//! From method and path to what is asked for.

use std::collections::BTreeMap;

use http::{Method, Uri};

use crate::error::ApiError;

/// What a request asks for, before the kind is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Anything without an object: `/version`, `/api`, `/apis/G/V`, `/healthz` ...
    Other(Vec<String>),
    /// Objects.
    Resource(ResourcePath),
}

/// `/apis/G/V[/namespaces/NS]/PLURAL[/NAME[/SUBRESOURCE]]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub plural: String,
    pub name: String,
    pub subresource: String,
}

impl Route {
    pub(crate) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let mut parts = Vec::new();
        for part in uri.path().split('/').filter(|part| !part.is_empty()) {
            let decoded = decode(part).ok_or_else(|| ApiError::bad_request("the path is not UTF-8"))?;
            parts.push(decoded);
        }
        let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match texts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Ok(Self::Other(parts)),
        };
        let path = |namespace: &str, rest: &[&str]| {
            let mut rest = rest.iter().map(|part| (*part).to_owned());
            let mut next = || rest.next().unwrap_or_default();
            let (plural, name, subresource) = (next(), next(), next());
            if rest.next().is_some() {
                return Err(ApiError::no_route());
            }
            let (group, version) = (group.to_owned(), version.to_owned());
            Ok(ResourcePath {
                group,
                version,
                namespace: namespace.into(),
                plural,
                name,
                subresource,
            })
        };
        let found = match rest {
            // A third part that is a subresource of the namespace itself, not a plural.
            ["namespaces", name, "status" | "finalize"] => path("", &["namespaces", name, rest.last().unwrap_or(&"")]),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => path(namespace, rest),
            rest => path("", rest),
        };
        Ok(Self::Resource(found?))
    }
}

/// What the request does, as RBAC and audit name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// One object.
    Get,
    /// A collection.
    List,
    /// Changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
}

impl Verb {
    /// As in discovery and RBAC.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    pub(crate) fn of(method: &Method, path: &ResourcePath, query: &Query) -> Result<Self, ApiError> {
        let one = !path.name.is_empty();
        match *method {
            Method::GET if query.is("watch") => Ok(Self::Watch),
            Method::GET if one => Ok(Self::Get),
            Method::GET => Ok(Self::List),
            Method::POST if !one => Ok(Self::Create),
            Method::PUT if one => Ok(Self::Update),
            Method::PATCH if one => Ok(Self::Patch),
            Method::DELETE if one => Ok(Self::Delete),
            Method::DELETE => Ok(Self::DeleteCollection),
            _ => Err(ApiError::method_not_allowed()),
        }
    }
}

/// The query of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let mut map = BTreeMap::new();
        for pair in uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(&key.replace('+', " ")).zip(decode(&value.replace('+', " ")));
            let (key, value) = decoded.ok_or_else(|| ApiError::bad_request("the query is not UTF-8"))?;
            map.entry(key).or_insert(value);
        }
        Ok(Self(map))
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(crate) fn is(&self, key: &str) -> bool {
        self.0
            .get(key)
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "" | "1" | "t" | "true"))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, ApiError> {
        match self.get(key) {
            "" => Ok(None),
            text => {
                let why = |_| ApiError::bad_request(format!("{key}: {text:?} is not a number"));
                text.parse().map(Some).map_err(why)
            }
        }
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let hex = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                bytes.push(hex(*high)? << 4 | hex(*low)?);
                rest = after;
            }
            (b'%', _) => return None,
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_real_server_reads_them() {
        let table = [
            ("/api/v1/pods", ["", "v1", "", "pods", "", ""]),
            ("/api/v1/namespaces", ["", "v1", "", "namespaces", "", ""]),
            ("/api/v1/namespaces/a", ["", "v1", "", "namespaces", "a", ""]),
            (
                "/api/v1/namespaces/a/status",
                ["", "v1", "", "namespaces", "a", "status"],
            ),
            ("/api/v1/namespaces/a/pods", ["", "v1", "a", "pods", "", ""]),
            (
                "/apis/apps/v1/namespaces/a/deployments/b",
                ["apps", "v1", "a", "deployments", "b", ""],
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/b/status",
                ["apps", "v1", "a", "deployments", "b", "status"],
            ),
            ("/apis/g/v1/widgets/x%2Ey", ["g", "v1", "", "widgets", "x.y", ""]),
        ];
        for (text, [group, version, namespace, plural, name, subresource]) in table {
            let Ok(Route::Resource(path)) = Route::parse(&text.parse().unwrap()) else {
                panic!("{text}")
            };
            assert_eq!(
                [
                    &path.group,
                    &path.version,
                    &path.namespace,
                    &path.plural,
                    &path.name,
                    &path.subresource
                ],
                [group, version, namespace, plural, name, subresource],
                "{text}"
            );
        }
        for text in [
            "/api",
            "/apis",
            "/api/v1",
            "/apis/apps",
            "/apis/apps/v1",
            "/version",
            "/",
        ] {
            assert!(
                matches!(Route::parse(&text.parse().unwrap()), Ok(Route::Other(_))),
                "{text}"
            );
        }
        for text in ["/api/v1/namespaces/a/pods/b/c/d", "/api/v1/pods/%ff", "/api/v1/pods/%f"] {
            assert!(Route::parse(&text.parse().unwrap()).is_err(), "{text}");
        }
    }
}
