//! From entry to state: what loads, what fails, what is tried again, what stays.

use std::time::Duration;

use rollcage_core::{FaultKind, Phase, PluginSource};
use rollcage_registry::{ConfigMap, ConfigMaps, PluginState, Stage};

use crate::fake::{Bench, fault, map, metric, metric_providers, until};

const A: &str = "- {name: x/a, location: 'file:///a'}\n";
const B: &str = "- {name: x/b, location: 'file:///b'}\n";

#[tokio::test]
async fn every_stage_is_shown_on_the_way_to_ready() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    let gates = ["fetch file:///a", "verify file:///a", "compile aa", "init x/a aa"];
    for gate in gates {
        bench.world.close(gate);
    }
    bench.configure(A);
    assert_eq!(bench.status("x/a").state, PluginState::Pending);
    let stages = [
        PluginState::Fetching,
        PluginState::Verifying,
        PluginState::Compiling,
        PluginState::Initializing,
    ];
    for (gate, stage) in gates.into_iter().zip(stages) {
        until(gate, || bench.status("x/a").state == stage).await;
        let refused = bench.registry.metric_provider("x/a", "team").unwrap_err();
        assert_eq!(refused.kind, FaultKind::Loading);
        assert!(bench.registry.all_ready().is_err());
        bench.world.open(gate);
    }
    bench.registry.settled().await;
    let status = bench.status("x/a");
    assert_eq!(bench.line("x/a"), "Ready aa");
    assert_eq!((status.loading, status.wanted_digest.as_deref()), (None, Some("aa")));
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "aa");
    assert_eq!(bench.world.kept(&metric("x/a")).as_deref(), Some("aa"));
    assert!(bench.registry.all_ready().is_ok());
}

#[tokio::test]
async fn each_way_to_fail_is_a_state_of_its_own_and_hurts_nobody_else() {
    for (phase, kind) in [
        (Phase::Fetch, FaultKind::Unreachable),
        (Phase::Fetch, FaultKind::NotFound),
        (Phase::Verify, FaultKind::DigestMismatch),
        (Phase::Compile, FaultKind::CompileFailed),
        (Phase::Init, FaultKind::InitRefused),
    ] {
        let bench = Bench::new();
        bench.world.broken("file:///a", "aa", phase, kind);
        bench.world.site("file:///b", "bb");
        bench.configured(&format!("{A}{B}- {{name: nonsense}}\n")).await;
        assert_eq!(bench.line("x/a"), format!("Unavailable - {phase}/{kind}"));
        assert_eq!(bench.line("x/b"), "Ready bb");
        assert_eq!(bench.line("nonsense"), "Unavailable - resolve/invalid-entry");
        let refused = bench.registry.metric_provider("x/a", "team").unwrap_err();
        assert_eq!((refused.phase, refused.kind), (phase, kind));
        assert_eq!(bench.call("x/b", "ok").await.unwrap(), "bb");
        let strict = bench.registry.all_ready().unwrap_err();
        assert_eq!(strict.plugin.name, "nonsense", "the first by name");
    }
}

#[tokio::test]
async fn a_loader_that_panics_is_a_failure_like_any_other() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.world.change("file:///a", |site| site.panics = true);
    bench.configured(A).await;
    assert!(bench.line("x/a").ends_with("/host"), "{}", bench.line("x/a"));
    bench.world.change("file:///a", |site| site.panics = false);
    bench.clock.set(bench.registry.next_retry().unwrap());
    assert!(bench.registry.retry_due());
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready aa");
}

#[tokio::test]
async fn a_component_of_another_kind_is_told_where_it_belongs() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.world.change("file:///a", |site| {
        site.kind = Some(rollcage_api::plugin::PluginKind::Step);
    });
    bench.configured(A).await;
    assert_eq!(bench.line("x/a"), "Unavailable - link/wrong-contract");
    let failure = bench.status("x/a").failure.clone().unwrap();
    assert!(failure.hint.contains("stepPlugins"), "{failure}");
}

