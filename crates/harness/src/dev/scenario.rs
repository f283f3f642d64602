//! `scenario.yaml`: what surrounds the manifests of a folder, what happens when, and what is expected.

use std::path::PathBuf;

use rollcage_api::{GoDuration, analysis::AnalysisPhase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answers::HttpRule;

/// A whole scenario. Unknown fields are errors: a misspelt expectation must not pass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Scenario {
    /// Longest time to play, on the scenario's clock.
    pub until: Option<GoDuration>,
    /// When the scenario's clock starts; now when absent.
    pub start: Option<jiff::Timestamp>,
    /// HTTP answers in the network's place.
    pub http: Vec<HttpRule>,
    /// HTTP servers on loopback, for plugins to be fetched from.
    pub servers: Vec<FileServer>,
    /// What users do, and when.
    pub actions: Vec<Action>,
    /// How the Jobs of metrics end; the first that fits. A Job that none fits goes on without a status.
    pub jobs: Vec<JobRule>,
    /// How AnalysisRuns end; without any, all are expected to be Successful.
    pub expect: Vec<Expectation>,
}

/// A server on loopback that serves files; manifests name it as `{{servers.NAME}}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FileServer {
    /// Its name in `{{servers.NAME}}`, which stands for its address and port.
    pub name: String,
    /// The folder, relative to the scenario.
    pub files: PathBuf,
    /// Whether it starts without listening.
    pub down: bool,
}

/// How the Jobs of a metric end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct JobRule {
    /// The metric's name; any when empty.
    pub metric: String,
    /// How long a Job takes.
    pub after: GoDuration,
    /// Whether it fails in the end.
    pub fails: bool,
}

/// Something that a user does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// When, after the scenario's start.
    pub at: GoDuration,
    /// What.
    #[serde(flatten)]
    pub what: Deed,
}

/// What a user does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// Creates an object, or replaces the fields that the manifest has.
    Apply(Value),
    /// Merges a patch into an object.
    Patch {
        /// `apiVersion` of the object; `argoproj.io/v1alpha1` when absent.
        #[serde(default, rename = "apiVersion")]
        api_version: Option<String>,
        /// Its kind.
        kind: String,
        /// Its namespace; `default` when absent.
        #[serde(default)]
        namespace: Option<String>,
        /// Its name.
        name: String,
        /// Whether the patch is for the object's `status`, which some kinds have apart.
        #[serde(default)]
        subresource: Option<Subresource>,
        /// JSON merge patch.
        patch: Value,
    },
    /// A Job ends, if it is still there. Not written by users.
    #[serde(skip)]
    JobEnds {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Whether it fails.
        fails: bool,
    },
    /// Deletes an object.
    Delete {
        /// `apiVersion` of the object; `argoproj.io/v1alpha1` when absent.
        #[serde(default, rename = "apiVersion")]
        api_version: Option<String>,
        /// Its kind.
        kind: String,
        /// Its namespace; `default` when absent.
        #[serde(default)]
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
    /// A server comes up.
    ServerUp(String),
    /// A server goes down.
    ServerDown(String),
}

/// A part of an object that is written apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subresource {
    /// `status`.
    Status,
}

/// How an AnalysisRun is expected to end.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expectation {
    /// `NAME`, or `NAMESPACE/NAME`.
    pub analysis_run: String,
    /// Its phase at the end.
    pub phase: AnalysisPhase,
    /// A text that its message holds; any when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl JobRule {
    /// How this Job ends.
    pub fn end_of(&self, namespace: &str, name: &str) -> Deed {
        Deed::JobEnds {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            fails: self.fails,
        }
    }

    /// Whether it speaks of the Jobs of this metric.
    pub fn is_about(&self, metric: &str) -> bool {
        self.metric.is_empty() || self.metric == metric
    }
}

impl Expectation {
    /// Whether it speaks of this run.
    pub fn is_about(&self, namespace: &str, name: &str) -> bool {
        match self.analysis_run.split_once('/') {
            Some((wanted_namespace, wanted)) => wanted_namespace == namespace && wanted == name,
            None => self.analysis_run == name,
        }
    }
}
