//! One component as a plugin of the stock Argo Rollouts controller.
//!
//! ```text
//! the stock controller -> goplugin::server (listens and answers from the first moment)
//!                           └ served: the registry's port | why there is none: state, first cause, hint
//! behind it: cluster -> registry (store, sandbox) <- wanted <- source (a file | two ConfigMaps), looked at again and again
//! ```
//!
//! Invariants: nothing that can take time, or fail, is done before the handshake, and nothing of it ends the process: it
//! is what calls are told. One plugin is loaded, whatever else is configured. Only a call waits, and only while the first
//! load is under way and the process is younger than [`GRACE`]: a component that is compiled already serves the first
//! call.

mod served;
mod source;
mod wanted;

use std::{
    env, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kube::Client;
use rollcage_core::host::HostServices;
use rollcage_goplugin::server::{Ended, Invitation, Server};
use rollcage_registry::Registry;

use self::{
    served::Shim,
    source::{Reader, Source},
};
use crate::{cluster::Cluster, connect};

/// How long after the process's start a call may wait for the first load.
pub const GRACE: Duration = Duration::from_secs(1);

/// Where the component's entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryFrom {
    /// Nobody has said: that is what calls are told.
    Nowhere,
    /// In a file of its own.
    File(PathBuf),
    /// In `rollcage-config`, else in `argo-rollouts-config`, of the own namespace.
    ConfigMaps,
}

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimOptions {
    /// Where the entry is.
    pub entry: EntryFrom,
    /// The plugin's name; by default the entry's, else the one under which the stock controller keeps this executable.
    pub name: Option<String>,
}

/// Serves until the stock controller has had enough of it. `open` opens what registries are made with; it may take its
/// time, and fail: the error's text is for people.
pub async fn run<M>(
    invitation: Invitation,
    options: ShimOptions,
    open: impl FnOnce() -> Result<M, String> + Send + 'static,
) -> io::Result<Ended>
where
    M: FnOnce(HostServices) -> Registry + Send + 'static,
{
    let kind = invitation.kind;
    let server = Server::listen(invitation)?;
    server.announce()?;
    let default = env::args_os().next().and_then(|program| name_of(Path::new(&program)));
    let shim = Arc::new(Shim::new(kind, options.name.clone().or(default.clone())));
    tokio::select! {
        ended = server.serve(shim.clone()) => Ok(ended),
        // Never ends.
        never = load(&shim, options, default, open) => match never {},
    }
}

async fn load<M>(
    shim: &Shim,
    options: ShimOptions,
    default: Option<String>,
    open: impl FnOnce() -> Result<M, String> + Send + 'static,
) -> std::convert::Infallible
where
    M: FnOnce(HostServices) -> Registry + Send + 'static,
{
    // Reads and checks files, and sets memory aside: beside the first look at the entry.
    let opening = tokio::task::spawn_blocking(open);
    let client = connect::client().await;
    let host = host_services(client.as_ref().ok());
    if let Err(error) = &client {
        tracing::info!(error, "there is no cluster for the plugin");
    }
    let source = match options.entry {
        EntryFrom::Nowhere => Source::Nowhere,
        EntryFrom::File(path) => Source::File(path),
        EntryFrom::ConfigMaps => Source::ConfigMaps {
            client,
            namespace: connect::namespace(),
        },
    };
    let mut reader = Reader::new(source, shim.kind(), options.name, default);
    let first = reader.read().await;
    let registry = match opening.await {
        Ok(Ok(make)) => make(host),
        Ok(Err(error)) => return shim.cannot_open(&error).await,
        Err(error) => return shim.cannot_open(&error.to_string()).await,
    };
    shim.take(&registry, first);
    let follow = async {
        loop {
            tokio::time::sleep(reader.pause()).await;
            let next = reader.read().await;
            shim.take(&registry, next);
        }
    };
    tokio::select! {
        never = follow => never,
        () = registry.retry_in_real_time() => std::future::pending().await,
    }
}

fn host_services(client: Option<&Client>) -> HostServices {
    let without = HostServices::without_cluster();
    match client {
        Some(client) => {
            let cluster = Arc::new(Cluster::new(client.clone(), connect::namespace()));
            HostServices {
                kubernetes: cluster.clone(),
                secrets: cluster,
                ..without
            }
        }
        None => without,
    }
}

/// The name under which the stock controller keeps this executable: `plugin-bin/<namespace>/<name>`.
fn name_of(program: &Path) -> Option<String> {
    let mut parts = program.components().rev().map(|part| part.as_os_str().to_str());
    let (name, namespace) = (parts.next()??, parts.next()??);
    (parts.next()? == Some("plugin-bin")).then(|| format!("{namespace}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_where_the_stock_controller_keeps_the_executable() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(
            name("/home/argo-rollouts/plugin-bin/example/prometheus").as_deref(),
            Some("example/prometheus")
        );
        for other in ["/usr/local/bin/rollcage", "rollcage", "plugin-bin/x", "/", ""] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
