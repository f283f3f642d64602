//! A step.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rollcage_api::{
    GoDuration,
    rollout::Rollout,
    step::{StepContext, StepPhase, StepResult},
};
use rollcage_core::{Call, CallError, Fault, Step};
use serde_json::Value;

use super::{Answered, answered, invalid, view};
use crate::{
    bindings::{
        exports::rollcage::plugin::stepping,
        rollcage::plugin::types::{self, Rollout as View},
    },
    contract::Method,
    instance::Live,
    plugin::WasmPlugin,
    size::Size as _,
    subject::Subject,
};

type Stepped = Result<stepping::Outcome, types::Error>;

pub(super) fn check_types(live: &mut Live) -> Result<(), Box<Fault>> {
    for method in [Method::Run, Method::Terminate, Method::Abort] {
        live.check::<(View, stepping::Context), Stepped>(method)?;
    }
    Ok(())
}

impl WasmPlugin {
    async fn step(
        &self,
        method: Method,
        call: &Call,
        rollout: &Arc<Rollout>,
        context: &StepContext,
    ) -> Result<StepResult, CallError> {
        let params = (view::rollout(rollout), view::context(context));
        let input = params.0.size() + params.1.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let answer = self.invoke::<_, Stepped>(method, call, subject, input, params).await?;
        let Answered { value: outcome, masker } = answered(self.policy(), answer)?;
        let status = match outcome.state {
            None => Value::Null,
            Some(state) => {
                let mut state: Value = serde_json::from_str(&state)
                    .map_err(|error| invalid(self.policy(), format!("state is no JSON: {error}")))?;
                masker.mask_json(&mut state);
                state
            }
        };
        Ok(StepResult {
            phase: outcome.phase.map(|phase| match phase {
                stepping::Phase::Running => StepPhase::Running,
                stepping::Phase::Successful => StepPhase::Successful,
                stepping::Phase::Failed => StepPhase::Failed,
                stepping::Phase::Error => StepPhase::Error,
            }),
            message: masker.mask(&outcome.message).into_owned(),
            requeue_after: outcome
                .requeue_after
                .map(|ms| GoDuration(Duration::from_millis(ms.into()))),
            status,
        })
    }
}

#[async_trait]
impl Step for WasmPlugin {
    async fn run(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        self.step(Method::Run, call, rollout, context).await
    }

    async fn terminate(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        context: &StepContext,
    ) -> Result<StepResult, CallError> {
        self.step(Method::Terminate, call, rollout, context).await
    }

    async fn abort(&self, call: &Call, rollout: &Arc<Rollout>, context: &StepContext) -> Result<StepResult, CallError> {
        self.step(Method::Abort, call, rollout, context).await
    }
}
