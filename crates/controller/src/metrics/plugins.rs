//! What is counted of plugins. Each has families of its own, so that they go with it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::StatusCode;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry as Families,
    proto::MetricFamily,
};
use rollcage_api::plugin::PluginKind;
use rollcage_core::{PluginId, host::HttpEnd};
use rollcage_registry::{BreakerState, CallOutcome, CallReport, Observer, PluginState, Snapshot, Stage};

use super::{Error, Memory, Metrics};

/// Seconds of calls: from a call that only computes to the default deadlines.
const CALLS: [f64; 12] = [
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 90.0,
];

/// Seconds of loads: from compiled code out of the cache to a large plugin over a slow line.
const LOADS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0];

/// Every state that a plugin can have.
const STATES: [PluginState; 8] = [
    PluginState::Pending,
    PluginState::Fetching,
    PluginState::Verifying,
    PluginState::Compiling,
    PluginState::Initializing,
    PluginState::Ready,
    PluginState::Degraded,
    PluginState::Unavailable,
];

/// Families by plugin.
#[derive(Debug, Default)]
pub(super) struct Plugins(RwLock<HashMap<PluginId, Arc<OfPlugin>>>);

#[derive(Debug)]
struct OfPlugin {
    families: Families,
    calls: IntCounterVec,
    durations: HistogramVec,
    queue: Histogram,
    faults: IntCounterVec,
    loads: HistogramVec,
    states: IntGaugeVec,
    breaker: IntGauge,
    memory: IntGauge,
    http: IntCounterVec,
}

impl OfPlugin {
    fn new(id: &PluginId) -> Result<Self, Error> {
        let labels: HashMap<_, _> = [("kind", kind(id.kind)), ("plugin", &*id.name)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let families = Families::new_custom(None, Some(labels))?;
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("rollcage_plugin_{name}"), help), labels)?;
            families.register(Box::new(counter.clone()))?;
            Ok::<_, Error>(counter)
        };
        let seconds = |name: &str, help: &str, buckets: &[f64]| {
            HistogramOpts::new(format!("rollcage_plugin_{name}_seconds"), help).buckets(buckets.to_vec())
        };
        let of_method = |name: &str, help: &str, buckets: &[f64], label: &str| {
            let histogram = HistogramVec::new(seconds(name, help, buckets), &[label])?;
            families.register(Box::new(histogram.clone()))?;
            Ok::<_, Error>(histogram)
        };
        let made = Self {
            calls: counter("calls_total", "Calls that ended, by how", &["method", "outcome"])?,
            durations: of_method("call_duration", "Time of calls, waiting included", &CALLS, "method")?,
            queue: Histogram::with_opts(seconds("queue", "Time that calls waited for their turn", &CALLS))?,
            http: counter(
                "http_requests_total",
                "Requests of calls, by how they ended",
                &["host", "code"],
            )?,
            faults: counter("faults_total", "Calls that ended with a fault", &["fault"])?,
            loads: of_method("load", "Time of the phases of loads", &LOADS, "phase")?,
            states: IntGaugeVec::new(
                Opts::new("rollcage_plugin_state", "1 for the state that the plugin has"),
                &["state"],
            )?,
            breaker: IntGauge::new(
                "rollcage_plugin_breaker_open",
                "Whether calls are refused, or let through one by one, because too many ended with faults",
            )?,
            memory: IntGauge::new(
                "rollcage_plugin_memory_bytes",
                "Memory of the plugin's instances, idle ones included, or of its process",
            )?,
            families,
        };
        made.families.register(Box::new(made.queue.clone()))?;
        made.families.register(Box::new(made.states.clone()))?;
        made.families.register(Box::new(made.breaker.clone()))?;
        made.families.register(Box::new(made.memory.clone()))?;
        Ok(made)
    }
}

fn kind(of: PluginKind) -> &'static str {
    match of {
        PluginKind::MetricProvider => "MetricProvider",
        PluginKind::TrafficRouter => "TrafficRouter",
        PluginKind::Step => "Step",
    }
}

fn state(of: PluginState) -> &'static str {
    match of {
        PluginState::Pending => "Pending",
        PluginState::Fetching => "Fetching",
        PluginState::Verifying => "Verifying",
        PluginState::Compiling => "Compiling",
        PluginState::Initializing => "Initializing",
        PluginState::Ready => "Ready",
        PluginState::Degraded => "Degraded",
        PluginState::Unavailable => "Unavailable",
    }
}

/// A status that is a known one, else its class: servers may answer with any number.
fn code(of: HttpEnd) -> Cow<'static, str> {
    Cow::Borrowed(match of {
        HttpEnd::Answered(status) => {
            let known = StatusCode::from_u16(status).is_ok_and(|status| status.canonical_reason().is_some());
            return Cow::Owned(if known {
                status.to_string()
            } else {
                format!("{}xx", (status / 100).min(9))
            });
        }
        HttpEnd::Denied => "denied",
        HttpEnd::InvalidRequest => "invalid-request",
        HttpEnd::Credential => "credential",
        HttpEnd::Paused => "paused",
        HttpEnd::Dns => "dns",
        HttpEnd::Connect => "connect",
        HttpEnd::Tls => "tls",
        HttpEnd::Timeout => "timeout",
        HttpEnd::TooLarge => "too-large",
        HttpEnd::Protocol => "protocol",
        HttpEnd::Cancelled => "cancelled",
        HttpEnd::Host => "host",
    })
}

