//! The contract's methods by name, and what INPUT each of them takes.

use rollcage_api::plugin::PluginKind;

use crate::error::CommandError;

/// A method that `plugin call` and `plugin bench` can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `run` of a metric provider.
    MetricRun,
    /// `resume`.
    MetricResume,
    /// `terminate` of a metric provider.
    MetricTerminate,
    /// `garbage-collect`.
    GarbageCollect,
    /// `get-metadata`.
    GetMetadata,
    /// `update-hash`.
    UpdateHash,
    /// `set-weight`.
    SetWeight,
    /// `set-header-route`.
    SetHeaderRoute,
    /// `set-mirror-route`.
    SetMirrorRoute,
    /// `verify-weight`.
    VerifyWeight,
    /// `remove-managed-routes`.
    RemoveManagedRoutes,
    /// `run` of a step.
    StepRun,
    /// `terminate` of a step.
    StepTerminate,
    /// `abort`.
    StepAbort,
}

/// Kind, name in the contract, method, INPUT fields that it needs, INPUT fields that it may have.
type Row = (
    PluginKind,
    &'static str,
    Method,
    &'static [&'static str],
    &'static [&'static str],
);

const METHODS: [Row; 14] = {
    use PluginKind::{MetricProvider as M, Step as S, TrafficRouter as R};
    [
        (M, "run", Method::MetricRun, &["metric"], &["analysisRun"]),
        (
            M,
            "resume",
            Method::MetricResume,
            &["metric", "measurement"],
            &["analysisRun"],
        ),
        (
            M,
            "terminate",
            Method::MetricTerminate,
            &["metric", "measurement"],
            &["analysisRun"],
        ),
        (
            M,
            "garbage-collect",
            Method::GarbageCollect,
            &["metric"],
            &["analysisRun", "limit"],
        ),
        (M, "get-metadata", Method::GetMetadata, &["metric"], &[]),
        (
            R,
            "update-hash",
            Method::UpdateHash,
            &["rollout"],
            &["canaryHash", "stableHash", "additionalDestinations"],
        ),
        (
            R,
            "set-weight",
            Method::SetWeight,
            &["rollout", "desiredWeight"],
            &["additionalDestinations"],
        ),
        (
            R,
            "set-header-route",
            Method::SetHeaderRoute,
            &["rollout", "setHeaderRoute"],
            &[],
        ),
        (
            R,
            "set-mirror-route",
            Method::SetMirrorRoute,
            &["rollout", "setMirrorRoute"],
            &[],
        ),
        (
            R,
            "verify-weight",
            Method::VerifyWeight,
            &["rollout", "desiredWeight"],
            &["additionalDestinations"],
        ),
        (
            R,
            "remove-managed-routes",
            Method::RemoveManagedRoutes,
            &["rollout"],
            &[],
        ),
        (S, "run", Method::StepRun, &["rollout"], &["context"]),
        (S, "terminate", Method::StepTerminate, &["rollout"], &["context"]),
        (S, "abort", Method::StepAbort, &["rollout"], &["context"]),
    ]
};

impl Method {
    /// The method `name` of a plugin of `kind`.
    pub fn of(kind: PluginKind, name: &str) -> Result<Self, CommandError> {
        METHODS
            .iter()
            .find(|row| row.0 == kind && row.1 == name)
            .map(|row| row.2)
            .ok_or_else(|| {
                let known: Vec<&str> = METHODS.iter().filter(|row| row.0 == kind).map(|row| row.1).collect();
                CommandError::usage(
                    format!("a {kind} has no method {name:?}"),
                    format!("METHOD is one of {}", known.join(", ")),
                )
            })
    }

    /// The method that `bench` calls when none is named: the one that every plugin of the kind has.
    pub fn main_of(kind: PluginKind) -> Self {
        match kind {
            PluginKind::MetricProvider => Self::MetricRun,
            PluginKind::TrafficRouter => Self::SetWeight,
            PluginKind::Step => Self::StepRun,
        }
    }

    /// Name in the contract.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// The kind of plugin that has it.
    pub fn kind(self) -> Option<PluginKind> {
        self.row().map(|row| row.0)
    }

    /// INPUT fields that must be there.
    pub fn required(self) -> &'static [&'static str] {
        self.row().map_or(&[], |row| row.3)
    }

    /// INPUT fields that may be there.
    pub fn optional(self) -> &'static [&'static str] {
        self.row().map_or(&[], |row| row.4)
    }

    fn row(self) -> Option<&'static Row> {
        METHODS.iter().find(|row| row.2 == self)
    }
}
