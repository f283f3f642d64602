//! One HTTPRoute or GRPCRoute: read, changed, and written unless somebody else was faster.

use rollcage_sdk::{
    Error, info,
    kubernetes::{self, Kind as ApiKind, KubernetesError, Reference},
};
use serde_json::{Map, Value, json};

/// Tries to write before others are given way.
const TRIES: usize = 5;

/// A kind of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTTPRoute.
    Http,
    /// GRPCRoute.
    Grpc,
}

impl Kind {
    /// As Kubernetes calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
        }
    }

    /// Its field in the configuration.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Http => "httpRoute",
            Self::Grpc => "grpcRoute",
        }
    }

    /// For requests.
    pub(crate) fn of_api(self) -> ApiKind {
        ApiKind::new("gateway.networking.k8s.io", "v1", self.name())
    }
}

/// A route of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Whether header routes and mirrors are made in it.
    pub(crate) managed: bool,
}

/// What should be different about a route.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// All rules, when any is to change.
    pub(crate) rules: Option<Vec<Value>>,
    /// A label, and its value or none.
    pub(crate) label: Option<(String, Option<String>)>,
}

impl Route {
    pub(crate) fn reference(&self) -> Reference {
        self.kind.of_api().named(&self.namespace, &self.name)
    }

    /// For messages.
    pub(crate) fn shown(&self) -> String {
        format!("{} `{}`", self.kind.name(), self.name)
    }

    /// The route as it is.
    pub(crate) fn read(&self) -> Result<Option<Value>, Error> {
        kubernetes::get(&self.reference())
            .map_err(|error| Error::from(error).context(format!("reading {}", self.shown())))
    }

    /// The route, which must be there.
    pub(crate) fn existing(&self) -> Result<Value, Error> {
        self.read()?.ok_or_else(|| self.missing())
    }

    fn missing(&self) -> Error {
        let (field, name, namespace) = (self.kind.field(), self.shown(), &self.namespace);
        Error::invalid_config(format!("{field}: there is no {name} in namespace {namespace}"))
    }

    /// Changes the route, which must be there.
    pub(crate) fn change(&self, wanted: impl Fn(&Value) -> Result<Change, Error>) -> Result<(), Error> {
        if self.change_if_there(wanted)? {
            Ok(())
        } else {
            Err(self.missing())
        }
    }

    /// Changes the route, by what `wanted` makes of it as it is. When somebody else writes in between, it is read again.
    /// `false`: there is none.
    pub(crate) fn change_if_there(&self, wanted: impl Fn(&Value) -> Result<Change, Error>) -> Result<bool, Error> {
        let mut tries = 1;
        loop {
            let Some(current) = self.read()? else { return Ok(false) };
            let change = wanted(&current)?;
            let Some(patch) = patch(&current, &change) else {
                return Ok(true);
            };
            match kubernetes::merge_patch(&self.reference(), &patch) {
                Ok(written) => return self.check(&current, &written, &change).map(|()| true),
                Err(KubernetesError::Conflict(why)) if tries < TRIES => {
                    info!("{} was changed in between: {why}", self.shown());
                    tries += 1;
                }
                Err(error) => return Err(self.not_written(error)),
            }
        }
    }

    /// A server whose definition of routes is older drops what it does not know. A rule without its name could never be
    /// found again, one without its share would mirror everything: both are taken back.
    fn check(&self, before: &Value, written: &Value, change: &Change) -> Result<(), Error> {
        let Some(wanted) = &change.rules else { return Ok(()) };
        let Some(lost) = lost(
            &Value::Array(wanted.clone()),
            written.pointer("/spec/rules"),
            "spec.rules",
        ) else {
            return Ok(());
        };
        let version = written.pointer("/metadata/resourceVersion");
        let back = json!({
            "metadata": {"resourceVersion": version},
            "spec": {"rules": before.pointer("/spec/rules")},
        });
        kubernetes::merge_patch(&self.reference(), &back).map_err(|error| self.not_written(error))?;
        let shown = self.shown();
        Err(Error::internal(format!(
            "{shown}: the API server drops {lost}; its Gateway API is too old for this (1.4 has it)"
        )))
    }

    fn not_written(&self, error: KubernetesError) -> Error {
        Error::from(error).context(format!("writing {}", self.shown()))
    }
}

/// The rules of a route.
pub(crate) fn rules(route: &Value) -> &[Value] {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array);
    rules.map(Vec::as_slice).unwrap_or_default()
}

/// A merge patch that fails when the object is not `current` any more; `None` when nothing would change.
fn patch(current: &Value, change: &Change) -> Option<Value> {
    let mut metadata = Map::new();
    if let Some((key, value)) = &change.label {
        let is = current.pointer("/metadata/labels").and_then(|labels| labels.get(key));
        if is.and_then(Value::as_str) != value.as_deref() {
            metadata.insert("labels".to_owned(), json!({key: value}));
        }
    }
    let mut patch = Map::new();
    if let Some(wanted) = &change.rules
        && wanted != rules(current)
    {
        patch.insert("spec".to_owned(), json!({"rules": wanted}));
    }
    if patch.is_empty() && metadata.is_empty() {
        return None;
    }
    let version = current.pointer("/metadata/resourceVersion").cloned();
    metadata.insert("resourceVersion".to_owned(), version.unwrap_or_default());
    patch.insert("metadata".to_owned(), Value::Object(metadata));
    Some(Value::Object(patch))
}

/// The path of something that is in `wanted` and not in `found`, which may hold more.
fn lost(wanted: &Value, found: Option<&Value>, path: &str) -> Option<String> {
    let Some(found) = found else {
        return Some(path.to_owned());
    };
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .find_map(|(key, value)| lost(value, found.get(key), &format!("{path}.{key}"))),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => wanted
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (wanted, found))| lost(wanted, Some(found), &format!("{path}[{index}]"))),
        _ => (wanted != found).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_patched() {
        let current = json!({
            "metadata": {"resourceVersion": "7", "labels": {"a": "1"}}, "spec": {"rules": [{"x": 1}], "hostnames": ["h"]}
        });
        let label = |value: Option<&str>| Some(("a".to_owned(), value.map(str::to_owned)));
        for (rules, label, expected) in [
            (Some(vec![json!({"x": 1})]), label(Some("1")), None),
            (None, None, None),
            (
                Some(vec![json!({"x": 2})]),
                None,
                Some(json!({"metadata": {"resourceVersion": "7"}, "spec": {"rules": [{"x": 2}]}})),
            ),
            (
                None,
                label(None),
                Some(json!({"metadata": {"resourceVersion": "7", "labels": {"a": null}}})),
            ),
        ] {
            assert_eq!(patch(&current, &Change { rules, label }), expected);
        }
    }

    #[test]
    fn what_a_server_drops_is_named() {
        let wanted = json!([{"name": "a", "matches": [{"path": {"value": "/"}}]}]);
        let more = json!([{"name": "a", "matches": [{"path": {"value": "/", "type": "Exact"}}], "timeouts": {}}]);
        assert_eq!(lost(&wanted, Some(&more), "rules"), None);
        let unnamed = json!([{"matches": [{"path": {"value": "/"}}]}]);
        assert_eq!(lost(&wanted, Some(&unnamed), "rules").as_deref(), Some("rules[0].name"));
        assert_eq!(lost(&wanted, Some(&json!([])), "rules").as_deref(), Some("rules"));
    }
}
