//! `kill -9` at any moment of a load.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rollcage_api::{analysis::AnalysisPhase, plugin::PluginKind};
use rollcage_core::host::HostServices;
use rollcage_registry::PluginState;
use rollcage_store::Digest;
use rollcage_tests::{
    stage::{Stage, analysis_run, call, metric},
    victim::{NAME, place},
};
use serde_json::{Value, json};

use crate::origin::{Origin, version};

const KILLS: u32 = 100;
const CHILD: &str = env!("CARGO_BIN_EXE_rollcage-test-child");

/// What the victim says before it is killed, how long after, and how long its server keeps the second half back.
fn moment(kill: u32) -> (&'static str, Duration, Duration) {
    let spread = |most: u32| Duration::from_millis(u64::from(kill.wrapping_mul(7919) % most));
    let soon = Duration::from_millis(5);
    match kill % 5 {
        0 => ("Fetching", spread(60), Duration::from_millis(50)),
        1 => ("Compiling", spread(40), soon),
        // The compiler's answer is written to the cache somewhere in here.
        2 => ("Compiling", Duration::from_millis(40) + spread(160), soon),
        3 => ("Initializing", spread(4), soon),
        // What served last stands in while the server is slow, and is swapped.
        _ => (
            "Degraded",
            Duration::from_millis(60) + spread(120),
            Duration::from_millis(400),
        ),
    }
}

/// Starts a victim, kills it, and tells what it said last.
fn kill(folder: &Path, location: &str, word: &str, delay: Duration) -> String {
    let mut child = Command::new(CHILD)
        .arg("serve")
        .args([folder.as_os_str(), location.as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = String::new();
    // A load that is over before the word is said is as good a moment.
    while let Some(Ok(line)) = lines.next() {
        last = line;
        if last.contains(word) || last == "Ready settled" || last == "Unavailable settled" {
            break;
        }
    }
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines.map_while(Result::ok) {
        last = line;
    }
    last
}

/// A new host on the same folder: what it serves, which has to answer.
async fn serving(folder: &Path, location: &str) -> (PluginState, String) {
    let mut stage = Stage::open(&place(folder, CHILD), HostServices::without_cluster());
    let kind = PluginKind::MetricProvider;
    stage.entry(kind, NAME, location, &json!({}));
    stage.load().await;
    let status = stage.status(kind, NAME);
    let digest = status.serving_digest.clone();
    let digest = digest.unwrap_or_else(|| panic!("nothing serves: {:?}", status.failure));
    let provider = stage.metric_provider(NAME);
    let measurement = provider
        .run(&call(), &analysis_run(), &metric("any", &Value::Null))
        .await
        .unwrap();
    assert_eq!(measurement.phase, AnalysisPhase::Successful);
    (status.state, digest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_being_killed_a_hundred_times() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start().await;
    let location = origin.location();
    let digest = |bytes: &[u8]| Digest::of(bytes).hex();
    let first = version(0, 0);
    origin.serve(Some(first.clone()), Duration::ZERO);
    assert_eq!(
        serving(folder.path(), &location).await,
        (PluginState::Ready, digest(&first))
    );

    let mut known = vec![digest(&first)];
    let mut moments = BTreeMap::<String, u32>::new();
    for number in 1..=KILLS {
        let (word, delay, pause) = moment(number);
        let bytes = version(number, 0);
        known.push(digest(&bytes));
        origin.serve(Some(bytes.clone()), pause);
        let (at, path) = (location.clone(), folder.path().to_owned());
        let last = tokio::task::spawn_blocking(move || kill(&path, &at, word, delay))
            .await
            .unwrap();
        *moments.entry(last).or_default() += 1;
        // The server is down: what served last serves, whether that is the old version or already the new one.
        origin.serve(None, Duration::ZERO);
        let (state, digest_now) = serving(folder.path(), &location).await;
        assert_ne!(state, PluginState::Unavailable, "kill {number}");
        assert!(known.contains(&digest_now), "kill {number}: {digest_now}");
        if number % 10 == 0 {
            // The server is back: what was begun is done.
            origin.serve(Some(bytes.clone()), Duration::ZERO);
            assert_eq!(
                serving(folder.path(), &location).await,
                (PluginState::Ready, digest(&bytes))
            );
        }
    }
    println!("killed when it had said:");
    for (last, times) in &moments {
        println!("{times:>4}  {last}");
    }
    for stage in ["Fetching", "Compiling"] {
        assert!(
            moments.keys().any(|last| last.contains(stage)),
            "never killed while {stage}: {moments:?}"
        );
    }
}
