//! A step.

use std::sync::Arc;

use async_trait::async_trait;
use rollcage_api::{
    rollout::Rollout,
    step::{StepContext, StepResult},
};
use rollcage_core::{Call, CallError, Step};
use rollcage_gob::{Encoder, Type, types, wire};

use super::{refused, sent::Sent};
use crate::service::Service;

/// The port of a native step.
#[derive(Clone, Debug)]
pub struct NativeStep {
    service: Arc<Service>,
    rollouts: Arc<Sent<Rollout>>,
}

impl NativeStep {
    /// Calls this plugin, which is one.
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            rollouts: Arc::new(Sent::new(types::ROLLOUT)),
        }
    }

    async fn step(
        &self,
        call: &Call,
        method: &'static str,
        (name, of): (&'static str, Type),
        rollout: &Arc<Rollout>,
        context: &StepContext,
    ) -> Result<StepResult, CallError> {
        let rollout = self.rollouts.encoded(rollout).map_err(|error| error.within("rollout"));
        let args = rollout.map(|rollout| wire::StepArgs { rollout, context });
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.interface(name, of, &args?, to);
        let answer: wire::StepResponse = self
            .service
            .call(call, method, argument, |value| value.decode(types::STEP_RESPONSE))
            .await?;
        let masker = &call.secrets;
        refused(&answer.error, masker)?;
        let mut result = answer.result;
        masker.mask_json(&mut result.status);
        Ok(StepResult {
            message: masker.mask(&result.message).into_owned(),
            ..result
        })
    }
}

#[async_trait]
impl Step for NativeStep {
    async fn run(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        let of = ("step.RunArgs", types::STEP_RUN_ARGS);
        self.step(call, "Plugin.Run", of, rollout, context).await
    }

    async fn terminate(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        context: &StepContext,
    ) -> Result<StepResult, CallError> {
        let of = ("step.TerminateArgs", types::STEP_TERMINATE_ARGS);
        self.step(call, "Plugin.Terminate", of, rollout, context).await
    }

    async fn abort(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        let of = ("step.AbortArgs", types::STEP_ABORT_ARGS);
        self.step(call, "Plugin.Abort", of, rollout, context).await
    }
}
