//! The time that guests see: the host's clock, which may be virtual. A guest's sleep then moves it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rollcage_core::clock::Clock;
use wasmtime::{
    Result,
    component::{HasData, Resource, ResourceTable},
};
use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock,
    p2::{DynPollable, Pollable, bindings::clocks::monotonic_clock, subscribe},
};
use wasmtime_wasi_io::bindings::wasi::io::poll;

use crate::progress::Progress;

/// An instance's view of the clock.
#[derive(Clone, Debug)]
pub(crate) struct GuestClock {
    clock: Arc<dyn Clock>,
    /// Where monotonic time starts.
    start: Timestamp,
    /// The largest monotonic time that was given away.
    latest: Arc<AtomicU64>,
}

impl GuestClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        // An hour back: some runtimes cannot subtract from a monotonic time near zero.
        let now = clock.now();
        let start = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
        Self {
            clock,
            start,
            latest: Arc::new(AtomicU64::new(0)),
        }
    }

    fn monotonic(&self) -> u64 {
        let passed = self.clock.now().duration_since(self.start).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(0);
        // The machine's wall clock may be set back; this one may not go back.
        self.latest.fetch_max(passed, Ordering::Relaxed).max(passed)
    }
}

impl HostWallClock for GuestClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::try_from(self.clock.now().as_duration()).unwrap_or_default()
    }
}

impl HostMonotonicClock for GuestClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.monotonic()
    }
}

/// Sleeps that a guest has begun, by the pollable that stands for them.
#[derive(Debug, Default)]
pub(crate) struct Sleeps(BTreeMap<u32, Timestamp>);

/// What `wasi:clocks/monotonic-clock` and `wasi:io/poll` work on.
pub(crate) struct TimeView<'a> {
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) sleeps: &'a mut Sleeps,
    pub(crate) clock: &'a GuestClock,
    pub(crate) progress: &'a Progress,
}

/// Marks [`TimeView`] for the linker.
pub(crate) struct Time;

impl HasData for Time {
    type Data<'a> = TimeView<'a>;
}

impl TimeView<'_> {
    fn sleep(&mut self, duration: Duration) -> Result<Resource<DynPollable>> {
        let until = SignedDuration::try_from(duration)
            .ok()
            .and_then(|duration| self.clock.clock.now().checked_add(duration).ok())
            .unwrap_or(Timestamp::MAX);
        let sleep = self.table.push(Sleep {
            real: Instant::now().checked_add(duration),
            until,
            clock: Arc::clone(&self.clock.clock),
        })?;
        let pollable = subscribe(self.table, sleep)?;
        self.sleeps.0.insert(pollable.rep(), until);
        Ok(pollable)
    }

    fn sleep_until(&self, pollable: &Resource<DynPollable>) -> Option<Timestamp> {
        self.sleeps.0.get(&pollable.rep()).copied()
    }

    fn is_over(&self, until: Timestamp) -> bool {
        self.clock.clock.now() >= until
    }
}

impl monotonic_clock::Host for TimeView<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.clock.monotonic())
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        let duration = when.saturating_sub(self.clock.monotonic());
        self.sleep(Duration::from_nanos(duration))
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<DynPollable>> {
        self.sleep(Duration::from_nanos(duration))
    }
}

/// A sleep that is waited for in real time, because something else is waited for as well or the clock is real.
struct Sleep {
    real: Option<Instant>,
    until: Timestamp,
    clock: Arc<dyn Clock>,
}

#[async_trait::async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        match self.real {
            Some(real) => tokio::time::sleep_until(real.into()).await,
            // So far ahead that no clock counts it.
            None => std::future::pending().await,
        }
        // A virtual clock stands still while a guest waits for an answer.
        self.clock.skip_to(self.until);
    }
}

impl poll::Host for TimeView<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        // When time is all that it waits for, a virtual clock goes there at once.
        let ends: Option<Vec<Timestamp>> = pollables.iter().map(|pollable| self.sleep_until(pollable)).collect();
        if let Some(ends) = ends
            && let Some(first) = ends.iter().min()
            && (self.is_over(*first) || self.clock.clock.skip_to(*first))
        {
            // A guest that polls in a loop without waiting must not keep its thread from what it polls for.
            self.progress.give_way().await;
            let over = ends
                .iter()
                .enumerate()
                .filter(|(_, until)| *until <= first || self.is_over(**until));
            return over.map(|(index, _)| Ok(u32::try_from(index)?)).collect();
        }
        poll::Host::poll(self.table, pollables).await
    }
}

impl poll::HostPollable for TimeView<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        match self.sleep_until(&pollable) {
            Some(until) => Ok(self.is_over(until)),
            None => poll::HostPollable::ready(self.table, pollable).await,
        }
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        if let Some(until) = self.sleep_until(&pollable)
            && (self.is_over(until) || self.clock.clock.skip_to(until))
        {
            self.progress.give_way().await;
            return Ok(());
        }
        poll::HostPollable::block(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.sleeps.0.remove(&pollable.rep());
        poll::HostPollable::drop(self.table, pollable)
    }
}
