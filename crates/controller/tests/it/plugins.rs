//! Plugins that answer as they are told, and remember what they were asked.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use rollcage_api::{
    GoDuration,
    analysis::{AnalysisRun, Measurement, Metric},
    plugin::{PluginKind, UnavailableEntry},
};
use rollcage_core::{
    Call, CallError, Fault, FaultKind, MetricProvider, Phase, PluginError, PluginErrorKind, PluginId, PluginSource,
    Step, TrafficRouter,
};
use serde_json::Value;

/// One call as the plugin saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: &'static str,
    pub metric: Value,
    pub run: Value,
    pub measurement: Option<Value>,
    pub arguments: Vec<(String, String)>,
}

type Answer = Box<dyn FnOnce() -> BoxFuture<'static, Result<Measurement, CallError>> + Send>;

/// A metric provider with its answers prepared; out of answers, it measures 1.
#[derive(Default)]
pub struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    metadata: Mutex<BTreeMap<String, String>>,
    refuse_collection: Mutex<bool>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

pub fn measurement(value: Value) -> Measurement {
    serde_json::from_value(value).unwrap()
}

pub fn error(message: &str) -> CallError {
    CallError::Plugin(PluginError {
        kind: PluginErrorKind::Internal,
        message: message.to_owned(),
        retry_after: None,
    })
}

pub fn fault(plugin: &str, phase: Phase, kind: FaultKind, cause: &str) -> Fault {
    Fault::new(&id(plugin), phase, kind, cause, "look into it")
}

pub fn id(plugin: &str) -> PluginId {
    PluginId {
        kind: PluginKind::MetricProvider,
        name: plugin.to_owned(),
    }
}

impl Scripted {
    /// The next answer is this measurement.
    pub fn then(&self, value: Value) -> &Self {
        let measurement = measurement(value);
        self.then_do(move || Box::pin(async { Ok(measurement) }))
    }

    /// The next answer is this error.
    pub fn then_err(&self, error: CallError) -> &Self {
        self.then_do(move || Box::pin(async { Err(error) }))
    }

    /// The next answer is what this does.
    pub fn then_do(
        &self,
        answer: impl FnOnce() -> BoxFuture<'static, Result<Measurement, CallError>> + Send + 'static,
    ) -> &Self {
        self.answers.lock().unwrap().push_back(Box::new(answer));
        self
    }

    pub fn says(&self, key: &str, value: &str) {
        self.metadata.lock().unwrap().insert(key.into(), value.into());
    }

    pub fn refuses_collection(&self) {
        *self.refuse_collection.lock().unwrap() = true;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn methods(&self) -> Vec<&'static str> {
        self.asked().iter().map(|asked| asked.method).collect()
    }

    fn note(&self, method: &'static str, call: &Call, run: Option<&AnalysisRun>, metric: &Metric, what: Option<Value>) {
        self.asked.lock().unwrap().push(Asked {
            method,
            metric: serde_json::to_value(metric).unwrap(),
            run: serde_json::to_value(run).unwrap(),
            measurement: what,
            arguments: call.arguments.clone(),
        });
    }

    async fn answer(&self) -> Result<Measurement, CallError> {
        let answer = self.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) => answer().await,
            None => Ok(measurement(serde_json::json!({"phase": "Successful", "value": "1"}))),
        }
    }
}

#[async_trait]
impl MetricProvider for Scripted {
    async fn run(&self, call: &Call, run: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        self.note("run", call, Some(run), metric, None);
        self.answer().await
    }

    async fn resume(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.note(
            "resume",
            call,
            Some(run),
            metric,
            serde_json::to_value(measurement).ok(),
        );
        self.answer().await
    }

    async fn terminate(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.note(
            "terminate",
            call,
            Some(run),
            metric,
            serde_json::to_value(measurement).ok(),
        );
        self.answer().await
    }

    async fn garbage_collect(
        &self,
        call: &Call,
        run: &Arc<AnalysisRun>,
        metric: &Metric,
        limit: u32,
    ) -> Result<(), CallError> {
        self.note("garbage-collect", call, Some(run), metric, Some(limit.into()));
        if *self.refuse_collection.lock().unwrap() {
            return Err(error("not now"));
        }
        Ok(())
    }

    async fn get_metadata(&self, call: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        self.note("get-metadata", call, None, metric, None);
        Ok(self.metadata.lock().unwrap().clone())
    }
}

/// What serves now.
#[derive(Debug, Default)]
pub struct Plugins {
    serving: Mutex<BTreeMap<String, Result<Arc<Scripted>, Fault>>>,
    patience: Mutex<Option<Duration>>,
}

impl Plugins {
    pub fn serve(&self, name: &str) -> Arc<Scripted> {
        let plugin = Arc::new(Scripted::default());
        self.serving.lock().unwrap().insert(name.into(), Ok(plugin.clone()));
        plugin
    }

    pub fn take_away(&self, fault: Fault) {
        self.serving
            .lock()
            .unwrap()
            .insert(fault.plugin.name.clone(), Err(fault));
    }

    /// `unavailable.after` of every entry.
    pub fn patience(&self, after: Duration) {
        *self.patience.lock().unwrap() = Some(after);
    }
}

impl PluginSource for Plugins {
    fn metric_provider(&self, name: &str, _: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>> {
        match self.serving.lock().unwrap().get(name) {
            Some(Ok(plugin)) => Ok(plugin.clone()),
            Some(Err(fault)) => Err(Box::new(fault.clone())),
            None => Err(Box::new(fault(
                name,
                Phase::Resolve,
                FaultKind::NotConfigured,
                "no entry of this name",
            ))),
        }
    }

    fn traffic_router(&self, _: &str, _: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>> {
        unreachable!("an AnalysisRun moves no traffic")
    }

    fn step(&self, _: &str, _: &str) -> Result<Arc<dyn Step>, Box<Fault>> {
        unreachable!("an AnalysisRun has no steps")
    }

    fn unavailable_policy(&self, _: &PluginId) -> UnavailableEntry {
        let after = self.patience.lock().unwrap();
        after.map_or_else(UnavailableEntry::default, |after| UnavailableEntry {
            after: GoDuration(after),
            ..UnavailableEntry::default()
        })
    }
}
