//! What a plugin says of itself.

use rollcage_api::plugin::{CredentialGrant, HttpGrant, KubernetesGrant, Permissions};
use serde::Serialize;

use crate::bindings::rollcage::plugin::types;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// One line: what it does.
    pub summary: String,
    /// Its own version.
    pub version: String,
    /// What it would like to reach, in the shape of an entry's `permissions`.
    pub wants: Permissions,
    /// Environment variables that it reads.
    pub env: Vec<String>,
}

impl Description {
    pub(crate) fn new(given: types::Description) -> Self {
        let wants = given.wants;
        Self {
            summary: given.summary,
            version: given.version,
            wants: Permissions {
                http: wants.http.into_iter().map(HttpGrant::Host).collect(),
                kubernetes: wants.kubernetes.into_iter().map(rule).collect(),
                credentials: wants.credentials.into_iter().map(credential).collect(),
            },
            env: wants.env,
        }
    }
}

fn rule(given: types::KubernetesRule) -> KubernetesGrant {
    KubernetesGrant {
        api_groups: given.api_groups,
        resources: given.resources,
        verbs: given.verbs,
        ..KubernetesGrant::default()
    }
}

fn credential(name: String) -> CredentialGrant {
    CredentialGrant {
        name,
        ..CredentialGrant::default()
    }
}
