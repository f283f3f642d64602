//! What is counted of the controller itself.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry as Families, proto::MetricFamily};

use super::Error;
use crate::client::ApiRequest;

#[derive(Debug)]
pub(super) struct Own {
    families: Families,
    pub(super) requests: IntCounterVec,
    pub(super) foreign_writes: IntCounterVec,
    pub(super) leads: IntGauge,
}

impl Own {
    pub(super) fn new() -> Result<Self, Error> {
        let requests = Opts::new(
            "rollcage_kubernetes_requests_total",
            "Requests to the Kubernetes API that ended, by whose they were; code 0: without an answer",
        );
        let foreign_writes = Opts::new(
            "rollcage_foreign_writes_total",
            "Statuses of objects of ours that another controller wrote",
        );
        let made = Self {
            families: Families::new(),
            requests: IntCounterVec::new(requests, &["client", "verb", "resource", "code"])?,
            foreign_writes: IntCounterVec::new(foreign_writes, &["kind"])?,
            leads: IntGauge::new("rollcage_leader", "Whether this replica leads")?,
        };
        made.families.register(Box::new(made.requests.clone()))?;
        made.families.register(Box::new(made.foreign_writes.clone()))?;
        made.families.register(Box::new(made.leads.clone()))?;
        Ok(made)
    }

    pub(super) fn count(&self, request: &ApiRequest<'_>) {
        let code = request.code.to_string();
        let of = [request.client, request.verb, request.resource, &*code];
        self.requests.with_label_values(&of).inc();
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.families.gather()
    }
}
