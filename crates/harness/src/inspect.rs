//! `rollcage plugin inspect`: what a plugin is, what it imports and what it would like to reach.

use std::{path::PathBuf, sync::Arc};

use rollcage_api::plugin::{HttpGrant, KubernetesGrant, Permissions, PluginEntry, PluginKind};
use rollcage_goplugin::{Examined, examine};
use rollcage_registry::NATIVE_CONTRACT;
use rollcage_sandbox::Component;
use serde::Serialize;

use crate::{
    error::CommandError,
    workbench::{Found, Program, Workbench},
};

/// What to look into.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// The file.
    pub file: PathBuf,
    /// Compares its grants with the plugin's wishes.
    pub entry: Option<PluginEntry>,
    /// Its kind, where the file does not tell.
    pub kind: Option<PluginKind>,
    /// Also runs `init` with the entry's args: in a throw-away instance, or in a process of its own.
    pub run: bool,
}

/// What a plugin is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// `sha256:...` of the bytes.
    pub digest: String,
    /// Number of bytes.
    pub size: u64,
    /// `wasm` or `native`.
    pub runtime: &'static str,
    /// The world: `metric-provider`, `traffic-router` or `step`; `unknown` when the file does not tell.
    pub kind: String,
    /// The contract that it was built for: `rollcage:plugin@0.1.0` or another version, `go-plugin/1` for native plugins.
    pub contract: String,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// What it would like to reach, in the shape of an entry's `permissions`.
    pub wants: Permissions,
    /// What a traffic router says that it supports; null for other kinds and native plugins.
    pub capabilities: Option<Vec<String>>,
    /// One line about it.
    pub summary: String,
    /// Its own version.
    pub version: String,
    /// Of a native plugin: what its file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeFile>,
    /// With an entry: wishes that it does not grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Permissions>,
    /// With `--run`: `ok`, or how `init` failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
}

/// What the file of a native plugin tells.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeFile {
    /// As in `an ELF executable for amd64`.
    pub format: String,
    /// Version of Go that it was built with; null if it was not, or the file does not tell.
    pub go: Option<String>,
    /// Import path of its main package.
    pub package: Option<String>,
    /// Version of Argo Rollouts that it was built against.
    pub argo_rollouts: Option<String>,
    /// Version of go-plugin that it was built with.
    pub go_plugin: Option<String>,
    /// With `--run`: what it answers to `Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
}

impl Inspection {
    /// The least rights that the plugin asks for, as YAML of an entry.
    pub fn grant_yaml(&self) -> String {
        #[derive(Serialize)]
        struct Grant<'a> {
            permissions: &'a Permissions,
        }
        rollcage_api::yaml::to_string(&Grant {
            permissions: &self.wants,
        })
        .unwrap_or_default()
    }
}

/// Looks into a plugin file. `describe` and `capabilities` of a component run in the sandbox with nothing granted; an
/// executable is only read.
pub async fn inspect(workbench: &Workbench, options: InspectOptions) -> Result<Inspection, CommandError> {
    let found = workbench.load(&options.file).await?;
    match &found.program {
        Program::Component(component) => inspect_component(workbench, &options, &found, component).await,
        Program::Native { format, bytes } => inspect_native(workbench, &options, &found, format, &examine(bytes)).await,
    }
}

async fn inspect_component(
    workbench: &Workbench,
    options: &InspectOptions,
    found: &Found,
    component: &Arc<Component>,
) -> Result<Inspection, CommandError> {
    let kind = component.kind();
    let entry = options.entry.clone().unwrap_or_default();
    let plugin = workbench.component(&found.id(kind), component, &entry)?;
    let description = plugin.describe().await?;
    let capabilities = match kind {
        PluginKind::TrafficRouter => Some(plugin.capabilities().await?),
        PluginKind::MetricProvider | PluginKind::Step => None,
    };
    let init = if options.run {
        let ended = plugin.initialize().await;
        Some(ended.map_or_else(|fault| fault.to_string(), |()| "ok".to_owned()))
    } else {
        None
    };
    Ok(Inspection {
        digest: format!("sha256:{}", found.digest),
        size: found.size,
        runtime: "wasm",
        kind: kind.to_string(),
        contract: format!("rollcage:plugin@{}", component.contract()),
        imports: component.imports().to_vec(),
        missing: options
            .entry
            .as_ref()
            .map(|entry| missing(&description.wants, &entry.permissions)),
        wants: description.wants,
        capabilities,
        summary: description.summary,
        version: description.version,
        native: None,
        init,
    })
}

