//! Argo's nginx router as a component: beside every stable Ingress it keeps a canary Ingress, whose annotations tell
//! ingress-nginx which share of the traffic goes to the canary Service.
//!
//! ```text
//! set-weight ──> stable Ingress ──> ingress: what its canary should be ──┬─ none there ──> apply
//!                                                                       └─ differs ─────> changes: merge patch
//! ```
//!
//! A canary Ingress belongs to its Rollout and is deleted with it; one that belongs to somebody else is never touched.

mod changes;
mod config;
mod ingress;

use rollcage_sdk::{
    Error, KubernetesRule, Wants, config as plugin_config, export_traffic_router, info,
    kubernetes::{self, Kind, Reference},
    router::{Destination, Rollout, TrafficRouter},
};
use serde_json::Value;

use crate::{config::Config, ingress::Canary};

/// The plugin.
#[derive(Default)]
struct Nginx;

impl TrafficRouter for Nginx {
    fn wants() -> Wants {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Wants {
            kubernetes: vec![KubernetesRule {
                api_groups: texts(&["networking.k8s.io"]),
                resources: texts(&["ingresses"]),
                verbs: texts(&["get", "create", "patch"]),
            }],
            ..Wants::default()
        }
    }

    fn set_weight(
        &self,
        rollout: &Rollout,
        config: &str,
        weight: u32,
        _additional: &[Destination],
    ) -> Result<(), Error> {
        let config: Config = plugin_config::parse(config)?;
        for stable in config.stable_ingresses()? {
            set_ingress_weight(rollout, &config, stable, weight)?;
        }
        Ok(())
    }
}

fn set_ingress_weight(rollout: &Rollout, config: &Config, stable_name: &str, weight: u32) -> Result<(), Error> {
    let name = ingress::canary_name(&rollout.name, stable_name);
    let stable = read(rollout, stable_name)?.ok_or_else(|| {
        let namespace = &rollout.namespace;
        Error::invalid_config(format!(
            "stableIngress: there is no Ingress `{stable_name}` in namespace {namespace}"
        ))
    })?;
    let canary = Canary {
        rollout,
        config,
        stable: &stable,
        stable_name,
    };
    let Some(current) = read(rollout, &name)? else {
        info!("creating canary ingress `{name}` with weight {weight}");
        return write(
            &name,
            kubernetes::apply(&reference(rollout, &name), &canary.desired(&name, weight)?),
        );
    };
    if !kubernetes::is_controlled_by(&current, rollout) {
        return Err(Error::internal(format!(
            "canary ingress `{name}` controlled by different object"
        )));
    }
    match changes::patch(&current, &canary.desired_over(&current, &name, weight)?) {
        None => Ok(()),
        Some(patch) => {
            info!("updating canary ingress `{name}` to weight {weight}");
            write(&name, kubernetes::merge_patch(&reference(rollout, &name), &patch))
        }
    }
}

fn read(rollout: &Rollout, name: &str) -> Result<Option<Value>, Error> {
    kubernetes::get(&reference(rollout, name))
        .map_err(|error| Error::from(error).context(format!("reading ingress `{name}`")))
}

fn write(name: &str, written: Result<Value, kubernetes::KubernetesError>) -> Result<(), Error> {
    match written {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::from(error).context(format!("writing canary ingress `{name}`"))),
    }
}

fn reference(rollout: &Rollout, name: &str) -> Reference {
    Kind::new("networking.k8s.io", "v1", "Ingress").named(&rollout.namespace, name)
}

export_traffic_router!(Nginx);

#[cfg(test)]
mod tests;
