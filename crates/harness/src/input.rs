//! INPUT of `plugin call`: Argo's argument fields, checked against the method that is to be called.

use std::{collections::BTreeMap, sync::Arc};

use rollcage_api::{
    analysis::{AnalysisRun, Measurement, Metric},
    plugin::PluginKind,
    rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination},
    step::StepContext,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{error::CommandError, method::Method};

/// The arguments of any method; a method uses some of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Input {
    /// The run that the metric belongs to.
    pub analysis_run: Arc<AnalysisRun>,
    /// The metric, with its arguments filled in.
    pub metric: Metric,
    /// The measurement in flight.
    pub measurement: Measurement,
    /// How many measurements are kept.
    pub limit: u32,
    /// The Rollout.
    pub rollout: Arc<Rollout>,
    /// Weight of the canary.
    pub desired_weight: i32,
    /// Further destinations.
    pub additional_destinations: Vec<WeightDestination>,
    /// Pod-template hash of the canary.
    pub canary_hash: String,
    /// Pod-template hash of the stable pods.
    pub stable_hash: String,
    /// The header route.
    pub set_header_route: SetHeaderRoute,
    /// The mirror route.
    pub set_mirror_route: SetMirrorRoute,
    /// What a step is called with.
    pub context: StepContext,
}

impl Input {
    /// Reads INPUT for `method`: a field that the method does not use is an error, and so is a missing one.
    pub fn read(file: &str, text: &str, method: Method) -> Result<Self, CommandError> {
        let fields: Map<String, Value> = rollcage_api::yaml::from_str(file, text).map_err(|error| {
            CommandError::usage(
                error.to_string(),
                "INPUT is YAML or JSON: a map of the method's arguments",
            )
        })?;
        check_fields(&fields, method)
            .map_err(|problem| CommandError::usage(format!("{file}: {problem}"), takes(method)))?;
        rollcage_api::yaml::from_str(file, text).map_err(|error| CommandError::usage(error.to_string(), takes(method)))
    }

    /// The same out of fields that were read already. An error is the path of the field, and what is wrong.
    pub fn of(fields: Map<String, Value>, method: Method) -> Result<Self, (String, String)> {
        check_fields(&fields, method).map_err(|problem| (String::new(), problem))?;
        serde_path_to_error::deserialize(Value::Object(fields))
            .map_err(|error| (error.path().to_string(), error.inner().to_string()))
    }

    /// The smallest INPUT with which `method` can be called on plugin `name`.
    pub fn smallest(kind: PluginKind, name: &str) -> Self {
        let mut input = Self::default();
        input.set_config(kind, name, Value::Object(Map::new()));
        input.desired_weight = 10;
        input
    }

    /// The only key of INPUT's plugin map, or the step's plugin name.
    pub fn plugin_name(&self, kind: PluginKind) -> Option<&str> {
        let map = match kind {
            PluginKind::MetricProvider => &self.metric.provider.plugin,
            PluginKind::TrafficRouter => {
                &self
                    .rollout
                    .spec
                    .strategy
                    .canary
                    .as_ref()?
                    .traffic_routing
                    .as_ref()?
                    .plugins
            }
            PluginKind::Step => return Some(self.context.plugin_name.as_str()).filter(|name| !name.is_empty()),
        };
        let mut names = map.keys();
        names.next().filter(|_| names.next().is_none()).map(String::as_str)
    }

    /// Replaces the configuration of plugin `name`.
    pub fn set_config(&mut self, kind: PluginKind, name: &str, config: Value) {
        match kind {
            PluginKind::MetricProvider => self.metric.provider.plugin = BTreeMap::from([(name.to_owned(), config)]),
            PluginKind::TrafficRouter => {
                let canary = Arc::make_mut(&mut self.rollout)
                    .spec
                    .strategy
                    .canary
                    .get_or_insert_default();
                canary
                    .traffic_routing
                    .get_or_insert_default()
                    .plugins
                    .insert(name.to_owned(), config);
            }
            PluginKind::Step => self.context.config = config,
        }
    }

    /// Gives the plugin the name under which it is called: a map with a single other key is renamed.
    pub fn set_name(&mut self, kind: PluginKind, name: &str) {
        let rename = |map: &mut BTreeMap<String, Value>| {
            if !map.contains_key(name)
                && map.len() == 1
                && let Some((_, config)) = map.pop_first()
            {
                map.insert(name.to_owned(), config);
            }
        };
        match kind {
            PluginKind::MetricProvider => rename(&mut self.metric.provider.plugin),
            PluginKind::TrafficRouter => {
                let canary = Arc::make_mut(&mut self.rollout)
                    .spec
                    .strategy
                    .canary
                    .get_or_insert_default();
                rename(&mut canary.traffic_routing.get_or_insert_default().plugins);
            }
            PluginKind::Step => name.clone_into(&mut self.context.plugin_name),
        }
    }

    /// Namespace of the object that the call is about.
    pub fn namespace(&self, kind: PluginKind) -> String {
        let metadata = match kind {
            PluginKind::MetricProvider => &self.analysis_run.metadata,
            PluginKind::TrafficRouter | PluginKind::Step => &self.rollout.metadata,
        };
        metadata.namespace.clone().unwrap_or_else(|| "default".to_owned())
    }
}

/// What `method` takes, for people.
pub fn takes(method: Method) -> String {
    let optional: Vec<String> = method.optional().iter().map(|name| format!("[{name}]")).collect();
    format!(
        "{} takes {} {}",
        method.name(),
        method.required().join(", "),
        optional.join(" ")
    )
    .trim_end()
    .to_owned()
}

fn check_fields(fields: &Map<String, Value>, method: Method) -> Result<(), String> {
    let (required, optional) = (method.required(), method.optional());
    let unused = |key: &&String| !required.contains(&key.as_str()) && !optional.contains(&key.as_str());
    if let Some(unused) = fields.keys().find(unused) {
        return Err(format!("field {unused:?} is not used by {}", method.name()));
    }
    match required.iter().find(|name| !fields.contains_key(**name)) {
        Some(missing) => Err(format!("field {missing:?} is missing")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_the_method_does_not_use_is_an_error() {
        let text = "metric: {name: m}\ndesiredWeight: 3\n";
        let error = Input::read("in.yaml", text, Method::MetricRun).unwrap_err();
        assert_eq!(error.to_string(), "in.yaml: field \"desiredWeight\" is not used by run");
        assert_eq!(error.hint(), "run takes metric [analysisRun]");
    }

    #[test]
    fn a_missing_field_is_an_error() {
        let error = Input::read("in.yaml", "rollout: {}", Method::SetWeight).unwrap_err();
        assert_eq!(error.to_string(), "in.yaml: field \"desiredWeight\" is missing");
    }

    #[test]
    fn the_only_key_of_the_plugin_map_is_the_name() {
        let text = "metric: {name: m, provider: {plugin: {a/b: {query: up}}}}";
        let mut input = Input::read("in.yaml", text, Method::MetricRun).unwrap();
        assert_eq!(input.plugin_name(PluginKind::MetricProvider), Some("a/b"));
        input.set_name(PluginKind::MetricProvider, "c/d");
        assert_eq!(input.metric.provider.plugin["c/d"], serde_json::json!({"query": "up"}));
    }
}
