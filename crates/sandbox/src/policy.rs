//! What one plugin may use and reach: its entry, with nothing left open.

use std::sync::Arc;

use rollcage_api::plugin::{Permissions, PluginEntry};
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::HostServices, limits::Limits};
use tokio::runtime::Handle;

use crate::{
    config::{Ceilings, SandboxConfig},
    egress::{Egress, Names},
    limiter::Held,
};

/// Everything about a plugin that stays the same from call to call.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) id: PluginId,
    pub(crate) limits: Limits,
    pub(crate) permissions: Permissions,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) args: Vec<String>,
    pub(crate) host: HostServices,
    pub(crate) egress: Egress,
    pub(crate) ceilings: Ceilings,
    /// Memory of all instances under this policy, and under the bare one.
    pub(crate) held: Held,
}

impl Policy {
    /// What the entry says. Connections live where this is called.
    pub(crate) fn of_entry(
        id: &PluginId,
        entry: &PluginEntry,
        host: HostServices,
        config: &SandboxConfig,
    ) -> Result<Self, Box<Fault>> {
        Ok(Self {
            id: id.clone(),
            limits: Limits::wasm(&entry.limits),
            permissions: entry.permissions.clone(),
            env: entry.env.clone().into_iter().collect(),
            args: entry.args.clone(),
            egress: egress(id, &entry.permissions, &host, config.names.clone())?,
            host,
            ceilings: config.ceilings,
            held: Held::default(),
        })
    }

    /// The same limits with nothing granted: for what a plugin says of itself.
    pub(crate) fn bare(&self) -> Result<Self, Box<Fault>> {
        let host = HostServices {
            clock: self.host.clock.clone(),
            ..HostServices::without_cluster()
        };
        let permissions = Permissions::default();
        Ok(Self {
            id: self.id.clone(),
            limits: self.limits.clone(),
            env: Vec::new(),
            args: Vec::new(),
            egress: egress(&self.id, &permissions, &host, None)?,
            permissions,
            host,
            ceilings: self.ceilings,
            held: self.held.clone(),
        })
    }
}

fn egress(
    id: &PluginId,
    permissions: &Permissions,
    host: &HostServices,
    names: Option<Arc<dyn Names>>,
) -> Result<Egress, Box<Fault>> {
    let fault = |kind, cause: String, hint: &str| Box::new(Fault::new(id, Phase::Resolve, kind, cause, hint));
    let runtime = Handle::try_current().map_err(|error| fault(FaultKind::Host, error.to_string(), ""))?;
    let egress = match names {
        Some(names) => Egress::with_names(permissions, host, runtime, names),
        None => Egress::new(permissions, host, runtime),
    };
    egress.map_err(|error| {
        fault(
            FaultKind::InvalidEntry,
            error.to_string(),
            "correct the entry's permissions",
        )
    })
}
