//! The plugins that are part of this program: what serves `prometheus` and `web`, Argo's built-in metric providers.

use std::sync::Arc;

use rollcage_api::plugin::{HttpGrant, HttpGrantOptions, Permissions, PluginEntry, PluginKind};
use rollcage_harness::workbench::{Bundle, Bundled};

/// Name and bytes of each, as far as they were there when this was built.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The address that Argo's prometheus provider asks when a metric names none.
const PROMETHEUS_ADDRESS: &str = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS";

/// All of them. Like the providers that they stand for they may ask any server, and skip the check of its certificate
/// where the metric says `insecure`; but no grant of `*` leads to loopback, link-local or metadata addresses.
pub(crate) fn bundle() -> Bundle {
    let plugins = FILES.iter().map(|(name, _)| Bundled {
        kind: PluginKind::MetricProvider,
        entry: Arc::new(entry(name)),
    });
    Bundle {
        files: FILES.iter().copied().collect(),
        plugins: plugins.collect(),
    }
}

fn entry(name: &str) -> PluginEntry {
    let address = std::env::var(PROMETHEUS_ADDRESS).ok();
    let address = address.filter(|address| name == "prometheus" && !address.is_empty());
    PluginEntry {
        name: format!("rollcage/{name}"),
        location: format!("bundled://{name}"),
        permissions: Permissions {
            http: vec![HttpGrant::WithOptions(HttpGrantOptions {
                host: "*:*".to_owned(),
                insecure: true,
                ..HttpGrantOptions::default()
            })],
            ..Permissions::default()
        },
        env: address
            .map(|address| (PROMETHEUS_ADDRESS.to_owned(), address))
            .into_iter()
            .collect(),
        ..PluginEntry::default()
    }
}
