//! Calls that come right one after the other: the guest's thread looks out for the next one, and the caller for its answer,
//! for a moment before they sleep. Waking a sleeping thread takes longer than most calls.
//!
//! ```text
//! caller: offer the call -> look out for the answer -> (take the call back, if nobody began with it) -> sleep
//! guest's thread: answer -> expect another call -> take the instance down -> look out for the call -> sleep
//! ```
//!
//! Only one thread looks out, only while a single call is under way, and only after short calls that came quickly: what is spent is
//! at most [`MOMENT`] of each side for each call, and nothing while calls are seldom or many.

use std::{
    future::Future,
    hint,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long one side looks out for the other.
pub(crate) const MOMENT: Duration = Duration::from_micros(100);
/// How soon after an answer another call has to come, and how short the last one was, for the next to be looked out for: in
/// nanoseconds.
const QUICK: u64 = 250_000;
/// How long an offered call waits for the thread that expects it to be done with the last one.
const PATIENCE: Duration = Duration::from_micros(30);

/// One call, until its end; gives what is expected after it.
pub(crate) type Job = Pin<Box<dyn Future<Output = Option<Expecting>> + Send>>;

/// Where a guest's thread and callers look out for each other.
pub(crate) struct Lookout {
    /// On one core whoever looks out keeps the other side from its work.
    enabled: bool,
    moment: Duration,
    epoch: Instant,
    /// When the last call began, and when the last answer was given: nanoseconds from `epoch` on.
    begun: AtomicU64,
    answered: AtomicU64,
    /// Whether the last call was short.
    short: AtomicBool,
    /// Whether the call under way came quickly after a short one.
    quick: AtomicBool,
    /// Calls whose callers wait.
    under_way: AtomicUsize,
    /// There is a job to be taken: looked at without the lock.
    offered: AtomicBool,
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    expected: bool,
    job: Option<Job>,
}

impl Lookout {
    /// Either side looks out for the other for as long as `moment`.
    pub(crate) fn new(moment: Duration) -> Arc<Self> {
        Arc::new(Self {
            moment,
            enabled: thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
            epoch: Instant::now(),
            begun: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            short: AtomicBool::new(false),
            quick: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            offered: AtomicBool::new(false),
            place: Mutex::default(),
        })
    }

    /// A caller begins to wait.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        let others = self.under_way.fetch_add(1, Ordering::AcqRel);
        let now = self.now();
        let gap = now.saturating_sub(self.answered.load(Ordering::Acquire));
        self.begun.store(now, Ordering::Release);
        let quick = self.enabled && others == 0 && gap < QUICK && self.short.load(Ordering::Acquire);
        self.quick.store(quick, Ordering::Release);
        UnderWay {
            lookout: Arc::clone(self),
            quick,
        }
    }

    /// A guest is about to answer: another call is probably next.
    pub(crate) fn expect(self: &Arc<Self>) -> Option<Expecting> {
        let now = self.now();
        let took = now.saturating_sub(self.begun.load(Ordering::Acquire));
        self.short.store(took < QUICK, Ordering::Release);
        self.answered.store(now, Ordering::Release);
        if !self.quick.load(Ordering::Acquire) || self.is_busy() {
            return None;
        }
        let mut place = self.lock();
        if place.expected || place.job.is_some() {
            return None;
        }
        place.expected = true;
        Some(Expecting(Arc::clone(self)))
    }

    /// Leaves a job to the thread that expects one; gives it back when there is none.
    fn offer(&self, job: Job) -> Result<(), Job> {
        let mut place = self.lock();
        if !place.expected || place.job.is_some() {
            return Err(job);
        }
        place.job = Some(job);
        self.offered.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes the job that was left.
    fn take(&self) -> Option<Job> {
        if !self.offered.swap(false, Ordering::AcqRel) {
            return None;
        }
        self.lock().job.take()
    }

    /// Whether others wait, who need the thread.
    fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that takes the next call.
pub(crate) struct Expecting(Arc<Lookout>);

impl Expecting {
    /// Looks out for the call, and gives it.
    pub(crate) fn next(self) -> Option<Job> {
        let until = Instant::now() + self.0.moment;
        loop {
            let job = self.0.take();
            if job.is_some() || self.0.is_busy() || Instant::now() >= until {
                return job;
            }
            hint::spin_loop();
        }
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        // A job that was left just now is taken back by its caller.
        self.0.lock().expected = false;
    }
}

/// A caller that waits.
pub(crate) struct UnderWay {
    lookout: Arc<Lookout>,
    quick: bool,
}

impl UnderWay {
    /// Has a job begun, by the thread that expects it or by `start`, and looks out for what it comes to.
    pub(crate) fn run<T>(&self, job: Job, start: impl Fn(Job), mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if !self.quick {
            start(job);
            return None;
        }
        let lookout = &self.lookout;
        let mut left = true;
        if let Err(job) = lookout.offer(job) {
            start(job);
            left = false;
        }
        let take_back = || lookout.take().into_iter().for_each(&start);
        let began = Instant::now();
        while began.elapsed() < lookout.moment && !lookout.is_busy() {
            if let Some(found) = look() {
                return Some(found);
            }
            if left && began.elapsed() >= PATIENCE {
                take_back();
                left = false;
            }
            hint::spin_loop();
        }
        if left {
            take_back();
        }
        None
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.lookout.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// A caller that came right after an answer, however slow this machine is.
    fn quick(lookout: &Arc<Lookout>) -> UnderWay {
        let mut caller = lookout.begin();
        caller.quick = true;
        lookout.quick.store(true, Ordering::Release);
        caller
    }

    fn job() -> Job {
        Box::pin(std::future::ready(None))
    }

    #[test]
    fn what_is_left_is_begun_by_the_one_who_expects_it() {
        let lookout = Lookout::new(Duration::from_mins(1));
        let caller = quick(&lookout);
        let expecting = lookout.expect().unwrap();
        assert!(lookout.expect().is_none(), "one is enough");
        let mut expecting = Some(expecting);
        let found = caller.run(
            job(),
            |_| panic!("begun by the caller"),
            // As another thread would.
            || expecting.take()?.next().map(|_| "answer"),
        );
        assert_eq!(found, Some("answer"));
        assert!(!lookout.lock().expected);
    }

    #[test]
    fn what_nobody_begins_with_is_taken_back() {
        let lookout = Lookout::new(MOMENT);
        let caller = quick(&lookout);
        let busy = lookout.expect().unwrap();
        let begun = AtomicU32::new(0);
        let start = |_: Job| {
            begun.fetch_add(1, Ordering::Relaxed);
        };
        assert_eq!(caller.run(job(), start, || None::<()>), None);
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        drop(busy);
        // Nobody expects anything now.
        assert_eq!(caller.run(job(), start, || Some(1)), Some(1));
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn seldom_or_many_calls_are_not_looked_out_for() {
        let lookout = Lookout::new(MOMENT);
        lookout.short.store(true, Ordering::Release);
        thread::sleep(Duration::from_nanos(QUICK));
        let seldom = lookout.begin();
        assert!(!seldom.quick && lookout.expect().is_none());
        let looks = AtomicU32::new(0);
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            None::<()>
        };
        seldom.run(job(), drop, look);
        assert_eq!(looks.load(Ordering::Relaxed), 0);
        let second = quick(&lookout);
        assert!(lookout.expect().is_none(), "two callers wait");
        second.run(job(), drop, look);
        assert_eq!(looks.into_inner(), 0);
    }
}
