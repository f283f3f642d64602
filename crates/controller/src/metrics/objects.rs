//! What is counted of AnalysisRuns, under Argo Rollouts' names.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry as Families, proto::MetricFamily,
};

use super::{Error, Metrics};
use crate::{
    client::ApiRequest,
    run::{Observer, PassReport},
};

/// Argo's.
const SECONDS: [f64; 5] = [0.01, 0.15, 0.25, 0.5, 1.0];

/// How long after its end an object is still told of, as in Argo: so that it is scraped once more.
const LINGER: Duration = Duration::from_secs(65);

type Key = (String, String);

#[derive(Debug)]
pub(super) struct Objects {
    families: Families,
    passes: HistogramVec,
    failures: IntCounterVec,
    info: IntGaugeVec,
    phases: Mutex<HashMap<Key, &'static str>>,
    gone: Mutex<HashMap<Key, Instant>>,
}

impl Objects {
    pub(super) fn new() -> Result<Self, Error> {
        let labels = ["namespace", "name"];
        let passes = HistogramOpts::new("analysis_run_reconcile", "Time of passes over AnalysisRuns");
        let failures = Opts::new("analysis_run_reconcile_error", "Passes over AnalysisRuns that failed");
        let info = Opts::new("analysis_run_info", "1 for the phase that the AnalysisRun has");
        let made = Self {
            families: Families::new(),
            passes: HistogramVec::new(passes.buckets(SECONDS.to_vec()), &labels)?,
            failures: IntCounterVec::new(failures, &labels)?,
            info: IntGaugeVec::new(info, &["namespace", "name", "phase"])?,
            phases: Mutex::default(),
            gone: Mutex::default(),
        };
        made.families.register(Box::new(made.passes.clone()))?;
        made.families.register(Box::new(made.failures.clone()))?;
        made.families.register(Box::new(made.info.clone()))?;
        Ok(made)
    }

    pub(super) fn gather(&self, now: Instant) -> Vec<MetricFamily> {
        self.forget(now);
        self.families.gather()
    }

    /// Drops what is over. Whenever something ends, too: perhaps nobody ever asks for metrics.
    fn forget(&self, now: Instant) {
        let over: Vec<Key> = lock(&self.gone)
            .extract_if(|_, since| now.duration_since(*since) >= LINGER)
            .map(|(key, _)| key)
            .collect();
        for (namespace, name) in over {
            // What was never counted cannot be removed: that is as well.
            let _ = self.passes.remove_label_values(&[&*namespace, &*name]);
            let _ = self.failures.remove_label_values(&[&*namespace, &*name]);
            self.phase(&namespace, &name, None);
        }
    }

    fn phase(&self, namespace: &str, name: &str, phase: Option<&'static str>) {
        let key = (namespace.to_owned(), name.to_owned());
        let before = match phase {
            Some(phase) => lock(&self.phases).insert(key, phase),
            None => lock(&self.phases).remove(&key),
        };
        if let Some(before) = before.filter(|before| phase != Some(before)) {
            let _ = self.info.remove_label_values(&[namespace, name, before]);
        }
        if let Some(phase) = phase {
            self.info.with_label_values(&[namespace, name, phase]).set(1);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Metrics {
    fn pass(&self, pass: &PassReport<'_>) {
        let of = [pass.namespace, pass.name];
        let objects = &self.objects;
        objects.passes.with_label_values(&of).observe(pass.took.as_secs_f64());
        if pass.failed {
            objects.failures.with_label_values(&of).inc();
        }
        if !pass.phase.is_empty() {
            objects.phase(pass.namespace, pass.name, Some(pass.phase));
        }
    }

    fn request(&self, request: &ApiRequest<'_>) {
        self.own.count(request);
    }

    fn foreign_write(&self, kind: &'static str) {
        self.own.foreign_writes.with_label_values(&[kind]).inc();
    }

    fn leading(&self, leading: bool) {
        self.own.leads.set(leading.into());
    }

    fn seen(&self, namespace: &str, name: &str) {
        lock(&self.objects.gone).remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn gone(&self, namespace: &str, name: &str) {
        let now = Instant::now();
        self.objects.forget(now);
        lock(&self.objects.gone).insert((namespace.to_owned(), name.to_owned()), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_phase_and_goes_a_while_after_its_end() {
        let metrics = Metrics::new("1").unwrap();
        let report = |phase, failed| {
            metrics.pass(&PassReport {
                kind: "AnalysisRun",
                namespace: "shop",
                name: "r",
                took: Duration::from_millis(20),
                failed,
                phase,
            });
        };
        report("Running", true);
        report("Successful", false);
        let series = |after| {
            let families = metrics.objects.gather(Instant::now() + after);
            let mut names: Vec<String> = Vec::new();
            for family in families {
                for series in family.get_metric() {
                    let labels = series.get_label().iter().map(|label| label.value().to_owned());
                    names.push(format!("{} {}", family.name(), labels.collect::<Vec<_>>().join(" ")));
                }
            }
            names
        };
        let all = [
            "analysis_run_info r shop Successful",
            "analysis_run_reconcile r shop",
            "analysis_run_reconcile_error r shop",
        ];
        assert_eq!(series(Duration::ZERO), all);
        metrics.gone("shop", "r");
        assert_eq!(series(Duration::from_mins(1)), all);
        // Another of this name.
        metrics.seen("shop", "r");
        assert_eq!(series(Duration::from_mins(5)), all);
        metrics.gone("shop", "r");
        assert!(series(Duration::from_mins(5)).is_empty());
    }
}