#[tokio::test]
async fn retries_follow_the_injected_clock_and_keep_the_first_cause() {
    let bench = Bench::new();
    bench.configured(A).await;
    let first = bench.status("x/a");
    assert_eq!(bench.line("x/a"), "Unavailable - fetch/unreachable");
    assert!(!bench.registry.retry_due(), "not yet");
    let mut pauses = Vec::new();
    for failures in 2..6 {
        let before = rollcage_core::clock::Clock::now(&*bench.clock);
        let due = bench.registry.next_retry().unwrap();
        pauses.push(due.duration_since(before).as_millis());
        bench.clock.set(due);
        assert!(bench.registry.retry_due());
        assert_eq!(bench.registry.next_retry(), None, "while it is tried");
        assert_eq!(bench.status("x/a").state, PluginState::Unavailable, "no flicker");
        assert!(bench.status("x/a").loading.is_some());
        bench.registry.settled().await;
        let status = bench.status("x/a");
        assert_eq!((status.failed_loads, status.since), (failures, first.since));
    }
    assert!(pauses.windows(2).all(|pair| pair[1] == pair[0] * 2), "{pauses:?}");
    // Another failure is told; the same one again is not news.
    bench
        .world
        .broken("file:///a", "aa", Phase::Verify, FaultKind::DigestMismatch);
    bench.clock.set(bench.registry.next_retry().unwrap());
    bench.registry.retry_due();
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Unavailable - verify/digest-mismatch");
    bench.world.site("file:///a", "aa");
    bench.clock.set(bench.registry.next_retry().unwrap());
    bench.registry.retry_due();
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready aa");
    let status = bench.status("x/a");
    assert_eq!((status.failed_loads, status.retry_at), (0, None));
    assert!(status.since > first.since);
}

#[tokio::test]
async fn what_cannot_get_better_is_not_tried_again() {
    let bench = Bench::new();
    let pinned = format!("- {{name: x/a, location: 'file:///a', sha256: '{}'}}\n", "a".repeat(64));
    bench
        .world
        .broken("file:///a", "aa", Phase::Compile, FaultKind::CompileFailed);
    bench.configured(&pinned).await;
    assert_eq!(bench.registry.next_retry(), None);
    bench.configured(A).await;
    assert!(
        bench.registry.next_retry().is_some(),
        "the bytes at the location may change"
    );
}

#[tokio::test]
async fn unchanged_entries_are_not_touched() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.configured(&format!("{A}{B}")).await;
    bench.world.take_log();
    let (a, b) = (bench.status("x/a"), bench.status("x/b"));
    // The same entries in other words, in another place, and a new one.
    bench.world.site("file:///c", "cc");
    let text = "- name: x/c\n  location: file:///c\n- name: x/b\n  location: file:///b\n  disabled: false\n\
                - name: x/a\n  location: file:///a\n";
    bench.configured(text).await;
    assert!(
        bench
            .world
            .take_log()
            .iter()
            .all(|line| line.contains("cc") || line.contains("///c"))
    );
    assert_eq!(bench.status("x/a").since, a.since);
    assert_eq!(
        (bench.status("x/b").retry_at, bench.status("x/b").failed_loads),
        (b.retry_at, 1)
    );
}

#[tokio::test]
async fn a_changed_entry_loads_beside_the_old_one() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.world.site("file:///a2", "a2");
    bench.configured(A).await;
    bench.world.close("compile a2");
    bench.configure("- {name: x/a, location: 'file:///a2'}");
    until("compiling", || bench.status("x/a").loading == Some(Stage::Compiling)).await;
    assert_eq!(bench.line("x/a"), "Ready aa");
    assert_eq!(bench.status("x/a").wanted_digest.as_deref(), Some("a2"));
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "aa");
    bench.world.open("compile a2");
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready a2");
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "a2");
}

#[tokio::test]
async fn a_second_change_ends_the_load_of_the_first() {
    let bench = Bench::new();
    for (location, digest) in [("file:///a", "aa"), ("file:///a2", "a2"), ("file:///a3", "a3")] {
        bench.world.site(location, digest);
    }
    bench.configured(A).await;
    bench.world.close("compile a2");
    bench.configure("- {name: x/a, location: 'file:///a2'}");
    until("compiling", || bench.status("x/a").loading == Some(Stage::Compiling)).await;
    bench.configured("- {name: x/a, location: 'file:///a3'}").await;
    bench.world.open("compile a2");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(bench.line("x/a"), "Ready a3");
    assert!(!bench.world.take_log().contains(&"init x/a a2".to_owned()));
}

#[tokio::test]
async fn a_change_that_fails_leaves_the_old_bytes_serving_under_the_new_grants() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.configured(A).await;
    bench
        .configured("- {name: x/a, location: 'http://down/a2', usableFrom: [team]}")
        .await;
    assert_eq!(bench.line("x/a"), "Degraded aa fetch/unreachable");
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "aa");
    let refused = bench.call_from("others", "x/a", "ok").await.unwrap_err();
    assert_eq!(fault(refused).kind, FaultKind::NotUsableHere);
    assert!(bench.registry.all_ready().is_err());
    // The server comes back.
    bench.world.site("http://down/a2", "a2");
    bench.clock.set(bench.registry.next_retry().unwrap());
    bench.registry.retry_due();
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready a2");
}

