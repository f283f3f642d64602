//! Plugins that answer by chance, and what they were asked.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use rollcage_api::{
    analysis::{AnalysisPhase, AnalysisRun, Measurement, Metric},
    plugin::UnavailableEntry,
};
use rollcage_core::{
    Call, CallError, Fault, FaultKind, MetricProvider, Phase, PluginId, PluginSource, Step, TrafficRouter,
    clock::Clock as _,
};
use serde_json::Value;

use super::{chance::Chance, specs::SECRET};
use crate::{
    plugins::{error, fault},
    world::TestClock,
};

/// One call.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: &'static str,
    pub metric: String,
    pub at: Timestamp,
    /// The measurement that it was about.
    pub measurement: Option<Value>,
}

#[derive(Debug)]
pub struct Plugins {
    chance: Chance,
    clock: Arc<TestClock>,
    asked: Mutex<Vec<Asked>>,
    serial: AtomicU32,
    /// Everybody answers at once, and well.
    pub calm: AtomicBool,
}

impl Plugins {
    pub fn new(chance: Chance, clock: Arc<TestClock>) -> Self {
        Self {
            chance,
            clock,
            asked: Mutex::default(),
            serial: AtomicU32::new(0),
            calm: AtomicBool::new(false),
        }
    }

    /// What was asked since the last time.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    fn note(&self, method: &'static str, metric: &Metric, measurement: Option<&Measurement>) {
        self.asked.lock().unwrap().push(Asked {
            method,
            metric: metric.name.clone(),
            at: self.clock.now(),
            measurement: measurement.map(|measurement| serde_json::to_value(measurement).unwrap()),
        });
    }
}

/// One plugin of them.
#[derive(Debug)]
struct Provider(Arc<Plugins>, String);

impl Provider {
    fn answer(&self) -> Result<Measurement, CallError> {
        use AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
        let (all, chance) = (&self.0, &self.0.chance);
        // Every value is another one, so that measurements can be told apart.
        let serial = all.serial.fetch_add(1, Ordering::SeqCst);
        let measurement = |phase| Measurement {
            phase,
            value: serial.to_string(),
            message: if chance.percent(20) {
                format!("with {SECRET}")
            } else {
                String::new()
            },
            metadata: BTreeMap::from([("token".to_owned(), format!("{SECRET} {serial}"))]),
            ..Measurement::default()
        };
        if all.is_calm() {
            return Ok(measurement(Successful));
        }
        if chance.percent(30) {
            let millis = *chance.one_of(&[1, 300, 999, 1_000, 2_700]);
            all.clock.set(all.clock.now() + Duration::from_millis(millis));
        }
        match chance.below(20) {
            0..=8 => Ok(measurement(Successful)),
            9..=11 => Ok(measurement(Failed)),
            12 => Ok(measurement(Inconclusive)),
            13 => Ok(measurement(Error)),
            14..=16 => {
                let wait = *chance.one_of(&[None, Some(0), Some(700), Some(12_000)]);
                Ok(Measurement {
                    resume_at: wait.map(|millis| all.clock.now() + Duration::from_millis(millis)),
                    ..measurement(Running)
                })
            }
            17 => Err(error(&format!("no {SECRET} today"))),
            18 => Err(fault(&self.1, Phase::Call, FaultKind::Trap, "unreachable").into()),
            _ => Err(fault(&self.1, Phase::Call, FaultKind::QueueFull, "no room").into()),
        }
    }
}

#[async_trait]
impl MetricProvider for Provider {
    async fn run(&self, _: &Call, _: &Arc<AnalysisRun>, metric: &Metric) -> Result<Measurement, CallError> {
        self.0.note("run", metric, None);
        self.answer()
    }

    async fn resume(
        &self,
        _: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.0.note("resume", metric, Some(measurement));
        self.answer()
    }

    async fn terminate(
        &self,
        _: &Call,
        _: &Arc<AnalysisRun>,
        metric: &Metric,
        measurement: &Measurement,
    ) -> Result<Measurement, CallError> {
        self.0.note("terminate", metric, Some(measurement));
        self.answer()
    }

    async fn garbage_collect(&self, _: &Call, _: &Arc<AnalysisRun>, metric: &Metric, _: u32) -> Result<(), CallError> {
        self.0.note("garbage-collect", metric, None);
        if !self.0.is_calm() && self.0.chance.percent(20) {
            return Err(error("not now"));
        }
        Ok(())
    }

    async fn get_metadata(&self, _: &Call, metric: &Metric) -> Result<BTreeMap<String, String>, CallError> {
        self.0.note("get-metadata", metric, None);
        Ok(BTreeMap::from([("query".to_owned(), format!("up{{t={SECRET}}}"))]))
    }
}

/// The plugins as the reconciler finds them.
#[derive(Debug)]
pub struct Source(pub Arc<Plugins>);

impl PluginSource for Source {
    fn metric_provider(&self, name: &str, _: &str) -> Result<Arc<dyn MetricProvider>, Box<Fault>> {
        if !self.0.is_calm() && self.0.chance.percent(8) {
            return Err(Box::new(fault(name, Phase::Fetch, FaultKind::Unreachable, "gone")));
        }
        Ok(Arc::new(Provider(self.0.clone(), name.to_owned())))
    }

    fn traffic_router(&self, _: &str, _: &str) -> Result<Arc<dyn TrafficRouter>, Box<Fault>> {
        unreachable!("an AnalysisRun moves no traffic")
    }

    fn step(&self, _: &str, _: &str) -> Result<Arc<dyn Step>, Box<Fault>> {
        unreachable!("an AnalysisRun has no steps")
    }

    fn unavailable_policy(&self, _: &PluginId) -> UnavailableEntry {
        UnavailableEntry::default()
    }
}
