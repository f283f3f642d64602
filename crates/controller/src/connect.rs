//! The cluster that this runs in, if it runs in one.

use std::{env, fs};

use kube::{Client, Config};

/// What the kubelet mounts into every pod.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Where Argo Rollouts is installed when nobody says otherwise.
const NAMESPACE: &str = "argo-rollouts";

/// A client: by the pod's service account, else by `KUBECONFIG` (or `~/.kube/config`). The error is for people.
///
/// Nothing is asked of the cluster yet.
pub async fn client() -> Result<Client, String> {
    let config = match Config::incluster() {
        Ok(config) => config,
        Err(inside) => Config::from_kubeconfig(&kube::config::KubeConfigOptions::default())
            .await
            .map_err(|outside| format!("not in a cluster ({inside}), and no kubeconfig ({outside})"))?,
    };
    Client::try_from(config).map_err(|error| error.to_string())
}

/// The namespace of the configuration, as Argo Rollouts finds it: `POD_NAMESPACE`, else the pod's own, else
/// `argo-rollouts`.
pub fn namespace() -> String {
    let given = env::var("POD_NAMESPACE").ok();
    let mounted = || fs::read_to_string(NAMESPACE_FILE).ok();
    let present = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    given
        .and_then(present)
        .or_else(|| mounted().and_then(present))
        .unwrap_or_else(|| NAMESPACE.to_owned())
}
