//! Whole stories of runs, each out of one number: random specs, answers, lost writes, stale reads, crashes, other people's
//! changes. After every pass the laws are checked, and when the storm is over every run has to come to its end.
//!
//! ```text
//! seed -> chance -> spec, plugins (provider), connection (faults) -> passes -> laws
//! ```
//!
//! A story that breaks a law is printed with its seed. `ROLLCAGE_SEED=N` plays that one again, and
//! `ROLLCAGE_STORIES=FROM..TO` others than those that are always played.

mod chance;
mod faults;
mod laws;
mod provider;
mod specs;

use std::{
    ops::Range,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt as _;
use http::{Method, Request};
use jiff::Timestamp;
use kube::client::Body;
use rollcage_apiserver::ApiServer;
use rollcage_controller::{AnalysisReconciler, Outcome, ReconcileError};
use rollcage_core::clock::Clock as _;
use serde_json::{Value, json};
use tower::Service as _;

use self::{
    chance::Chance,
    faults::{Faults, client},
    laws::{Laws, Seen},
    provider::{Plugins, Source},
};
use crate::world::{START, TestClock};

/// Stories that are always played.
const STORIES: Range<u64> = 0..2_000;

/// Passes in a storm.
const STORM: usize = 60;

/// Passes after it, by which a run has to have ended.
const CALM: usize = 300;

/// Passes at one moment that change nothing.
const IDLE: usize = 8;

struct Story {
    chance: Chance,
    clock: Arc<TestClock>,
    server: Arc<ApiServer>,
    faults: Arc<Faults>,
    plugins: Arc<Plugins>,
    reconciler: AnalysisReconciler,
    laws: Laws,
    labels: u32,
    told: Vec<String>,
}

/// How a pass ended.
enum Pass {
    Done(Result<Outcome, ReconcileError>),
    Crashed,
}

const RUNS: &str = "/apis/argoproj.io/v1alpha1/namespaces/default/analysisruns";

impl Story {
    fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let start = START.parse::<Timestamp>().unwrap();
        let start = start + Duration::from_millis(u64::try_from(chance.below(1_000)).unwrap());
        let clock = Arc::new(TestClock::new(start));
        let now = clock.clone();
        let server = ApiServer::new(Arc::new(move || now.now()));
        let faults = Arc::new(Faults::new(chance.clone()));
        let plugins = Arc::new(Plugins::new(chance.clone(), clock.clone()));
        let reconciler = reconciler(&server, &faults, &plugins, &clock);
        Self {
            chance,
            clock,
            server,
            faults,
            plugins,
            reconciler,
            laws: Laws::default(),
            labels: 0,
            told: Vec::new(),
        }
    }

    fn restart(&mut self, why: &str) {
        self.told.push(format!("  another process takes over: {why}"));
        self.reconciler = reconciler(&self.server, &self.faults, &self.plugins, &self.clock);
    }

    async fn send(&self, request: http::request::Builder, body: &Value) {
        let content_type = if request.method_ref() == Some(&Method::POST) {
            "application/json"
        } else {
            "application/merge-patch+json"
        };
        let request = request
            .header("content-type", content_type)
            .body(Body::from(body.to_string().into_bytes()))
            .unwrap();
        let Ok(response) = self.server.service().call(request).await;
        assert!(response.status().is_success(), "{}", response.status());
    }

    fn object(&self) -> Option<Arc<Value>> {
        self.server
            .object("argoproj.io/v1alpha1", "AnalysisRun", "default", "r")
    }

    async fn edit(&self, patch: &Value) {
        self.send(Request::patch(format!("{RUNS}/r")), patch).await;
    }

    /// What somebody else may want of the run.
    fn a_change(&mut self) -> Value {
        if self.chance.percent(30) {
            return json!({"spec": {"terminate": true}});
        }
        self.labels += 1;
        json!({"metadata": {"labels": {format!("others-{}", self.labels): "x"}}})
    }

    /// What others wrote is to stay.
    fn expect(&mut self, change: &Value) {
        let labels = change["metadata"]["labels"].as_object();
        self.laws
            .labels
            .extend(labels.into_iter().flatten().map(|(name, _)| name.clone()));
    }

    async fn pass(&mut self) -> Pass {
        let pass = self.reconciler.reconcile("default", "r");
        tokio::select! {
            biased;
            () = self.faults.crash.notified() => Pass::Crashed,
            outcome = pass => Pass::Done(outcome),
        }
    }

    async fn play(&mut self) -> Result<(), String> {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": specs::SECRET}});
        self.send(Request::post("/api/v1/namespaces/default/secrets"), &secret)
            .await;
        let spec = specs::spec(&self.chance);
        self.told.push(spec.to_string());
        let run = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": {"name": "r"}, "spec": spec});
        self.send(Request::post(RUNS), &run).await;
        let mut idle = 0;
        for step in 0..STORM + CALM {
            if step == STORM {
                self.faults.calm.store(true, Ordering::SeqCst);
                self.plugins.calm.store(true, Ordering::SeqCst);
                self.edit(&json!({"spec": {"terminate": true}})).await;
            }
            let calm = step >= STORM;
            if !calm && self.chance.percent(3) {
                let change = self.a_change();
                self.told.push(format!("  others write {change}"));
                self.edit(&change).await;
                self.expect(&change);
            }
            if !calm && self.chance.percent(4) {
                let change = self.a_change();
                *self.faults.edit.lock().unwrap() = Some(change);
            }
            if !calm && self.chance.percent(3) {
                self.restart("a new leader");
            }
            let before = self.object().ok_or("the run is gone before its time")?;
            self.faults.remember(&before);
            let was_completed = is_completed(&before);
            let moment = self.clock.now();
            let pass = self.pass().await;
            let Some(after) = self.object() else {
                return self.deleted(&before, moment);
            };
            let (asked, happened) = (self.plugins.take_asked(), self.faults.take_happened());
            let how = match &pass {
                Pass::Crashed => "crashed".to_owned(),
                Pass::Done(Err(error)) => format!("failed: {error}"),
                Pass::Done(Ok(outcome)) => format!("{} again {:?}", outcome.phase, outcome.requeue_at),
            };
            self.told.push(format!("{moment} {how} {:?}", happened.told));
            self.told.extend(
                asked
                    .iter()
                    .map(|asked| format!("    {} {} at {}", asked.method, asked.metric, asked.at)),
            );
            if let Some(change) = &happened.edited {
                self.expect(change);
            }
            let seen = Seen {
                before: &before,
                after: &after,
                asked: &asked,
                happened: &happened,
            };
            self.laws.check(&seen)?;
            let changed = before != after;
            let requeue_at = match pass {
                Pass::Crashed => {
                    self.restart("the other one crashed");
                    Some(self.clock.now() + Duration::from_secs(2))
                }
                Pass::Done(Err(_)) => Some(self.clock.now() + Duration::from_secs(1)),
                Pass::Done(Ok(outcome)) => {
                    if is_completed(&after) && !was_completed && !happened.no_event {
                        let ends = self.events("AnalysisRun");
                        if ends.len() != 1 {
                            return Err(format!("its end was told {} times: {ends:?}", ends.len()));
                        }
                    }
                    if outcome.requeue_at.is_none() && !is_completed(&after) {
                        return Err("nothing will ever look at it again".to_owned());
                    }
                    outcome.requeue_at
                }
            };
            if is_completed(&after) && requeue_at.is_none() {
                // The end is seen once more, by whoever looks.
                if was_completed {
                    return self.ended(&after);
                }
                continue;
            }
            idle = if changed || self.clock.now() > moment {
                0
            } else {
                idle + 1
            };
            if idle > IDLE {
                return Err(format!("{idle} passes at {moment} for nothing"));
            }
            // Every change brings a pass by itself; now and then one comes that nobody asked for.
            if changed && self.chance.percent(80) || !calm && self.chance.percent(5) {
                continue;
            }
            if let Some(at) = requeue_at.filter(|at| *at > self.clock.now()) {
                let late = if self.chance.percent(50) {
                    self.chance.below(3_000)
                } else {
                    0
                };
                self.clock.set(at + Duration::from_millis(u64::try_from(late).unwrap()));
            }
        }
        Err(format!("it never ends: {:#}", self.object().unwrap()))
    }

    fn events(&self, prefix: &str) -> Vec<String> {
        let events = self.server.objects("v1", "Event", "default");
        let reasons = events.iter().map(|event| event["reason"].as_str().unwrap().to_owned());
        reasons.filter(|reason| reason.starts_with(prefix)).collect()
    }

    /// A run that stays for ever.
    fn ended(&self, run: &Value) -> Result<(), String> {
        if run["spec"].get("ttlStrategy").is_some() {
            return Err("it has a time to live, and no timer".to_owned());
        }
        self.told_once()
    }

    /// A run whose time was over.
    fn deleted(&self, run: &Value, at: Timestamp) -> Result<(), String> {
        let seconds = |field: &str| run["spec"]["ttlStrategy"][field].as_i64();
        let ttl = match run["status"]["phase"].as_str() {
            Some("Successful") => seconds("secondsAfterSuccess"),
            _ => seconds("secondsAfterCompletion"),
        };
        let completed = run["status"]["completedAt"].as_str().ok_or("deleted before its end")?;
        let lived = at.duration_since(completed.parse().unwrap()).as_secs();
        if Some(lived) <= ttl {
            return Err(format!("deleted after {lived} s: {ttl:?}"));
        }
        self.told_once()
    }

    fn told_once(&self) -> Result<(), String> {
        let ends = self.events("AnalysisRun");
        if ends.len() > 1 {
            return Err(format!("its end was told more than once: {ends:?}"));
        }
        let metrics = self.events("Metric").len();
        if metrics > 3 {
            return Err(format!("{metrics} metrics ended"));
        }
        let secret = self
            .server
            .objects("v1", "Event", "default")
            .iter()
            .any(|event| event.to_string().contains(specs::SECRET));
        if secret {
            Err("a secret is in an Event".to_owned())
        } else {
            Ok(())
        }
    }
}

