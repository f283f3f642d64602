//! What unit tests share.

use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{PluginId, host::HostServices};

use crate::{
    config::{Compiler, SandboxConfig},
    policy::Policy,
};

/// A policy with the defaults; inside a runtime.
pub(crate) fn policy() -> Policy {
    let id = PluginId {
        kind: PluginKind::MetricProvider,
        name: "test/plugin".into(),
    };
    Policy::of_entry(
        &id,
        &PluginEntry::default(),
        HostServices::without_cluster(),
        &SandboxConfig::new("/nowhere", Compiler::InProcess),
    )
    .unwrap()
}
