//! The queue in front of one plugin: a call waits here for its slot, until its deadline.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::fair_queue::{Arrival, FairQueue, Tenant};

/// What a waiting call is told.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Granted,
    PushedOut,
    Closed,
}

/// Why a call has no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many calls wait as may.
    Full { running: usize, waiting: usize },
    /// The deadline passed first.
    Deadline { waited: Duration },
    /// This version of the plugin takes no more calls.
    Closed,
}

/// One plugin's slots.
#[derive(Debug)]
pub(crate) struct Admission {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: FairQueue<oneshot::Sender<Turn>>,
    closed: bool,
}

impl Admission {
    pub(crate) fn new(slots: u32, capacity: u32) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                queue: FairQueue::new(slots, capacity),
                closed: false,
            }),
        })
    }

    /// A slot for a call on behalf of `namespace`. Dropping the future leaves the queue.
    pub(crate) async fn acquire(self: &Arc<Self>, namespace: &str, deadline: Instant) -> Result<Permit, Refused> {
        let arrived = Instant::now();
        if deadline <= arrived {
            return Err(Refused::Deadline { waited: Duration::ZERO });
        }
        let tenant = Tenant::from(namespace);
        let (id, pushed_out, receiver) = {
            let mut inner = self.lock();
            if inner.closed {
                return Err(Refused::Closed);
            }
            let permit = |tenant| Permit {
                admission: self.clone(),
                tenant,
            };
            // Nearly every call: without a channel.
            if inner.queue.enter(&tenant) {
                return Ok(permit(tenant));
            }
            let (sender, receiver) = oneshot::channel();
            match inner.queue.arrive(&tenant, sender) {
                Arrival::Waiting { id, pushed_out } => (id, pushed_out, receiver),
                Arrival::Granted => return Ok(permit(tenant)),
                Arrival::Full => {
                    let (running, waiting) = inner.queue.load();
                    return Err(Refused::Full { running, waiting });
                }
            }
        };
        if let Some(out) = pushed_out {
            // Fails when that call is just leaving by itself.
            let _ = out.send(Turn::PushedOut);
        }
        let mut waiter = Waiter {
            admission: self,
            tenant,
            id,
            receiver: Some(receiver),
        };
        waiter.wait(arrived, deadline).await
    }

    /// Takes no more calls and sends the waiting ones away; those that run go on.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.queue.clear()
        };
        for sender in waiting {
            let _ = sender.send(Turn::Closed);
        }
    }

    /// Calls running and calls waiting.
    pub(crate) fn load(&self) -> (usize, usize) {
        self.lock().queue.load()
    }

    fn release(&self, tenant: &Tenant) {
        let mut inner = self.lock();
        let granted = inner.queue.release(tenant);
        Self::tell(granted);
    }

    /// Under the lock: a waiter that leaves takes the lock first, so that it either is gone from the queue before, or
    /// finds its turn in the channel after.
    fn tell(granted: Vec<(Tenant, oneshot::Sender<Turn>)>) {
        for (_, sender) in granted {
            let _ = sender.send(Turn::Granted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in the queue.
struct Waiter<'a> {
    admission: &'a Arc<Admission>,
    tenant: Tenant,
    id: u64,
    /// Taken once its turn is known.
    receiver: Option<oneshot::Receiver<Turn>>,
}

impl Waiter<'_> {
    async fn wait(&mut self, arrived: Instant, deadline: Instant) -> Result<Permit, Refused> {
        let Some(receiver) = self.receiver.as_mut() else {
            return Err(Refused::Closed);
        };
        let turn = tokio::time::timeout_at(deadline.into(), receiver).await;
        match turn {
            Ok(turn) => {
                self.receiver = None;
                match turn {
                    Ok(Turn::Granted) => Ok(Permit {
                        admission: self.admission.clone(),
                        tenant: self.tenant.clone(),
                    }),
                    Ok(Turn::PushedOut) => {
                        let (running, waiting) = self.admission.load();
                        Err(Refused::Full { running, waiting })
                    }
                    Ok(Turn::Closed) | Err(_) => Err(Refused::Closed),
                }
            }
            // Dropping the waiter leaves the queue.
            Err(_) => Err(Refused::Deadline {
                waited: arrived.elapsed(),
            }),
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let Some(mut receiver) = self.receiver.take() else {
            return;
        };
        let mut inner = self.admission.lock();
        let (waiting, granted) = inner.queue.leave(&self.tenant, self.id);
        Admission::tell(granted);
        if waiting.is_none() && receiver.try_recv() == Ok(Turn::Granted) {
            // The turn came at the last moment: pass it on.
            let granted = inner.queue.release(&self.tenant);
            Admission::tell(granted);
        }
    }
}

/// A slot; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    tenant: Tenant,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.release(&self.tenant);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test]
    async fn waits_for_a_slot_until_the_deadline() {
        let admission = Admission::new(1, 1);
        let held = admission.acquire("a", far()).await.unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        let refused = admission.acquire("a", soon).await.unwrap_err();
        let Refused::Deadline { waited } = refused else {
            panic!("{refused:?}")
        };
        assert!(waited >= Duration::from_millis(15), "{waited:?}");
        assert_eq!(admission.load(), (1, 0), "left the queue");
        let (second, ()) = tokio::join!(admission.acquire("a", far()), async {
            assert_eq!(
                admission.acquire("a", far()).await.unwrap_err(),
                Refused::Full { running: 1, waiting: 1 }
            );
            drop(held);
        });
        drop(second.unwrap());
        assert_eq!(admission.load(), (0, 0));
        assert_eq!(
            admission.acquire("a", Instant::now()).await.unwrap_err(),
            Refused::Deadline { waited: Duration::ZERO }
        );
    }

    #[tokio::test]
    async fn closing_sends_the_waiting_away_and_lets_the_running_end() {
        let admission = Admission::new(1, 8);
        let held = admission.acquire("a", far()).await.unwrap();
        let (refused, ()) = tokio::join!(admission.acquire("b", far()), async { admission.close() });
        assert_eq!(refused.unwrap_err(), Refused::Closed);
        assert_eq!(admission.acquire("b", far()).await.unwrap_err(), Refused::Closed);
        assert_eq!(admission.load(), (1, 0));
        drop(held);
        assert_eq!(admission.load(), (0, 0));
    }

    #[tokio::test]
    async fn a_turn_that_comes_while_its_waiter_leaves_is_passed_on() {
        let admission = Admission::new(1, 8);
        let held = admission.acquire("a", far()).await.unwrap();
        let mut first = Box::pin(admission.acquire("b", far()));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(admission.acquire("c", far()));
        assert!(futures::poll!(&mut second).is_pending());
        // `first` has its turn in the channel, and is dropped before it looks.
        drop(held);
        drop(first);
        let permit = second.await.unwrap();
        assert_eq!(admission.load(), (1, 0));
        drop(permit);
        assert_eq!(admission.load(), (0, 0));
    }

    #[derive(Clone, Copy, Debug)]
    enum End {
        Returns,
        Panics,
        /// Cancelled after this many turns of the scheduler.
        Cancelled(u8),
        Late,
    }

    fn calls() -> impl Strategy<Value = Vec<(u8, u8, End)>> {
        let end = prop_oneof![
            4 => Just(End::Returns),
            1 => Just(End::Panics),
            2 => (0u8..6).prop_map(End::Cancelled),
            1 => Just(End::Late),
        ];
        prop::collection::vec((0u8..4, 0u8..5, end), 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Random arrivals of several namespaces whose calls return, panic, are cancelled at any point or come too late.
        #[test]
        fn slots_never_leak(slots in 1u32..5, capacity in 0u32..40, calls in calls()) {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async {
                let admission = Admission::new(slots, capacity);
                let running = Arc::new(AtomicUsize::new(0));
                let mut tasks = Vec::new();
                for (namespace, work, end) in calls {
                    let (admission, running) = (admission.clone(), running.clone());
                    let deadline = match end {
                        End::Late => Instant::now() + Duration::from_micros(200),
                        _ => far(),
                    };
                    let task = tokio::spawn(async move {
                        let Ok(permit) = admission.acquire(&namespace.to_string(), deadline).await else {
                            return;
                        };
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        let leave = Leave(&running);
                        assert!(now <= slots as usize, "{now} of {slots}");
                        for _ in 0..work {
                            tokio::task::yield_now().await;
                        }
                        if matches!(end, End::Panics) {
                            std::panic::resume_unwind(Box::new(()));
                        }
                        drop(leave);
                        drop(permit);
                    });
                    if let End::Cancelled(after) = end {
                        let abort = task.abort_handle();
                        tasks.push(tokio::spawn(async move {
                            for _ in 0..after {
                                tokio::task::yield_now().await;
                            }
                            abort.abort();
                        }));
                    }
                    tasks.push(task);
                }
                for task in tasks {
                    let ended = task.await;
                    let bug = ended.err().and_then(|error| error.try_into_panic().ok());
                    assert!(bug.is_none_or(|panic| panic.is::<()>()), "more calls than slots");
                }
                assert_eq!(admission.load(), (0, 0));
                assert!(admission.acquire("last", far()).await.is_ok());
            });
        }
    }

    struct Leave<'a>(&'a AtomicUsize);

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
