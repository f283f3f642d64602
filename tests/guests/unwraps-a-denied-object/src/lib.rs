//! Takes a denied Kubernetes object for granted, and traps.

use rollcage_sdk::{
    Error, export_metric_provider,
    kubernetes::Kind,
    metric::{AnalysisRun, Measurement, Metric, MetricProvider, Phase},
};

#[derive(Default)]
struct Guest;

impl MetricProvider for Guest {
    fn run(&self, _run: &AnalysisRun, _metric: &Metric) -> Result<Measurement, Error> {
        let secrets = Kind::new("", "v1", "Secret").named("kube-system", "admin");
        let secret = rollcage_sdk::kubernetes::get(&secrets).expect("the object");
        Ok(Measurement::finished(Phase::Successful, format!("{secret:?}")))
    }
}

export_metric_provider!(Guest);
