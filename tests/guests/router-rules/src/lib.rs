//! A router that keeps its weight in a ConfigMap. Its first argument names the one rule of routers that it breaks; without
//! it, it keeps them all. Conformance cases have to tell the one from the other.

use std::cell::Cell;

use rollcage_sdk::{
    Error, config as plugin_config, export_traffic_router,
    kubernetes::{self, Kind, KubernetesError, Reference},
    router::{Capability, Destination, HeaderRoute, MirrorRoute, Rollout, TrafficRouter, Verification},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    object: String,
}

#[derive(Default)]
struct Router {
    breaks: String,
    calls: Cell<u32>,
}

impl Router {
    fn breaks(&self, rule: &str) -> bool {
        self.breaks == rule
    }

    fn config(&self, config: &str) -> Result<Config, Error> {
        if self.breaks("garbage-configuration") {
            return Ok(serde_json::from_str(config).expect("a configuration"));
        }
        plugin_config::parse(config)
    }

    fn object(&self, rollout: &Rollout, config: &Config) -> Result<Value, Error> {
        let found = kubernetes::get(&reference(rollout, config))?;
        if self.breaks("missing-object") {
            return Ok(found.expect("the object"));
        }
        found.ok_or_else(|| Error::invalid_config(format!("object: there is no ConfigMap {}", config.object)))
    }

    /// Brings fields of the data to these values; null takes one away.
    fn set(&self, rollout: &Rollout, config: &Config, fields: Value) -> Result<(), Error> {
        let data = self.object(rollout, config)?["data"].clone();
        let same = fields
            .as_object()
            .is_some_and(|fields| fields.iter().all(|(key, value)| data[key] == *value));
        if same {
            return Ok(());
        }
        match kubernetes::merge_patch(&reference(rollout, config), &json!({"data": fields})) {
            Err(KubernetesError::Conflict(_)) if self.breaks("conflict") => Ok(()),
            Err(KubernetesError::Conflict(text)) if self.breaks("conflict-kind") => Err(Error::invalid_config(text)),
            written => Ok(written.map(drop)?),
        }
    }
}

fn reference(rollout: &Rollout, config: &Config) -> Reference {
    Kind::new("", "v1", "ConfigMap").named(&rollout.namespace, &config.object)
}

impl TrafficRouter for Router {
    fn capabilities() -> Vec<Capability> {
        vec![
            Capability::HeaderRoutes,
            Capability::MirrorRoutes,
            Capability::VerifyWeight,
            Capability::UpdateHash,
        ]
    }

    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        self.breaks = args.first().cloned().unwrap_or_default();
        Ok(())
    }

    fn set_weight(
        &self,
        rollout: &Rollout,
        config: &str,
        weight: u32,
        _additional: &[Destination],
    ) -> Result<(), Error> {
        let config = self.config(config)?;
        let mut fields = json!({"weight": weight.to_string()});
        if self.breaks("weights") {
            fields["stable"] = json!((10_000 / weight).to_string());
        }
        if self.breaks("repeated-call") {
            let data = self.object(rollout, &config)?["data"]["count"].clone();
            let count: u32 = data.as_str().and_then(|count| count.parse().ok()).unwrap_or(0);
            fields["count"] = json!((count + 1).to_string());
        }
        if self.breaks("restart") {
            self.calls.set(self.calls.get() + 1);
            fields["calls"] = json!(self.calls.get().to_string());
        }
        if self.breaks("cancelled-call") {
            let applied = json!(weight.to_string());
            if self.object(rollout, &config)?["data"]["applied"] == applied {
                return Ok(());
            }
            self.set(rollout, &config, json!({"applied": applied}))?;
        }
        self.set(rollout, &config, fields)
    }

    fn verify_weight(
        &self,
        rollout: &Rollout,
        config: &str,
        weight: u32,
        _additional: &[Destination],
    ) -> Result<Verification, Error> {
        let config = self.config(config)?;
        let is = self.object(rollout, &config)?["data"]["weight"] == json!(weight.to_string());
        Ok(if is && !self.breaks("verify-weight") {
            Verification::Verified
        } else {
            Verification::NotVerified
        })
    }

    fn update_hash(
        &self,
        rollout: &Rollout,
        config: &str,
        canary_hash: &str,
        stable_hash: &str,
        _additional: &[Destination],
    ) -> Result<(), Error> {
        let config = self.config(config)?;
        let mut fields = json!({"canary": canary_hash, "stable": stable_hash});
        if self.breaks("update-hash") {
            let seen = self.object(rollout, &config)?["data"]["seen"].clone();
            fields["seen"] = json!(format!("{}x", seen.as_str().unwrap_or_default()));
        }
        self.set(rollout, &config, fields)
    }

    fn set_header_route(&self, rollout: &Rollout, config: &str, route: &HeaderRoute) -> Result<(), Error> {
        let config = self.config(config)?;
        let route = if route.matches.is_empty() {
            Value::Null
        } else {
            json!(route.name)
        };
        self.set(rollout, &config, json!({"header-route": route}))
    }

    fn set_mirror_route(&self, rollout: &Rollout, config: &str, route: &MirrorRoute) -> Result<(), Error> {
        let config = self.config(config)?;
        let route = if route.matches.is_empty() {
            Value::Null
        } else {
            json!(route.name)
        };
        self.set(rollout, &config, json!({"mirror-route": route}))
    }

    fn remove_managed_routes(&self, rollout: &Rollout, config: &str) -> Result<(), Error> {
        let config = self.config(config)?;
        let left = if self.breaks("managed-routes") {
            "mirror-route"
        } else {
            "header-route"
        };
        self.set(rollout, &config, json!({left: null, "mirror-route": null}))
    }
}

export_traffic_router!(Router);
