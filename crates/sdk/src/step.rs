//! Steps.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Component, Error, Package, Wants,
    bindings::{imports::rollcage::plugin::types, step::exports::rollcage::plugin::stepping::Guest},
    instance,
};
pub use crate::{
    bindings::step::exports::rollcage::plugin::stepping::{Context, Outcome, Phase},
    rollout::{PingPong, Rollout},
};

/// A step. Only [`Step::run`] is required; export it with [`crate::export_step!`].
///
/// By default every call gets a new instance: what must survive from one `run` to the next goes into the outcome's
/// state.
pub trait Step: Default + 'static {
    /// What the plugin would like to reach; `inspect` prints it as a suggestion for the operator.
    fn wants() -> Wants {
        Wants::default()
    }

    /// Takes the `args` of the plugin's entry.
    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        let _ = args;
        Ok(())
    }

    /// Does the step's work, or a part of it.
    fn run(&self, rollout: &Rollout, context: &Context) -> Result<Outcome, Error>;

    /// Ends a running step because the Rollout no longer waits for it.
    fn terminate(&self, rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        let _ = (rollout, context);
        Ok(Outcome::successful())
    }

    /// Undoes a step because the Rollout was aborted.
    fn abort(&self, rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        let _ = (rollout, context);
        Ok(Outcome::successful())
    }
}

impl Context {
    /// The step's `config`; see [`crate::config::parse`]. A step without one hands over `null`: read an `Option` when
    /// the configuration may be absent.
    pub fn parse_config<T: DeserializeOwned>(&self) -> Result<T, Error> {
        crate::config::parse(&self.config)
    }

    /// The state that the last `run` of this step left; `None` on the first.
    pub fn parse_state<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let Some(state) = &self.state else { return Ok(None) };
        serde_json::from_str(state).map_err(|error| Error::internal(format!("state of the last run: {error}")))
    }
}

impl Outcome {
    /// Finished well: the Rollout goes on.
    pub fn successful() -> Self {
        Self::of(Phase::Successful)
    }

    /// Finished badly: the Rollout is aborted.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::of(Phase::Failed).with_message(message)
    }

    /// Not finished: `run` is called again after `requeue_after` milliseconds (10 000 or less become 30 000).
    pub fn running(requeue_after: u32) -> Self {
        Self {
            requeue_after: Some(requeue_after),
            ..Self::of(Phase::Running)
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// State for the next call of this step.
    pub fn with_state(mut self, state: &impl Serialize) -> Result<Self, Error> {
        let json = serde_json::to_string(state).map_err(|error| Error::internal(format!("state: {error}")))?;
        self.state = Some(json);
        Ok(self)
    }

    fn of(phase: Phase) -> Self {
        Self {
            phase: Some(phase),
            message: String::new(),
            requeue_after: None,
            state: None,
        }
    }
}

impl<P: Package + 'static, T: Step> Guest for Component<P, T> {
    fn init(args: Vec<String>) -> Result<(), types::Error> {
        Ok(instance::initialize::<T>(|plugin| plugin.init(&args))?)
    }

    fn run(rollout: Rollout, context: Context) -> Result<Outcome, types::Error> {
        Ok(instance::current::<T>()?.run(&rollout, &context)?)
    }

    fn terminate(rollout: Rollout, context: Context) -> Result<Outcome, types::Error> {
        Ok(instance::current::<T>()?.terminate(&rollout, &context)?)
    }

    fn abort(rollout: Rollout, context: Context) -> Result<Outcome, types::Error> {
        Ok(instance::current::<T>()?.abort(&rollout, &context)?)
    }

    fn describe() -> types::Description {
        instance::describe::<P>(T::wants())
    }
}

/// Exports a [`Step`] as this crate's component: `export_step!(MyStep);`.
#[macro_export]
macro_rules! export_step {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__package!(ThisPackage);
            type ThisComponent = $crate::Component<ThisPackage, $plugin>;
    $crate::bindings::step::export_stepping!(ThisComponent with_types_in $crate::bindings::step);
        };
        // Natively there is nothing to export (and no linker takes the names), but the type is checked.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_plugin<T: $crate::step::Step>() {}
            is_plugin::<$plugin>();
        };
    };
}
