//! The plugin's configuration: the fields of Argo's `trafficRouting.nginx`.

use std::collections::BTreeMap;

use rollcage_sdk::Error;
use serde::Deserialize;

const DEFAULT_PREFIX: &str = "nginx.ingress.kubernetes.io";

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Config {
    stable_ingress: String,
    stable_ingresses: Option<Vec<String>>,
    annotation_prefix: String,
    /// Annotations of the canary Ingress; the prefix is put before those that lack it.
    pub(crate) additional_ingress_annotations: BTreeMap<String, String>,
    /// Annotations of the canary Ingress, as they are; they win.
    pub(crate) canary_ingress_annotations: BTreeMap<String, String>,
}

impl Config {
    /// The stable Ingresses by name.
    pub(crate) fn stable_ingresses(&self) -> Result<Vec<&str>, Error> {
        match (&self.stable_ingresses, self.stable_ingress.as_str()) {
            (Some(_), name) if !name.is_empty() => Err(Error::invalid_config(
                "stableIngresses: set either stableIngress or stableIngresses, not both",
            )),
            (None, "") => Err(Error::invalid_config(
                "stableIngress: set stableIngress or stableIngresses",
            )),
            (Some(names), _) if names.iter().any(String::is_empty) => {
                Err(Error::invalid_config("stableIngresses: a name is empty"))
            }
            (Some(names), _) => Ok(names.iter().map(String::as_str).collect()),
            (None, name) => Ok(vec![name]),
        }
    }

    /// What annotations for ingress-nginx begin with.
    pub(crate) fn prefix(&self) -> &str {
        if self.annotation_prefix.is_empty() {
            DEFAULT_PREFIX
        } else {
            &self.annotation_prefix
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcage_sdk::config::parse;

    use super::*;

    #[test]
    fn one_way_to_name_ingresses() {
        let names = |json: &str| -> Result<Vec<String>, Error> {
            let config: Config = parse(json)?;
            Ok(config.stable_ingresses()?.into_iter().map(str::to_owned).collect())
        };
        assert_eq!(names(r#"{"stableIngress":"a"}"#).unwrap(), ["a"]);
        assert_eq!(names(r#"{"stableIngresses":["a","b"]}"#).unwrap(), ["a", "b"]);
        for (json, expected) in [
            ("{}", "stableIngress: set"),
            (
                r#"{"stableIngress":"a","stableIngresses":[]}"#,
                "stableIngresses: set either",
            ),
            (r#"{"stableIngresses":["a",""]}"#, "stableIngresses: a name is empty"),
            (r#"{"stableIngres":"a"}"#, "stableIngres: unknown field"),
        ] {
            let error = names(json).unwrap_err();
            assert!(error.message().starts_with(expected), "{json}: {error}");
        }
    }
}
