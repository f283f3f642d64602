//! The cluster that this runs in, if it runs in one.

use std::{env, fs, path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// What the kubelet mounts into every pod.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Where Argo Rollouts is installed when nobody says otherwise.
const NAMESPACE: &str = "argo-rollouts";

/// Which cluster is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// This kubeconfig, and not the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// This context of the kubeconfig.
    pub context: Option<String>,
}

/// How to reach the cluster: by the file that is named, else by the pod's service account, else by `KUBECONFIG` (or
/// `~/.kube/config`). The error is for people. Nothing is asked of the cluster yet.
pub async fn config(target: &Target) -> Result<Config, String> {
    let options = KubeConfigOptions {
        context: target.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &target.kubeconfig {
        let unreadable = |error: &dyn std::fmt::Display| format!("kubeconfig {}: {error}", path.display());
        let file = Kubeconfig::read_from(path).map_err(|error| unreadable(&error))?;
        return Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| unreadable(&error));
    }
    match Config::incluster() {
        Ok(config) if target.context.is_none() => Ok(config),
        inside => Config::from_kubeconfig(&options).await.map_err(|outside| match inside {
            Ok(_) => format!("no kubeconfig ({outside})"),
            Err(inside) => format!("not in a cluster ({inside}), and no kubeconfig ({outside})"),
        }),
    }
}

/// A client: by the pod's service account, else by `KUBECONFIG` (or `~/.kube/config`). The error is for people.
///
/// Nothing is asked of the cluster yet.
pub async fn client() -> Result<Client, String> {
    let config = config(&Target::default()).await?;
    Client::try_from(config).map_err(|error| error.to_string())
}

/// Longest wait for a connection of somebody who sits in front of it.
const CONNECT: Duration = Duration::from_secs(5);

/// A client for somebody who asks, and does not want to wait long. The error is for people.
pub async fn impatient_client(target: &Target) -> Result<Client, String> {
    let mut config = config(target).await?;
    config.connect_timeout = Some(CONNECT);
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

/// This pod's name: `POD_NAME`, else the host's name, which is the same in a pod.
pub fn pod() -> String {
    let given = env::var("POD_NAME").ok().filter(|name| !name.is_empty());
    given.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}
