//! `--kube DIR`: a folder's manifests in an in-process Kubernetes API, and what a plugin changed there.

use std::{path::Path, sync::Arc};

use rollcage_apiserver::{ApiServer, Difference, Snapshot, without_bookkeeping};
use rollcage_controller::cluster::Cluster;
use rollcage_core::host::HostServices;
use serde_json::Value;
use similar::TextDiff;

use crate::{call::ObjectDiff, dev::manifests::Manifests, error::CommandError};

/// An API with the folder's objects, and a host that serves plugins from it. Secrets are those of the namespace in which
/// a plugin configuration stands, else of `argo-rollouts`.
pub fn load(dir: &Path) -> Result<(Arc<ApiServer>, HostServices), CommandError> {
    let manifests = Manifests::read(dir, &|text| text)?;
    let namespace = manifests.config_namespace();
    let api = ApiServer::new(Arc::new(jiff::Timestamp::now));
    let problems = manifests.load_into(&api);
    if !problems.is_empty() {
        return Err(CommandError::usage(
            problems.join("\n"),
            "mend the manifests, or take them out of the folder",
        ));
    }
    let client = kube::Client::new(api.service(), "default");
    let cluster = Arc::new(Cluster::new(client, namespace));
    let host = HostServices {
        kubernetes: cluster.clone(),
        secrets: cluster,
        ..HostServices::without_cluster()
    };
    Ok((api, host))
}

/// What became of the objects between two snapshots, as unified diffs of their YAML.
pub fn diff(before: &Snapshot, after: &Snapshot) -> Vec<ObjectDiff> {
    before.diff(after).iter().map(object_diff).collect()
}

fn object_diff(difference: &Difference) -> ObjectDiff {
    let key = &difference.key;
    let (before, after) = (yaml(difference.before.as_deref()), yaml(difference.after.as_deref()));
    ObjectDiff {
        object: format!("{} {}/{}", key.gvk.kind, key.namespace, key.name),
        diff: TextDiff::from_lines(&before, &after)
            .unified_diff()
            .context_radius(3)
            .to_string(),
    }
}

fn yaml(object: Option<&Value>) -> String {
    object
        .map(|object| rollcage_api::yaml::to_string(&without_bookkeeping(object)).unwrap_or_default())
        .unwrap_or_default()
}