fn is_completed(run: &Value) -> bool {
    let phase = run["status"]["phase"].as_str().unwrap_or_default();
    matches!(phase, "Successful" | "Failed" | "Error" | "Inconclusive")
}

fn reconciler(
    server: &Arc<ApiServer>,
    faults: &Arc<Faults>,
    plugins: &Arc<Plugins>,
    clock: &Arc<TestClock>,
) -> AnalysisReconciler {
    AnalysisReconciler::new(client(server, faults), Arc::new(Source(plugins.clone())), clock.clone())
}

/// The stories that are asked for.
fn stories() -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    if let Ok(seed) = std::env::var("ROLLCAGE_SEED") {
        let seed = number(&seed);
        return seed..seed + 1;
    }
    std::env::var("ROLLCAGE_STORIES").map_or(STORIES, |text| {
        let (from, to) = text.split_once("..").unwrap();
        number(from)..number(to)
    })
}

/// What many stories hold in all: a storm in which nothing happens proves nothing.
#[derive(Debug, Default)]
struct Sum {
    passes: usize,
    ends: std::collections::BTreeMap<String, usize>,
    mishaps: std::collections::BTreeMap<String, usize>,
}

fn play_all(stories: Range<u64>, sum: &Mutex<Sum>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    for seed in stories {
        let mut story = Story::new(seed);
        let end = runtime.block_on(AssertUnwindSafe(story.play()).catch_unwind());
        let broken = match end {
            Ok(Ok(())) => None,
            Ok(Err(law)) => Some(law),
            Err(_) => Some("it panicked, see above".to_owned()),
        };
        if let Some(law) = broken {
            panic!(
                "{}\nstory {seed}: {law}\nplay it again: ROLLCAGE_SEED={seed} cargo test -p rollcage-controller --test it simulation",
                story.told.join("\n")
            );
        }
        let mut sum = sum.lock().unwrap();
        sum.passes += story.told.iter().filter(|line| line.starts_with("2026")).count();
        for reason in story.events("AnalysisRun") {
            *sum.ends.entry(reason).or_default() += 1;
        }
        for line in &story.told {
            for mishap in [
                "crashed before",
                "crashed after",
                "write was lost",
                "answer to the write was lost",
                "as it had been",
                "Event was not",
                "Secret could not",
                "others write",
                "new leader",
            ] {
                if line.contains(mishap) {
                    *sum.mishaps.entry(mishap.to_owned()).or_default() += 1;
                }
            }
        }
    }
}

/// Two halves side by side: this is the longest test here.
#[test]
fn stories_keep_every_law() {
    let all = stories();
    let middle = all.start + (all.end - all.start) / 2;
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        scope.spawn(|| play_all(all.start..middle, &sum));
        scope.spawn(|| play_all(middle..all.end, &sum));
    });
    let sum = sum.into_inner().unwrap();
    println!("{} stories: {sum:#?}", all.end - all.start);
    if all == STORIES {
        assert!(sum.passes > 10_000, "{sum:?}");
        assert_eq!(sum.ends.len(), 4, "{sum:?}");
        assert!(sum.ends.values().all(|stories| *stories > 20), "{sum:?}");
        assert_eq!(sum.mishaps.len(), 9, "{sum:?}");
        assert!(sum.mishaps.values().all(|mishaps| *mishaps > 100), "{sum:?}");
    }
}
