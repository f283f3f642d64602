//! What becomes of runs when parts of the control plane, or the controller, end at any moment. Each has its own.

use std::time::Duration;

use kube::api::ListParams;
use rollcage_tests::controlplane::{ControlPlane, Controller, Options, Start, until};
use serde_json::{Value, json};

use crate::kit::{Prometheus, Site, built, entry, file, spec};

/// Measurements of one run: every one that is recorded was made, and nearly no other.
const COUNT: u32 = 6;

async fn begin<'p>(plane: &'p ControlPlane, prometheus: &Prometheus, runs: usize) -> Site<'p> {
    let site = Site::new(plane, "disturbed").await;
    let location = file(&built("prometheus.wasm"));
    site.entries(&json!([entry("acme/prometheus", &location, prometheus.port)]))
        .await;
    for index in 0..runs {
        let provider = prometheus.provider("acme/prometheus", &format!("run-{index}-"));
        site.run(&format!("r{index}"), &spec(&provider, COUNT, "2s")).await;
    }
    site
}

async fn all_successful(site: &Site<'_>, runs: usize) -> Vec<Value> {
    until("all runs are successful", async || {
        let Ok(found) = site.runs.list(&ListParams::default()).await else {
            return false;
        };
        let phases = found.items.iter().map(|run| &run.data["status"]["phase"]);
        phases.filter(|phase| **phase == "Successful").count() == runs
    })
    .await;
    let found = site.runs.list(&ListParams::default()).await.unwrap();
    found.items.into_iter().map(|run| run.data["status"].clone()).collect()
}

/// Exactly-once records: as many as wanted, one after the other, none twice.
fn check_records(statuses: &[Value]) {
    for status in statuses {
        let result = &status["metricResults"][0];
        let measurements = result["measurements"].as_array().unwrap();
        assert_eq!(measurements.len(), COUNT as usize, "{status}");
        assert_eq!(result["successful"], COUNT, "{status}");
        assert_eq!(result["count"], COUNT, "{status}");
        let started: Vec<jiff::Timestamp> = measurements
            .iter()
            .map(|one| one["startedAt"].as_str().unwrap().parse().unwrap())
            .collect();
        for pair in started.windows(2) {
            let gap = pair[1].duration_since(pair[0]).as_secs();
            assert!(gap >= 1, "two measurements within an interval of 2 s: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_restarts_under_load_costs_no_measurement() {
    const RUNS: usize = 20;
    let Some(plane) = ControlPlane::start(&Options::default()) else {
        return;
    };
    let prometheus = Prometheus::start().await;
    let site = begin(&plane, &prometheus, RUNS).await;
    let controller = site.controller();
    until("it measures", async || prometheus.asked("run-") >= RUNS).await;
    let server = plane.part("kube-apiserver");
    for _ in 0..2 {
        tokio::task::block_in_place(|| server.kill());
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::task::block_in_place(|| server.start());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    check_records(&all_successful(&site, RUNS).await);
    for index in 0..RUNS {
        let asked = prometheus.asked(&format!("run-{index}-"));
        let most = COUNT as usize + 2;
        assert!(
            (COUNT as usize..=most).contains(&asked),
            "r{index}: asked {asked} times"
        );
    }
    drop(controller);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_killed_again_and_again_records_every_measurement_once() {
    const RUNS: usize = 5;
    const KILLS: usize = 5;
    let Some(plane) = ControlPlane::start(&Options {
        fair: true,
        ..Options::default()
    }) else {
        return;
    };
    let prometheus = Prometheus::start().await;
    let site = begin(&plane, &prometheus, RUNS).await;
    let cache = tempfile::tempdir().unwrap();
    let start = || -> Controller {
        site.controller_with(&Start {
            cache: Some(cache.path().join("cache")),
            ..Start::default()
        })
    };
    let mut controller = start();
    until("it measures", async || prometheus.asked("run-") >= RUNS).await;
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(500..2500))).await;
        controller.kill();
        controller = start();
    }
    check_records(&all_successful(&site, RUNS).await);
    for index in 0..RUNS {
        let asked = prometheus.asked(&format!("run-{index}-"));
        let most = COUNT as usize + KILLS;
        assert!(
            (COUNT as usize..=most).contains(&asked),
            "r{index}: asked {asked} times"
        );
    }
}