#[tokio::test]
async fn an_entry_that_breaks_leaves_what_serves() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.configured(A).await;
    bench.configured("- {name: x/a, location: 'ftp://a'}").await;
    assert_eq!(bench.line("x/a"), "Degraded aa resolve/invalid-entry");
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "aa");
    bench.configured(A).await;
    assert_eq!(bench.line("x/a"), "Ready aa");
}

#[tokio::test]
async fn after_a_restart_with_the_server_down_the_last_known_good_serves() {
    let bench = Bench::new();
    bench.world.keep(&metric("x/a"), "old");
    bench.configured("- {name: x/a, location: 'http://down/a'}").await;
    assert_eq!(bench.line("x/a"), "Degraded old fetch/unreachable");
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "old");
    bench.world.site("http://down/a", "new");
    bench.clock.set(bench.registry.next_retry().unwrap());
    bench.registry.retry_due();
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready new");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_when_there_is_a_last_known_good() {
    let bench = Bench::with_patience(Duration::from_millis(10));
    bench.world.keep(&metric("x/a"), "old");
    bench.world.site("http://slow/a", "new");
    bench.world.close("fetch http://slow/a");
    bench.configure("- {name: x/a, location: 'http://slow/a'}");
    until("the stand-in", || bench.line("x/a") == "Degraded old").await;
    assert_eq!(bench.call("x/a", "ok").await.unwrap(), "old");
    bench.world.open("fetch http://slow/a");
    bench.registry.settled().await;
    assert_eq!(bench.line("x/a"), "Ready new");
}

#[tokio::test]
async fn the_last_known_good_is_no_way_round_its_own_failure() {
    let bench = Bench::new();
    bench.world.keep(&metric("x/a"), "aa");
    bench
        .world
        .broken("file:///a", "aa", Phase::Verify, FaultKind::DigestMismatch);
    bench.configured(A).await;
    assert_eq!(bench.line("x/a"), "Degraded aa verify/digest-mismatch");
    bench.world.change("file:///a", |site| site.panics = true);
    bench.world.take_log();
    bench.clock.set(bench.registry.next_retry().unwrap());
    bench.registry.retry_due();
    bench.registry.settled().await;
    let log = bench.world.take_log();
    assert!(!log.contains(&"compile aa".into()), "it serves already: {log:?}");
}

#[tokio::test]
async fn removed_and_disabled_entries_stop_and_come_back() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.configured(A).await;
    let port = bench.registry.metric_provider("x/a", "team").unwrap();
    bench
        .configured("- {name: x/a, location: 'file:///a', disabled: true}")
        .await;
    assert_eq!(bench.line("x/a"), "Unavailable - resolve/disabled");
    assert!(bench.registry.all_ready().is_ok(), "as it should be");
    let refused = fault(crate::fake::run(&*port, "ok").await.unwrap_err());
    assert_eq!(refused.kind, FaultKind::Disabled);
    bench.configured("").await;
    assert!(bench.registry.snapshot().plugins.is_empty());
    let refused = fault(crate::fake::run(&*port, "ok").await.unwrap_err());
    assert_eq!(refused.kind, FaultKind::NotConfigured);
    assert_eq!(refused.cause, "plugin x/a not configured in configmap");
    bench.configured(A).await;
    assert_eq!(
        crate::fake::run(&*port, "ok").await.unwrap(),
        "aa",
        "the port is good again"
    );
}

#[tokio::test]
async fn removing_an_entry_ends_its_load() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.world.close("compile aa");
    bench.configure(A);
    until("compiling", || bench.status("x/a").state == PluginState::Compiling).await;
    bench.configured("[]").await;
    bench.configure(&A.replace("x/a", "x/other"));
    until("the other compiles", || {
        bench.status("x/other").state == PluginState::Compiling
    })
    .await;
    bench.world.open("compile aa");
    bench.registry.settled().await;
    assert!(!bench.world.take_log().contains(&"init x/a aa".to_owned()));
}

