//! The thread that ends calls: it moves the engines' epochs while a guest runs, and wakes whoever waits beyond a deadline.
//!
//! It is an ordinary thread with the priority of the host, so that guests, which have less, cannot delay it. While nothing
//! runs it sleeps.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wasmtime::EngineWeak;

use crate::progress::Progress;

/// How long after a deadline the caller stops waiting for the guest's thread to end the call itself.
const GRACE: Duration = Duration::from_millis(6);
/// Ticks without a call after which the thread sleeps.
const LINGER: u32 = 100;

/// Handle of the thread; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    active: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
    /// Calls under way; an index is a place that is used again.
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    places: Vec<Option<Arc<Progress>>>,
    free: Vec<usize>,
}

impl Ticker {
    pub(crate) fn start(engines: Vec<EngineWeak>, tick: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let tick = tick.clamp(Duration::from_micros(100), Duration::from_millis(2));
        let thread = thread::Builder::new().name("rollcage-ticker".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, &engines, tick)
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Watches over one call until the guard is dropped.
    pub(crate) fn watch(&self, progress: Arc<Progress>) -> Watch {
        let place = {
            let mut calls = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = calls.free.pop() {
                if let Some(slot) = calls.places.get_mut(place) {
                    *slot = Some(progress);
                }
                place
            } else {
                calls.places.push(Some(progress));
                calls.places.len() - 1
            }
        };
        self.shared.active.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Watch {
            shared: Arc::clone(&self.shared),
            place,
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It ends within a tick; a panic in it was printed already.
            drop(thread.join());
        }
    }
}

/// A call under watch.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    place: usize,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut calls = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = calls.places.get_mut(self.place) {
            *slot = None;
        }
        calls.free.push(self.place);
        drop(calls);
        self.shared.active.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(shared: &Shared, engines: &[EngineWeak], tick: Duration) {
    // Where it is allowed, even a busy machine does not delay it: it works for microseconds.
    let _ = rustix::process::setpriority_process(None, -10);
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.active.load(Ordering::SeqCst) == 0 {
            idle += 1;
            if idle > LINGER {
                shared.asleep.store(true, Ordering::SeqCst);
                // Whoever becomes active after this look sees `asleep` and unparks.
                if shared.active.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                    thread::park();
                }
                shared.asleep.store(false, Ordering::SeqCst);
                idle = 0;
                continue;
            }
        } else {
            idle = 0;
        }
        for engine in engines {
            if let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
            }
        }
        let now = Instant::now();
        {
            let calls = shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
            for progress in calls.places.iter().flatten() {
                if now >= progress.deadline() {
                    progress.wake();
                    if now >= progress.deadline() + GRACE {
                        progress.expire();
                    }
                }
            }
        }
        thread::sleep(tick);
    }
}
