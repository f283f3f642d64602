//! Analyses: who would measure their metrics.

use rollcage_api::{
    analysis::{AnalysisPhase, Metric},
    plugin::PluginKind,
};
use rollcage_core::{
    PluginId,
    analysis::{NotBuiltIn, Provider, provider},
};
use rollcage_registry::config::Configuration;
use serde_json::Value;

use super::{Check, Grouped, Report, Situation, not_usable, of_kinds, text};

/// Kinds with metrics.
pub(super) const KINDS: [&str; 3] = ["AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun"];

/// What a `prometheus` metric may say under `authentication`, and is not performed here.
const AUTHENTICATION: [&str; 3] = ["sigv4", "oauth2", "azure"];

/// Where the address is in the configuration of the two providers that ask one.
const ADDRESSES: [&str; 2] = ["/prometheus/address", "/web/url"];

pub(super) fn examine(situation: &Situation, configuration: &Configuration, report: &mut Report) {
    let mut found = Grouped::default();
    for object in of_kinds(situation, &KINDS) {
        if has_ended(object) {
            continue;
        }
        report.looked.analyses += 1;
        let metrics = object.pointer("/spec/metrics").and_then(Value::as_array);
        for metric in metrics.into_iter().flatten() {
            examine_metric(object, metric, configuration, &mut found);
        }
    }
    report.findings.extend(found.findings());
}

pub(super) fn has_ended(object: &Value) -> bool {
    let phase = object.pointer("/status/phase").cloned().unwrap_or_default();
    serde_json::from_value::<AnalysisPhase>(phase).is_ok_and(AnalysisPhase::is_completed)
}

fn examine_metric(object: &Value, metric: &Value, configuration: &Configuration, found: &mut Grouped) {
    let read = match serde_json::from_value::<Metric>(metric.clone()) {
        Ok(read) => read,
        Err(error) => {
            let problem = format!("a metric is malformed: {error}");
            found.add(object, Check::Unsupported, "analyses", problem, "correct it".to_owned());
            return;
        }
    };
    let namespace = text(object, "/metadata/namespace");
    match provider(&read) {
        Err(NotBuiltIn(name)) => found.add(
            object,
            Check::Unsupported,
            "analyses",
            format!("metric provider {name} is not built in"),
            format!("measure with a plugin (provider.plugin), or leave what uses {name} to the stock controller"),
        ),
        Ok(Provider::Job) => {}
        Ok(Provider::Plugin(provider)) => {
            let id = PluginId {
                kind: PluginKind::MetricProvider,
                name: provider.plugin.name,
            };
            let told = id.name.is_empty() || id.name.contains("{{");
            if let Some((problem, fix)) = not_usable(configuration, &id, namespace).filter(|_| !told) {
                found.add(object, Check::NotConfigured, "analyses", problem, fix);
            }
        }
    }
    for way in AUTHENTICATION {
        let wanted = metric.pointer(&format!("/provider/prometheus/authentication/{way}"));
        // Argo's own defaults leave an empty one behind.
        if wanted.is_some_and(|wanted| wanted.as_object().is_none_or(|fields| !fields.is_empty())) {
            found.add(
                object,
                Check::Unsupported,
                "analyses",
                format!("`authentication.{way}` of prometheus is not performed"),
                "attach a credential to the entry rollcage/prometheus, or ask a proxy that authenticates".to_owned(),
            );
        }
    }
    for pointer in ADDRESSES {
        let address = text(metric, &format!("/provider{pointer}"));
        if let Some(host) = special(address) {
            found.add(
                object,
                Check::MissingGrant,
                "analyses",
                format!("the address {host} is reached by no grant of a name: it is this machine, or link-local"),
                "grant the address itself, in an entry of rollcage/prometheus or rollcage/web (docs/configuration.md)"
                    .to_owned(),
            );
        }
    }
}

/// The server of an address that leads to the controller's own machine or link.
fn special(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let server = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = server.strip_prefix('[').map_or_else(
        || server.split(':').next().unwrap_or_default(),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    let loopback = host.eq_ignore_ascii_case("localhost") || host == "::1";
    let ip = host
        .parse::<std::net::Ipv4Addr>()
        .is_ok_and(|ip| ip.is_loopback() || ip.is_link_local());
    (loopback || ip).then_some(server)
}
