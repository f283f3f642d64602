//! Any of Argo's arguments and replies, read and written again as JSON values and as our own types.

use anyhow::{Context, bail, ensure};
use rollcage_api::{
    analysis::{AnalysisRun, Measurement, Metric},
    rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination},
    step::StepContext,
};
use rollcage_gob::{DecodeError, Decoder, Encoder, Limits, Type, Value, types, wire};
use serde_json::Value as Json;

/// The type that a name of the oracle stands for.
pub fn type_of(name: &str) -> anyhow::Result<Type> {
    Ok(match name {
        "Measurement" => types::MEASUREMENT,
        "RpcError" => types::TYPES_RPC_ERROR,
        "VerifyWeightResponse" => types::ROUTER_VERIFY_WEIGHT_RESPONSE,
        "step.Response" => types::STEP_RESPONSE,
        "map" => types::STRINGS,
        name => wire::argument(name).with_context(|| format!("no argument {name}"))?,
    })
}

fn is_argument(name: &str) -> bool {
    name.ends_with("Args")
}

/// The next value of a stream.
fn next<'a, 'd>(name: &str, decoder: &'a mut Decoder, stream: &mut &'d [u8]) -> anyhow::Result<Value<'a, 'd>> {
    let value = decoder.next(stream)?.context("the stream ended")?;
    ensure!(
        value.interface() == is_argument(name).then_some(name),
        "{:?} instead of {name}",
        value.interface()
    );
    Ok(value)
}

/// Reads a stream as JSON values.
pub fn read(names: &[String], mut stream: &[u8]) -> anyhow::Result<Vec<Json>> {
    let mut decoder = Decoder::new(Limits::default());
    let mut values = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let value = next(name, &mut decoder, &mut stream)?;
        values.push(
            value
                .decode(type_of(name)?)
                .with_context(|| format!("value {at}, {name}"))?,
        );
    }
    ensure!(stream.is_empty() && decoder.at_rest(), "the stream goes on");
    Ok(values)
}

fn put<T: serde::Serialize>(name: &str, value: &T, encoder: &mut Encoder, stream: &mut Vec<u8>) -> anyhow::Result<()> {
    let of = type_of(name)?;
    if is_argument(name) {
        encoder.interface(name, of, value, stream)?;
    } else {
        encoder.value(of, value, stream)?;
    }
    Ok(())
}

/// Writes JSON values as a stream.
pub fn write(names: &[String], values: &[Json]) -> anyhow::Result<Vec<u8>> {
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for (at, (name, value)) in names.iter().zip(values).enumerate() {
        put(name, value, &mut encoder, &mut stream).with_context(|| format!("value {at}, {name}"))?;
    }
    Ok(stream)
}

/// Does something with the type of ours that a name stands for.
macro_rules! with_type {
    ($name:expr, $of:ident => $body:expr) => {
        match $name {
            "RunArgs" => {
                type $of = wire::RunArgs<Option<AnalysisRun>, Metric>;
                $body
            }
            "TerminateAndResumeArgs" => {
                type $of = wire::MeasuredArgs<Option<AnalysisRun>, Metric, Measurement>;
                $body
            }
            "GarbageCollectArgs" => {
                type $of = wire::GarbageCollectArgs<Option<AnalysisRun>, Metric>;
                $body
            }
            "GetMetadataArgs" => {
                type $of = wire::GetMetadataArgs<Metric>;
                $body
            }
            "UpdateHashArgs" => {
                type $of = wire::UpdateHashArgs<Rollout, Vec<WeightDestination>>;
                $body
            }
            "SetWeightAndVerifyWeightArgs" => {
                type $of = wire::WeightArgs<Rollout, Vec<WeightDestination>>;
                $body
            }
            "SetHeaderArgs" => {
                type $of = wire::SetHeaderArgs<Rollout, SetHeaderRoute>;
                $body
            }
            "SetMirrorArgs" => {
                type $of = wire::SetMirrorArgs<Rollout, SetMirrorRoute>;
                $body
            }
            "RemoveManagedRoutesArgs" => {
                type $of = wire::RolloutArgs<Rollout>;
                $body
            }
            "step.RunArgs" | "step.TerminateArgs" | "step.AbortArgs" => {
                type $of = wire::StepArgs<Option<Rollout>, Option<StepContext>>;
                $body
            }
            "Measurement" => {
                type $of = Measurement;
                $body
            }
            "RpcError" => {
                type $of = wire::RpcError;
                $body
            }
            "VerifyWeightResponse" => {
                type $of = wire::VerifyWeightResponse;
                $body
            }
            "step.Response" => {
                type $of = wire::StepResponse;
                $body
            }
            "map" => {
                type $of = wire::Metadata;
                $body
            }
            name => bail!("no type {name}"),
        }
    };
}

/// Reads a stream as values of our types, and writes those.
pub fn rewrite_typed(names: &[String], mut stream: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut decoder = Decoder::new(Limits::default());
    let (mut encoder, mut written) = (Encoder::new(), Vec::new());
    for name in names {
        let value = next(name, &mut decoder, &mut stream)?;
        with_type!(name.as_str(), Of => {
            let value: Of = value.decode(type_of(name)?).with_context(|| name.clone())?;
            put(name, &value, &mut encoder, &mut written).with_context(|| name.clone())?;
        });
    }
    Ok(written)
}

/// Writes values that our types have read as JSON.
pub fn write_typed(names: &[String], values: &[Json]) -> anyhow::Result<Vec<u8>> {
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for (name, value) in names.iter().zip(values) {
        with_type!(name.as_str(), Of => {
            let value: Of = serde_json::from_value(value.clone()).with_context(|| name.clone())?;
            put(name, &value, &mut encoder, &mut stream).with_context(|| name.clone())?;
        });
    }
    Ok(stream)
}

/// Reads whatever a stream has as what it should be, both ways, until it ends or its values are `names`. How many values
/// were read, and why no more.
pub fn try_read(names: &[String], mut stream: &[u8]) -> (usize, Option<DecodeError>) {
    let mut decoder = Decoder::new(Limits::default());
    for (at, name) in names.iter().enumerate() {
        let result = match decoder.next(&mut stream) {
            Ok(Some(value)) if value.interface() == is_argument(name).then_some(name.as_str()) => {
                type_of(name).map_or(Ok(Json::Null), |of| value.decode(of))
            }
            Ok(_) => return (at, None),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            return (at, Some(error));
        }
    }
    (names.len(), None)
}
