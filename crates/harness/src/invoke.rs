//! One call through a port: method and INPUT in, the answer as JSON out.

use std::sync::Arc;

use rollcage_core::{Call, CallError, MetricProvider, Step, TrafficRouter};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{input::Input, method::Method};

/// A port of any kind.
#[derive(Clone, Debug)]
pub enum Port {
    /// Measures.
    Metric(Arc<dyn MetricProvider>),
    /// Moves traffic.
    Router(Arc<dyn TrafficRouter>),
    /// Runs as a step.
    Step(Arc<dyn Step>),
}

/// Calls `method`, which is one of the port's kind. The answer has Argo's shapes; methods without answer give null.
pub async fn invoke(port: &Port, method: Method, input: &Input, call: &Call) -> Result<Value, CallError> {
    match port {
        Port::Metric(port) => metric(port.as_ref(), method, input, call).await,
        Port::Router(port) => router(port.as_ref(), method, input, call).await,
        Port::Step(port) => step(port.as_ref(), method, input, call).await,
    }
}

async fn metric(port: &dyn MetricProvider, method: Method, input: &Input, call: &Call) -> Result<Value, CallError> {
    let Input {
        analysis_run: run,
        metric,
        measurement,
        limit,
        ..
    } = input;
    match method {
        Method::MetricResume => port
            .resume(call, run, metric, measurement)
            .await
            .map(|answer| to_json(&answer)),
        Method::MetricTerminate => port
            .terminate(call, run, metric, measurement)
            .await
            .map(|answer| to_json(&answer)),
        Method::GarbageCollect => port
            .garbage_collect(call, run, metric, *limit)
            .await
            .map(|()| Value::Null),
        Method::GetMetadata => port.get_metadata(call, metric).await.map(|answer| to_json(&answer)),
        _ => port.run(call, run, metric).await.map(|answer| to_json(&answer)),
    }
}

async fn router(port: &dyn TrafficRouter, method: Method, input: &Input, call: &Call) -> Result<Value, CallError> {
    let Input {
        rollout,
        desired_weight: weight,
        additional_destinations: additional,
        ..
    } = input;
    match method {
        Method::UpdateHash => {
            port.update_hash(call, rollout, &input.canary_hash, &input.stable_hash, additional)
                .await
        }
        Method::SetHeaderRoute => port.set_header_route(call, rollout, &input.set_header_route).await,
        Method::SetMirrorRoute => port.set_mirror_route(call, rollout, &input.set_mirror_route).await,
        Method::RemoveManagedRoutes => port.remove_managed_routes(call, rollout).await,
        Method::VerifyWeight => {
            return port
                .verify_weight(call, rollout, *weight, additional)
                .await
                .map(|answer| to_json(&answer));
        }
        _ => port.set_weight(call, rollout, *weight, additional).await,
    }
    .map(|()| Value::Null)
}

async fn step(port: &dyn Step, method: Method, input: &Input, call: &Call) -> Result<Value, CallError> {
    let Input { rollout, context, .. } = input;
    match method {
        Method::StepTerminate => port.terminate(call, rollout, context).await,
        Method::StepAbort => port.abort(call, rollout, context).await,
        _ => port.run(call, rollout, context).await,
    }
    .map(|answer| to_json(&answer))
}

fn to_json(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_else(|error| json!({"unprintable": error.to_string()}))
}
