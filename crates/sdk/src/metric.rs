//! Metric providers.

use serde::de::DeserializeOwned;

pub use crate::bindings::{
    imports::rollcage::plugin::evaluate::Sample,
    metric_provider::exports::rollcage::plugin::metrics::{AnalysisRun, Measurement, Metric, Phase},
};
use crate::{
    Component, Error, Package, Pair, Wants,
    bindings::{imports::rollcage::plugin::types, metric_provider::exports::rollcage::plugin::metrics::Guest},
    instance,
};

/// A metric provider. Only [`MetricProvider::run`] is required; export it with [`crate::export_metric_provider!`].
///
/// By default every call gets a new instance: what must survive from `run` to `resume` goes into the measurement's
/// metadata.
pub trait MetricProvider: Default + 'static {
    /// What the plugin would like to reach; `inspect` prints it as a suggestion for the operator.
    fn wants() -> Wants {
        Wants::default()
    }

    /// Takes the `args` of the plugin's entry.
    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        let _ = args;
        Ok(())
    }

    /// Takes a measurement, or begins one.
    fn run(&self, run: &AnalysisRun, metric: &Metric) -> Result<Measurement, Error>;

    /// Goes on with a measurement that is running. Needed only when `run` leaves some running.
    fn resume(&self, run: &AnalysisRun, metric: &Metric, measurement: Measurement) -> Result<Measurement, Error> {
        let _ = (run, metric);
        Ok(measurement)
    }

    /// Ends a running measurement early. Needed only when `run` leaves some running.
    fn terminate(&self, run: &AnalysisRun, metric: &Metric, measurement: Measurement) -> Result<Measurement, Error> {
        let _ = (run, metric);
        Ok(measurement)
    }

    /// Called when more than `limit` measurements are stored, before the oldest are dropped.
    fn garbage_collect(&self, run: &AnalysisRun, metric: &Metric, limit: u32) -> Result<(), Error> {
        let _ = (run, metric, limit);
        Ok(())
    }

    /// Facts to show beside the metric, such as the resolved query.
    fn metadata(&self, metric: &Metric) -> Result<Vec<Pair>, Error> {
        let _ = metric;
        Ok(Vec::new())
    }
}

/// An empty run, for tests.
impl Default for AnalysisRun {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            name: String::new(),
            uid: String::new(),
            labels: Vec::new(),
            annotations: Vec::new(),
            arguments: Vec::new(),
            started_at: None,
        }
    }
}

impl Metric {
    /// A metric with this configuration of the plugin (JSON), for tests.
    pub fn with_config(config: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            interval: None,
            count: None,
            success_condition: String::new(),
            failure_condition: String::new(),
            config: config.into(),
        }
    }

    /// The plugin's own configuration; see [`crate::config::parse`].
    pub fn parse_config<T: DeserializeOwned>(&self) -> Result<T, Error> {
        crate::config::parse(&self.config)
    }
}

impl Measurement {
    /// What was measured, without a verdict: the host applies the metric's conditions to `sample`, as Argo's own
    /// providers do. `value` is what people see.
    pub fn measured(value: impl Into<String>, sample: Sample) -> Self {
        Self {
            phase: None,
            sample: Some(sample),
            ..Self::empty(value)
        }
    }

    /// A measurement whose verdict the plugin gives itself.
    pub fn finished(phase: Phase, value: impl Into<String>) -> Self {
        Self {
            phase: Some(phase),
            ..Self::empty(value)
        }
    }

    /// A measurement that goes on: the host calls `resume`, at `resume_at` (RFC 3339, see
    /// [`crate::time::Timestamp`]) when given.
    pub fn running(resume_at: Option<String>) -> Self {
        Self {
            phase: Some(Phase::Running),
            resume_at,
            ..Self::empty("")
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets a fact that is kept with the measurement and handed back to `resume` and `terminate`.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.metadata.iter_mut().find(|pair| pair.name == name) {
            Some(pair) => pair.value = value,
            None => self.metadata.push(Pair { name, value }),
        }
        self
    }

    /// A fact that an earlier call kept.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata
            .iter()
            .find(|pair| pair.name == name)
            .map(|pair| pair.value.as_str())
    }

    fn empty(value: impl Into<String>) -> Self {
        Self {
            phase: None,
            message: String::new(),
            started_at: None,
            finished_at: None,
            value: value.into(),
            sample: None,
            metadata: Vec::new(),
            resume_at: None,
        }
    }
}

impl<P: Package + 'static, T: MetricProvider> Guest for Component<P, T> {
    fn init(args: Vec<String>) -> Result<(), types::Error> {
        Ok(instance::initialize::<T>(|plugin| plugin.init(&args))?)
    }

    fn run(run: AnalysisRun, metric: Metric) -> Result<Measurement, types::Error> {
        Ok(instance::current::<T>()?.run(&run, &metric)?)
    }

    fn resume(run: AnalysisRun, metric: Metric, measurement: Measurement) -> Result<Measurement, types::Error> {
        Ok(instance::current::<T>()?.resume(&run, &metric, measurement)?)
    }

    fn terminate(run: AnalysisRun, metric: Metric, measurement: Measurement) -> Result<Measurement, types::Error> {
        Ok(instance::current::<T>()?.terminate(&run, &metric, measurement)?)
    }

    fn garbage_collect(run: AnalysisRun, metric: Metric, limit: u32) -> Result<(), types::Error> {
        Ok(instance::current::<T>()?.garbage_collect(&run, &metric, limit)?)
    }

    fn get_metadata(metric: Metric) -> Result<Vec<Pair>, types::Error> {
        Ok(instance::current::<T>()?.metadata(&metric)?)
    }

    fn describe() -> types::Description {
        instance::describe::<P>(T::wants())
    }
}

/// Exports a [`MetricProvider`] as this crate's component: `export_metric_provider!(MyProvider);`.
#[macro_export]
macro_rules! export_metric_provider {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__package!(ThisPackage);
            type ThisComponent = $crate::Component<ThisPackage, $plugin>;
            $crate::bindings::metric_provider::export_metrics!(ThisComponent with_types_in $crate::bindings::metric_provider);
        };
        // Natively there is nothing to export (and no linker takes the names), but the type is checked.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_plugin<T: $crate::metric::MetricProvider>() {}
            is_plugin::<$plugin>();
        };
    };
}
