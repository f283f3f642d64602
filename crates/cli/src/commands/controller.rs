//! `rollcage controller`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rollcage_controller::{
    connect::{self, Target},
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
    let options = Options {
        namespace: connect::namespace(),
        watched,
        instance_id: args.instance_id,
        threads: args.analysis_threads,
        healthz: SocketAddr::from(([0, 0, 0, 0], args.healthz_port)),
        metrics: SocketAddr::from(([0, 0, 0, 0], args.metrics_port)),
        pod: connect::pod(),
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
        Ok(workbench) => {
            let workbench = Arc::new(workbench);
            Ok(move |host| workbench.controller_registry(host, observer))
        }
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
