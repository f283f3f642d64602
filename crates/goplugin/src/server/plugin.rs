//! Argo's methods, by kind.

use std::sync::Arc;

use futures::FutureExt as _;
use rollcage_api::plugin::PluginKind;
use rollcage_gob::{
    Value, types,
    wire::{self, RpcError},
};
use serde::de::DeserializeOwned;

use crate::ports::service_name;

use super::{
    Served,
    rpc::{Answer, Refused, Service, argument, reply},
};

/// The service `Plugin` of one kind. Nothing is kept between calls.
#[derive(Debug)]
pub(super) struct Plugin {
    kind: PluginKind,
    served: Arc<dyn Served>,
}

impl Plugin {
    pub(super) fn new(kind: PluginKind, served: Arc<dyn Served>) -> Self {
        Self { kind, served }
    }

    /// The name by which a host asks for this kind.
    pub(super) fn dispensed_as(&self) -> &'static str {
        service_name(self.kind)
    }
}

impl Service for Plugin {
    fn begin(self: Arc<Self>, service: &str, method: &str, value: Value<'_, '_>) -> Result<Answer, Refused> {
        if service != "Plugin" {
            return Err(Refused::Service);
        }
        let served = self.served.clone();
        match (method, self.kind) {
            ("InitPlugin", _) => {
                anything(&value)?;
                // Loading goes on behind: Argo holds a lock meanwhile, and would not ask a second time.
                Ok(async { Ok(reply(types::TYPES_RPC_ERROR, RpcError::default())) }.boxed())
            }
            ("Type", _) => {
                anything(&value)?;
                Ok(async move { Ok(reply(types::STRING, served.name())) }.boxed())
            }
            (_, PluginKind::MetricProvider) => super::metric::begin(method, value, served),
            (_, PluginKind::TrafficRouter) => super::router::begin(method, value, served),
            (_, PluginKind::Step) => super::step::begin(method, value, served),
        }
    }
}

/// Reads the argument of a method that takes the type registered as `name`.
pub(super) fn taken<T: DeserializeOwned>(value: Value<'_, '_>, name: &str) -> Result<T, Refused> {
    anything(&value)?;
    let of = wire::argument(name).ok_or(Refused::Method)?;
    match value.interface() {
        Some(sent) if sent == name => argument(value, of),
        // Go's own words for it.
        Some("") | None => Err(Refused::Other("invalid args %!s(<nil>)".to_owned())),
        Some(sent) => Err(Refused::Other(format!(
            "invalid args: this method takes {name}, not {sent}"
        ))),
    }
}

/// Accepts what Go's server would accept for a method of any argument.
fn anything(value: &Value<'_, '_>) -> Result<(), Refused> {
    match value.interface() {
        None => Err(Refused::Other(
            "gob: local interface type *interface {} can only be decoded from remote interface type".to_owned(),
        )),
        Some(name) if name.is_empty() || wire::argument(name).is_some() => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(200).collect();
            Err(Refused::Other(format!(
                "gob: name not registered for interface: {shown:?}"
            )))
        }
    }
}
