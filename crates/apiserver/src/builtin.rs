//! The kinds that every server knows.

use crate::kind::{Generation, Kind, NameRule, Served};

/// Names of an Event's fields in core/v1 and in events.k8s.io/v1: one object in the store, seen both ways.
const EVENT_RENAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// A kind that the real server decodes into a Go type.
fn typed(group: &str, version: &str, kind: &str, generation: Generation) -> Kind {
    Kind {
        generation,
        typed: true,
        unconditional_update: true,
        ..Kind::custom(group, version, kind)
    }
}

/// Every built-in kind.
pub(crate) fn kinds() -> Vec<Kind> {
    use Generation::{Never, Spec};
    let events = Served {
        group: "events.k8s.io".into(),
        version: "v1".into(),
        renames: EVENT_RENAMES,
    };
    let mut event = typed("", "v1", "Event", Never).short(&["ev"]);
    event.served.push(events);
    vec![
        Kind {
            names: NameRule::Label,
            ..typed("", "v1", "Namespace", Never)
                .short(&["ns"])
                .cluster_scoped()
                .with_status()
        },
        typed("", "v1", "Pod", Spec).short(&["po"]).with_status(),
        Kind {
            names: NameRule::Label1035,
            ..typed("", "v1", "Service", Never).short(&["svc"]).with_status()
        },
        typed("", "v1", "ConfigMap", Never).short(&["cm"]),
        typed("", "v1", "Secret", Never),
        typed("", "v1", "ServiceAccount", Never).short(&["sa"]),
        event,
        typed("apps", "v1", "ReplicaSet", Spec).short(&["rs"]).with_status(),
        typed("apps", "v1", "Deployment", Spec).short(&["deploy"]).with_status(),
        typed("batch", "v1", "Job", Spec).with_status(),
        typed("networking.k8s.io", "v1", "Ingress", Spec)
            .short(&["ing"])
            .with_status(),
        Kind {
            unconditional_update: false,
            ..typed("coordination.k8s.io", "v1", "Lease", Never)
        },
        Kind::custom("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
            .short(&["crd", "crds"])
            .cluster_scoped()
            .with_status(),
        Kind::custom("gateway.networking.k8s.io", "v1", "HTTPRoute")
            .also("v1beta1")
            .with_status(),
        Kind::custom("argoproj.io", "v1alpha1", "Rollout")
            .short(&["ro"])
            .with_status(),
        Kind::custom("argoproj.io", "v1alpha1", "AnalysisRun").short(&["ar"]),
        Kind::custom("argoproj.io", "v1alpha1", "AnalysisTemplate").short(&["at"]),
        Kind::custom("argoproj.io", "v1alpha1", "ClusterAnalysisTemplate")
            .short(&["cat"])
            .cluster_scoped(),
        Kind::custom("argoproj.io", "v1alpha1", "Experiment").short(&["exp"]),
    ]
}