/// The phase of faults that a stage belongs to.
fn phase(of: Stage) -> &'static str {
    match of {
        Stage::Pending => "resolve",
        Stage::Fetching => "fetch",
        Stage::Verifying => "verify",
        Stage::Compiling => "compile",
        Stage::Initializing => "init",
    }
}

impl Plugins {
    /// A plugin's families. A plugin that has none yet gets them with what is counted first.
    fn of(&self, id: &PluginId) -> Option<Arc<OfPlugin>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if known.is_some() {
            return known;
        }
        match OfPlugin::new(id) {
            Ok(new) => {
                let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
                Some(all.entry(id.clone()).or_insert_with(|| Arc::new(new)).clone())
            }
            Err(error) => {
                tracing::error!(plugin = %id, %error, "a defect: this plugin is not counted");
                None
            }
        }
    }

    /// All families, with the states of now; those of plugins that are not configured any more go.
    pub(super) fn gather(&self, states: &Snapshot, memory: &Memory) -> Result<Vec<MetricFamily>, Error> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| states.plugins.contains_key(id));
        let mut families = Vec::new();
        let all: BTreeMap<_, _> = states.plugins.iter().collect();
        for (id, status) in all {
            let Some(of) = self.of(id) else { continue };
            for each in STATES {
                of.states
                    .get_metric_with_label_values(&[state(each)])?
                    .set((each == status.state).into());
            }
            of.breaker.set((status.breaker != BreakerState::Closed).into());
            let bytes = memory.get(id).copied().unwrap_or_default();
            of.memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            families.extend(of.families.gather());
        }
        Ok(families)
    }
}

impl Observer for Metrics {
    fn call(&self, report: &CallReport<'_>) {
        let Some(of) = self.plugins.of(report.plugin) else {
            return;
        };
        let outcome = match report.outcome {
            CallOutcome::Answered => "ok",
            CallOutcome::Error => "error",
            CallOutcome::Fault(_) => "fault",
            CallOutcome::Cancelled => "cancelled",
        };
        // The method's name in the contract.
        let method = report.method.replace('_', "-");
        of.calls.with_label_values(&[&*method, outcome]).inc();
        of.durations
            .with_label_values(&[&*method])
            .observe(report.took.as_secs_f64());
        of.queue.observe(report.queued.as_secs_f64());
        if let CallOutcome::Fault(fault) = report.outcome {
            of.faults.with_label_values(&[fault.as_str()]).inc();
        }
    }

    fn stage(&self, plugin: &PluginId, stage: Stage, took: Duration) {
        if let Some(of) = self.plugins.of(plugin) {
            of.loads.with_label_values(&[phase(stage)]).observe(took.as_secs_f64());
        }
    }

    fn http(&self, plugin: &PluginId, grant: Option<&str>, end: HttpEnd) {
        if let Some(of) = self.plugins.of(plugin) {
            // No grant is written like this: each has a port.
            let host = grant.unwrap_or("none");
            of.http.with_label_values(&[host, &*code(end)]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcage_core::FaultKind;

    use super::*;
    use crate::metrics::merged;

    fn call(metrics: &Metrics, outcome: CallOutcome) {
        metrics.call(&CallReport {
            plugin: &id(),
            method: "set_weight",
            outcome,
            queued: Duration::from_micros(20),
            took: Duration::from_millis(2),
        });
    }

    fn id() -> PluginId {
        PluginId {
            kind: PluginKind::TrafficRouter,
            name: "acme/router".to_owned(),
        }
    }

    #[test]
    fn what_is_counted_of_a_plugin_goes_with_it() {
        let metrics = Metrics::new("1").unwrap();
        call(&metrics, CallOutcome::Answered);
        call(&metrics, CallOutcome::Fault(FaultKind::Memory));
        metrics.stage(&id(), Stage::Compiling, Duration::from_secs(2));
        metrics.http(&id(), Some("*.example.com:443"), HttpEnd::Answered(204));
        metrics.http(&id(), Some("*.example.com:443"), HttpEnd::Answered(299));
        metrics.http(&id(), None, HttpEnd::Denied);
        let families = metrics.plugins.of(&id()).unwrap().families.gather();
        assert_eq!(families.len(), 8, "all but states: {families:?}");
        let mut text = String::new();
        prometheus::TextEncoder::new()
            .encode_utf8(&merged(families), &mut text)
            .unwrap();
        for line in [
            r#"rollcage_plugin_calls_total{kind="TrafficRouter",method="set-weight",outcome="fault",plugin="acme/router"} 1"#,
            r#"rollcage_plugin_faults_total{fault="memory",kind="TrafficRouter",plugin="acme/router"} 1"#,
            r#"rollcage_plugin_http_requests_total{code="204",host="*.example.com:443",kind="TrafficRouter",plugin="acme/router"} 1"#,
            r#"rollcage_plugin_http_requests_total{code="2xx",host="*.example.com:443",kind="TrafficRouter",plugin="acme/router"} 1"#,
            r#"rollcage_plugin_http_requests_total{code="denied",host="none",kind="TrafficRouter",plugin="acme/router"} 1"#,
            r#"rollcage_plugin_load_seconds_sum{kind="TrafficRouter",phase="compile",plugin="acme/router"} 2"#,
            r#"rollcage_plugin_queue_seconds_count{kind="TrafficRouter",plugin="acme/router"} 2"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let nothing = metrics.text(&Snapshot::default(), &Memory::default());
        assert!(!nothing.unwrap().contains("acme/router"));
    }
}
