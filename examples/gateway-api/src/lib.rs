//! Moves traffic by HTTPRoutes and GRPCRoutes of the Gateway API.
//!
//! ```text
//! config ──> routes ─┬─ set-weight ─────────> weights of rules that have both Services ──┐
//!                    ├─ set-header-route ─┐                                             ├─> route: merge patch with
//!                    ├─ set-mirror-route ─┴─> make: a rule of each of those ──> managed ┤   resourceVersion; read again
//!                    ├─ remove-managed-routes ────────────────────────────────> managed ┘   on a conflict
//!                    └─ verify-weight ──────> weights as read, status of the route's Gateways
//! ```
//!
//! - Rules that do not split traffic between the Rollout's Services, and fields that this plugin does not know, stay as they are.
//! - Nothing is kept outside of the routes: managed rules are found again by name and shape.

mod backend;
mod config;
mod make;
mod managed;
mod matches;
mod route;
mod selector;
mod status;

use rollcage_sdk::{
    Error, KubernetesRule, Wants, config as plugin_config, export_traffic_router, info,
    router::{Capability, Destination, HeaderRoute, MirrorRoute, Rollout, TrafficRouter, Verification},
    warn,
};
use serde_json::Value;

use crate::{
    backend::{Services, Weights},
    config::Config,
    managed::{Managed, not_split},
    route::{Change, Route, rules},
};

/// The plugin.
#[derive(Default)]
struct GatewayApi;

impl TrafficRouter for GatewayApi {
    fn wants() -> Wants {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Wants {
            kubernetes: vec![KubernetesRule {
                api_groups: texts(&["gateway.networking.k8s.io"]),
                resources: texts(&["httproutes", "grpcroutes"]),
                verbs: texts(&["get", "list", "patch"]),
            }],
            ..Wants::default()
        }
    }

    fn capabilities() -> Vec<Capability> {
        vec![
            Capability::HeaderRoutes,
            Capability::MirrorRoutes,
            Capability::VerifyWeight,
            Capability::PingPong,
        ]
    }

    fn set_weight(
        &self,
        rollout: &Rollout,
        config: &str,
        weight: u32,
        additional: &[Destination],
    ) -> Result<(), Error> {
        let config: Config = plugin_config::parse(config)?;
        let services = Services::of(rollout)?;
        let weights = Weights::of(rollout, weight);
        if !additional.is_empty() {
            return Err(Error::invalid_config(
                "additional destinations: this router sends traffic to stable and canary only",
            ));
        }
        for route in config.routes(rollout)? {
            route.change(|current| {
                let mut rules = rules(current).to_vec();
                let mut found = false;
                for rule in rules.iter_mut().filter(|rule| services.are_split_by(rule)) {
                    services.set_weights(rule, weights);
                    found = true;
                }
                if !found {
                    return Err(not_split(&route, &services));
                }
                let label = config.in_progress_label();
                Ok(Change {
                    rules: Some(rules),
                    label: label.map(|(key, value)| (key.to_owned(), (weight > 0).then(|| value.to_owned()))),
                })
            })?;
        }
        Ok(())
    }

    fn verify_weight(
        &self,
        rollout: &Rollout,
        config: &str,
        weight: u32,
        _additional: &[Destination],
    ) -> Result<Verification, Error> {
        let config: Config = plugin_config::parse(config)?;
        let services = Services::of(rollout)?;
        let weights = Weights::of(rollout, weight);
        for route in config.routes(rollout)? {
            let current = route.existing()?;
            let mut splitting = rules(&current)
                .iter()
                .filter(|rule| services.are_split_by(rule))
                .peekable();
            let why = if splitting.peek().is_none() {
                Some("no rule splits traffic".to_owned())
            } else if !splitting.all(|rule| services.have_weights(rule, weights)) {
                Some(format!("its weight is not {weight}"))
            } else {
                status::pending(&current)
            };
            if let Some(why) = why {
                info!("{}: {why}", route.shown());
                return Ok(Verification::NotVerified);
            }
        }
        Ok(Verification::Verified)
    }

    fn set_header_route(&self, rollout: &Rollout, config: &str, route: &HeaderRoute) -> Result<(), Error> {
        let config: Config = plugin_config::parse(config)?;
        let services = Services::of(rollout)?;
        let headers = matches::headers("setHeaderRoute.match", &route.matches)?;
        let make = |_: &Route, source: &Value| Ok(make::header_rule(source, &services, &headers));
        let removes = route.matches.is_empty();
        set_managed(&config, rollout, &services, &route.name, removes, make)
    }

    fn set_mirror_route(&self, rollout: &Rollout, config: &str, route: &MirrorRoute) -> Result<(), Error> {
        let config: Config = plugin_config::parse(config)?;
        let services = Services::of(rollout)?;
        let make = |at: &Route, source: &Value| make::mirror_rule(at.kind, source, &services, route);
        let removes = route.matches.is_empty();
        set_managed(&config, rollout, &services, &route.name, removes, make)
    }

    fn remove_managed_routes(&self, rollout: &Rollout, config: &str) -> Result<(), Error> {
        let config: Config = plugin_config::parse(config)?;
        let services = Services::of(rollout)?;
        let managed = Managed {
            names: &rollout.managed_routes,
            services: &services,
        };
        for route in config.routes(rollout)? {
            remove(&route, &managed, None)?;
        }
        Ok(())
    }
}

/// Makes the rules of one managed route anew, or removes them.
fn set_managed(
    config: &Config,
    rollout: &Rollout,
    services: &Services<'_>,
    name: &str,
    removes: bool,
    build: impl Fn(&Route, &Value) -> Result<Option<Value>, Error>,
) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::invalid_config("managedRoutes: a route has no name"));
    }
    let mut names = rollout.managed_routes.clone();
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
    let managed = Managed {
        names: &names,
        services,
    };
    let (mut asked, mut is_made) = (false, false);
    for route in config.routes(rollout)? {
        if removes {
            remove(&route, &managed, Some(name))?;
            continue;
        }
        if !route.managed {
            continue;
        }
        asked = true;
        let makes_any = std::cell::Cell::new(false);
        route.change(|current| {
            let rules = managed.with(current, &route, name, |source| {
                let rule = build(&route, source)?;
                makes_any.set(makes_any.get() || rule.is_some());
                Ok(rule)
            })?;
            Ok(Change {
                rules: Some(rules),
                label: None,
            })
        })?;
        is_made |= makes_any.get();
    }
    if asked && !is_made {
        return Err(Error::invalid_config(format!(
            "managed route `{name}`: no rule of the routes takes such requests"
        )));
    }
    if !removes && !asked {
        warn!("managed route `{name}`: no route of the configuration says `useHeaderRoutes: true`, so there is none");
    }
    Ok(())
}

/// Removes the rules of one managed route, or of all. Where there is no route, there is nothing to remove.
fn remove(route: &Route, managed: &Managed<'_>, name: Option<&str>) -> Result<(), Error> {
    let without = |current: &Value| {
        Ok(Change {
            rules: Some(managed.without(current, name)),
            label: None,
        })
    };
    route.change_if_there(without).map(drop)
}

export_traffic_router!(GatewayApi);

#[cfg(test)]
mod tests;
