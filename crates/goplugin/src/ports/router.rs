//! A traffic router.

use std::sync::Arc;

use async_trait::async_trait;
use rollcage_api::rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, Verification, WeightDestination};
use rollcage_core::{Call, CallError, TrafficRouter};
use rollcage_gob::{EncodeError, Encoded, Encoder, Type, types, wire};
use serde::Serialize;

use super::{refused, sent::Sent};
use crate::service::Service;

/// The port of a native traffic router.
#[derive(Clone, Debug)]
pub struct NativeTrafficRouter {
    service: Arc<Service>,
    rollouts: Arc<Sent<Rollout>>,
}

impl NativeTrafficRouter {
    /// Calls this plugin, which is one.
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            service,
            rollouts: Arc::new(Sent::new(types::ROLLOUT)),
        }
    }

    /// The Rollout as every method takes it. What is wrong with it is the error of the call.
    fn encoded(&self, rollout: &Arc<Rollout>) -> Result<Encoded, EncodeError> {
        self.rollouts.encoded(rollout).map_err(|error| error.within("rollout"))
    }

    /// A method whose answer is an error or none.
    async fn order<T: Serialize + Sync>(
        &self,
        call: &Call,
        method: &'static str,
        (name, of): (&'static str, Type),
        args: Result<T, EncodeError>,
    ) -> Result<(), CallError> {
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.interface(name, of, &args?, to);
        let answer = self
            .service
            .call(call, method, argument, |value| value.decode(types::TYPES_RPC_ERROR))
            .await?;
        refused(&answer, &call.secrets)
    }
}

const WEIGHT: (&str, Type) = (
    "SetWeightAndVerifyWeightArgs",
    types::ROUTER_SET_WEIGHT_AND_VERIFY_WEIGHT_ARGS,
);

fn weight_args(
    rollout: Encoded,
    weight: i32,
    additional: &[WeightDestination],
) -> wire::WeightArgs<Encoded, &[WeightDestination]> {
    wire::WeightArgs {
        rollout,
        desired_weight: weight,
        additional_destinations: additional,
    }
}

#[async_trait]
impl TrafficRouter for NativeTrafficRouter {
    async fn update_hash(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[WeightDestination],
    ) -> Result<(), CallError> {
        let args = self.encoded(rollout).map(|rollout| wire::UpdateHashArgs {
            rollout,
            canary_hash: canary_hash.to_owned(),
            stable_hash: stable_hash.to_owned(),
            additional_destinations: additional,
        });
        let of = ("UpdateHashArgs", types::ROUTER_UPDATE_HASH_ARGS);
        self.order(call, "Plugin.UpdateHash", of, args).await
    }

    async fn set_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<(), CallError> {
        let rollout = self.encoded(rollout);
        let args = rollout.map(|rollout| weight_args(rollout, weight, additional));
        self.order(call, "Plugin.SetWeight", WEIGHT, args).await
    }

    async fn set_header_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetHeaderRoute,
    ) -> Result<(), CallError> {
        let args = self.encoded(rollout).map(|rollout| wire::SetHeaderArgs {
            rollout,
            set_header_route: route,
        });
        let of = ("SetHeaderArgs", types::ROUTER_SET_HEADER_ARGS);
        self.order(call, "Plugin.SetHeaderRoute", of, args).await
    }

    async fn set_mirror_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetMirrorRoute,
    ) -> Result<(), CallError> {
        let args = self.encoded(rollout).map(|rollout| wire::SetMirrorArgs {
            rollout,
            set_mirror_route: route,
        });
        let of = ("SetMirrorArgs", types::ROUTER_SET_MIRROR_ARGS);
        self.order(call, "Plugin.SetMirrorRoute", of, args).await
    }

    async fn verify_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<Verification, CallError> {
        let rollout = self.encoded(rollout);
        let args = rollout.map(|rollout| weight_args(rollout, weight, additional));
        let (name, of) = WEIGHT;
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.interface(name, of, &args?, to);
        let answer: wire::VerifyWeightResponse = self
            .service
            .call(call, "Plugin.VerifyWeight", argument, |value| {
                value.decode(types::ROUTER_VERIFY_WEIGHT_RESPONSE)
            })
            .await?;
        refused(&answer.err, &call.secrets)?;
        Ok(match answer.verified {
            1 => Verification::Verified,
            2 => Verification::NotImplemented,
            _ => Verification::NotVerified,
        })
    }

    async fn remove_managed_routes(&self, call: &Call, rollout: &Arc<Rollout>) -> Result<(), CallError> {
        let args = self.encoded(rollout).map(|rollout| wire::RolloutArgs { rollout });
        let of = ("RemoveManagedRoutesArgs", types::ROUTER_REMOVE_MANAGED_ROUTES_ARGS);
        self.order(call, "Plugin.RemoveManagedRoutes", of, args).await
    }

    fn capabilities(&self) -> Option<Vec<String>> {
        // The protocol has no method for it.
        None
    }
}
