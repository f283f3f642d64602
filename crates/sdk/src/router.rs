//! Traffic routers.

use crate::{
    Component, Error, Package, Wants,
    bindings::{imports::rollcage::plugin::types, traffic_router::exports::rollcage::plugin::routing::Guest},
    instance,
};
pub use crate::{
    bindings::traffic_router::exports::rollcage::plugin::routing::{
        Destination, HeaderMatch, HeaderRoute, MirrorRoute, RequestMatch, TextMatch, Verification,
    },
    rollout::{PingPong, Rollout},
};

/// What a router may support beyond weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `set_header_route`.
    HeaderRoutes,
    /// `set_mirror_route`.
    MirrorRoutes,
    /// `verify_weight`.
    VerifyWeight,
    /// Two services that swap roles.
    PingPong,
    /// Weights for further destinations.
    AdditionalDestinations,
    /// `update_hash`.
    UpdateHash,
}

impl Capability {
    /// As the contract writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HeaderRoutes => "header-routes",
            Self::MirrorRoutes => "mirror-routes",
            Self::VerifyWeight => "verify-weight",
            Self::PingPong => "ping-pong",
            Self::AdditionalDestinations => "additional-destinations",
            Self::UpdateHash => "update-hash",
        }
    }
}

/// A traffic router. Only [`TrafficRouter::set_weight`] is required; export it with [`crate::export_traffic_router!`].
///
/// Every call may be repeated, also for a Rollout that has long been finished: change only what differs. `config` is
/// the object under the plugin's name, as JSON (see [`crate::config::parse`]).
pub trait TrafficRouter: Default + 'static {
    /// What the plugin would like to reach; `inspect` prints it as a suggestion for the operator.
    fn wants() -> Wants {
        Wants::default()
    }

    /// What the router supports beyond weights. A Rollout that asks for more is told at once.
    fn capabilities() -> Vec<Capability> {
        Vec::new()
    }

    /// Takes the `args` of the plugin's entry.
    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        let _ = args;
        Ok(())
    }

    /// Sends `weight` to the canary, each additional destination its share, and the rest to stable.
    fn set_weight(&self, rollout: &Rollout, config: &str, weight: u32, additional: &[Destination])
    -> Result<(), Error>;

    /// Tells whether `weight` has taken effect.
    fn verify_weight(
        &self,
        rollout: &Rollout,
        config: &str,
        weight: u32,
        additional: &[Destination],
    ) -> Result<Verification, Error> {
        let _ = (rollout, config, weight, additional);
        Ok(Verification::NotImplemented)
    }

    /// Tells the pod-template hashes behind canary and stable.
    fn update_hash(
        &self,
        rollout: &Rollout,
        config: &str,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[Destination],
    ) -> Result<(), Error> {
        let _ = (rollout, config, canary_hash, stable_hash, additional);
        Ok(())
    }

    /// Sets a header route; without matches it is to be removed.
    fn set_header_route(&self, rollout: &Rollout, config: &str, route: &HeaderRoute) -> Result<(), Error> {
        let _ = (rollout, config, route);
        Err(Error::invalid_config(
            "setHeaderRoute: this router has no header routes",
        ))
    }

    /// Sets a mirror route; without matches it is to be removed.
    fn set_mirror_route(&self, rollout: &Rollout, config: &str, route: &MirrorRoute) -> Result<(), Error> {
        let _ = (rollout, config, route);
        Err(Error::invalid_config(
            "setMirrorRoute: this router has no mirror routes",
        ))
    }

    /// Removes every route that this router made for the Rollout's managed routes.
    fn remove_managed_routes(&self, rollout: &Rollout, config: &str) -> Result<(), Error> {
        let _ = (rollout, config);
        Ok(())
    }
}

impl<P: Package + 'static, T: TrafficRouter> Guest for Component<P, T> {
    fn init(args: Vec<String>) -> Result<(), types::Error> {
        Ok(instance::initialize::<T>(|plugin| plugin.init(&args))?)
    }

    fn update_hash(
        rollout: Rollout,
        config: String,
        canary_hash: String,
        stable_hash: String,
        additional: Vec<Destination>,
    ) -> Result<(), types::Error> {
        let plugin = instance::current::<T>()?;
        Ok(plugin.update_hash(&rollout, &config, &canary_hash, &stable_hash, &additional)?)
    }

    fn set_weight(
        rollout: Rollout,
        config: String,
        weight: u32,
        additional: Vec<Destination>,
    ) -> Result<(), types::Error> {
        Ok(instance::current::<T>()?.set_weight(&rollout, &config, weight, &additional)?)
    }

    fn set_header_route(rollout: Rollout, config: String, route: HeaderRoute) -> Result<(), types::Error> {
        Ok(instance::current::<T>()?.set_header_route(&rollout, &config, &route)?)
    }

    fn set_mirror_route(rollout: Rollout, config: String, route: MirrorRoute) -> Result<(), types::Error> {
        Ok(instance::current::<T>()?.set_mirror_route(&rollout, &config, &route)?)
    }

    fn verify_weight(
        rollout: Rollout,
        config: String,
        weight: u32,
        additional: Vec<Destination>,
    ) -> Result<Verification, types::Error> {
        Ok(instance::current::<T>()?.verify_weight(&rollout, &config, weight, &additional)?)
    }

    fn remove_managed_routes(rollout: Rollout, config: String) -> Result<(), types::Error> {
        Ok(instance::current::<T>()?.remove_managed_routes(&rollout, &config)?)
    }

    fn capabilities() -> Vec<String> {
        let capabilities = T::capabilities();
        capabilities
            .into_iter()
            .map(|capability| capability.as_str().to_owned())
            .collect()
    }

    fn describe() -> types::Description {
        instance::describe::<P>(T::wants())
    }
}

/// Exports a [`TrafficRouter`] as this crate's component: `export_traffic_router!(MyRouter);`.
#[macro_export]
macro_rules! export_traffic_router {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__package!(ThisPackage);
            type ThisComponent = $crate::Component<ThisPackage, $plugin>;
            $crate::bindings::traffic_router::export_routing!(ThisComponent with_types_in $crate::bindings::traffic_router);
        };
        // Natively there is nothing to export (and no linker takes the names), but the type is checked.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_plugin<T: $crate::router::TrafficRouter>() {}
            is_plugin::<$plugin>();
        };
    };
}
