//! The kinds that every server knows.

use crate::{
    fields::Lists,
    kind::{Generation, Kind, NameRule, Served},
};

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
    let custom = Kind::custom(group, version, kind);
    let lists = custom.lists.clone().of_types().keyed("status.conditions", &["type"]);
    Kind {
        generation,
        typed: true,
        unconditional_update: true,
        lists,
        ..custom
    }
}

fn with_lists(kind: Kind, add: impl FnOnce(Lists) -> Lists) -> Kind {
    Kind {
        lists: add(kind.lists.clone()),
        ..kind
    }
}

/// A kind whose spec holds a pod's template.
fn with_template(kind: Kind) -> Kind {
    with_lists(kind, |lists| lists.pod_spec("spec.template.spec"))
}

/// Every built-in kind.
pub(crate) fn kinds() -> Vec<Kind> {
    let mut kinds = core();
    kinds.extend(grouped());
    kinds.extend(custom());
    kinds
}

fn core() -> Vec<Kind> {
    use Generation::{Never, Spec};
    let events = Served {
        group: "events.k8s.io".into(),
        version: "v1".into(),
        renames: EVENT_RENAMES,
    };
    let mut event = typed("", "v1", "Event", Never).short(&["ev"]);
    event.served.push(events);
    let namespace = typed("", "v1", "Namespace", Never)
        .short(&["ns"])
        .cluster_scoped()
        .with_status();
    let service = with_lists(typed("", "v1", "Service", Never), |lists| {
        lists.keyed("spec.ports", &["port", "protocol"])
    });
    let pod = with_lists(typed("", "v1", "Pod", Spec), |lists| {
        lists
            .pod_spec("spec")
            .keyed("status.podIPs", &["ip"])
            .keyed("status.hostIPs", &["ip"])
    });
    let account = with_lists(typed("", "v1", "ServiceAccount", Never), |lists| {
        lists.keyed("secrets", &["name"])
    });
    vec![
        Kind {
            names: NameRule::Label,
            ..namespace
        },
        pod.short(&["po"]).with_status(),
        Kind {
            names: NameRule::Label1035,
            ..service.short(&["svc"]).with_status()
        },
        typed("", "v1", "ConfigMap", Never).short(&["cm"]),
        typed("", "v1", "Secret", Never),
        account.short(&["sa"]),
        event,
    ]
}

fn grouped() -> Vec<Kind> {
    use Generation::{Never, Spec};
    vec![
        with_template(typed("apps", "v1", "ReplicaSet", Spec))
            .short(&["rs"])
            .with_status(),
        with_template(typed("apps", "v1", "Deployment", Spec))
            .short(&["deploy"])
            .with_status(),
        with_template(typed("batch", "v1", "Job", Spec)).with_status(),
        typed("networking.k8s.io", "v1", "Ingress", Spec)
            .short(&["ing"])
            .with_status(),
        Kind {
            unconditional_update: false,
            ..typed("coordination.k8s.io", "v1", "Lease", Never)
        },
    ]
}

fn custom() -> Vec<Kind> {
    let argo = |kind| Kind::custom("argoproj.io", "v1alpha1", kind);
    let crd = Kind::custom("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    vec![
        crd.short(&["crd", "crds"]).cluster_scoped().with_status(),
        Kind::custom("gateway.networking.k8s.io", "v1", "HTTPRoute")
            .also("v1beta1")
            .with_status(),
        Kind::custom("gateway.networking.k8s.io", "v1", "GRPCRoute").with_status(),
        with_template(argo("Rollout")).short(&["ro"]).with_status(),
        argo("AnalysisRun").short(&["ar"]),
        argo("AnalysisTemplate").short(&["at"]),
        argo("ClusterAnalysisTemplate").short(&["cat"]).cluster_scoped(),
        argo("Experiment").short(&["exp"]),
    ]
}
