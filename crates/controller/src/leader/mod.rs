//! Who leads: one replica at a time, by a Lease.
//!
//! ```text
//! wait until warm -> stand: take the Lease when it is free, or when nobody renewed it for its whole duration (by our clock)
//!                      ^                                      │ it is ours
//!                      │ lost: writes are refused at once     v
//!                      └──────────────── lead: renew every `retry`; the fence is open for `renew_deadline` from the moment
//!                                        at which a renewal that succeeded was sent
//! ```
//!
//! Invariants: nobody compares clocks of two machines; the clock goes on while the machine sleeps or the process is stopped;
//! the fence closes before anybody else can lead (`renew_deadline` + longest write <= `lease`); every write of the Lease
//! carries the version that was read.

mod record;

use std::{convert::Infallible, sync::Arc, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    runtime::watcher::{self, Event},
};
use tokio::sync::{Mutex, Notify, watch};

use self::record::{Attempt, Record};
use crate::{
    client::{Fence, Moment},
    error::told,
    watch::{Trouble, follow},
};

/// The original's name for its Lease; one per instance id, so that equal ids exclude each other.
const LEASE: &str = "argo-rollouts-controller-lock";

/// How often it is looked whether the time to renew is over: timers stand still while a machine sleeps.
const TICK: Duration = Duration::from_millis(250);

/// How an election is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Who we are.
    pub identity: String,
    /// How long a Lease counts that nobody renews.
    pub duration: Duration,
    /// How long a leader that cannot renew goes on.
    pub renew_deadline: Duration,
    /// Pause between two tries.
    pub retry: Duration,
}

impl Election {
    /// The Lease for an instance id.
    pub fn lease_name(instance_id: &str) -> String {
        if instance_id.is_empty() {
            LEASE.to_owned()
        } else {
            format!("{LEASE}-{instance_id}")
        }
    }

    /// Who this process is, unlike any other.
    pub fn identity_of(pod: &str) -> String {
        let random = fastrand::u128(..);
        let bytes = (random & !(0xf << 76 | 0x3 << 62)) | 4 << 76 | 2 << 62;
        let hex = format!("{bytes:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
        format!("rollcage_{pod}_{uuid}")
    }

    /// Longest write: it has ended before anybody else can lead.
    pub fn longest_write(&self) -> Duration {
        self.duration.saturating_sub(self.renew_deadline)
    }

    /// What is wrong with the durations.
    pub fn check(&self) -> Result<(), String> {
        if self.retry.is_zero() {
            return Err("the retry period must be longer than nothing".to_owned());
        }
        if self.renew_deadline <= self.retry {
            return Err("the renew deadline must be longer than the retry period".to_owned());
        }
        if self.duration <= self.renew_deadline {
            return Err("the lease duration must be longer than the renew deadline".to_owned());
        }
        Ok(())
    }
}

/// Stands for election, leads, and stands again.
pub struct Elector {
    client: Client,
    election: Election,
    fence: Fence,
    leading: watch::Sender<bool>,
    record: Mutex<Record>,
    /// Somebody gave up the Lease.
    free: Notify,
    /// We gave it up for good, and stand no more.
    resigned: watch::Sender<bool>,
}

impl Elector {
    /// `client` is for nothing else: no other request may hold up a renewal.
    pub fn new(client: Client, election: Election, fence: Fence) -> Arc<Self> {
        fence.close();
        Arc::new(Self {
            record: Mutex::new(Record::new(client.clone(), election.clone())),
            client,
            election,
            fence,
            leading: watch::Sender::new(false),
            free: Notify::new(),
            resigned: watch::Sender::new(false),
        })
    }

    /// Whether we lead.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.subscribe()
    }

