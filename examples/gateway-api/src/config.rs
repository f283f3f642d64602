//! The plugin's configuration: the fields of Argo's plugin `argoproj-labs/gatewayAPI`.

use rollcage_sdk::{Error, kubernetes, router::Rollout};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::{
    route::{Kind, Route},
    selector::Selector,
};

const LABEL_KEY: &str = "rollouts.argoproj.io/gatewayapi-canary";
const LABEL_VALUE: &str = "in-progress";

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Config {
    http_route: String,
    grpc_route: String,
    http_routes: Vec<Entry>,
    grpc_routes: Vec<Entry>,
    http_route_selector: Option<Selector>,
    grpc_route_selector: Option<Selector>,
    /// That of the Rollout when empty.
    namespace: String,
    disable_in_progress_label: bool,
    in_progress_label_key: String,
    in_progress_label_value: String,
    /// Where older versions of Argo's plugin kept what the rules' names tell now.
    #[serde(rename = "configMap")]
    _config_map: de::IgnoredAny,
    #[serde(rename = "tcpRoute", deserialize_with = "unsupported")]
    _tcp_route: (),
    #[serde(rename = "tcpRoutes", deserialize_with = "unsupported")]
    _tcp_routes: (),
    #[serde(rename = "tcpRouteSelector", deserialize_with = "unsupported")]
    _tcp_route_selector: (),
    #[serde(rename = "tlsRoute", deserialize_with = "unsupported")]
    _tls_route: (),
    #[serde(rename = "tlsRoutes", deserialize_with = "unsupported")]
    _tls_routes: (),
    #[serde(rename = "tlsRouteSelector", deserialize_with = "unsupported")]
    _tls_route_selector: (),
}

/// A route by name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    /// Whether header routes and mirrors are made in it.
    #[serde(default)]
    use_header_routes: bool,
}

/// Refused by name, not ignored; what says nothing is fine.
fn unsupported<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let says_nothing = match Value::deserialize(deserializer)? {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if says_nothing {
        return Ok(());
    }
    Err(de::Error::custom(
        "not supported by this plugin; it has HTTPRoutes and GRPCRoutes",
    ))
}

impl Config {
    /// The routes, those that selectors find included.
    pub(crate) fn routes(&self, rollout: &Rollout) -> Result<Vec<Route>, Error> {
        let namespace = if self.namespace.is_empty() {
            &rollout.namespace
        } else {
            &self.namespace
        };
        let mut routes: Vec<Route> = Vec::new();
        let mut add = |kind: Kind, name: &str, managed: bool| match routes
            .iter_mut()
            .find(|route| route.kind == kind && route.name == name)
        {
            Some(known) => known.managed |= managed,
            None => routes.push(Route {
                kind,
                namespace: namespace.clone(),
                name: name.to_owned(),
                managed,
            }),
        };
        for (kind, entries, single, selector) in [
            (
                Kind::Http,
                &self.http_routes,
                &self.http_route,
                &self.http_route_selector,
            ),
            (
                Kind::Grpc,
                &self.grpc_routes,
                &self.grpc_route,
                &self.grpc_route_selector,
            ),
        ] {
            for (index, entry) in entries.iter().enumerate() {
                if entry.name.is_empty() {
                    let field = kind.field();
                    return Err(Error::invalid_config(format!("{field}s[{index}].name: it is empty")));
                }
                add(kind, &entry.name, entry.use_header_routes);
            }
            if !single.is_empty() {
                add(kind, single, true);
            }
            if let Some(selector) = selector {
                let found = kubernetes::list(&kind.of_api(), namespace, &selector.pairs())
                    .map_err(|error| Error::from(error).context(format!("listing {}s", kind.name())))?;
                for route in found.iter().filter(|route| selector.matches(route)) {
                    if let Some(name) = route.pointer("/metadata/name").and_then(Value::as_str) {
                        add(kind, name, false);
                    }
                }
            }
        }
        if routes.is_empty() {
            return Err(Error::invalid_config(
                "no routes: set httpRoute, httpRoutes, grpcRoute or grpcRoutes, or selectors that find some",
            ));
        }
        Ok(routes)
    }

