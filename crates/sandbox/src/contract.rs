//! What a component is, told by its exports: kind, version of the contract, and where its functions are.

use rollcage_api::plugin::PluginKind;
use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, types::ComponentItem},
};

/// The package whose interfaces plugins export.
const PACKAGE: &str = "rollcage:plugin/";
/// Every version of the contract that starts like this is understood: within 0.1 it only grows.
const VERSION: &str = "0.1.";
/// The version that this host was built with.
pub(crate) const HOST_VERSION: &str = "0.1.0";

/// A function of the contract's exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Init,
    Describe,
    Capabilities,
    Run,
    Resume,
    Terminate,
    GarbageCollect,
    GetMetadata,
    Abort,
    UpdateHash,
    SetWeight,
    SetHeaderRoute,
    SetMirrorRoute,
    VerifyWeight,
    RemoveManagedRoutes,
}

impl Method {
    /// The contract's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Describe => "describe",
            Self::Capabilities => "capabilities",
            Self::Run => "run",
            Self::Resume => "resume",
            Self::Terminate => "terminate",
            Self::GarbageCollect => "garbage-collect",
            Self::GetMetadata => "get-metadata",
            Self::Abort => "abort",
            Self::UpdateHash => "update-hash",
            Self::SetWeight => "set-weight",
            Self::SetHeaderRoute => "set-header-route",
            Self::SetMirrorRoute => "set-mirror-route",
            Self::VerifyWeight => "verify-weight",
            Self::RemoveManagedRoutes => "remove-managed-routes",
        }
    }

    fn of(kind: PluginKind) -> &'static [Self] {
        match kind {
            PluginKind::MetricProvider => &[
                Self::Init,
                Self::Run,
                Self::Resume,
                Self::Terminate,
                Self::GarbageCollect,
                Self::GetMetadata,
                Self::Describe,
            ],
            PluginKind::TrafficRouter => &[
                Self::Init,
                Self::UpdateHash,
                Self::SetWeight,
                Self::SetHeaderRoute,
                Self::SetMirrorRoute,
                Self::VerifyWeight,
                Self::RemoveManagedRoutes,
                Self::Capabilities,
                Self::Describe,
            ],
            PluginKind::Step => &[Self::Init, Self::Run, Self::Terminate, Self::Abort, Self::Describe],
        }
    }
}

/// The interface that a plugin of this kind exports.
fn interface(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::MetricProvider => "metrics",
        PluginKind::TrafficRouter => "routing",
        PluginKind::Step => "stepping",
    }
}

/// Why a component is no plugin of this host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContractError {
    #[error("the component exports {0}, but none of rollcage:plugin's metrics, routing and stepping")]
    NoPlugin(String),
    #[error("the component speaks version {found} of the contract, this host speaks {HOST_VERSION}")]
    Version { found: String },
    #[error("the component exports both {0} and {1}")]
    Several(&'static str, &'static str),
    #[error("the component's {interface} has no function {function}")]
    Missing {
        interface: &'static str,
        function: &'static str,
    },
}

/// A component's place in the contract.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) kind: PluginKind,
    pub(crate) version: String,
}

/// Reads kind and version off the names of a component's exports.
pub(crate) fn identify<'a>(exports: impl IntoIterator<Item = &'a str>) -> Result<Identity, ContractError> {
    let mut found: Option<Identity> = None;
    let mut other_version = None;
    let mut names = Vec::new();
    for name in exports {
        names.push(name);
        let Some((name, version)) = name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')) else {
            continue;
        };
        let Some(kind) = PluginKind::ALL.into_iter().find(|kind| interface(*kind) == name) else {
            continue;
        };
        if !version.starts_with(VERSION) {
            other_version = Some(version.to_owned());
            continue;
        }
        if let Some(first) = &found {
            return Err(ContractError::Several(interface(first.kind), interface(kind)));
        }
        found = Some(Identity {
            kind,
            version: version.to_owned(),
        });
    }
    match (found, other_version) {
        (Some(identity), _) => Ok(identity),
        (None, Some(found)) => Err(ContractError::Version { found }),
        (None, None) => Err(ContractError::NoPlugin(listed(&names))),
    }
}

/// The first few names, for people.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}

/// Where a component's functions are.
#[derive(Clone, Debug)]
pub(crate) struct Exports {
    functions: Vec<(Method, ComponentExportIndex)>,
}

impl Exports {
    /// Looks up every function of `identity`'s interface.
    pub(crate) fn find(component: &Component, identity: &Identity) -> Result<Self, ContractError> {
        let interface = interface(identity.kind);
        let instance = component.get_export_index(None, &*format!("{PACKAGE}{interface}@{}", identity.version));
        let functions = Method::of(identity.kind)
            .iter()
            .map(|method| {
                let function = method.name();
                match component.get_export(instance.as_ref(), function) {
                    Some((ComponentItem::ComponentFunc(_), index)) if instance.is_some() => Ok((*method, index)),
                    _ => Err(ContractError::Missing { interface, function }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { functions })
    }

    /// The place of one function, when the component's kind has it.
    pub(crate) fn get(&self, method: Method) -> Option<ComponentExportIndex> {
        self.functions
            .iter()
            .find(|(known, _)| *known == method)
            .map(|(_, index)| *index)
    }
}

/// Names of a component's exports.
pub(crate) fn export_names(component: &Component, engine: &Engine) -> Vec<String> {
    component
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Names of a component's imports.
pub(crate) fn import_names(component: &Component, engine: &Engine) -> Vec<String> {
    component
        .component_type()
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_kind_and_version_by_the_exports() {
        for (exports, expected) in [
            (
                vec!["rollcage:plugin/metrics@0.1.0"],
                Ok((PluginKind::MetricProvider, "0.1.0")),
            ),
            (
                vec!["init", "rollcage:plugin/routing@0.1.17"],
                Ok((PluginKind::TrafficRouter, "0.1.17")),
            ),
            (
                vec!["rollcage:plugin/stepping@0.1.0", "rollcage:plugin/later@0.1.4"],
                Ok((PluginKind::Step, "0.1.0")),
            ),
            (
                vec!["rollcage:plugin/metrics@0.2.0"],
                Err("the component speaks version 0.2.0 of the contract, this host speaks 0.1.0"),
            ),
            (
                vec!["rollcage:plugin/metrics@0.1.0", "rollcage:plugin/stepping@0.1.0"],
                Err("the component exports both metrics and stepping"),
            ),
            (
                vec!["wasi:cli/run@0.2.3", "b", "c", "d", "e"],
                Err(
                    "the component exports wasi:cli/run@0.2.3, b, c, d, ..., but none of rollcage:plugin's metrics, routing and stepping",
                ),
            ),
            (
                vec![],
                Err("the component exports nothing, but none of rollcage:plugin's metrics, routing and stepping"),
            ),
        ] {
            let found = identify(exports.iter().copied());
            match expected {
                Ok((kind, version)) => assert_eq!(
                    found.unwrap(),
                    Identity {
                        kind,
                        version: version.into()
                    }
                ),
                Err(text) => assert_eq!(found.unwrap_err().to_string(), text),
            }
        }
    }
}
