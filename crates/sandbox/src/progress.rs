//! How far one call is: shared by the guest's thread, the caller and the ticker.

use std::{
    pin::Pin,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use futures::task::AtomicWaker;
use rollcage_core::{Denial, Phase};
use tokio::sync::Notify;

use crate::egress::EgressCall;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not yet on a guest thread.
    Queued,
    /// The guest computes, or waits for its turn to go on computing.
    Guest,
    /// The guest waits for the host.
    Host,
}

/// One call's progress.
#[derive(Debug)]
pub(crate) struct Progress {
    deadline: Instant,
    stage: AtomicU8,
    /// The guest was interrupted to let others run, so that its being suspended is no waiting for the host.
    yielding: AtomicBool,
    /// The instance is still being made or initialised.
    starting: AtomicBool,
    /// What the guest waits for, when it is no server.
    target: Mutex<Option<&'static str>>,
    /// Knows which server the guest waits for; there from the first request on.
    egress: OnceLock<EgressCall>,
    guest: AtomicWaker,
    expired: Notify,
}

impl Progress {
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            stage: AtomicU8::new(Stage::Queued as u8),
            yielding: AtomicBool::new(false),
            starting: AtomicBool::new(false),
            target: Mutex::new(None),
            egress: OnceLock::new(),
            guest: AtomicWaker::new(),
            expired: Notify::new(),
        }
    }

    /// The call's end, in real time.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Where the call is.
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Queued,
            1 => Stage::Guest,
            _ => Stage::Host,
        }
    }

    /// The guest goes to the back of its thread's queue.
    ///
    /// Not by tokio's `yield_now`: what that puts off comes back in front of all that wait, so that one who computes would keep
    /// the thread from guests that were interrupted before.
    pub(crate) async fn give_way(&self) {
        self.yielding.store(true, Ordering::Release);
        let mut gave_way = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut gave_way, true) {
                return Poll::Ready(());
            }
            // A task that is woken while it is polled goes behind all others.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.yielding.store(false, Ordering::Release);
    }

    pub(crate) fn set_starting(&self, starting: bool) {
        self.starting.store(starting, Ordering::Release);
    }

    /// What the guest is at.
    pub(crate) fn phase(&self) -> Phase {
        if self.starting.load(Ordering::Acquire) {
            Phase::Init
        } else {
            Phase::Call
        }
    }

    /// Notes what the guest waits for, other than a server.
    pub(crate) fn set_target(&self, target: Option<&'static str>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// What the guest waits for: `NAME:PORT`, or what the host calls it.
    pub(crate) fn target(&self) -> Option<String> {
        let own = *self.target.lock().unwrap_or_else(PoisonError::into_inner);
        match own {
            Some(target) => Some(target.to_owned()),
            None => self.egress.get().and_then(EgressCall::waiting_for),
        }
    }

    /// The call's share of the HTTP guard, made when first asked for.
    pub(crate) fn egress(&self, make: impl FnOnce() -> EgressCall) -> &EgressCall {
        self.egress.get_or_init(make)
    }

    /// HTTP requests that were denied.
    pub(crate) fn http_denials(&self) -> Vec<Denial> {
        self.egress.get().map(EgressCall::denials).unwrap_or_default()
    }

    /// The deadline has passed: whoever waits on the guest's side looks again.
    pub(crate) fn wake(&self) {
        self.guest.wake();
    }

    /// The guest's side did not react: the caller stops waiting.
    pub(crate) fn expire(&self) {
        self.expired.notify_one();
    }

    /// Until [`expire`](Self::expire).
    pub(crate) async fn expired(&self) {
        self.expired.notified().await;
    }
}

/// The deadline passed while the guest waited for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitedTooLong;

/// Runs a guest's future and stops it at the deadline when it waits for the host. One that computes is stopped by the
/// epoch callback, which knows what the guest was doing.
pub(crate) struct Bounded<'a, F> {
    progress: &'a Progress,
    future: Pin<&'a mut F>,
}

impl<'a, F> Bounded<'a, F> {
    pub(crate) fn new(progress: &'a Progress, future: Pin<&'a mut F>) -> Self {
        Self { progress, future }
    }
}

impl<F: Future> Future for Bounded<'_, F> {
    type Output = Result<F::Output, WaitedTooLong>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = self.progress;
        if progress.stage() == Stage::Host && progress.is_over() {
            // Whatever it waited for came too late.
            return Poll::Ready(Err(WaitedTooLong));
        }
        progress.stage.store(Stage::Guest as u8, Ordering::Release);
        progress.guest.register(cx.waker());
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if progress.yielding.load(Ordering::Acquire) => Poll::Pending,
            Poll::Pending => {
                progress.stage.store(Stage::Host as u8, Ordering::Release);
                if progress.is_over() {
                    Poll::Ready(Err(WaitedTooLong))
                } else {
                    Poll::Pending
                }
            }
        }
    }
}
