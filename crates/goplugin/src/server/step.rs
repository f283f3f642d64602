//! A step's methods.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use rollcage_api::{
    rollout::Rollout,
    step::{StepContext, StepResult},
};
use rollcage_core::CallError;
use rollcage_gob::{
    Value, types,
    wire::{RpcError, StepArgs, StepResponse},
};

use super::{
    Served,
    answer::{call_of_rollout, failed, said, untried},
    plugin::taken,
    rpc::{Answer, Refused, reply},
};

type Args = StepArgs<Option<Rollout>, Option<StepContext>>;

/// Which of the three.
#[derive(Clone, Copy)]
enum Operation {
    Run,
    Terminate,
    Abort,
}

pub(super) fn begin(method: &str, value: Value<'_, '_>, served: Arc<dyn Served>) -> Result<Answer, Refused> {
    let (operation, name) = match method {
        "Run" => (Operation::Run, "step.RunArgs"),
        "Terminate" => (Operation::Terminate, "step.TerminateArgs"),
        "Abort" => (Operation::Abort, "step.AbortArgs"),
        _ => return Err(Refused::Method),
    };
    let args: Args = taken(value, name)?;
    Ok(async move { Ok(reply(types::STEP_RESPONSE, step(operation, args, &*served).await)) }.boxed())
}

async fn step(operation: Operation, args: Args, served: &dyn Served) -> StepResponse {
    let error = |error: RpcError| StepResponse {
        error,
        ..StepResponse::default()
    };
    // A host that sends none would be a bug of the host; its plugins in Go crash of it.
    let (Some(rollout), Some(mut context)) = (args.rollout, args.context) else {
        return error(said("the host sent no Rollout, or no context of the step".to_owned()));
    };
    let call = call_of_rollout(&rollout);
    let plugin = match served.step(&call.namespace).await {
        Ok(plugin) => plugin,
        Err(fault) => return error(failed(&untried(fault))),
    };
    // Argo knows the plugin by the name of its entry, which need not be that of the component's.
    context.plugin_name = served.name();
    let rollout = Arc::new(rollout);
    let answer: BoxFuture<'_, Result<StepResult, CallError>> = match operation {
        Operation::Run => plugin.run(&call, &rollout, &context),
        Operation::Terminate => plugin.terminate(&call, &rollout, &context),
        Operation::Abort => plugin.abort(&call, &rollout, &context),
    };
    match answer.await {
        Ok(result) => StepResponse {
            result,
            error: RpcError::default(),
        },
        Err(failure) => error(failed(&failure)),
    }
}