    /// Stands for election until the Lease is [released](Self::release); afterwards nothing happens any more.
    pub async fn run(&self) -> Infallible {
        let watched = self.watch();
        let elected = async {
            loop {
                let until = self.stand().await;
                tracing::info!(lease = self.election.lease, identity = self.election.identity, "leads");
                self.fence.open_until(until);
                self.leading.send_replace(true);
                let why = self.lead(until).await;
                self.step_down();
                tracing::warn!(lease = self.election.lease, why, "no longer leads");
            }
        };
        let mut resigned = self.resigned.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as we do.
            _ = resigned.wait_for(|resigned| *resigned) => {}
            never = watched => return never,
            never = elected => return never,
        }
        std::future::pending().await
    }

    /// Gives the Lease up, so that another replica takes it at once. Nothing of us may be written afterwards.
    pub async fn release(&self) {
        let led = *self.leading.borrow();
        self.resigned.send_replace(true);
        self.step_down();
        if !led {
            return;
        }
        let mut record = self.record.lock().await;
        if let Err(error) = record.release().await {
            tracing::warn!(
                error = told(&error),
                "the Lease could not be given up: it ends by itself"
            );
        }
    }

    fn step_down(&self) {
        self.fence.close();
        self.leading.send_replace(false);
    }

    /// Returns when the Lease is ours, with the end of our time.
    async fn stand(&self) -> Moment {
        let mut trouble = Trouble::new("stand for election");
        loop {
            let sent = Moment::now();
            let attempt = self.record.lock().await.try_acquire().await;
            match attempt {
                Ok(Attempt::Ours) => return sent.after(self.election.renew_deadline),
                Ok(Attempt::Taken(holder)) => {
                    trouble.is_over();
                    tracing::debug!(holder, "another replica leads");
                }
                Err(error) => trouble.is(&told(&error)),
            }
            // Not all replicas at the same moment.
            let pause = self.election.retry.mul_f64(1.0 + 0.2 * fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.free.notified() => {}
            }
        }
    }

    /// Renews until that fails for too long; the answer is why.
    async fn lead(&self, mut until: Moment) -> String {
        let mut trouble = String::from("there was no time to renew the lease");
        loop {
            let pause = self.election.retry;
            tokio::select! {
                biased;
                () = past(until) => return trouble,
                () = tokio::time::sleep(pause) => {}
            }
            let sent = Moment::now();
            let renewed = async { self.record.lock().await.renew().await };
            let attempt = tokio::select! {
                biased;
                () = past(until) => return trouble,
                attempt = renewed => attempt,
            };
            match attempt {
                Ok(Attempt::Ours) => {
                    until = sent.after(self.election.renew_deadline);
                    self.fence.open_until(until);
                    "there was no time to renew the lease".clone_into(&mut trouble);
                }
                Ok(Attempt::Taken(holder)) => return format!("{holder} holds the lease"),
                Err(error) => {
                    trouble = told(&error);
                    tracing::debug!(error = trouble, "the lease is not renewed");
                }
            }
        }
    }

    /// A Lease that is given up is taken at once.
    async fn watch(&self) -> Infallible {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.election.namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.election.lease));
        let what = format!("watch the Lease {}/{}", self.election.namespace, self.election.lease);
        follow(api, only, &what, |event| {
            let is_free = match event {
                Ok(Event::Apply(lease) | Event::InitApply(lease)) => record::is_free(&lease),
                Ok(Event::Delete(_)) => true,
                Ok(Event::Init | Event::InitDone) | Err(_) => false,
            };
            if is_free {
                self.free.notify_one();
            }
        })
        .await
    }
}

async fn past(moment: Moment) {
    while !moment.left().is_zero() {
        tokio::time::sleep(moment.left().min(TICK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_original_and_ours() {
        assert_eq!(Election::lease_name(""), "argo-rollouts-controller-lock");
        assert_eq!(Election::lease_name("a"), "argo-rollouts-controller-lock-a");
        let (one, other) = (Election::identity_of("p-0"), Election::identity_of("p-0"));
        assert_ne!(one, other);
        let uuid = one.strip_prefix("rollcage_p-0_").unwrap();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(&uuid[14..15], "4", "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }

    #[test]
    fn durations_are_checked() {
        let election = |duration, renew, retry| Election {
            namespace: String::new(),
            lease: String::new(),
            identity: String::new(),
            duration: Duration::from_secs(duration),
            renew_deadline: Duration::from_secs(renew),
            retry: Duration::from_secs(retry),
        };
        assert_eq!(election(15, 10, 2).check(), Ok(()));
        assert_eq!(election(15, 10, 2).longest_write(), Duration::from_secs(5));
        for (duration, renew, retry) in [(10, 10, 2), (15, 2, 2), (15, 10, 0)] {
            assert!(election(duration, renew, retry).check().is_err());
        }
    }
}
