//! A controller that is killed at random moments: every measurement is recorded once, and none is long in coming.

use std::time::Duration;

use jiff::Timestamp;
use rollcage_tests::controlplane::{ControlPlane, Controller, Options, Start, until};
use serde_json::json;

use crate::{
    kit::{Prometheus, Site, all_successful, built, entry, file, spec},
    records,
    writers::accepted,
};

const RUNS: usize = 5;
const INTERVAL: Duration = Duration::from_secs(2);
/// Measurements are stored in whole seconds, and a machine does other things, too.
const SLACK: Duration = Duration::from_secs(3);
const LEASE: [&str; 6] = [
    "--leader-election-lease-duration",
    "3s",
    "--leader-election-renew-deadline",
    "2s",
    "--leader-election-retry-period",
    "500ms",
];

/// One process, from its start to its end; it led from some moment on, or never.
struct Life {
    began: Timestamp,
    led: Option<Timestamp>,
    ended: Timestamp,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_killed_eight_times_records_every_measurement_once() {
    kill(8, 8).await;
}

/// Only with `cargo xtask test --all`.
mod long {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "five minutes"]
    async fn a_controller_that_is_killed_fifty_times_records_every_measurement_once() {
        super::kill(50, 40).await;
    }
}

async fn kill(kills: usize, count: u32) {
    let Some(plane) = ControlPlane::start(&Options {
        fair: true,
        ..Options::default()
    }) else {
        return;
    };
    // Long enough that some calls are under way when it is killed.
    let prometheus = Prometheus::slow(Duration::from_millis(150)).await;
    let site = Site::new(&plane, "killed").await;
    let location = file(&built("prometheus.wasm"));
    site.entries(&json!([entry("acme/prometheus", &location, prometheus.port)]))
        .await;
    for index in 0..RUNS {
        let provider = prometheus.provider("acme/prometheus", &format!("run-{index}-"));
        let mut spec = spec(&provider, count, "2s");
        // By default only the ten newest stay.
        spec["measurementRetention"] = json!([{"metricName": "m", "limit": 1000}]);
        site.run(&format!("r{index}"), &spec).await;
    }
    let lives = live_and_die(&plane, &site, kills).await;
    let mut longest = Duration::ZERO;
    for status in all_successful(&site, RUNS).await {
        records::check(&status, count, INTERVAL);
        for pair in records::starts(&status).windows(2) {
            let gap = Duration::try_from(pair[1].duration_since(pair[0])).unwrap();
            let away = without_leader(&lives, pair[0], pair[1]);
            longest = longest.max(gap.saturating_sub(INTERVAL + away));
            assert!(
                gap <= INTERVAL + away + SLACK,
                "{gap:?} from {} to {}, of which nobody led for {away:?}: {status}",
                pair[0],
                pair[1]
            );
        }
    }
    for index in 0..RUNS {
        let asked = prometheus.asked(&format!("run-{index}-"));
        let most = count as usize + kills;
        assert!(
            (count as usize..=most).contains(&asked),
            "r{index}: asked {asked} times"
        );
    }
    let led = lives.iter().filter(|life| life.led.is_some()).count();
    eprintln!(
        "{kills} kills, {led} of {} led; {} calls for {} records; {longest:?} longer without one than has a reason",
        lives.len(),
        prometheus.asked("run-"),
        RUNS * count as usize
    );
    assert!(led >= kills / 2, "most of them are killed before they do anything");
}

/// Starts controllers and kills them, some before they lead and some after; the last one lives on until all is done.
async fn live_and_die(plane: &ControlPlane, site: &Site<'_>, kills: usize) -> Vec<Life> {
    let cache = tempfile::tempdir().unwrap();
    let start = || -> Controller {
        site.controller_with(&Start {
            arguments: &LEASE,
            cache: Some(cache.path().join("cache")),
            ..Start::default()
        })
    };
    let leases = || accepted(plane, &[&site.account], "leases");
    let mut lives = Vec::new();
    for index in 0..=kills {
        let began = Timestamp::now();
        let mut controller = start();
        if index == kills {
            all_successful(site, RUNS).await;
        } else if index % 2 == 0 {
            until("it leads", async || leases().iter().any(|write| write.at > began)).await;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..3000))).await;
        } else {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(100..5000))).await;
        }
        controller.kill();
        lives.push(Life {
            began,
            led: None,
            ended: Timestamp::now(),
        });
    }
    let leases = leases();
    for life in &mut lives {
        let mut writes = leases.iter().map(|write| write.at);
        life.led = writes.find(|at| *at > life.began && *at < life.ended);
    }
    lives
}

/// How long nobody led in this time.
fn without_leader(lives: &[Life], from: Timestamp, to: Timestamp) -> Duration {
    let led = lives.iter().filter_map(|life| {
        let (from, to) = (from.max(life.led?), to.min(life.ended));
        Duration::try_from(to.duration_since(from)).ok()
    });
    let all = Duration::try_from(to.duration_since(from)).unwrap();
    all.saturating_sub(led.sum())
}
