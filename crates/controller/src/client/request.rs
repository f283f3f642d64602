//! What a request is for, as its method and path tell.

use std::time::Duration;

use http::{Method, Request};

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct ApiRequest<'a> {
    /// Whose it was: the client's name.
    pub client: &'a str,
    /// As RBAC calls it: get, list, watch, create, update, patch, delete.
    pub verb: &'a str,
    /// Plural of the kind; empty where the path is of no object.
    pub resource: &'a str,
    /// Namespace; empty for none.
    pub namespace: &'a str,
    /// Status of the answer; 0 when there was none.
    pub code: u16,
    /// How long it took, without waiting for its turn.
    pub took: Duration,
}

/// What the guard has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub verb: &'static str,
    pub resource: String,
    pub namespace: String,
}

impl Aim {
    pub fn of<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        let parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let inside = match parts.as_slice() {
            ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
            _ => &[],
        };
        let (namespace, resource, name) = match inside {
            ["namespaces", namespace, resource, rest @ ..] => (*namespace, *resource, rest.first()),
            [resource, rest @ ..] => ("", *resource, rest.first()),
            [] => ("", "", None),
        };
        let watches = || {
            let mut query = uri.query().unwrap_or_default().split('&');
            query.any(|pair| matches!(pair, "watch=true" | "watch=1"))
        };
        let verb = match *request.method() {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ if watches() => "watch",
            _ if name.is_some() || resource.is_empty() => "get",
            _ => "list",
        };
        Self {
            verb,
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    pub fn is_read(&self) -> bool {
        matches!(self.verb, "get" | "list" | "watch")
    }

    pub fn is_watch(&self) -> bool {
        self.verb == "watch"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_path_tell_what_it_is_for() {
        for (method, uri, verb, resource, namespace) in [
            (
                "GET",
                "/apis/argoproj.io/v1alpha1/analysisruns?labelSelector=a",
                "list",
                "analysisruns",
                "",
            ),
            (
                "GET",
                "/apis/argoproj.io/v1alpha1/analysisruns?&watch=true&x=1",
                "watch",
                "analysisruns",
                "",
            ),
            (
                "GET",
                "/apis/g/v1/namespaces/ns/things/watch=true",
                "get",
                "things",
                "ns",
            ),
            (
                "PATCH",
                "/apis/g/v1/namespaces/ns/things/t/status?x",
                "patch",
                "things",
                "ns",
            ),
            ("POST", "/api/v1/namespaces/ns/events", "create", "events", "ns"),
            ("PUT", "/api/v1/nodes/n", "update", "nodes", ""),
            ("DELETE", "/api/v1/namespaces/ns", "delete", "namespaces", ""),
            ("GET", "/version", "get", "", ""),
        ] {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            let aim = Aim::of(&request);
            assert_eq!(
                (aim.verb, &*aim.resource, &*aim.namespace),
                (verb, resource, namespace),
                "{uri}"
            );
        }
    }
}