#[tokio::test]
async fn configmaps_that_are_gone_or_broken_remove_nothing() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.world.site("file:///b", "bb");
    let maps = |argo: ConfigMap, rollcage: ConfigMap| ConfigMaps { argo, rollcage };
    let argo = || map("metricProviderPlugins", A);
    let ours = || map("metricProviderPlugins", B);
    bench.registry.configure(&maps(argo(), ours()));
    bench.registry.settled().await;
    assert!(bench.registry.snapshot().notes.is_empty());
    bench.world.take_log();
    for (maps, note) in [
        (maps(ConfigMap::Absent, ours()), "argo-rollouts-config is gone"),
        (maps(argo(), ConfigMap::Absent), "rollcage-config is gone"),
        (
            maps(argo(), ConfigMap::Unreadable("forbidden".into())),
            "rollcage-config cannot be read: forbidden",
        ),
    ] {
        bench.registry.configure(&maps);
        bench.registry.settled().await;
        assert_eq!(
            (bench.line("x/a"), bench.line("x/b")),
            ("Ready aa".into(), "Ready bb".into())
        );
        let notes = bench.registry.snapshot().notes.clone();
        assert!(notes.iter().any(|text| text.contains(note)), "{note}: {notes:?}");
    }
    // One key that is no YAML: it has a state of its own, and what it configured stays.
    bench
        .registry
        .configure(&maps(argo(), map("metricProviderPlugins", "- {name: [")));
    bench.registry.settled().await;
    let key = "rollcage-config:metricProviderPlugins";
    assert_eq!(bench.line(key), "Unavailable - resolve/invalid-entry");
    assert_eq!(
        (bench.line("x/a"), bench.line("x/b")),
        ("Ready aa".into(), "Ready bb".into())
    );
    let other = bench.registry.metric_provider("x/unknown", "team").unwrap_err();
    assert_eq!(other.kind, FaultKind::NotConfigured);
    assert!(other.hint.contains("rollcage-config, metricProviderPlugins"), "{other}");
    assert_eq!(bench.world.take_log(), Vec::<String>::new(), "nothing was loaded anew");
    // An empty map does remove.
    bench.registry.configure(&metric_providers(""));
    let names: Vec<_> = bench
        .registry
        .snapshot()
        .plugins
        .keys()
        .map(|id| id.name.clone())
        .collect();
    assert_eq!(names, ["x/a"], "argo's map is gone, ours is empty");
}

#[tokio::test]
async fn ours_overrides_argos_by_kind_and_name() {
    let bench = Bench::new();
    bench.world.site("file:///a", "aa");
    bench.world.site("file:///b", "bb");
    let argo = map(
        "metricProviderPlugins",
        &format!("{A}- {{name: x/b, location: 'file:///a'}}\n"),
    );
    bench.registry.configure(&ConfigMaps {
        argo,
        rollcage: map("metricProviderPlugins", B),
    });
    bench.registry.settled().await;
    assert_eq!(
        (bench.line("x/a"), bench.line("x/b")),
        ("Ready aa".into(), "Ready bb".into())
    );
}

#[tokio::test]
async fn one_digest_is_compiled_once_at_a_time_and_shared() {
    let bench = Bench::new();
    bench.world.site("file:///a", "same");
    bench.world.site("file:///b", "same");
    bench.world.close("compile same");
    bench.configure(&format!("{A}{B}"));
    until("both wait", || {
        ["x/a", "x/b"]
            .iter()
            .all(|name| bench.status(name).state == PluginState::Compiling)
    })
    .await;
    bench.world.open("compile same");
    bench.registry.settled().await;
    assert_eq!(
        (bench.line("x/a"), bench.line("x/b")),
        ("Ready same".into(), "Ready same".into())
    );
    let compiled = bench
        .world
        .take_log()
        .iter()
        .filter(|line| *line == "compile same")
        .count();
    assert_eq!(compiled, 1);
    // A third one, later: what serves is shared.
    bench.world.site("file:///c", "same");
    bench
        .configured(&format!("{A}{B}- {{name: x/c, location: 'file:///c'}}\n"))
        .await;
    assert!(!bench.world.take_log().contains(&"compile same".to_owned()));
}

#[tokio::test]
async fn retries_run_by_themselves_in_real_time() {
    use rollcage_core::clock::SystemClock;
    use rollcage_registry::{Options, Registry, Retry};
    let world = std::sync::Arc::new(crate::fake::World::default());
    let options = Options {
        clock: std::sync::Arc::new(SystemClock),
        retry: Retry {
            first: Duration::from_millis(5),
            most: Duration::from_millis(20),
        },
        ..Options::default()
    };
    let registry = Registry::new(crate::fake::FakeLoader(world.clone()), options);
    registry.configure(&metric_providers(A));
    let driver = registry.clone();
    let driver = tokio::spawn(async move { driver.retry_in_real_time().await });
    let mut states = registry.watch();
    states
        .wait_for(|snapshot| snapshot.plugins[&metric("x/a")].failed_loads >= 3)
        .await
        .unwrap();
    world.site("file:///a", "aa");
    let ready = states.wait_for(|snapshot| snapshot.plugins[&metric("x/a")].state == PluginState::Ready);
    tokio::time::timeout(Duration::from_secs(20), ready)
        .await
        .unwrap()
        .unwrap();
    driver.abort();
    assert_eq!(registry.next_retry(), None);
}
