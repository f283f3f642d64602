//! A traffic router.

use std::sync::Arc;

use async_trait::async_trait;
use rollcage_api::rollout::{Rollout, SetHeaderRoute, SetMirrorRoute, Verification, WeightDestination};
use rollcage_core::{Call, CallError, Fault, TrafficRouter};

use super::{answered, view};
use crate::{
    bindings::{
        exports::rollcage::plugin::routing,
        rollcage::plugin::types::{self, Rollout as View},
    },
    contract::Method,
    instance::Live,
    plugin::WasmPlugin,
    size::Size as _,
    subject::Subject,
};

type Done = Result<(), types::Error>;
type Verified = Result<routing::Verification, types::Error>;
type Weights = (View, String, u32, Vec<routing::Destination>);

pub(super) fn check_types(live: &mut Live) -> Result<(), Box<Fault>> {
    live.check::<(View, String, String, String, Vec<routing::Destination>), Done>(Method::UpdateHash)?;
    live.check::<Weights, Done>(Method::SetWeight)?;
    live.check::<(View, String, routing::HeaderRoute), Done>(Method::SetHeaderRoute)?;
    live.check::<(View, String, routing::MirrorRoute), Done>(Method::SetMirrorRoute)?;
    live.check::<Weights, Verified>(Method::VerifyWeight)?;
    live.check::<(View, String), Done>(Method::RemoveManagedRoutes)?;
    live.check::<(), Vec<String>>(Method::Capabilities)
}

impl WasmPlugin {
    /// The two arguments that every call begins with.
    fn about(&self, rollout: &Rollout) -> (View, String) {
        (view::rollout(rollout), view::router_config(rollout, &self.id().name))
    }
}

#[async_trait]
impl TrafficRouter for WasmPlugin {
    async fn update_hash(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[WeightDestination],
    ) -> Result<(), CallError> {
        let (view, config) = self.about(rollout);
        let (canary, stable) = (canary_hash.to_owned(), stable_hash.to_owned());
        let additional = view::destinations(additional);
        let input = view.size() + config.size() + canary.size() + stable.size() + additional.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let params = (view, config, canary, stable, additional);
        let answer = self
            .invoke::<_, Done>(Method::UpdateHash, call, subject, input, params)
            .await?;
        answered(self.policy(), answer).map(|answer| answer.value)
    }

    async fn set_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<(), CallError> {
        let (view, config) = self.about(rollout);
        let additional = view::destinations(additional);
        let input = view.size() + config.size() + additional.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let params = (view, config, view::weight(weight), additional);
        let answer = self
            .invoke::<_, Done>(Method::SetWeight, call, subject, input, params)
            .await?;
        answered(self.policy(), answer).map(|answer| answer.value)
    }

    async fn set_header_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetHeaderRoute,
    ) -> Result<(), CallError> {
        let (view, config) = self.about(rollout);
        let route = view::header_route(route);
        let input = view.size() + config.size() + route.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let params = (view, config, route);
        let answer = self
            .invoke::<_, Done>(Method::SetHeaderRoute, call, subject, input, params)
            .await?;
        answered(self.policy(), answer).map(|answer| answer.value)
    }

    async fn set_mirror_route(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        route: &SetMirrorRoute,
    ) -> Result<(), CallError> {
        let (view, config) = self.about(rollout);
        let route = view::mirror_route(route);
        let input = view.size() + config.size() + route.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let params = (view, config, route);
        let answer = self
            .invoke::<_, Done>(Method::SetMirrorRoute, call, subject, input, params)
            .await?;
        answered(self.policy(), answer).map(|answer| answer.value)
    }

    async fn verify_weight(
        &self,
        call: &Call,
        rollout: &Arc<Rollout>,
        weight: i32,
        additional: &[WeightDestination],
    ) -> Result<Verification, CallError> {
        let (view, config) = self.about(rollout);
        let additional = view::destinations(additional);
        let input = view.size() + config.size() + additional.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let params = (view, config, view::weight(weight), additional);
        let answer = self
            .invoke::<_, Verified>(Method::VerifyWeight, call, subject, input, params)
            .await?;
        let answer = answered(self.policy(), answer)?;
        Ok(match answer.value {
            routing::Verification::Verified => Verification::Verified,
            routing::Verification::NotVerified => Verification::NotVerified,
            routing::Verification::NotImplemented => Verification::NotImplemented,
        })
    }

    async fn remove_managed_routes(&self, call: &Call, rollout: &Arc<Rollout>) -> Result<(), CallError> {
        let (view, config) = self.about(rollout);
        let input = view.size() + config.size();
        let subject = Subject::Rollout(Arc::clone(rollout));
        let params = (view, config);
        let answer = self
            .invoke::<_, Done>(Method::RemoveManagedRoutes, call, subject, input, params)
            .await?;
        answered(self.policy(), answer).map(|answer| answer.value)
    }

    fn capabilities(&self) -> Option<Vec<String>> {
        self.known_capabilities()
    }
}
