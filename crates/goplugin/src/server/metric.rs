//! A metric provider's methods.
//!
//! Measurements have no field for an RpcError: what goes wrong is a measurement in phase Error with the text as its
//! message, which Argo counts and shows as it does with any provider. Metadata has the key `error` for it.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use rollcage_api::analysis::{AnalysisRun, Measurement, Metric};
use rollcage_core::{
    Call, CallError, FaultKind, MetricProvider,
    analysis::{self, Action},
    clock::{Clock as _, SystemClock},
};
use rollcage_gob::{
    Value, types,
    wire::{GarbageCollectArgs, GetMetadataArgs, MeasuredArgs, Metadata, RpcError, RunArgs},
};

use super::{
    Served,
    answer::{call_of_run, done, own_configuration, said, text, untried},
    plugin::taken,
    rpc::{Answer, Refused, reply},
};

/// A host that sends none would be a bug of the host; its plugins in Go crash of it.
const NO_RUN: &str = "the host sent no AnalysisRun";

type Runs = RunArgs<Option<AnalysisRun>, Metric>;
type Measured = MeasuredArgs<Option<AnalysisRun>, Metric, Measurement>;
type Collected = GarbageCollectArgs<Option<AnalysisRun>, Metric>;

pub(super) fn begin(method: &str, value: Value<'_, '_>, served: Arc<dyn Served>) -> Result<Answer, Refused> {
    let (run, metric, action) = match method {
        "Run" => {
            let args: Runs = taken(value, "RunArgs")?;
            (args.analysis_run, args.metric, Action::Run)
        }
        "Resume" => {
            let args: Measured = taken(value, "TerminateAndResumeArgs")?;
            (args.analysis_run, args.metric, Action::Resume(args.measurement))
        }
        "Terminate" => {
            let args: Measured = taken(value, "TerminateAndResumeArgs")?;
            (args.analysis_run, args.metric, Action::Terminate(args.measurement))
        }
        "GarbageCollect" => {
            let args: Collected = taken(value, "GarbageCollectArgs")?;
            return Ok(async move { Ok(reply(types::TYPES_RPC_ERROR, collect(args, &*served).await)) }.boxed());
        }
        "GetMetadata" => {
            let args: GetMetadataArgs<Metric> = taken(value, "GetMetadataArgs")?;
            return Ok(async move { Ok(reply(types::STRINGS, metadata(args.metric, &*served).await)) }.boxed());
        }
        _ => return Err(Refused::Method),
    };
    Ok(async move { Ok(reply(types::MEASUREMENT, measure(run, metric, action, &*served).await)) }.boxed())
}

/// What a call of a provider is made with.
struct Asked {
    provider: Arc<dyn MetricProvider>,
    call: Call,
    run: Arc<AnalysisRun>,
    metric: Metric,
}

async fn asked(run: Option<AnalysisRun>, mut metric: Metric, served: &dyn Served) -> Result<Asked, String> {
    let mut run = run.ok_or(NO_RUN)?;
    let call = call_of_run(&mut run);
    let provider = served.metric_provider(&call.namespace).await;
    let provider = provider.map_err(|fault| text(&untried(fault)))?;
    // Only now is the name known for sure.
    own_configuration(&mut metric.provider.plugin, &served.name())?;
    Ok(Asked {
        provider,
        call,
        run: Arc::new(run),
        metric,
    })
}

async fn measure(run: Option<AnalysisRun>, metric: Metric, action: Action, served: &dyn Served) -> Measurement {
    let began = SystemClock.now();
    let result = match asked(run, metric, served).await {
        Ok(asked) => {
            let Asked {
                provider,
                call,
                run,
                metric,
            } = &asked;
            let answer: BoxFuture<'_, Result<Measurement, CallError>> = match &action {
                Action::Run => provider.run(call, run, metric),
                Action::Resume(measurement) => provider.resume(call, run, metric, measurement),
                Action::Terminate(measurement) => provider.terminate(call, run, metric, measurement),
            };
            answer
                .await
                .map_err(|error| call.secrets.mask(&text(&error)).into_owned())
        }
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|message| analysis::failed(&action, message, began, SystemClock.now()))
}

async fn collect(args: Collected, served: &dyn Served) -> RpcError {
    let limit = u32::try_from(args.limit.max(0)).unwrap_or(u32::MAX);
    match asked(args.analysis_run, args.metric, served).await {
        Ok(asked) => {
            let Asked {
                provider,
                call,
                run,
                metric,
            } = &asked;
            done(provider.garbage_collect(call, run, metric, limit).await)
        }
        Err(error) => said(error),
    }
}

/// Argo tells neither whose metric it is nor which of its values are secret.
async fn metadata(mut metric: Metric, served: &dyn Served) -> Metadata {
    let error = |text: String| Metadata::from([("error".to_owned(), text)]);
    let provider = match served.metric_provider("").await {
        Ok(provider) => provider,
        // An entry for some namespaces only: nobody knows whether this is one of them, and facts are not worth an error.
        Err(fault) if fault.kind == FaultKind::NotUsableHere => return Metadata::new(),
        Err(fault) => return error(text(&untried(fault))),
    };
    if let Err(text) = own_configuration(&mut metric.provider.plugin, &served.name()) {
        return error(text);
    }
    match provider.get_metadata(&Call::default(), &metric).await {
        Ok(metadata) => metadata,
        Err(failed) => error(text(&failed)),
    }
}
