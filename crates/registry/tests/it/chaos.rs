//! Any history of configurations, servers that come and go, and retries: what served goes on serving, and what can be
//! had is had in the end.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rollcage_core::{FaultKind, Phase, PluginSource};
use rollcage_registry::{ConfigMap, ConfigMaps, PluginState};

use crate::fake::{Bench, map, metric, run};

const NAMES: [&str; 3] = ["x/a", "x/b", "x/c"];

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Entry {
    Absent,
    Version(u8),
    Wrong,
    Disabled,
}

#[derive(Clone, Debug)]
enum Step {
    Configure([Entry; 3]),
    /// The whole ConfigMap is gone, or its key is no YAML.
    Lose(bool),
    /// A version's server: up, or failing in some way.
    Server(u8, Option<(Phase, FaultKind)>),
    Retry,
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        1 => Just(Entry::Absent),
        6 => (0u8..3).prop_map(Entry::Version),
        1 => Just(Entry::Wrong),
        1 => Just(Entry::Disabled),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let failure = prop_oneof![
        Just((Phase::Fetch, FaultKind::Unreachable)),
        Just((Phase::Verify, FaultKind::DigestMismatch)),
        Just((Phase::Compile, FaultKind::CompileLimit)),
        Just((Phase::Init, FaultKind::InitRefused)),
    ];
    let step = prop_oneof![
        4 => [entry(), entry(), entry()].prop_map(Step::Configure),
        1 => any::<bool>().prop_map(Step::Lose),
        4 => (0u8..3, prop::option::weighted(0.6, failure)).prop_map(|(version, fails)| Step::Server(version, fails)),
        3 => Just(Step::Retry),
    ];
    prop::collection::vec(step, 1..25)
}

fn location(version: u8) -> String {
    format!("http://server/{version}")
}

fn text(entries: [Entry; 3]) -> String {
    let lines = NAMES.iter().zip(entries).map(|(name, entry)| match entry {
        Entry::Absent => String::new(),
        Entry::Version(version) => format!("- {{name: {name}, location: '{}'}}\n", location(version)),
        Entry::Wrong => format!("- {{name: {name}, location: 'nowhere'}}\n"),
        Entry::Disabled => format!("- {{name: {name}, disabled: true}}\n"),
    });
    lines.collect::<Vec<_>>().concat()
}

fn configure(bench: &Bench, rollcage: ConfigMap) {
    bench.registry.configure(&ConfigMaps {
        argo: ConfigMap::Absent,
        rollcage,
    });
}

async fn retry_all(bench: &Bench) {
    if let Some(at) = bench.registry.next_retry() {
        bench.clock.set(at);
        bench.registry.retry_due();
    }
    bench.registry.settled().await;
}

async fn check(bench: &Bench, entries: [Entry; 3], served: &mut BTreeMap<&str, bool>) -> Result<(), TestCaseError> {
    let snapshot = bench.registry.snapshot();
    for (name, entry) in NAMES.into_iter().zip(entries) {
        let status = snapshot.plugins.get(&metric(name));
        prop_assert_eq!(status.is_some(), entry != Entry::Absent);
        let serving = status.is_some_and(|status| status.state.is_serving());
        let port = bench.registry.metric_provider(name, "team");
        prop_assert_eq!(port.is_ok(), serving, "{}: {:?}", name, status);
        if let Ok(port) = &port {
            prop_assert_eq!(
                Some(run(&**port, "ok").await.unwrap()),
                status.unwrap().serving_digest.clone()
            );
        }
        let stops = matches!(entry, Entry::Absent | Entry::Disabled);
        prop_assert!(!(stops && serving), "{} still serves", name);
        if served.insert(name, serving) == Some(true) {
            prop_assert!(serving || stops, "{} served and no longer does: {:?}", name, status);
        }
        if let Some(status) = status {
            prop_assert!(status.loading.is_none());
            match status.state {
                PluginState::Ready => prop_assert!(status.failure.is_none()),
                PluginState::Degraded | PluginState::Unavailable => prop_assert!(status.failure.is_some()),
                other => prop_assert!(false, "settled in {:?}", other),
            }
            let retries = matches!(entry, Entry::Version(_)) && status.failure.is_some();
            prop_assert_eq!(status.retry_at.is_some(), retries);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_served_goes_on_and_what_can_be_had_is_had(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            let mut entries = [Entry::Absent; 3];
            let mut servers = [None; 3];
            let mut served = BTreeMap::new();
            for version in 0..3 {
                bench.world.site(&location(version), &format!("v{version}"));
            }
            for step in steps {
                match step {
                    Step::Configure(new) => {
                        entries = new;
                        configure(&bench, map("metricProviderPlugins", &text(entries)));
                    }
                    Step::Lose(true) => configure(&bench, ConfigMap::Absent),
                    Step::Lose(false) => configure(&bench, map("metricProviderPlugins", "- [")),
                    Step::Server(version, fails) => {
                        servers[usize::from(version)] = fails;
                        let digest = format!("v{version}");
                        match fails {
                            None => bench.world.site(&location(version), &digest),
                            Some((phase, kind)) => bench.world.broken(&location(version), &digest, phase, kind),
                        }
                    }
                    Step::Retry => {
                        retry_all(&bench).await;
                    }
                }
                bench.registry.settled().await;
                check(&bench, entries, &mut served).await?;
            }
            // Everything comes back: what is wanted serves, as soon as it is tried.
            for version in 0..3 {
                bench.world.site(&location(version), &format!("v{version}"));
            }
            while bench.registry.next_retry().is_some() {
                retry_all(&bench).await;
            }
            check(&bench, entries, &mut served).await?;
            for (name, entry) in NAMES.into_iter().zip(entries) {
                if let Entry::Version(version) = entry {
                    prop_assert_eq!(bench.line(name), format!("Ready v{version}"));
                }
            }
            Ok(())
        })?;
    }
}
