//! `/metrics`: what operators count and watch.
//!
//! ```text
//! registry: calls, their requests, stages of loads ─┐
//! cluster: requests of plugins to Kubernetes ────────┼─> Metrics ── text of Prometheus <── GET /metrics
//! passes over objects ───────────────────────────────┘      ^
//! registry: states and memory, at the time of asking ─┘
//! ```
//!
//! Names are Argo Rollouts' where the meaning is the same, else `rollcage_*`. Labels hold what operators and the API server
//! named, never what an object's author wrote. What belongs to a plugin goes when the plugin is no longer configured, what
//! belongs to an object after the object is gone.

mod objects;
mod own;
mod plugins;
mod requests;
mod serve;

use std::{collections::BTreeMap, time::Instant};

use prometheus::{IntGauge, Opts, Registry as Families, TextEncoder, proto::MetricFamily};
use rollcage_core::PluginId;
use rollcage_registry::Snapshot;

pub use self::serve::{CONTENT_TYPE, serve};
use self::{objects::Objects, own::Own, plugins::Plugins, requests::Requests};

/// Metrics could not be set up: a name that is taken, or none.
pub type Error = prometheus::Error;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    process: Families,
    own: Own,
    plugins: Plugins,
    objects: Objects,
    requests: Requests,
}

impl Metrics {
    /// Nothing was counted yet.
    pub fn new(version: &str) -> Result<Self, Error> {
        let process = Families::new();
        #[cfg(target_os = "linux")]
        process.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        for (name, help) in [
            (
                "argo_rollouts_controller_info",
                "The controller that serves these objects",
            ),
            ("build_info", "The version of this program"),
        ] {
            let info = IntGauge::with_opts(Opts::new(name, help).const_label("version", version))?;
            info.set(1);
            process.register(Box::new(info))?;
        }
        Ok(Self {
            process,
            own: Own::new()?,
            plugins: Plugins::default(),
            objects: Objects::new()?,
            requests: Requests::default(),
        })
    }

    /// The text for Prometheus, with the plugins' states and memory of now.
    pub fn text(&self, states: &Snapshot, memory: &Memory) -> Result<String, Error> {
        let mut families = self.process.gather();
        families.extend(self.own.gather());
        families.extend(self.objects.gather(Instant::now()));
        families.extend(self.requests.gather(states));
        families.extend(self.plugins.gather(states, memory)?);
        let mut text = String::new();
        TextEncoder::new().encode_utf8(&merged(families), &mut text)?;
        Ok(text)
    }
}

/// One family of a name, with the series of all, each with its labels in order.
fn merged(families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    let mut merged: BTreeMap<String, MetricFamily> = BTreeMap::new();
    for mut family in families {
        for series in family.mut_metric() {
            let mut labels = series.take_label();
            labels.sort_by(|one, other| one.name().cmp(other.name()));
            series.set_label(labels);
        }
        match merged.entry(family.name().to_owned()) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(family);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let series = family.take_metric();
                place.get_mut().mut_metric().extend(series);
            }
        }
    }
    merged.into_values().collect()
}

/// Bytes of memory by plugin.
pub type Memory = BTreeMap<PluginId, u64>;
