//! `evaluate`: Argo's condition language, always granted. The evaluator has its own bounds on steps and size.

use rollcage_api::analysis::AnalysisPhase;
use rollcage_core::condition;
use wasmtime::component::Linker;

use super::interface;
use crate::{
    bindings::rollcage::plugin::evaluate::{Sample, Verdict},
    ctx::{Ctx, charge},
    sample,
    size::Size as _,
};

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(interface!("evaluate"))?;
    instance.func_wrap("condition", |mut store, (expression, sample): (String, Sample)| {
        charge(&mut store, expression.len() + sample.size())?;
        let now = store.data().now();
        let verdict = sample::value(sample)
            .and_then(|value| condition::condition_at(&expression, &value, now).map_err(|error| error.to_string()));
        Ok((verdict,))
    })?;
    instance.func_wrap(
        "assess",
        |mut store, (success, failure, sample): (String, String, Sample)| {
            charge(&mut store, success.len() + failure.len() + sample.size())?;
            let now = store.data().now();
            let phase = sample::value(sample).and_then(|value| condition::assess_at(&success, &failure, &value, now));
            let verdict = phase.map(|phase| match phase {
                AnalysisPhase::Successful => Verdict::Successful,
                AnalysisPhase::Failed => Verdict::Failed,
                _ => Verdict::Inconclusive,
            });
            Ok((verdict,))
        },
    )?;
    instance.func_wrap("time", |mut store, (expression,): (String,)| {
        charge(&mut store, expression.len())?;
        let time = condition::time(&expression, store.data().now());
        Ok((time.map(|time| time.to_string()).map_err(|error| error.to_string()),))
    })
}
