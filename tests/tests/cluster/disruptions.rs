//! What becomes of runs when parts of the control plane end, or cannot be reached, and when everybody writes at once. Each has
//! a control plane of its own, with the API server's limits.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use rollcage_tests::controlplane::{Account, ControlPlane, Options, until};
use serde_json::{Value, json};

use crate::{
    kit::{Prometheus, Site, all_successful, built, entry, file, spec},
    proxy::Proxy,
    records,
};

/// Measurements of one run: every one that is recorded was made, and nearly no other.
const COUNT: u32 = 6;

/// With priority and fairness, as everywhere.
fn fair() -> Options {
    Options {
        fair: true,
        ..Options::default()
    }
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_restarts_under_load_costs_no_measurement() {
    const RUNS: usize = 20;
    let Some(plane) = ControlPlane::start(&fair()) else {
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
    for status in all_successful(&site, RUNS).await {
        records::check(&status, COUNT, Duration::from_secs(2));
    }
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

/// How often somebody asked for a list of runs.
fn lists(plane: &ControlPlane, account: &Account) -> usize {
    let audit = plane.audit().into_iter();
    let mine = audit.filter(|entry| entry["user"]["username"] == account.user.as_str());
    mine.filter(|entry| entry["verb"] == "list" && entry["objectRef"]["resource"] == "analysisruns")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_go_on_when_they_are_cut_and_begin_anew_when_their_place_is_gone() {
    const RUNS: usize = 8;
    // What is older than a second or two is nowhere any more.
    let options = Options {
        flags: vec!["--etcd-compaction-interval=1s".to_owned()],
        ..fair()
    };
    let Some(plane) = ControlPlane::start(&options) else {
        return;
    };
    let prometheus = Prometheus::start().await;
    let mut site = begin(&plane, &prometheus, RUNS).await;
    let endless = async |name: &str| {
        let provider = prometheus.provider("acme/prometheus", &format!("{name}-"));
        site.run(name, &spec(&provider, 1000, "1s")).await;
    };
    endless("deleted").await;
    endless("terminated").await;
    let proxy = Proxy::start(&plane, &site.account).await;
    site.account = proxy.account.clone();
    let controller = site.controller();
    until("it measures", async || prometheus.asked("run-") >= RUNS).await;

    let before = lists(&plane, &site.account);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..500))).await;
        proxy.cut();
    }
    assert_eq!(
        lists(&plane, &site.account),
        before,
        "a watch that is cut goes on where it was"
    );

    proxy.block();
    let params = PatchParams::default();
    let terminate = Patch::Merge(json!({"spec": {"terminate": true}}));
    site.runs.patch("terminated", &params, &terminate).await.unwrap();
    site.runs.delete("deleted", &DeleteParams::default()).await.unwrap();
    let provider = prometheus.provider("acme/prometheus", "made-");
    site.run("made", &spec(&provider, COUNT, "2s")).await;
    let server = plane.part("kube-apiserver");
    server.kill();
    server.start();
    // It knows nothing older than itself, and neither does etcd.
    let label = Patch::Merge(json!({"metadata": {"labels": {"touched": "yes"}}}));
    for _ in 0..3 {
        site.runs.patch("made", &params, &label).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (before, deleted) = (lists(&plane, &site.account), prometheus.asked("deleted-"));
    proxy.unblock();
    let status = site.phase("terminated", "Successful").await;
    assert_eq!(status["message"], "Run Terminated", "{status}");
    // A pass that meets a newer object does not wait for the watch.
    until("the watch begins anew", async || lists(&plane, &site.account) > before).await;
    for status in all_successful(&site, RUNS + 2).await {
        if status["message"] != "Run Terminated" {
            records::check(&status, COUNT, Duration::from_secs(2));
        }
    }
    assert!(prometheus.asked("deleted-") <= deleted + 1, "it is gone");
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
async fn runs_that_everybody_writes_at_once_come_to_their_verdicts() {
    const RUNS: usize = 6;
    const COUNT: u32 = 6;
    let Some(plane) = ControlPlane::start(&fair()) else {
        return;
    };
    // A call during which everything changes several times.
    let prometheus = Prometheus::slow(Duration::from_millis(300)).await;
    let site = begin(&plane, &prometheus, RUNS).await;
    let writing: Vec<_> = (0..RUNS)
        .map(|index| {
            let runs = site.runs.clone();
            tokio::spawn(async move {
                let mut written = 0_u32;
                loop {
                    // As a person does: what another controller writes is another matter.
                    let by = PatchParams {
                        field_manager: Some("kubectl-patch".to_owned()),
                        ..PatchParams::default()
                    };
                    let patch = storm(written);
                    let patched = runs.patch(&format!("r{index}"), &by, &Patch::Merge(patch)).await;
                    if let Ok(run) = patched
                        && run.data["status"]["phase"] == "Successful"
                    {
                        return written;
                    }
                    written += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        })
        .collect();
    let controller = site.controller();
    for (index, status) in all_successful(&site, RUNS).await.iter().enumerate() {
        records::check(status, COUNT, Duration::from_secs(2));
        let gap = records::longest_gap(status);
        assert!(
            gap <= Duration::from_secs(6),
            "r{index}: {gap:?} without a measurement: {status}"
        );
    }
    let mut written = 0;
    for writer in writing {
        written += writer.await.unwrap();
    }
    let asked: Vec<usize> = (0..RUNS)
        .map(|index| prometheus.asked(&format!("run-{index}-")))
        .collect();
    eprintln!("{written} writes of others; asked {asked:?} times for {COUNT} measurements");
    let most = COUNT as usize + 2;
    assert!(asked.iter().all(|asked| *asked <= most), "asked {asked:?} times");
    drop(controller);
}

/// Labels, annotations and the status, one after the other.
fn storm(number: u32) -> Value {
    let text = number.to_string();
    match number % 3 {
        0 => json!({"metadata": {"labels": {"storm": text}}}),
        1 => json!({"metadata": {"annotations": {"storm": text}}}),
        _ => json!({"status": {"message": text}}),
    }
}