async fn inspect_native(
    workbench: &Workbench,
    options: &InspectOptions,
    found: &Found,
    format: &str,
    examined: &Examined,
) -> Result<Inspection, CommandError> {
    let kind = options.kind.or(examined.kind());
    let go = examined.go.clone().unwrap_or_default();
    let (init, type_name) = if options.run {
        let entry = options.entry.clone().unwrap_or_default();
        let id = found.id(found.kind(kind)?);
        match workbench.try_native(&options.file, &id, &entry).await {
            Ok(type_name) => (Some("ok".to_owned()), Some(type_name)),
            Err(error) => (Some(error.to_string()), None),
        }
    } else {
        (None, None)
    };
    Ok(Inspection {
        digest: format!("sha256:{}", found.digest),
        size: found.size,
        runtime: "native",
        kind: kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string()),
        contract: NATIVE_CONTRACT.to_owned(),
        imports: Vec::new(),
        wants: Permissions::default(),
        capabilities: None,
        summary: "a native plugin: it is limited, not sandboxed, and reads what its user can read".to_owned(),
        version: go.module.map(|(_, version)| version).unwrap_or_default(),
        missing: None,
        native: Some(NativeFile {
            format: format.to_owned(),
            go: examined.go.as_ref().map(|go| go.version.clone()),
            package: Some(go.path).filter(|path| !path.is_empty()),
            argo_rollouts: go.argo_rollouts,
            go_plugin: go.go_plugin,
            type_name,
        }),
        init,
    })
}

/// Wishes that no grant covers. A wish for `*` is covered by any HTTP grant: it stands for what the configuration names.
pub(crate) fn missing(wants: &Permissions, granted: &Permissions) -> Permissions {
    let http = |wish: &&HttpGrant| match wish.host() {
        "*" => granted.http.is_empty(),
        host => !granted.http.iter().any(|grant| grant.host().eq_ignore_ascii_case(host)),
    };
    let credential = |name: &str| granted.credentials.iter().any(|credential| credential.name == name);
    Permissions {
        http: wants.http.iter().filter(http).cloned().collect(),
        kubernetes: wants
            .kubernetes
            .iter()
            .filter_map(|wish| not_granted(wish, &granted.kubernetes))
            .collect(),
        credentials: wants
            .credentials
            .iter()
            .filter(|wish| !credential(&wish.name))
            .cloned()
            .collect(),
    }
}

/// The wish with those verbs that no grant has for all its groups and resources.
fn not_granted(wish: &KubernetesGrant, granted: &[KubernetesGrant]) -> Option<KubernetesGrant> {
    let covers = |grant: &KubernetesGrant, verb: &String| {
        let within = |wanted: &[String], has: &[String]| {
            wanted
                .iter()
                .all(|one| has.contains(one) || has.iter().any(|any| any == "*"))
        };
        within(&wish.api_groups, &grant.api_groups)
            && within(&wish.resources, &grant.resources)
            && within(std::slice::from_ref(verb), &grant.verbs)
    };
    let verbs: Vec<String> = wish
        .verbs
        .iter()
        .filter(|verb| !granted.iter().any(|grant| covers(grant, verb)))
        .cloned()
        .collect();
    (!verbs.is_empty()).then(|| KubernetesGrant { verbs, ..wish.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(yaml: &str) -> Permissions {
        rollcage_api::yaml::from_str("test", yaml).unwrap()
    }

    #[test]
    fn what_is_granted_is_not_missing() {
        let wants = permissions(
            "{http: ['*'], kubernetes: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, patch]}]}",
        );
        let granted = permissions(
            "{http: ['p:9090'], kubernetes: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get]}]}",
        );
        let missing = missing(&wants, &granted);
        assert!(missing.http.is_empty());
        assert_eq!(missing.kubernetes[0].verbs, ["patch"]);
        assert_eq!(super::missing(&wants, &Permissions::default()), wants);
    }
}
