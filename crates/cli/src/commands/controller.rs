//! `rollcage controller`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rollcage_controller::{
    client::{ClientOptions, Rate, WRITE},
    connect::{self, Target},
    leader::Election,
    metrics::Metrics,
    plugins::{self, Timing},
    run::{Controller, Ended, Options},
};
use rollcage_harness::CommandError;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::ControllerArgs;

/// What to do about what should not happen.
const DEFECT: &str = "this is a defect: report it with the log";

pub async fn run(args: ControllerArgs, cache_dir: Option<PathBuf>) -> Result<(), CommandError> {
    let target = Target {
        kubeconfig: args.kubeconfig,
        context: args.context,
    };
    let config = connect::config(&target)
        .await
        .map_err(|error| CommandError::usage(error, "run it in a cluster, or name a kubeconfig with --kubeconfig"))?;
    let watched = args.namespaced.then(|| {
        args.namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone())
    });
    let (namespace, pod) = (connect::namespace(), connect::pod());
    let election = Election {
        namespace: namespace.clone(),
        lease: Election::lease_name(&args.instance_id),
        identity: Election::identity_of(&pod),
        duration: args.leader_election_lease_duration.0,
        renew_deadline: args.leader_election_renew_deadline.0,
        retry: args.leader_election_retry_period.0,
    };
    election.check().map_err(|cause| {
        let hint = "for example --leader-election-lease-duration 15s --leader-election-renew-deadline 10s \
                    --leader-election-retry-period 2s";
        CommandError::usage(cause, hint)
    })?;
    if args.rollout_resync == 0 {
        return Err(CommandError::usage(
            "--rollout-resync 0: nothing can be looked at all the time",
            "name the seconds between two looks, for example 900",
        ));
    }
    let options = Options {
        namespace,
        watched,
        instance_id: args.instance_id,
        resync: Duration::from_secs(args.rollout_resync),
        clients: ClientOptions {
            rate: Rate::new(args.qps, args.burst),
            plugins: Rate::new(args.plugin_qps, args.plugin_burst),
            write: election.longest_write().min(WRITE),
        },
        election: args.leader_elect.then_some(election),
        threads: args.analysis_threads,
        healthz: SocketAddr::from(([0, 0, 0, 0], args.healthz_port)),
        metrics: SocketAddr::from(([0, 0, 0, 0], args.metrics_port)),
        debug: (args.debug_port != 0).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, args.debug_port))),
        pod,
        warmup: args.leader_warmup.0,
        strict: args.strict_plugins,
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = options.namespace,
        pod = options.pod,
        "rollcage controller starts"
    );
    let native = args.native;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"))
        .map(Arc::new)
        .map_err(|error| CommandError::usage(format!("metrics cannot be set up: {error}"), DEFECT))?;
    let observer = metrics.clone();
    let open = move || match super::workbench(cache_dir, &native) {
        Ok(workbench) => Ok(move |host| workbench.controller_registry(host, observer)),
        Err(error) => Err(error.to_string()),
    };
    let stop = stopped()?;
    let objects = plugins::companion(Timing::default());
    match Controller::new(options, config, metrics)
        .with(objects)
        .run(open, stop)
        .await
    {
        Ok(()) => {
            tracing::info!("rollcage controller ends");
            Ok(())
        }
        Err(ended) => Err(explained(&ended)),
    }
}

/// Done when the process is told to end.
fn stopped() -> Result<impl Future<Output = ()> + Send, CommandError> {
    let of = |kind| {
        signal(kind).map_err(|error| {
            CommandError::usage(
                format!("signals cannot be received: {error}"),
                "run it on another system",
            )
        })
    };
    let (mut terminate, mut interrupt) = (of(SignalKind::terminate())?, of(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to end");
    })
}

fn explained(ended: &Ended) -> CommandError {
    let source = std::error::Error::source(ended).map(|source| format!(": {source}"));
    let text = format!("{ended}{}", source.unwrap_or_default());
    tracing::error!("{text}");
    let hint = match ended {
        Ended::Listen { flag, .. } => return CommandError::usage(text, format!("name another port with {flag}")),
        Ended::Client(_) => "look at the kubeconfig, or at the pod's service account",
        Ended::Open(_) => "mount a folder that can be written, and name it with --cache-dir or ROLLCAGE_CACHE_DIR",
        Ended::Strict(_) => "mend the plugin, or run without --strict-plugins",
        Ended::Part { .. } => DEFECT,
    };
    CommandError::usage(text, hint)
}
