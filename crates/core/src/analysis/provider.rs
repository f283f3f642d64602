//! Who measures a metric (spec 3.1): a plugin by its name, a plugin of ours in a built-in provider's place, or a Job.

use std::fmt;

use rollcage_api::{
    analysis::{Metric, MetricProvider},
    plugin::PluginKind,
};

use crate::PluginId;

/// Argo's built-in providers, in the order in which it would choose one of several.
const BUILT_IN: [&str; 11] = [
    "prometheus",
    "job",
    "kayenta",
    "web",
    "datadog",
    "wavefront",
    "newRelic",
    "cloudWatch",
    "graphite",
    "influxdb",
    "skywalking",
];

/// Built-in providers that plugins of ours stand for, by the plugin's name.
const SERVED: [(&str, &str); 2] = [("prometheus", "rollcage/prometheus"), ("web", "rollcage/web")];

/// Who measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A plugin.
    Plugin(PluginProvider),
    /// A Job, which the host runs itself: no plugin can stand for it.
    Job,
}

/// A provider that a plugin can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginProvider {
    /// The plugin.
    pub plugin: PluginId,
    /// The built-in provider in whose place it is.
    pub in_place_of: Option<&'static str>,
}

/// The provider that runs Jobs.
pub(super) const JOB: &str = "job";

/// A built-in provider that nothing here stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBuiltIn(pub &'static str);

impl std::error::Error for NotBuiltIn {}

impl fmt::Display for NotBuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider {} is not built in: use a plugin", self.0)
    }
}

/// Keys of the built-in providers that a metric names.
pub(super) fn built_in(provider: &MetricProvider) -> impl Iterator<Item = &'static str> {
    BUILT_IN
        .into_iter()
        .filter(|key| provider.built_in.get(*key).is_some_and(|config| !config.is_null()))
}

/// Who measures a metric that is valid.
pub fn provider(metric: &Metric) -> Result<Provider, NotBuiltIn> {
    let plugin = |name: &str| PluginId {
        kind: PluginKind::MetricProvider,
        name: name.to_owned(),
    };
    let Some(key) = built_in(&metric.provider).next() else {
        // A valid metric has exactly one of both.
        let name = metric.provider.plugin.keys().next().map_or("", String::as_str);
        return Ok(Provider::Plugin(PluginProvider {
            plugin: plugin(name),
            in_place_of: None,
        }));
    };
    if key == JOB {
        return Ok(Provider::Job);
    }
    let (key, name) = SERVED
        .into_iter()
        .find(|(served, _)| *served == key)
        .ok_or(NotBuiltIn(key))?;
    Ok(Provider::Plugin(PluginProvider {
        plugin: plugin(name),
        in_place_of: Some(key),
    }))
}

impl Provider {
    /// The plugin, when it is one.
    pub fn plugin(self) -> Option<PluginProvider> {
        match self {
            Self::Plugin(plugin) => Some(plugin),
            Self::Job => None,
        }
    }
}

impl PluginProvider {
    /// The metric as the plugin sees it: its configuration is under its own name.
    pub fn metric(&self, mut metric: Metric) -> Metric {
        if let Some(config) = self
            .in_place_of
            .and_then(|key| metric.provider.built_in.shift_remove(key))
        {
            metric.provider.plugin.insert(self.plugin.name.clone(), config);
            metric.provider.built_in.clear();
        }
        metric
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metric(provider: serde_json::Value) -> Metric {
        serde_json::from_value(json!({"name": "m", "provider": provider})).unwrap()
    }

    #[test]
    fn plugins_stand_for_prometheus_and_web() {
        for (written, name, in_place_of, config) in [
            (json!({"plugin": {"a/b": {"q": 1}}}), "a/b", None, json!({"q": 1})),
            (
                json!({"prometheus": {"query": "up"}}),
                "rollcage/prometheus",
                Some("prometheus"),
                json!({"query": "up"}),
            ),
            (
                json!({"web": {"url": "x"}, "job": null}),
                "rollcage/web",
                Some("web"),
                json!({"url": "x"}),
            ),
        ] {
            let metric = metric(written);
            let provider = provider(&metric).unwrap().plugin().unwrap();
            assert_eq!(
                (provider.plugin.name.as_str(), provider.in_place_of),
                (name, in_place_of)
            );
            let seen = provider.metric(metric);
            assert_eq!(
                serde_json::to_value(&seen.provider).unwrap(),
                json!({"plugin": {name: config}})
            );
        }
    }

    #[test]
    fn other_built_in_providers_are_named() {
        for key in BUILT_IN {
            let found = provider(&metric(json!({key: {}})));
            match key {
                "prometheus" | "web" => assert!(found.is_ok(), "{key}"),
                JOB => assert_eq!(found, Ok(Provider::Job)),
                key => {
                    let text = format!("provider {key} is not built in: use a plugin");
                    assert_eq!(found.unwrap_err().to_string(), text);
                }
            }
        }
    }
}
