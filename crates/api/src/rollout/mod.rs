//! Rollouts: typed as far as anything is decided by them, with everything else kept as it came.
//!
//! ```text
//! Rollout -> spec -> canary (strategy) -> step
//!    |                    `-> traffic (routers, routes, weights)
//!    `-> status -> condition
//! ```
//!
//! Invariants: what was read is written again, but for zero values that Go leaves out (`paused: false`, `steps: []`) and
//! `null`, which is read as the zero value, as Go does. What is only passed on (pod templates, selectors, analyses,
//! routers' own settings) is not looked into.

mod canary;
mod condition;
mod spec;
mod status;
mod step;
mod traffic;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use canary::{CanaryStrategy, ReplicaProgressThreshold};
pub use condition::{PauseCondition, RolloutCondition};
pub use spec::{ObjectRef, RollbackWindow, RolloutSpec, RolloutStrategy};
pub use status::{CanaryStatus, RolloutAnalysisRunStatus, RolloutStatus};
pub use step::{CanaryStep, ExperimentStep, ExperimentTemplate, PluginStep, RolloutPause, SetCanaryScale};
pub use traffic::{
    HeaderMatch, ManagedRoute, PingPong, RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch, TrafficRouting,
    TrafficWeights, Verification, WeightDestination,
};

/// A Rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// Name, namespace, labels and the like.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: RolloutSpec,
    /// What is.
    pub status: RolloutStatus,
    /// `apiVersion`, `kind` and anything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl k8s_openapi::Resource for Rollout {
    const API_VERSION: &'static str = crate::API_VERSION;
    const GROUP: &'static str = crate::GROUP;
    const KIND: &'static str = "Rollout";
    const VERSION: &'static str = crate::VERSION;
    const URL_PATH_SEGMENT: &'static str = "rollouts";
    type Scope = k8s_openapi::NamespaceResourceScope;
}

impl k8s_openapi::Metadata for Rollout {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// `null` is what is absent, as in Go.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