    /// Key and value of the label that a route has while its canary gets traffic.
    pub(crate) fn in_progress_label(&self) -> Option<(&str, &str)> {
        if self.disable_in_progress_label {
            return None;
        }
        Some((
            or_default(&self.in_progress_label_key, LABEL_KEY),
            or_default(&self.in_progress_label_value, LABEL_VALUE),
        ))
    }
}

fn or_default<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

#[cfg(test)]
mod tests {
    use rollcage_sdk::{config::parse, testing::Host};
    use serde_json::json;

    use super::*;

    fn routes(config: &Value) -> Result<Vec<(Kind, String, bool)>, Error> {
        let route = |kind: &str, name: &str, team: &str| {
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind,
                "metadata": {"name": name, "namespace": "shop", "labels": {"team": team}}})
        };
        let host = Host::new()
            .with_object(route("HTTPRoute", "found", "web"))
            .with_object(route("HTTPRoute", "other", "db"))
            .with_object(route("GRPCRoute", "found", "web"));
        let rollout = Rollout {
            namespace: "shop".to_owned(),
            ..Rollout::default()
        };
        let config: Config = parse(&config.to_string())?;
        let routes = host.run(|| config.routes(&rollout))?;
        Ok(routes
            .into_iter()
            .map(|route| (route.kind, route.name, route.managed))
            .collect())
    }

    #[test]
    fn routes_are_named_in_several_ways() {
        let config = json!({
            "httpRoute": "a", "httpRoutes": [{"name": "b"}, {"name": "a"}], "grpcRoutes": [{"name": "a", "useHeaderRoutes": true}],
            "httpRouteSelector": {"matchLabels": {"team": "web"}},
            "grpcRouteSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["web"]}]},
            "configMap": "argo-gatewayapi-configmap", "tcpRoute": "", "tlsRoutes": [],
        });
        let name = |kind, name: &str, managed| (kind, name.to_owned(), managed);
        assert_eq!(
            routes(&config).unwrap(),
            [
                name(Kind::Http, "b", false),
                name(Kind::Http, "a", true),
                name(Kind::Http, "found", false),
                name(Kind::Grpc, "a", true),
                name(Kind::Grpc, "found", false),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, expected) in [
            (json!({}), "no routes: set httpRoute"),
            (
                json!({"httpRouteSelector": {"matchLabels": {"team": "nobody"}}}),
                "no routes: set httpRoute",
            ),
            (json!({"httpRoutes": [{"name": ""}]}), "httpRoutes[0].name: it is empty"),
            (
                json!({"httpRoutes": [{"useHeaderRoutes": true}]}),
                "httpRoutes[0]: missing field",
            ),
            (json!({"tcpRoute": "t"}), "tcpRoute: not supported"),
            (json!({"tlsRoutes": [{"name": "t"}]}), "tlsRoutes: not supported"),
            (json!({"httpRote": "a"}), "httpRote: unknown field"),
        ] {
            let error = routes(&config).unwrap_err();
            assert!(matches!(error, Error::InvalidConfig(_)), "{config}: {error:?}");
            assert!(error.message().starts_with(expected), "{config}: {error}");
        }
    }

    #[test]
    fn the_label_can_be_changed_and_left_out() {
        let label = |json: &str| {
            let config: Config = parse(json).unwrap();
            config.in_progress_label().map(|(key, value)| format!("{key}={value}"))
        };
        assert_eq!(
            label("{}").unwrap(),
            "rollouts.argoproj.io/gatewayapi-canary=in-progress"
        );
        let changed = r#"{"inProgressLabelKey":"k","inProgressLabelValue":"v"}"#;
        assert_eq!(label(changed).unwrap(), "k=v");
        assert_eq!(label(r#"{"disableInProgressLabel":true}"#), None);
    }
}
