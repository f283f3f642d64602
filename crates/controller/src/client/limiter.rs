//! How many requests a second: a token bucket whose waiters take turns by name.
//!
//! Nobody's turn depends on how many requests somebody else has waiting: names are served round robin, and the requests of
//! one name in their order. An API server that asks for a pause (`Retry-After`) stops everybody for as long.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// Longest pause that an API server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Requests a second on average, and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second on average.
    pub qps: NonZeroU32,
    /// Requests at once after a quiet time.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate; zeros are ones.
    pub fn new(qps: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            qps: at_least_one(qps),
            burst: at_least_one(burst),
        }
    }
}

/// Lets requests pass at a rate. Cheap to clone; all clones share the rate.
#[derive(Clone, Debug)]
pub struct Limiter {
    rate: Rate,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    /// When `tokens` was right.
    at: Instant,
    /// Nobody passes before.
    paused_until: Option<Instant>,
    waiting: BTreeMap<String, VecDeque<oneshot::Sender<()>>>,
    /// Names of `waiting`, whose turn it is first.
    turns: VecDeque<String>,
    /// Whether a task serves who waits.
    served: bool,
}

impl Limiter {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            state: Arc::new(Mutex::new(State {
                tokens: f64::from(rate.burst.get()),
                at: Instant::now(),
                paused_until: None,
                waiting: BTreeMap::new(),
                turns: VecDeque::new(),
                served: false,
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when `name` may send one request.
    pub async fn pass(&self, name: &str) {
        let turn = {
            let mut state = self.state();
            if state.turns.is_empty() && state.next_token(self.rate, Instant::now()).is_none() {
                state.tokens -= 1.0;
                return;
            }
            let (sender, receiver) = oneshot::channel();
            if let Some(waiting) = state.waiting.get_mut(name) {
                waiting.push_back(sender);
            } else {
                state.waiting.insert(name.to_owned(), VecDeque::from([sender]));
                state.turns.push_back(name.to_owned());
            }
            if !state.served {
                state.served = true;
                tokio::spawn(self.clone().serve());
            }
            receiver
        };
        // The task serves until nobody waits.
        let _ = turn.await;
    }

    /// The API server wants a pause.
    pub fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_PAUSE);
        let mut state = self.state();
        state.paused_until = Some(state.paused_until.map_or(until, |before| before.max(until)));
    }

    async fn serve(self) {
        loop {
            let next = {
                let mut state = self.state();
                if state.turns.is_empty() {
                    state.served = false;
                    return;
                }
                let Some(next) = state.next_token(self.rate, Instant::now()) else {
                    state.serve_one();
                    continue;
                };
                next
            };
            sleep_until(next).await;
        }
    }
}

impl State {
    /// When there is a token; none: now.
    fn next_token(&mut self, rate: Rate, now: Instant) -> Option<Instant> {
        let qps = f64::from(rate.qps.get());
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * qps;
        self.tokens = (self.tokens + earned).min(f64::from(rate.burst.get()));
        self.at = now;
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(until);
        }
        if self.tokens >= 1.0 {
            return None;
        }
        // Rounded up, so that there is one.
        let missing = Duration::from_secs_f64((1.0 - self.tokens) / qps) + Duration::from_micros(1);
        Some(now + missing)
    }

    /// Gives a token to whose turn it is; those that wait no longer get none.
    fn serve_one(&mut self) {
        let Some(name) = self.turns.pop_front() else { return };
        let Some(waiting) = self.waiting.get_mut(&name) else {
            return;
        };
        while let Some(turn) = waiting.pop_front() {
            if turn.send(()).is_ok() {
                self.tokens -= 1.0;
                break;
            }
        }
        if waiting.is_empty() {
            self.waiting.remove(&name);
        } else {
            self.turns.push_back(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let limiter = Limiter::new(Rate::new(50, 5));
        let began = Instant::now();
        for _ in 0..25 {
            limiter.pass("").await;
        }
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(390) && took <= Duration::from_secs(5),
            "{took:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
        let quiet = Instant::now();
        for _ in 0..15 {
            limiter.pass("").await;
        }
        assert!(
            quiet.elapsed() >= Duration::from_millis(190),
            "a quiet time earns no more than a burst"
        );
    }

    #[tokio::test]
    async fn names_take_turns() {
        let limiter = Limiter::new(Rate::new(5, 1));
        let order = Arc::new(Mutex::new(Vec::new()));
        limiter.pass("first").await;
        let mut tasks = Vec::new();
        for name in ["a", "a", "a", "a", "a", "a", "b", "b"] {
            let (limiter, order) = (limiter.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                limiter.pass(name).await;
                order.lock().unwrap().push(name);
            }));
            // All wait before the first turn.
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["a", "b", "a", "b", "a", "a", "a", "a"]);
    }

    #[tokio::test]
    async fn who_waits_no_longer_uses_no_token() {
        let limiter = Limiter::new(Rate::new(2, 1));
        limiter.pass("").await;
        for _ in 0..50 {
            // On a busy machine it may be somebody's turn.
            let _ = tokio::time::timeout(Duration::from_millis(1), limiter.pass("")).await;
        }
        let began = Instant::now();
        limiter.pass("").await;
        assert!(began.elapsed() <= Duration::from_secs(5), "fifty turns would be 25 s");
    }

    #[tokio::test]
    async fn a_pause_holds_everybody_and_is_bounded() {
        let limiter = Limiter::new(Rate::new(100, 100));
        limiter.pause(Duration::from_millis(300));
        limiter.pause(Duration::from_millis(100));
        let began = Instant::now();
        limiter.pass("a").await;
        assert!(began.elapsed() >= Duration::from_millis(300));
        limiter.pause(Duration::MAX);
        let until = limiter.state().paused_until.unwrap();
        assert!(until <= Instant::now() + LONGEST_PAUSE);
    }
}
