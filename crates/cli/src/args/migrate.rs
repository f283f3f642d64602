//! Arguments of `migrate`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "Examples:
  kubectl get configmap argo-rollouts-config -n argo-rollouts -o yaml > config.yaml
  rollcage migrate -f config.yaml                       the entries, and what their locations have
  rollcage migrate --cluster                            and Rollouts, analyses and stock controllers
  rollcage migrate --cluster --instance-id ''            as if Rollcage took the stock controller's objects
  rollcage migrate -f config.yaml --rbac --output json | jq .rights.values

Nothing is written anywhere. docs/migrate.md shows the way there and back.
Exit status: 0 nothing would fail, 1 something would, 2 usage or FILE, 3 the cluster does not answer.";

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Look at the cluster of the kubeconfig: both ConfigMaps, Rollouts, analyses, nodes, controllers.
    #[arg(long, required_unless_present = "file")]
    pub cluster: bool,
    /// Manifests, as kubectl prints them; with --cluster their ConfigMaps count, not the cluster's.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Namespace of the stock controller and its ConfigMap.
    #[arg(short, long, value_name = "NAMESPACE", default_value = "argo-rollouts")]
    pub namespace: String,
    /// The instance id that Rollcage is going to have; empty: it takes the objects without one.
    #[arg(long, value_name = "ID", default_value = "rollcage", value_parser = super::parse_label)]
    pub instance_id: String,
    /// Also print what the controller has to be allowed, as values of the chart and as manifests; with --cluster, ask
    /// whether it is.
    #[arg(long)]
    pub rbac: bool,
    /// The controller's service account, for --rbac.
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "rollcage/rollcage", value_parser = parse_account)]
    pub service_account: (String, String),
    /// Do not ask the locations of plugins.
    #[arg(long)]
    pub offline: bool,
}

fn parse_account(text: &str) -> Result<(String, String), String> {
    text.split_once('/')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .ok_or_else(|| "a namespace and a name, such as rollcage/rollcage".to_owned())
}
