//! What a canary Ingress should look like.

use rollcage_sdk::{Error, kubernetes, router::Rollout};
use serde_json::{Map, Value, json};

use crate::config::Config;

/// Names of objects have at most 253 characters.
const MAX_NAME: usize = 253;
const SUFFIX: &str = "-canary";
/// The one annotation that is taken over from the stable Ingress: how older clusters name the class.
const CLASS: &str = "kubernetes.io/ingress.class";

/// `<rollout>-<stable>-canary`, cut before the suffix where it is too long.
pub(crate) fn canary_name(rollout: &str, stable: &str) -> String {
    let mut name = format!("{rollout}-{stable}");
    name.truncate(name.floor_char_boundary(MAX_NAME - SUFFIX.len()));
    name + SUFFIX
}

/// The canary of a stable Ingress.
pub(crate) struct Canary<'a> {
    pub(crate) rollout: &'a Rollout,
    pub(crate) config: &'a Config,
    pub(crate) stable: &'a Value,
    pub(crate) stable_name: &'a str,
}

impl Canary<'_> {
    /// A new one.
    pub(crate) fn desired(&self, name: &str, weight: u32) -> Result<Value, Error> {
        Ok(json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": name,
                "namespace": self.rollout.namespace,
                "annotations": self.annotations(weight),
                "ownerReferences": [kubernetes::controlled_by(self.rollout)],
            },
            "spec": self.spec()?,
        }))
    }

    /// One in the place of `current`, whose other annotations stay: further controllers may have set them.
    pub(crate) fn desired_over(&self, current: &Value, name: &str, weight: u32) -> Result<Value, Error> {
        let mut desired = self.desired(name, weight)?;
        let total = self.annotation("canary-weight-total");
        let annotations = desired
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut);
        let existing = current.pointer("/metadata/annotations").and_then(Value::as_object);
        if let (Some(annotations), Some(existing)) = (annotations, existing) {
            for (key, value) in existing {
                // A total that the Rollout no longer asks for must not go on scaling the weight.
                let value = if *key == total {
                    json!(self.rollout.max_weight.to_string())
                } else {
                    value.clone()
                };
                annotations.entry(key).or_insert(value);
            }
        }
        Ok(desired)
    }

    fn annotations(&self, weight: u32) -> Map<String, Value> {
        let mut annotations = Map::new();
        if let Some(class) = self
            .stable
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(CLASS))
        {
            annotations.insert(CLASS.to_owned(), class.clone());
        }
        for (key, value) in &self.config.additional_ingress_annotations {
            let key = if key.starts_with(self.config.prefix()) {
                key.clone()
            } else {
                self.annotation(key)
            };
            annotations.insert(key, json!(value));
        }
        for (key, value) in &self.config.canary_ingress_annotations {
            annotations.insert(key.clone(), json!(value));
        }
        annotations.insert(self.annotation("canary"), json!("true"));
        annotations.insert(self.annotation("canary-weight"), json!(weight.to_string()));
        if self.rollout.max_weight != 100 {
            let total = self.rollout.max_weight.to_string();
            annotations.insert(self.annotation("canary-weight-total"), json!(total));
        }
        annotations
    }

    fn annotation(&self, name: &str) -> String {
        format!("{}/{name}", self.config.prefix())
    }

    /// Class and TLS of the stable Ingress, and those of its rules that lead to the stable Service, led to the canary.
    fn spec(&self) -> Result<Map<String, Value>, Error> {
        let (stable_service, canary_service) = self.services()?;
        let from = self.stable.get("spec");
        let mut spec = Map::new();
        for field in ["ingressClassName", "tls"] {
            if let Some(value) = from.and_then(|from| from.get(field)) {
                spec.insert(field.to_owned(), value.clone());
            }
        }
        let rules = from.and_then(|from| from.get("rules")).and_then(Value::as_array);
        let rules: Vec<_> = rules
            .into_iter()
            .flatten()
            .filter_map(|rule| lead(rule, stable_service, canary_service))
            .collect();
        if rules.is_empty() {
            return Err(Error::invalid_config(format!(
                "stableIngress: ingress `{}` has no rules using service {stable_service} backend",
                self.stable_name
            )));
        }
        spec.insert("rules".to_owned(), Value::Array(rules));
        Ok(spec)
    }

    fn services(&self) -> Result<(&str, &str), Error> {
        let Rollout {
            stable_service,
            canary_service,
            ..
        } = self.rollout;
        if stable_service.is_empty() || canary_service.is_empty() {
            return Err(Error::invalid_config(
                "canaryService and stableService: the Rollout must name both",
            ));
        }
        Ok((stable_service, canary_service))
    }
}

/// The rule with every path to `from` led to `to`; `None` when no path leads to `from`.
fn lead(rule: &Value, from: &str, to: &str) -> Option<Value> {
    let mut rule = rule.clone();
    let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut)?;
    let mut found = false;
    for path in paths {
        // A backend may be something else than a Service.
        if let Some(name) = path.pointer_mut("/backend/service/name")
            && name.as_str() == Some(from)
        {
            *name = json!(to);
            found = true;
        }
    }
    found.then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_before_the_suffix() {
        assert_eq!(canary_name("shop", "web"), "shop-web-canary");
        let long = canary_name(&"r".repeat(200), &"s".repeat(200));
        assert_eq!((long.len(), long.ends_with("s-canary")), (253, true));
    }
}
