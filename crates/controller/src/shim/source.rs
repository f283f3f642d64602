//! Where the entry is read, and how often it is looked at again.

use std::{path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap as Object;
use kube::{Api, Client};
use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, Phase, PluginId};
use rollcage_registry::config::{ConfigFile, ConfigMap, ConfigMaps, Remembered, read, single};
use tokio::io::AsyncReadExt as _;

use super::wanted::{Choice, of_config_maps, only};

/// Pause between two looks at a file, and at ConfigMaps that could not be read yet.
const SHORT: Duration = Duration::from_secs(2);

/// Pause between two looks at the ConfigMaps. Looking needs no more than the right to get them.
const LONG: Duration = Duration::from_secs(10);

/// Longest entry: a ConfigMap holds no more.
const ENTRY: u64 = 1 << 20;

/// Longest wait for the API server, so that the next try begins with a new connection.
const ANSWER: Duration = Duration::from_secs(10);

/// Where the entry is.
pub(super) enum Source {
    Nowhere,
    File(PathBuf),
    ConfigMaps {
        /// Or why there is none.
        client: Result<Client, String>,
        namespace: String,
    },
}

/// What reading gave.
pub(super) enum Read {
    /// This is wanted now.
    Wanted(Box<Choice>),
    /// It cannot be read, and stays as it was; the reason is for those who never had any.
    Unread(Box<Fault>),
}

/// Reads the entry again and again.
pub(super) struct Reader {
    source: Source,
    kind: PluginKind,
    name: Option<String>,
    default: Option<String>,
    remembered: Remembered,
    pause: Duration,
}

impl Reader {
    pub(super) fn new(source: Source, kind: PluginKind, name: Option<String>, default: Option<String>) -> Self {
        Self {
            source,
            kind,
            name,
            default,
            remembered: Remembered::default(),
            pause: SHORT,
        }
    }

    /// How long to wait before the next look.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    fn fault(&self, kind: FaultKind, cause: impl Into<String>, hint: &str) -> Box<Fault> {
        let name = self.name.as_ref().or(self.default.as_ref());
        let id = PluginId {
            kind: self.kind,
            name: name.cloned().unwrap_or_default(),
        };
        Box::new(Fault::new(&id, Phase::Resolve, kind, cause, hint))
    }

    pub(super) async fn read(&mut self) -> Read {
        match &self.source {
            Source::Nowhere => Read::Wanted(Box::new(Err(self.fault(
                FaultKind::InvalidEntry,
                "the shim's own entry does not say where the component's is",
                "add `--entry FILE` or `--entry-from-configmap` to its args",
            )))),
            Source::File(path) => match text(path).await {
                Ok(text) => {
                    let name = |written: &str| {
                        let written = Some(written.to_owned()).filter(|name| !name.is_empty());
                        let default = self.default.clone();
                        self.name.clone().or(written).or(default).unwrap_or_default()
                    };
                    let (id, wanted) = single(self.kind, &text, name);
                    Read::Wanted(Box::new(Ok(only(id, wanted, Vec::new()))))
                }
                Err(error) => Read::Unread(self.fault(
                    FaultKind::NotFound,
                    format!("{}: {error}", path.display()),
                    "mount the file with the component's entry into the controller's container",
                )),
            },
            Source::ConfigMaps { client, namespace } => {
                let Some(name) = self.name.clone().or_else(|| self.default.clone()) else {
                    return Read::Wanted(Box::new(Err(self.fault(
                        FaultKind::InvalidEntry,
                        "the shim's own entry does not name the component's",
                        "add `--name <namespace>/<name>` to its args",
                    ))));
                };
                let client = match client {
                    Ok(client) => client,
                    Err(error) => {
                        let hint = "run it in a cluster, or read the entry from a file: `--entry FILE`";
                        return Read::Unread(self.fault(FaultKind::Unreachable, error, hint));
                    }
                };
                let maps = config_maps(client, namespace).await;
                let unread = |map: &ConfigMap| matches!(map, ConfigMap::Unreadable(_));
                let all = [&maps.argo, &maps.rollcage];
                self.pause = if all.into_iter().any(unread) { SHORT } else { LONG };
                let all = read(&[], &maps, &mut self.remembered);
                Read::Wanted(Box::new(of_config_maps(all, self.kind, &name, namespace)))
            }
        }
    }
}

async fn text(path: &PathBuf) -> Result<String, String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
    let mut limited = file.take(ENTRY + 1);
    limited
        .read_to_string(&mut text)
        .await
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > ENTRY {
        return Err("this is more than any entry".to_owned());
    }
    Ok(text)
}

async fn config_maps(client: &Client, namespace: &str) -> ConfigMaps {
    let api: Api<Object> = Api::namespaced(client.clone(), namespace);
    let (argo, rollcage) = tokio::join!(get(&api, ConfigFile::Argo), get(&api, ConfigFile::Rollcage));
    ConfigMaps { argo, rollcage }
}

async fn get(api: &Api<Object>, file: ConfigFile) -> ConfigMap {
    match tokio::time::timeout(ANSWER, api.get_opt(file.name())).await {
        Ok(Ok(Some(object))) => ConfigMap::Present(object.data.unwrap_or_default()),
        Ok(Ok(None)) => ConfigMap::Absent,
        Ok(Err(error)) => ConfigMap::Unreadable(error.to_string()),
        Err(_) => ConfigMap::Unreadable(format!("the API server does not answer within {ANSWER:?}")),
    }
}
