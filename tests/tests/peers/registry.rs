//! Native plugins in the registry: their states, what ends them, and that they are started again.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rollcage_api::plugin::PluginKind::{MetricProvider, Step};
use rollcage_core::{CallError, FaultKind, Phase};
use rollcage_goplugin::EnvironmentPolicy;
use rollcage_registry::{NativeHost, PluginState, PluginStatus, Runtime};
use rollcage_tests::{
    peers::Peers,
    stage::{Place, Stage, analysis_run, call, metric},
    victim,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{launcher, nothing_is_left};

/// A registry whose plugins leave their traces in one folder.
struct House {
    stage: Stage,
    place: Place,
    folder: TempDir,
    own: PathBuf,
}

impl House {
    fn new(peers: &Peers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = victim::place(folder.path(), env!("CARGO_BIN_EXE_rollcage-test-child"));
        let own = folder.path().join("own-plugin");
        std::fs::copy(peers.newest().own(), &own).unwrap();
        Self {
            stage: Stage::open_with_native(&place, native(folder.path())),
            place,
            folder,
            own,
        }
    }

    fn plugin(&mut self, name: &str, more: &Value) {
        let location = format!("file://{}", self.own.display());
        self.stage.entry(MetricProvider, name, &location, more);
    }

    fn status(&self, name: &str) -> std::sync::Arc<PluginStatus> {
        self.stage.status(MetricProvider, name)
    }

    /// One measurement, with an order for the plugin.
    async fn run(&self, name: &str, order: Value) -> Result<String, CallError> {
        let provider = self.stage.registry.clone();
        let provider = rollcage_core::PluginSource::metric_provider(&provider, &format!("test/{name}"), "shop")?;
        let metric = metric(name, &order);
        let measurement = provider.run(&call(), &analysis_run(), &metric).await?;
        Ok(measurement.value)
    }

    async fn until(&self, name: &str, what: impl Fn(&PluginStatus) -> bool) -> std::sync::Arc<PluginStatus> {
        let began = Instant::now();
        loop {
            let status = self.status(name);
            if what(&status) {
                return status;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "waited in vain: {status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Nobody wants the plugins any more: they are gone, with everything that was theirs.
    async fn end(self) {
        let Self { stage, folder, .. } = self;
        drop(stage);
        nothing_is_left(folder.path()).await;
    }
}

fn native(folder: &Path) -> NativeHost {
    let mut native = NativeHost::new(launcher());
    native.folder = Some(folder.to_owned());
    native
        .env
        .insert("TMPDIR".to_owned(), folder.to_string_lossy().into_owned());
    native
}

fn fault(result: Result<String, CallError>) -> rollcage_core::Fault {
    match result {
        Err(CallError::Fault(fault)) => *fault,
        other => panic!("no fault: {other:?}"),
    }
}

fn is_ready(status: &PluginStatus) -> bool {
    status.state == PluginState::Ready
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ends_costs_its_call_and_nobody_elses() {
    let Some(peers) = Peers::find() else { return };
    let mut house = House::new(&peers);
    house.plugin("ends", &json!({}));
    house.plugin("beside", &json!({}));
    house.stage.load().await;
    let status = house.status("ends");
    assert_eq!(
        (status.state, status.runtime),
        (PluginState::Ready, Some(Runtime::Native))
    );
    assert_eq!(status.contract.as_deref(), Some("go-plugin/1"));
    for (exits, order, says) in [
        (1, "exit", "exited with code 3"),
        (2, "panic", "boom"),
        (3, "kill", "SIGKILL"),
    ] {
        assert!(house.run("ends", json!({})).await.is_ok());
        let (ended, beside) = tokio::join!(
            house.run("ends", json!({"fault": order})),
            house.run("beside", json!({"sleep": "300ms"}))
        );
        let ended = fault(ended);
        assert_eq!((ended.phase, ended.kind), (Phase::Call, FaultKind::Exit), "{ended}");
        assert!(ended.cause.contains(says), "{ended}");
        assert!(beside.is_ok(), "{beside:?}");
        let noticed = house.until("ends", |status| status.exits == exits).await;
        assert!(noticed.last_exit.as_ref().unwrap().cause.contains(says), "{noticed:?}");
        if exits > 1 {
            // At once the first time, then after a pause, in which it is told what happened.
            let refused = fault(house.run("ends", json!({})).await);
            assert!(refused.cause.contains(says), "{refused}");
            house.stage.registry.retry_due();
            tokio::time::sleep(Duration::from_secs(u64::from(exits) * 2 - 1)).await;
            house.stage.registry.retry_due();
        }
        house.until("ends", is_ready).await;
    }
    assert_eq!(house.status("beside").exits, 0);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_is_replaced() {
    let Some(peers) = Peers::find() else { return };
    let mut house = House::new(&peers);
    let short = json!({"limits": {"deadline": "400ms"}});
    house.plugin("hangs", &short);
    house.plugin("stops", &short);
    house.plugin("slow", &short);
    house.stage.load().await;
    // A single call that takes too long is a single call.
    let late = fault(house.run("slow", json!({"sleep": "600ms"})).await);
    assert_eq!((late.phase, late.kind), (Phase::Call, FaultKind::Deadline), "{late}");
    assert!(house.run("slow", json!({})).await.is_ok());
    for _ in 0..3 {
        let hung = fault(house.run("hangs", json!({"fault": "hang"})).await);
        assert_eq!(hung.kind, FaultKind::Deadline, "{hung}");
    }
    let replaced = house.until("hangs", |status| status.exits == 1).await;
    assert!(
        replaced.last_exit.as_ref().unwrap().cause.contains("3 calls in a row"),
        "{replaced:?}"
    );
    // One that is stopped as a whole is found by the first call.
    let stopped = fault(house.run("stops", json!({"fault": "stop"})).await);
    assert_eq!(stopped.kind, FaultKind::Deadline, "{stopped}");
    let replaced = house.until("stops", |status| status.exits == 1).await;
    assert!(
        replaced
            .last_exit
            .as_ref()
            .unwrap()
            .cause
            .contains("does not answer at all"),
        "{replaced:?}"
    );
    for name in ["hangs", "stops"] {
        house.until(name, is_ready).await;
        assert!(house.run(name, json!({})).await.is_ok());
    }
    assert_eq!(house.status("slow").exits, 0);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_start_is_a_state_and_is_tried_again() {
    let Some(peers) = Peers::find() else { return };
    let mut house = House::new(&peers);
    house.plugin("fine", &json!({}));
    house.plugin("refuses", &json!({"args": ["-fault", "error-init"]}));
    house.plugin("other-name", &json!({"args": ["-fault", "other-name"]}));
    house.plugin("version", &json!({"args": ["-fault", "app-version"]}));
    let step = format!("file://{}", peers.newest().step_e2e().display());
    house.stage.entry(MetricProvider, "step", &step, &json!({}));
    house.stage.entry(Step, "step", &step, &json!({}));
    house.stage.load().await;
    for (name, phase, kind, says) in [
        ("refuses", Phase::Init, FaultKind::InitRefused, "no kubeconfig here"),
        (
            "other-name",
            Phase::Link,
            FaultKind::WrongContract,
            "unknown plugin type",
        ),
        ("version", Phase::Link, FaultKind::WrongContract, "plugin version 2"),
        (
            "step",
            Phase::Link,
            FaultKind::WrongContract,
            "no metric-provider plugin",
        ),
    ] {
        let status = house.status(name);
        let failure = status.failure.as_deref().unwrap();
        assert_eq!(
            (status.state, failure.phase, failure.kind),
            (PluginState::Unavailable, phase, kind),
            "{failure}"
        );
        assert!(failure.cause.contains(says) && !failure.hint.is_empty(), "{failure}");
        assert!(status.retry_at.is_some(), "{name}");
        assert_eq!(fault(house.run(name, json!({})).await).cause, failure.cause);
    }
    assert_eq!(house.stage.status(Step, "step").state, PluginState::Ready);
    assert!(house.run("fine", json!({})).await.is_ok());
    // Mended: its arguments were wrong.
    house.plugin("refuses", &json!({}));
    house.stage.load().await;
    assert!(house.run("refuses", json!({})).await.is_ok());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_served_last_serves_when_its_file_is_gone() {
    let Some(peers) = Peers::find() else { return };
    let mut house = House::new(&peers);
    house.plugin("kept", &json!({}));
    house.stage.load().await;
    let digest = house.status("kept").serving_digest.clone();
    std::fs::remove_file(&house.own).unwrap();
    // A process that ends is started out of the cache.
    fault(house.run("kept", json!({"fault": "exit"})).await);
    house
        .until("kept", |status| status.exits == 1 && is_ready(status))
        .await;
    // So is one of a host that starts anew.
    house.stage = Stage::open_with_native(&house.place, native(house.folder.path()));
    house.plugin("kept", &json!({}));
    house.stage.load().await;
    let status = house.status("kept");
    assert_eq!((status.state, &status.serving_digest), (PluginState::Degraded, &digest));
    assert!(house.run("kept", json!({})).await.is_ok());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_may_want_none() {
    let Some(peers) = Peers::find() else { return };
    let mut house = House::new(&peers);
    let mut native = native(house.folder.path());
    native.policy = Some(EnvironmentPolicy::Off);
    house.stage = Stage::open_with_native(&house.place, native);
    house.plugin("unwanted", &json!({}));
    house.stage.load().await;
    let failure = house.stage.failure(MetricProvider, "unwanted").unwrap();
    assert_eq!(
        (failure.phase, failure.kind),
        (Phase::Resolve, FaultKind::UnsupportedRuntime)
    );
    assert!(failure.hint.contains("--native-plugins"), "{failure}");
    house.end().await;
}
