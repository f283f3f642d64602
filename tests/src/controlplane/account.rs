//! A ServiceAccount for a program under test: with these rules, and no other rights.

use std::path::PathBuf;

use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{
    Api,
    api::PostParams,
    config::{AuthInfo, Kubeconfig},
};
use serde_json::{Value, json};

use super::{ControlPlane, Namespace, apply};

/// An account of a namespace, with a kubeconfig that has its token.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The user that the API server sees.
    pub user: String,
    /// What a program under test is started with.
    pub kubeconfig: PathBuf,
}

impl Namespace<'_> {
    /// Makes one. `everywhere` are rules of a ClusterRole, `here` those of a Role in this namespace.
    pub async fn account(&self, name: &str, everywhere: &Value, here: &Value) -> Account {
        let subject = json!([{"kind": "ServiceAccount", "name": name, "namespace": self.name}]);
        // Cluster-wide names must differ between namespaces.
        let wide = format!("{}-{name}", self.name);
        let rbac = "rbac.authorization.k8s.io";
        let (version, role) = (
            format!("{rbac}/v1"),
            |kind: &str, name: &str| json!({"apiGroup": rbac, "kind": kind, "name": name}),
        );
        let objects = [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
            json!({"apiVersion": version, "kind": "Role", "metadata": {"name": name}, "rules": here}),
            json!({"apiVersion": version, "kind": "RoleBinding", "metadata": {"name": name},
                   "roleRef": role("Role", name), "subjects": subject}),
            json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": wide}, "rules": everywhere}),
            json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": wide},
                   "roleRef": role("ClusterRole", &wide), "subjects": subject}),
        ];
        for object in objects {
            // JSON is YAML.
            apply(&self.client, &self.name, &object.to_string()).await.unwrap();
        }
        self.account_of(name).await
    }

    /// One that is there already, as of a chart.
    pub async fn account_of(&self, name: &str) -> Account {
        let accounts: Api<ServiceAccount> = self.api();
        let request: TokenRequest =
            serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 86400}})).unwrap();
        let request = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .unwrap();
        let token = request.status.unwrap().token.unwrap();
        let kubeconfig = self.plane.kubeconfig_of(&self.name, name, &token);
        Account {
            name: name.to_owned(),
            user: format!("system:serviceaccount:{}:{name}", self.name),
            kubeconfig,
        }
    }
}

impl ControlPlane {
    /// Writes the admin's kubeconfig with this token instead of a certificate.
    fn kubeconfig_of(&self, namespace: &str, name: &str, token: &str) -> PathBuf {
        let mut config = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let user: AuthInfo = serde_json::from_value(json!({"token": token})).unwrap();
        for named in &mut config.auth_infos {
            named.auth_info = Some(user.clone());
        }
        for named in &mut config.contexts {
            if let Some(context) = &mut named.context {
                context.namespace = Some(namespace.to_owned());
            }
        }
        let path = self.process.folder().join(format!("{namespace}-{name}.kubeconfig"));
        // AuthInfo never prints its token.
        let mut written = serde_json::to_value(&config).unwrap();
        for user in written["users"].as_array_mut().unwrap() {
            user["user"] = json!({"token": token});
        }
        std::fs::write(&path, written.to_string()).unwrap();
        path
    }
}
