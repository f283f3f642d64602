//! Rollouts and Experiments: what they need that is not here.

use rollcage_api::plugin::PluginKind;
use rollcage_core::PluginId;
use rollcage_registry::config::Configuration;
use serde_json::{Map, Value};

use super::{Check, Grouped, Report, Situation, not_usable, of_kinds, text};

/// Fields of `trafficRouting` that are no router.
const NO_ROUTERS: [&str; 3] = ["plugins", "managedRoutes", "maxTrafficWeight"];

/// What to do about all of them.
const LEAVE: &str = "leave them to the stock controller: keep it running, and give Rollcage an instance id of its own";

pub(super) fn examine(situation: &Situation, configuration: &Configuration, report: &mut Report) {
    let mut found = Grouped::default();
    for object in of_kinds(situation, &["Experiment"]) {
        let problem = "Experiments are not reconciled".to_owned();
        found.add(object, Check::Unsupported, "experiments", problem, LEAVE.to_owned());
    }
    for rollout in of_kinds(situation, &["Rollout"]) {
        report.looked.rollouts += 1;
        let mut unsupported = |problem: String, fix: &str| {
            found.add(rollout, Check::Unsupported, "rollouts", problem, fix.to_owned());
        };
        unsupported("Rollouts are not reconciled yet: analyses are".to_owned(), LEAVE);
        if rollout
            .pointer("/spec/strategy/blueGreen")
            .is_some_and(|strategy| !strategy.is_null())
        {
            unsupported(
                "the strategy blueGreen has no place for plugins".to_owned(),
                "use the strategy canary, or leave them to the stock controller for good",
            );
        }
        let canary = rollout.pointer("/spec/strategy/canary");
        let routing = canary
            .and_then(|canary| canary.get("trafficRouting"))
            .and_then(Value::as_object);
        for router in routing.into_iter().flat_map(Map::keys) {
            if !NO_ROUTERS.contains(&router.as_str()) {
                unsupported(
                    format!("the traffic router {router} is not built in"),
                    "use a router plugin: trafficRouting.plugins",
                );
            }
        }
        let steps = canary.and_then(|canary| canary.get("steps")).and_then(Value::as_array);
        let steps: Vec<&Value> = steps.into_iter().flatten().collect();
        if steps
            .iter()
            .any(|step| step.get("experiment").is_some_and(|one| !one.is_null()))
        {
            unsupported(
                "steps with an experiment are not run".to_owned(),
                "take the step out, or measure with an analysis",
            );
        }
        let routers = routing
            .and_then(|routing| routing.get("plugins"))
            .and_then(Value::as_object);
        let routers = routers.into_iter().flat_map(Map::keys);
        let routers = routers.map(|name| (PluginKind::TrafficRouter, name.as_str()));
        let named = steps.iter().map(|step| (PluginKind::Step, text(step, "/plugin/name")));
        for (kind, name) in routers.chain(named).filter(|(_, name)| !name.is_empty()) {
            let id = PluginId {
                kind,
                name: name.to_owned(),
            };
            if let Some((problem, fix)) = not_usable(configuration, &id, text(rollout, "/metadata/namespace")) {
                found.add(rollout, Check::NotConfigured, "rollouts", problem, fix);
            }
        }
    }
    report.findings.extend(found.findings());
}
