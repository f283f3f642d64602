//! What surrounds a plugin in a local run: an in-process Kubernetes API or none, who answers HTTP, which clock.

use std::{path::Path, sync::Arc};

use rollcage_apiserver::{ApiServer, Difference, Snapshot, without_bookkeeping};
use rollcage_controller::cluster::Cluster;
use rollcage_core::{
    clock::{Clock, SystemClock},
    host::HostServices,
};
use serde_json::Value;
use similar::TextDiff;

use crate::{call::ObjectDiff, error::CommandError, manifests::Manifests};

/// What a plugin's host calls meet.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The in-process API behind `host`, where there is one.
    pub api: Option<Arc<ApiServer>>,
    /// What plugins are handed.
    pub host: HostServices,
}

impl Surroundings {
    /// No Kubernetes API, the real network, the real clock.
    pub fn without_cluster() -> Self {
        Self {
            api: None,
            host: HostServices::without_cluster(),
        }
    }

    /// As `--kube` says.
    pub fn of_options(kube: Option<&Path>) -> Result<Self, CommandError> {
        kube.map_or_else(|| Ok(Self::without_cluster()), Self::of_folder)
    }

    /// An API with the objects of a folder, the real network and the real clock.
    pub fn of_folder(dir: &Path) -> Result<Self, CommandError> {
        let manifests = Manifests::read(dir, &|text| text)?;
        Self::with_objects(manifests, Arc::new(SystemClock))
    }

    /// An API with these objects, under this clock, and the real network. Secrets are those of the namespace in which a
    /// plugin configuration stands, else of `argo-rollouts`.
    pub fn with_objects(manifests: Manifests, clock: Arc<dyn Clock>) -> Result<Self, CommandError> {
        let namespace = manifests.config_namespace();
        let api = {
            let clock = Arc::clone(&clock);
            ApiServer::new(Arc::new(move || clock.now()))
        };
        let problems = manifests.load_into(&api);
        if !problems.is_empty() {
            return Err(CommandError::usage(
                problems.join("\n"),
                "mend the manifests, or take them out",
            ));
        }
        let client = kube::Client::new(api.service(), "default");
        let cluster = Arc::new(Cluster::new(client, namespace));
        let host = HostServices {
            kubernetes: cluster.clone(),
            secrets: cluster,
            http: None,
            clock,
        };
        Ok(Self { api: Some(api), host })
    }

    /// All objects of the API, where there is one.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.api.as_ref().map(|api| api.snapshot())
    }
}

/// One changed object as a unified diff of its YAML.
pub fn object_diff(difference: &Difference) -> ObjectDiff {
    let (before, after) = (yaml(difference.before.as_deref()), yaml(difference.after.as_deref()));
    ObjectDiff {
        object: object_name(difference),
        diff: TextDiff::from_lines(&before, &after)
            .unified_diff()
            .context_radius(3)
            .to_string(),
    }
}

/// `Kind namespace/name`; without namespace `Kind name`.
pub fn object_name(difference: &Difference) -> String {
    let key = &difference.key;
    if key.namespace.is_empty() {
        format!("{} {}", key.gvk.kind, key.name)
    } else {
        format!("{} {}/{}", key.gvk.kind, key.namespace, key.name)
    }
}

fn yaml(object: Option<&Value>) -> String {
    object
        .map(|object| rollcage_api::yaml::to_string(&without_bookkeeping(object)).unwrap_or_default())
        .unwrap_or_default()
}
