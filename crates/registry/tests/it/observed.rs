//! Every call and every stage of a load is reported, however it ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rollcage_core::{FaultKind, PluginId, PluginSource};
use rollcage_registry::{CallOutcome, CallReport, Observer, Stage};

use crate::fake::{Bench, run, until};

#[derive(Debug, Default)]
struct Seen {
    calls: Mutex<Vec<(String, &'static str, CallOutcome, bool)>>,
    stages: Mutex<BTreeMap<String, Vec<Stage>>>,
}

impl Observer for Seen {
    fn call(&self, report: &CallReport<'_>) {
        assert!(report.queued <= report.took);
        let plugin = report.plugin.name.clone();
        let waited = report.queued >= Duration::from_millis(100);
        let seen = (plugin, report.method, report.outcome, waited);
        self.calls.lock().unwrap().push(seen);
    }

    fn stage(&self, plugin: &PluginId, stage: Stage, _: Duration) {
        let mut stages = self.stages.lock().unwrap();
        stages.entry(plugin.name.clone()).or_default().push(stage);
    }
}

#[tokio::test]
async fn calls_and_loads_are_reported() {
    let seen = Arc::new(Seen::default());
    let bench = Bench::observed(seen.clone());
    bench.world.site("file:///a", "aa");
    bench
        .configured("- {name: x/a, location: 'file:///a', limits: {deadline: 200ms, concurrency: 1}}\n- {name: x/b, location: 'file:///b'}")
        .await;
    let stages = std::mem::take(&mut *seen.stages.lock().unwrap());
    assert_eq!(
        stages["x/a"],
        [Stage::Fetching, Stage::Verifying, Stage::Compiling, Stage::Initializing]
    );
    assert_eq!(stages["x/b"], [Stage::Fetching], "it ended there");

    bench.call("x/a", "ok").await.unwrap();
    bench.call("x/a", "typed").await.unwrap_err();
    bench.call("x/a", "trap").await.unwrap_err();
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    let blocker = port.clone();
    let blocker = tokio::spawn(async move { run(&*blocker, "wait").await });
    until("the slot is taken", || bench.world.begun.lock().unwrap().len() == 4).await;
    let seen_now = bench.registry.inspect();
    let found = |name: &str| seen_now.iter().find(|plugin| plugin.status.id.name == name).unwrap();
    let serving = found("x/a").serving.as_ref().unwrap();
    assert_eq!((serving.running, serving.waiting, serving.refuses_for_ms), (1, 0, None));
    let faults: Vec<_> = serving.faults.iter().map(|ended| ended.fault.kind).collect();
    assert_eq!(faults, [FaultKind::Trap]);
    assert!(found("x/b").serving.is_none(), "it never served");
    run(&*port, "ok").await.unwrap_err();
    blocker.abort();
    blocker.await.unwrap_err();
    let calls = std::mem::take(&mut *seen.calls.lock().unwrap());
    let expected = [
        (CallOutcome::Answered, false),
        (CallOutcome::Error, false),
        (CallOutcome::Fault(FaultKind::Trap), false),
        (CallOutcome::Fault(FaultKind::QueueDeadline), true),
        (CallOutcome::Cancelled, false),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(outcome, waited)| ("x/a".to_owned(), "run", outcome, waited))
        .collect();
    assert_eq!(calls, expected);
}
