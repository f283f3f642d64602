//! A step.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rollcage_api::{
    GoDuration,
    rollout::Rollout,
    step::{StepContext, StepPhase, StepResult},
};
use rollcage_core::{Call, CallError, Fault, Step, secret::Masker};
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
                let mut state = serde_json::from_str(&state)
                    .map_err(|error| invalid(self.policy(), format!("state is no JSON: {error}")))?;
                if !masker.is_empty() {
                    mask(&mut state, &masker);
                }
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

/// In the texts themselves: escaped as JSON they may look different.
fn mask(value: &mut Value, masker: &Masker) {
    match value {
        Value::String(text) => *text = masker.mask(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, masker)),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut value)| {
                    mask(&mut value, masker);
                    (masker.mask(&name).into_owned(), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
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
