//! A plugin of each kind that serves nothing, for tests of the server as a process.

use std::{process::ExitCode, sync::Arc};

use async_trait::async_trait;
use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, MetricProvider, Phase, PluginId, Step, TrafficRouter};
use rollcage_goplugin::server::{HclogFormat, Invitation, Served, Server};

#[derive(Debug)]
struct Nothing(PluginKind);

impl Nothing {
    fn fault(&self) -> Box<Fault> {
        let id = PluginId {
            kind: self.0,
            name: self.name(),
        };
        let cause = "there is no plugin behind this server";
        Box::new(Fault::new(&id, Phase::Resolve, FaultKind::NotConfigured, cause, ""))
    }
}

#[async_trait]
impl Served for Nothing {
    fn name(&self) -> String {
        "test/nothing".to_owned()
    }
    async fn metric_provider(&self, _: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>> {
        Err(self.fault())
    }
    async fn traffic_router(&self, _: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>> {
        Err(self.fault())
    }
    async fn step(&self, _: &str) -> Result<Arc<dyn Step>, Box<Fault>> {
        Err(self.fault())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .event_format(HclogFormat)
        .with_writer(std::io::stderr)
        .init();
    let invitation = match Invitation::from_environment() {
        Ok(invitation) => invitation,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let kind = invitation.kind;
    let listening = Server::listen(invitation).and_then(|server| server.announce().map(|()| server));
    match listening {
        Ok(server) => {
            tracing::info!(ended = ?server.serve(Arc::new(Nothing(kind))).await, "served");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the server cannot listen");
            ExitCode::FAILURE
        }
    }
}
