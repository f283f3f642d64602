//! The Lease, as it was seen last, and the writes of it.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};

use super::Election;
use crate::client::Moment;

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The Lease is ours.
    Ours,
    /// It is this one's, or somebody was quicker.
    Taken(String),
}

pub(super) struct Record {
    api: Api<Lease>,
    election: Election,
    /// The Lease as it was seen last, and when it was seen so for the first time.
    observed: Option<(LeaseSpec, Moment)>,
    /// As we wrote it last.
    ours: Option<Lease>,
}

impl Record {
    pub fn new(client: Client, election: Election) -> Self {
        Self {
            api: Api::namespaced(client, &election.namespace),
            election,
            observed: None,
            ours: None,
        }
    }

    /// Takes the Lease if it is free, or ours, or if nobody renewed it for its duration while we looked.
    pub async fn try_acquire(&mut self) -> Result<Attempt, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.election.lease).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.election.lease.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.spec(None)),
            };
            return self.written(self.api.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if !is_free(&lease) && !self.is_ours(&spec) && !self.has_ended(&spec) {
            return Ok(Attempt::Taken(spec.holder_identity.unwrap_or_default()));
        }
        self.replace(lease).await
    }

    /// Renews the Lease that we hold. One that somebody else changed is looked at.
    pub async fn renew(&mut self) -> Result<Attempt, kube::Error> {
        if let Some(lease) = self.ours.clone() {
            let attempt = self.replace(lease).await?;
            if attempt == Attempt::Ours {
                return Ok(attempt);
            }
        }
        // Perhaps it is still ours, and only a label was added; or an answer was lost.
        let Some(lease) = self.api.get_opt(&self.election.lease).await? else {
            return Ok(Attempt::Taken("nobody".to_owned()));
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if !self.is_ours(&spec) {
            return Ok(Attempt::Taken(spec.holder_identity.unwrap_or_default()));
        }
        self.replace(lease).await
    }

    /// Leaves the Lease to whoever comes first.
    pub async fn release(&mut self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.ours.take() else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(jiff::Timestamp::now()));
        match self
            .api
            .replace(&self.election.lease, &PostParams::default(), &lease)
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn replace(&mut self, mut lease: Lease) -> Result<Attempt, kube::Error> {
        lease.spec = Some(self.spec(lease.spec.take()));
        // Nothing to compare with on the server's side, and large.
        lease.metadata.managed_fields = None;
        let written = self
            .api
            .replace(&self.election.lease, &PostParams::default(), &lease)
            .await;
        self.written(written)
    }

    fn written(&mut self, written: Result<Lease, kube::Error>) -> Result<Attempt, kube::Error> {
        match written {
            Ok(lease) => {
                self.ours = Some(lease);
                self.observed = None;
                Ok(Attempt::Ours)
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.ours = None;
                Ok(Attempt::Taken("somebody who was quicker".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// The Lease as it is when we hold it.
    fn spec(&self, before: Option<LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(jiff::Timestamp::now());
        let mut spec = before.unwrap_or_default();
        if !self.is_ours(&spec) {
            let is_first = spec.acquire_time.is_none() && spec.lease_transitions.is_none();
            let transitions = spec.lease_transitions.unwrap_or_default();
            spec.lease_transitions = Some(if is_first { 0 } else { transitions.saturating_add(1) });
            spec.acquire_time = Some(now.clone());
            spec.holder_identity = Some(self.election.identity.clone());
        }
        // Rounded up: it must not seem shorter to others than it is to us.
        let seconds = self.election.duration.as_secs() + u64::from(self.election.duration.subsec_nanos() > 0);
        spec.lease_duration_seconds = Some(i32::try_from(seconds).unwrap_or(i32::MAX));
        spec.renew_time = Some(now);
        spec
    }

    fn is_ours(&self, spec: &LeaseSpec) -> bool {
        spec.holder_identity.as_deref() == Some(self.election.identity.as_str())
    }

    /// Whether nobody has changed it for its duration, since we first saw it so.
    fn has_ended(&mut self, spec: &LeaseSpec) -> bool {
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(self.election.duration, std::time::Duration::from_secs);
        match &self.observed {
            Some((seen, since)) if seen == spec => since.elapsed() > duration,
            _ => {
                self.observed = Some((spec.clone(), Moment::now()));
                false
            }
        }
    }
}

/// Whether nobody holds it.
pub(super) fn is_free(lease: &Lease) -> bool {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.unwrap_or_default().is_empty()
}
