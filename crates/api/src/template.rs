//! AnalysisTemplates, and what a Rollout says when it names them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::analysis::{Argument, DryRun, FieldRef, MeasurementRetention, Metric};

/// Metrics to start AnalysisRuns from, for its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisTemplate {
    /// Name, namespace, labels and the like.
    pub metadata: ObjectMeta,
    /// What is to be measured.
    pub spec: AnalysisTemplateSpec,
}

/// Metrics to start AnalysisRuns from, for every namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterAnalysisTemplate {
    /// Name, labels and the like.
    pub metadata: ObjectMeta,
    /// What is to be measured.
    pub spec: AnalysisTemplateSpec,
}

/// What is to be measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplateSpec {
    /// Metrics of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Arguments; one with a value has a default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
    /// Metrics that never decide the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Templates that belong to this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<AnalysisTemplateRef>,
}

/// The name of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplateRef {
    /// Its name.
    pub template_name: String,
    /// A ClusterAnalysisTemplate rather than one of the same namespace.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cluster_scope: bool,
}

/// An argument as a Rollout gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutArgument {
    /// The template's argument.
    pub name: String,
    /// Its value, unless `value_from` gives one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<RolloutValueFrom>,
}

/// Where the value of a Rollout's argument comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutValueFrom {
    /// The pod-template hash of a ReplicaSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_hash_value: Option<PodTemplateHashValue>,
    /// A field of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
}

/// Which ReplicaSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodTemplateHashValue {
    /// The one that serves now.
    Stable,
    /// The newest.
    Latest,
}

macro_rules! resource {
    ($type:ident, $plural:literal, $scope:ident) => {
        impl k8s_openapi::Resource for $type {
            const API_VERSION: &'static str = crate::API_VERSION;
            const GROUP: &'static str = crate::GROUP;
            const KIND: &'static str = stringify!($type);
            const VERSION: &'static str = crate::VERSION;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::$scope;
        }

        impl k8s_openapi::Metadata for $type {
            type Ty = ObjectMeta;

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(AnalysisTemplate, "analysistemplates", NamespaceResourceScope);
resource!(
    ClusterAnalysisTemplate,
    "clusteranalysistemplates",
    ClusterResourceScope
);
