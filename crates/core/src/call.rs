//! What surrounds one call: on whose behalf, until when, with which secrets, and what it used.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::Serialize;

use crate::{host::TargetGate, secret::Masker};

/// One call's surroundings, the same for every kind of plugin.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Namespace of the object being reconciled; `@object` in grants means this one.
    pub namespace: String,
    /// Latest end, in real time. Absent: now plus the plugin's `limits.deadline`.
    pub deadline: Option<Instant>,
    /// Values that must not leave the call in clear.
    pub secrets: Masker,
    /// Arguments of the AnalysisRun, resolved; secret ones have no value.
    pub arguments: Vec<(String, String)>,
    /// Asked before a request leaves for a server; absent: every server may be asked.
    pub targets: Option<Arc<dyn TargetGate>>,
    /// Filled in as the call goes, for those who want to know.
    pub usage: Option<Arc<Mutex<CallUsage>>>,
}

impl Call {
    /// A call for an object of `namespace`.
    pub fn for_namespace(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            ..Self::default()
        }
    }

    /// Notes what the call used, when somebody wants to know.
    pub fn note(&self, note: impl FnOnce(&mut CallUsage)) {
        if let Some(usage) = &self.usage {
            note(&mut usage.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// What one call used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallUsage {
    /// Largest sum of the instance's linear memories, in bytes.
    pub guest_memory_bytes: u64,
    /// HTTP requests sent.
    pub http_requests: u32,
    /// Kubernetes requests sent.
    pub kubernetes_calls: u32,
    /// Host calls that were denied.
    pub denials: Vec<Denial>,
    /// Lines that the plugin logged (level, text), masked.
    #[serde(skip)]
    pub log: Vec<(String, String)>,
}

/// A host call that was denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// `http`, `kubernetes`, `secrets` and the like.
    pub capability: String,
    /// What was asked for.
    pub wanted: String,
    /// The grant that is missing, as a line of an entry's `permissions`.
    pub grant: String,
}
