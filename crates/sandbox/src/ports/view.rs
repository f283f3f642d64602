//! The trimmed views that plugins get instead of whole objects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString};
use rollcage_api::{
    GoDuration,
    analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric},
    rollout::{
        HeaderMatch, Rollout, RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch, TrafficRouting,
        WeightDestination,
    },
    step::StepContext,
};
use rollcage_core::Call;
use serde_json::Value;

use crate::bindings::{
    exports::rollcage::plugin::{metrics, routing, stepping},
    rollcage::plugin::types::{self, Pair},
};

/// RFC 3339, as Kubernetes writes it.
pub(super) fn time(time: Timestamp) -> String {
    time.to_string()
}

fn pair(name: &str, value: &str) -> Pair {
    Pair {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn pairs(map: Option<&BTreeMap<String, String>>) -> Vec<Pair> {
    map.into_iter()
        .flatten()
        .map(|(name, value)| pair(name, value))
        .collect()
}

fn text(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

fn annotations(metadata: &ObjectMeta) -> Vec<Pair> {
    /// Repeats the whole object.
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let mut annotations = pairs(metadata.annotations.as_ref());
    annotations.retain(|annotation| annotation.name != LAST_APPLIED);
    annotations
}

pub(super) fn analysis_run(run: &AnalysisRun, call: &Call) -> metrics::AnalysisRun {
    let arguments = if call.arguments.is_empty() {
        let args = run.spec.args.iter();
        args.map(|arg| pair(&arg.name, arg.value.as_deref().unwrap_or_default()))
            .collect()
    } else {
        call.arguments.iter().map(|(name, value)| pair(name, value)).collect()
    };
    metrics::AnalysisRun {
        namespace: text(run.metadata.namespace.as_ref()),
        name: text(run.metadata.name.as_ref()),
        uid: text(run.metadata.uid.as_ref()),
        labels: pairs(run.metadata.labels.as_ref()),
        annotations: annotations(&run.metadata),
        arguments,
        started_at: run.status.started_at.map(time),
    }
}

/// `plugin` is the name under which the metric has the plugin's configuration.
pub(super) fn metric(metric: &Metric, plugin: &str) -> metrics::Metric {
    metrics::Metric {
        name: metric.name.clone(),
        interval: metric
            .interval
            .parse::<GoDuration>()
            .ok()
            .map(|interval| u32::try_from(interval.0.as_millis()).unwrap_or(u32::MAX)),
        count: metric.count.as_ref().and_then(|count| match count {
            IntOrString::Int(count) => u32::try_from(*count).ok(),
            IntOrString::String(count) => count.parse().ok(),
        }),
        success_condition: metric.success_condition.clone(),
        failure_condition: metric.failure_condition.clone(),
        config: json(metric.provider.plugin.get(plugin)),
    }
}

fn json(value: Option<&Value>) -> String {
    value.unwrap_or(&Value::Null).to_string()
}

pub(super) fn measurement(measurement: &Measurement) -> metrics::Measurement {
    metrics::Measurement {
        phase: match measurement.phase {
            AnalysisPhase::Unset | AnalysisPhase::Pending => None,
            AnalysisPhase::Running => Some(metrics::Phase::Running),
            AnalysisPhase::Successful => Some(metrics::Phase::Successful),
            AnalysisPhase::Failed => Some(metrics::Phase::Failed),
            AnalysisPhase::Error => Some(metrics::Phase::Error),
            AnalysisPhase::Inconclusive => Some(metrics::Phase::Inconclusive),
        },
        message: measurement.message.clone(),
        started_at: measurement.started_at.map(time),
        finished_at: measurement.finished_at.map(time),
        value: measurement.value.clone(),
        sample: None,
        metadata: pairs(Some(&measurement.metadata)),
        resume_at: measurement.resume_at.map(time),
    }
}

fn number(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn routing_of(rollout: &Rollout) -> Option<&TrafficRouting> {
    rollout.spec.strategy.canary.as_ref()?.traffic_routing.as_ref()
}

/// A router's own configuration in a Rollout.
pub(super) fn router_config(rollout: &Rollout, plugin: &str) -> String {
    json(routing_of(rollout).and_then(|routing| routing.plugins.get(plugin)))
}

pub(super) fn rollout(rollout: &Rollout) -> types::Rollout {
    let canary = rollout.spec.strategy.canary.as_ref();
    let routing = routing_of(rollout);
    let status = &rollout.status;
    types::Rollout {
        namespace: text(rollout.metadata.namespace.as_ref()),
        name: text(rollout.metadata.name.as_ref()),
        uid: text(rollout.metadata.uid.as_ref()),
        labels: pairs(rollout.metadata.labels.as_ref()),
        annotations: annotations(&rollout.metadata),
        canary_service: canary.map(|canary| canary.canary_service.clone()).unwrap_or_default(),
        stable_service: canary.map(|canary| canary.stable_service.clone()).unwrap_or_default(),
        ping_pong: canary
            .and_then(|canary| canary.ping_pong.as_ref())
            .map(|ping_pong| types::PingPong {
                ping_service: ping_pong.ping_service.clone(),
                pong_service: ping_pong.pong_service.clone(),
                stable: status
                    .canary
                    .as_ref()
                    .map(|canary| canary.stable_ping_pong.clone())
                    .unwrap_or_default(),
            }),
        canary_hash: status.current_pod_hash.clone(),
        stable_hash: status.stable_rs.clone(),
        managed_routes: routing
            .map(|routing| routing.managed_routes.iter().map(|route| route.name.clone()).collect())
            .unwrap_or_default(),
        max_weight: routing
            .and_then(|routing| routing.max_traffic_weight)
            .map_or(100, number),
        step_index: status.current_step_index.map(number),
        aborted: status.abort,
    }
}

pub(super) fn weight(weight: i32) -> u32 {
    number(weight)
}

pub(super) fn destinations(destinations: &[WeightDestination]) -> Vec<routing::Destination> {
    let destinations = destinations.iter().map(|destination| routing::Destination {
        service: destination.service_name.clone(),
        pod_template_hash: destination.pod_template_hash.clone(),
        weight: number(destination.weight),
    });
    destinations.collect()
}

fn text_match(given: &StringMatch) -> routing::TextMatch {
    if !given.prefix.is_empty() {
        routing::TextMatch::Prefix(given.prefix.clone())
    } else if !given.regex.is_empty() {
        routing::TextMatch::Regex(given.regex.clone())
    } else {
        routing::TextMatch::Exact(given.exact.clone())
    }
}

fn header_match(given: &HeaderMatch) -> routing::HeaderMatch {
    routing::HeaderMatch {
        name: given.header_name.clone(),
        value: text_match(&given.header_value),
    }
}

pub(super) fn header_route(route: &SetHeaderRoute) -> routing::HeaderRoute {
    routing::HeaderRoute {
        name: route.name.clone(),
        matches: route.matches.iter().map(header_match).collect(),
    }
}

fn request_match(given: &RouteMatch) -> routing::RequestMatch {
    routing::RequestMatch {
        method: given.method.as_ref().map(text_match),
        path: given.path.as_ref().map(text_match),
        headers: given
            .headers
            .iter()
            .map(|(name, value)| routing::HeaderMatch {
                name: name.clone(),
                value: text_match(value),
            })
            .collect(),
    }
}

pub(super) fn mirror_route(route: &SetMirrorRoute) -> routing::MirrorRoute {
    routing::MirrorRoute {
        name: route.name.clone(),
        matches: route.matches.iter().map(request_match).collect(),
        percentage: route.percentage.map(number),
    }
}

pub(super) fn context(context: &StepContext) -> stepping::Context {
    stepping::Context {
        plugin_name: context.plugin_name.clone(),
        config: context.config.to_string(),
        state: (!context.status.is_null()).then(|| context.status.to_string()),
    }
}
