//! A traffic router's methods.

use std::{future::Future, sync::Arc};

use futures::FutureExt as _;
use rollcage_api::rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, Verification, WeightDestination};
use rollcage_core::{Call, TrafficRouter};
use rollcage_gob::{
    Value, types,
    wire::{RolloutArgs, RpcError, SetHeaderArgs, SetMirrorArgs, UpdateHashArgs, VerifyWeightResponse, WeightArgs},
};

use super::{
    Served,
    answer::{call_of_rollout, done, failed, routed, said, text, untried},
    plugin::taken,
    rpc::{Answer, Refused, reply},
};

type Destinations = Vec<WeightDestination>;

pub(super) fn begin(method: &str, value: Value<'_, '_>, served: Arc<dyn Served>) -> Result<Answer, Refused> {
    Ok(match method {
        "UpdateHash" => {
            let args: UpdateHashArgs<Rollout, Destinations> = taken(value, "UpdateHashArgs")?;
            ending(async move {
                let Asked { router, call, rollout } = asked(args.rollout, &*served).await?;
                let (canary, stable) = (&args.canary_hash, &args.stable_hash);
                let additional = &args.additional_destinations;
                Ok(done(
                    router.update_hash(&call, &rollout, canary, stable, additional).await,
                ))
            })
        }
        "SetWeight" => {
            let args: WeightArgs<Rollout, Destinations> = taken(value, "SetWeightAndVerifyWeightArgs")?;
            ending(async move {
                let Asked { router, call, rollout } = asked(args.rollout, &*served).await?;
                let (weight, additional) = (args.desired_weight, &args.additional_destinations);
                Ok(done(router.set_weight(&call, &rollout, weight, additional).await))
            })
        }
        "VerifyWeight" => {
            let args: WeightArgs<Rollout, Destinations> = taken(value, "SetWeightAndVerifyWeightArgs")?;
            let verified = async move { verify(args, &*served).await };
            verified
                .map(|verified| Ok(reply(types::ROUTER_VERIFY_WEIGHT_RESPONSE, verified)))
                .boxed()
        }
        "SetHeaderRoute" => {
            let args: SetHeaderArgs<Rollout, SetHeaderRoute> = taken(value, "SetHeaderArgs")?;
            ending(async move {
                let Asked { router, call, rollout } = asked(args.rollout, &*served).await?;
                Ok(done(
                    router.set_header_route(&call, &rollout, &args.set_header_route).await,
                ))
            })
        }
        "SetMirrorRoute" => {
            let args: SetMirrorArgs<Rollout, SetMirrorRoute> = taken(value, "SetMirrorArgs")?;
            ending(async move {
                let Asked { router, call, rollout } = asked(args.rollout, &*served).await?;
                Ok(done(
                    router.set_mirror_route(&call, &rollout, &args.set_mirror_route).await,
                ))
            })
        }
        "RemoveManagedRoutes" => {
            let args: RolloutArgs<Rollout> = taken(value, "RemoveManagedRoutesArgs")?;
            ending(async move {
                let Asked { router, call, rollout } = asked(args.rollout, &*served).await?;
                Ok(done(router.remove_managed_routes(&call, &rollout).await))
            })
        }
        _ => return Err(Refused::Method),
    })
}

/// A method that only tells whether it went well.
fn ending(ended: impl Future<Output = Result<RpcError, String>> + Send + 'static) -> Answer {
    async { Ok(reply(types::TYPES_RPC_ERROR, ended.await.unwrap_or_else(said))) }.boxed()
}

/// What a call of a router is made with.
struct Asked {
    router: Arc<dyn TrafficRouter>,
    call: Call,
    rollout: Arc<Rollout>,
}

async fn asked(rollout: Rollout, served: &dyn Served) -> Result<Asked, String> {
    let call = call_of_rollout(&rollout);
    let router = served.traffic_router(&call.namespace).await;
    let router = router.map_err(|fault| text(&untried(fault)))?;
    // Only now is the name known for sure.
    let rollout = routed(rollout, &served.name())?;
    Ok(Asked { router, call, rollout })
}

async fn verify(args: WeightArgs<Rollout, Destinations>, served: &dyn Served) -> VerifyWeightResponse {
    let unverified = |err: RpcError| VerifyWeightResponse { verified: 0, err };
    let Asked { router, call, rollout } = match asked(args.rollout, served).await {
        Ok(asked) => asked,
        Err(text) => return unverified(said(text)),
    };
    let (weight, additional) = (args.desired_weight, &args.additional_destinations);
    match router.verify_weight(&call, &rollout, weight, additional).await {
        Ok(verification) => VerifyWeightResponse {
            verified: match verification {
                Verification::NotVerified => 0,
                Verification::Verified => 1,
                Verification::NotImplemented => 2,
            },
            err: RpcError::default(),
        },
        Err(error) => unverified(failed(&error)),
    }
}
