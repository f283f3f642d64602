//! What surrounds a native plugin in a local run. It asks nobody but the network, so the network is brought to it: the
//! in-process Kubernetes API on a port of 127.0.0.1 with a kubeconfig, HTTP answers behind a proxy. It learns of both by its
//! environment, and may pass them by.

mod proxy;

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use rollcage_apiserver::ApiServer;
use rollcage_core::host::HttpResponder;
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{error::CommandError, surroundings::Surroundings};

/// The servers for native plugins, until this is dropped.
#[derive(Debug)]
pub struct NativeGround {
    env: BTreeMap<String, String>,
    _folder: TempDir,
    _servers: JoinSet<()>,
}

impl NativeGround {
    /// Brings these surroundings to the network.
    pub async fn of(surroundings: &Surroundings) -> Result<Self, CommandError> {
        Self::new(surroundings.api.as_ref(), surroundings.host.http.as_ref())
            .await
            .map_err(|error| {
                CommandError::usage(
                    format!("the surroundings of native plugins: {error}"),
                    "ports of 127.0.0.1 and the folder for temporary files are needed",
                )
            })
    }

    async fn new(api: Option<&Arc<ApiServer>>, http: Option<&Arc<dyn HttpResponder>>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("rollcage-native-").tempdir()?;
        let mut env = BTreeMap::new();
        let mut servers = JoinSet::new();
        if let Some(api) = api {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let path = kubeconfig(&folder, &format!("http://{}", listener.local_addr()?))?;
            env.insert("KUBECONFIG".to_owned(), path.display().to_string());
            let api = api.clone();
            servers.spawn(async move {
                if let Err(error) = api.serve(listener, std::future::pending()).await {
                    tracing::warn!(%error, "the in-process Kubernetes API no longer listens");
                }
            });
        }
        if let Some(responder) = http {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = format!("http://{}", listener.local_addr()?);
            for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
                env.insert(name.to_owned(), address.clone());
            }
            servers.spawn(proxy::serve(listener, responder.clone()));
        }
        Ok(Self {
            env,
            _folder: folder,
            _servers: servers,
        })
    }

    /// What tells a plugin of it.
    pub fn env(&self) -> BTreeMap<String, String> {
        self.env.clone()
    }
}

fn kubeconfig(folder: &TempDir, server: &str) -> io::Result<PathBuf> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rollcage", "cluster": {"server": server}}],
        "users": [{"name": "rollcage", "user": {}}],
        "contexts": [{"name": "rollcage", "context": {"cluster": "rollcage", "user": "rollcage", "namespace": "default"}}],
        "current-context": "rollcage",
    });
    let path = folder.path().join("kubeconfig.json");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}
