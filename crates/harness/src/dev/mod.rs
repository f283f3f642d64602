//! `rollcage dev`: the manifests of a folder against an in-process Kubernetes API, with the controller's own pass.
//!
//! ```text
//! folder -> manifests -> apiserver -> changes -> queue -> AnalysisReconciler (as in the cluster) -> apiserver
//! scenario -> clock, HTTP answers, servers, actions, expectations            -> registry -> plugins
//! ```
//!
//! The clock jumps from one due time to the next (`--fast-forward`) or walks beside the real one. It jumps only when
//! nothing is under way: no pass, no plugin that is loading.

mod actions;
mod play;
pub mod report;
pub mod scenario;
mod servers;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use report::DevReport;
use rollcage_apiserver::ApiServer;
use rollcage_core::{clock::Clock, host::HostServices};
use scenario::Scenario;

use crate::{
    answers::Answers,
    clock::ScenarioClock,
    error::CommandError,
    manifests::Manifests,
    native::NativeGround,
    recording::{Deck, Tape},
    surroundings::Surroundings,
    workbench::Workbench,
};

/// What to play, and how.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// The folder.
    pub dir: PathBuf,
    /// Jump from one due time to the next.
    pub fast_forward: bool,
    /// Serve the in-process API here.
    pub listen: Option<SocketAddr>,
    /// What is done with host calls of plugins.
    pub tape: Tape,
}

/// Plays a folder to its end. `view` is shown the state whenever it changed, and once a second while time walks.
pub async fn dev(
    workbench: &Workbench,
    options: DevOptions,
    view: &mut (dyn FnMut(&DevReport) + Send),
) -> Result<DevReport, CommandError> {
    let scenario = read_scenario(&options)?;
    let start = scenario.start.unwrap_or_else(Timestamp::now);
    let clock = Arc::new(ScenarioClock::new(start, options.fast_forward));
    let servers = servers::Servers::start(&options.dir, &scenario.servers).await?;
    let manifests = Manifests::read(&options.dir, &|text| servers.fill_in(&text))?;
    let answers = Answers::before_network(&options.dir, &scenario.http).map_err(|wrong| {
        CommandError::usage(
            format!("scenario.yaml: http[{}]: {}", wrong.index, wrong.cause),
            wrong.hint,
        )
    })?;
    let api = {
        let clock = Arc::clone(&clock);
        ApiServer::new(Arc::new(move || clock.now()))
    };
    if let Some(address) = options.listen {
        serve(&api, address).await?;
    }
    let namespace = manifests.config_namespace();
    let client = kube::Client::new(api.service(), "default");
    let cluster = Arc::new(rollcage_controller::cluster::Cluster::new(
        client.clone(),
        namespace.clone(),
    ));
    let mut host = HostServices {
        kubernetes: cluster.clone(),
        secrets: cluster,
        http: Some(answers),
        clock: clock.clone(),
    };
    let deck = Deck::open(&options.tape)?;
    let reel = deck.enter("dev", &mut host, Some(Arc::clone(&api)), false)?;
    let surroundings = Surroundings {
        api: Some(Arc::clone(&api)),
        host: host.clone(),
    };
    // To the end of the play.
    let ground = NativeGround::of(&surroundings).await?;
    let registry = workbench.whole_registry(host, ground.env());
    let stage = play::Stage {
        api,
        client,
        clock,
        registry,
        servers,
        namespace,
    };
    let played = play::Play::new(stage, scenario, manifests).run(view).await;
    drop(ground);
    let differences = deck.leave(&reel);
    deck.finish()?;
    let mut report = played?;
    report.ok &= differences.is_empty();
    report
        .problems
        .extend(differences.into_iter().map(|text| format!("replay: {text}")));
    Ok(report)
}

fn read_scenario(options: &DevOptions) -> Result<Scenario, CommandError> {
    let path = options.dir.join("scenario.yaml");
    if !path.exists() {
        return Ok(Scenario::default());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| {
        CommandError::usage(format!("{}: {error}", path.display()), "scenario.yaml must be readable")
    })?;
    rollcage_api::yaml::from_str("scenario.yaml", &text)
        .map_err(|error| CommandError::usage(error.to_string(), "docs/dev.md lists the fields of scenario.yaml"))
}

async fn serve(api: &Arc<ApiServer>, address: SocketAddr) -> Result<(), CommandError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| CommandError::usage(format!("--listen {address}: {error}"), "name a free address"))?;
    let api = Arc::clone(api);
    tokio::spawn(async move {
        if let Err(error) = api.serve(listener, std::future::pending()).await {
            tracing::warn!(%error, "the in-process Kubernetes API no longer listens");
        }
    });
    Ok(())
}
