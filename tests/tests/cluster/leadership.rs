//! Who acts: one replica of ours at a time, and never the original beside us with the same id.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Event};
use kube::{Api, api::ListParams};
use rollcage_tests::controlplane::{Account, ControlPlane, Controller, Start, eventually, until};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    kit::{Prometheus, Site, all_successful, built, entry, file, free_port, metrics, spec},
    records,
    stock::Original,
    writers::{accepted, turns},
};

/// The goal is two seconds; the rest is for a machine that does other things, too.
const HAND_OVER: Duration = Duration::from_secs(10);

const PLUGIN: &str = "acme/prometheus";
/// What serves the original's own metrics of that kind.
const BUNDLED: &str = "rollcage/prometheus";

/// A second account of a controller: who wrote what can be told apart.
async fn second(site: &Site<'_>) -> Account {
    site.here.shipped_account_as("second", &site.instance, true).await
}

fn start(site: &Site<'_>, account: &Account, pod: &str, metrics: u16, more: &[&str]) -> Controller {
    let mut arguments = vec!["--instance-id", site.instance.as_str()];
    arguments.extend(more);
    let start = Start {
        arguments: &arguments,
        pod: Some(pod),
        metrics: Some(metrics),
        ..Start::default()
    };
    Controller::start(&site.here, account, &start)
}

async fn lease(site: &Site<'_>) -> Option<Lease> {
    let leases: Api<Lease> = site.here.api();
    let name = format!("argo-rollouts-controller-lock-{}", site.instance);
    leases.get_opt(name.trim_end_matches('-')).await.unwrap()
}

async fn holder(site: &Site<'_>) -> String {
    let spec = lease(site).await.and_then(|lease| lease.spec);
    spec.and_then(|spec| spec.holder_identity).unwrap_or_default()
}

/// Returns when this pod of ours leads.
async fn leads(site: &Site<'_>, pod: &str) {
    let prefix = format!("rollcage_{pod}_");
    until(&format!("{pod} leads"), async || {
        holder(site).await.starts_with(&prefix)
    })
    .await;
}

/// Returns when this controller's plugins serve: what a standby is to have before it stands.
async fn is_warm(controller: &Controller) {
    let line = |plugin| format!("plugin={plugin} kind=metric-provider state=Ready");
    until("its plugins serve", async || {
        let log = controller.log();
        [PLUGIN, BUNDLED].iter().all(|plugin| log.contains(&line(plugin)))
    })
    .await;
}

async fn begin<'p>(plane: &'p ControlPlane, prometheus: &Prometheus, name: &str) -> Site<'p> {
    let site = Site::new(plane, name).await;
    let location = file(&built("prometheus.wasm"));
    let bundled = entry(BUNDLED, "bundled://prometheus", prometheus.port);
    site.entries(&json!([entry(PLUGIN, &location, prometheus.port), bundled]))
        .await;
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_told_to_end_hands_over_and_no_measurement_is_lost_or_made_twice() {
    const RUNS: usize = 10;
    const COUNT: u32 = 8;
    let interval = Duration::from_secs(2);
    let Some(plane) = ControlPlane::shared() else { return };
    let prometheus = Prometheus::start().await;
    let site = begin(plane, &prometheus, "handover").await;
    let other = second(&site).await;
    // Without a Lease that is given up, and a watch that tells of it, it would take half a minute.
    let patient = [
        "--leader-election-lease-duration",
        "60s",
        "--leader-election-renew-deadline",
        "50s",
        "--leader-election-retry-period",
        "30s",
    ];
    let mut first = start(&site, &site.account, "first", 0, &patient);
    leads(&site, "first").await;
    let heir = start(&site, &other, "heir", 0, &patient);
    is_warm(&heir).await;
    for index in 0..RUNS {
        let provider = prometheus.provider(PLUGIN, &format!("run-{index}-"));
        site.run(&format!("r{index}"), &spec(&provider, COUNT, "2s")).await;
        // So that something is due all the time.
        tokio::time::sleep(interval / 20).await;
    }
    until("it measures", async || prometheus.asked("run-") >= 3 * RUNS).await;
    let told = Timestamp::now();
    assert_eq!(first.terminate(), 0, "{}", first.log());
    leads(&site, "heir").await;
    for status in all_successful(&site, RUNS).await {
        records::check(&status, COUNT, interval);
        let gap = records::longest_gap(&status);
        let most = interval + HAND_OVER + Duration::from_secs(1);
        assert!(gap <= most, "{gap:?} without a measurement: {status}");
    }
    for index in 0..RUNS {
        let asked = prometheus.asked(&format!("run-{index}-"));
        // One more, where the heir began with what its watch had not yet told it.
        assert!(
            (COUNT as usize..=COUNT as usize + 1).contains(&asked),
            "r{index}: asked {asked} times"
        );
    }
    let taken = accepted(plane, &[&other], "leases");
    let took = Duration::try_from(taken[0].at.duration_since(told)).unwrap();
    eprintln!("handed over within {took:?}");
    assert!(took < HAND_OVER, "the hand-over took {took:?}");
    let writes = accepted(plane, &[&site.account, &other], "analysisruns");
    assert_eq!(turns(&writes), ["rollcage", "second"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_of_a_leader_that_was_stopped_until_another_leads() {
    const RUNS: usize = 3;
    const COUNT: u32 = 4;
    let Some(plane) = ControlPlane::shared() else { return };
    // Longer than a leader and its calls need to get in touch.
    let prometheus = Prometheus::slow(Duration::from_secs(3)).await;
    let site = begin(plane, &prometheus, "stopped").await;
    let other = second(&site).await;
    let ports = [free_port(), free_port()];
    let first = start(&site, &site.account, "first", ports[0], &[]);
    leads(&site, "first").await;
    let mut heir = start(&site, &other, "heir", ports[1], &[]);
    is_warm(&heir).await;
    for index in 0..RUNS {
        let provider = prometheus.provider(PLUGIN, &format!("run-{index}-"));
        site.run(&format!("r{index}"), &spec(&provider, COUNT, "1s")).await;
    }
    // In the middle of a call: the second one of every run, so that there is something to be written twice.
    until("it calls", async || prometheus.asked("run-") >= 2 * RUNS).await;
    let stopped = Timestamp::now();
    let began = Instant::now();
    first.signal(Signal::STOP);
    leads(&site, "heir").await;
    let left = Duration::from_secs(20).saturating_sub(began.elapsed());
    tokio::time::sleep(left).await;
    first.signal(Signal::CONT);
    let going_on = Timestamp::now();
    until("the first one knows that it leads no more", async || {
        metrics(ports[0]).await.contains("rollcage_leader 0")
    })
    .await;
    let knew = Timestamp::now();
    for status in all_successful(&site, RUNS).await {
        records::check(&status, COUNT, Duration::from_secs(1));
    }
    assert!(metrics(ports[1]).await.contains("rollcage_leader 1"));
    for resource in ["analysisruns", "leases", "events"] {
        let writes = accepted(plane, &[&site.account], resource);
        let late: Vec<_> = writes.iter().filter(|write| write.at > stopped).collect();
        assert!(
            late.is_empty(),
            "stopped at {stopped}, going on at {going_on}: {late:?}"
        );
    }
    let writes = accepted(plane, &[&site.account, &other], "analysisruns");
    assert_eq!(turns(&writes), ["rollcage", "second"]);
    eprintln!("it knew within {:?}", knew.duration_since(going_on));
    for index in 0..RUNS {
        let asked = prometheus.asked(&format!("run-{index}-"));
        assert_eq!(
            asked,
            COUNT as usize + 1,
            "only the call that was under way was made twice"
        );
    }
    // It stands by: what the other gives up, it takes.
    assert_eq!(heir.terminate(), 0, "{}", heir.log());
    leads(&site, "first").await;
    site.run("later", &spec(&prometheus.provider(PLUGIN, "later"), 1, "1s"))
        .await;
    site.phase("later", "Successful").await;
    let writes = accepted(plane, &[&site.account, &other], "analysisruns");
    assert_eq!(turns(&writes), ["rollcage", "second", "rollcage"]);
}

/// What lets the original do everything that it does.
fn everything() -> Value {
    json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
}

fn built_in(prometheus: &Prometheus, query: &str) -> Value {
    json!({"prometheus": {"address": format!("http://127.0.0.1:{}", prometheus.port), "query": query}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_with_the_same_instance_id_or_we_act_and_take_over_from_each_other() {
    const SHORT: [&str; 6] = [
        "--leader-election-lease-duration",
        "4s",
        "--leader-election-renew-deadline",
        "3s",
        "--leader-election-retry-period",
        "1s",
    ];
    let Some(plane) = ControlPlane::shared() else { return };
    let prometheus = Prometheus::start().await;
    let mut site = begin(plane, &prometheus, "same-id").await;
    // The original's Lease has its instance id in its name only since 1.10, so both work without one; in their namespace only,
    // as other tests have objects without one, too.
    site.instance = String::new();
    site.account = site.here.shipped_account("", true).await;
    let alone = ["--namespaced", "--namespace", site.here.name.as_str()];
    let flags = [&SHORT[..], &alone].concat();
    let theirs = site.here.account("original", &everything(), &json!([])).await;
    let both = [&site.account, &theirs];
    let port = free_port();
    let measured = async |name: &str, provider: &Value| {
        site.run(name, &spec(provider, 2, "1s")).await;
        site.phase(name, "Successful").await;
    };
    // One goes on all the time, through every hand.
    site.run("long", &spec(&built_in(&prometheus, "long"), 1000, "1s"))
        .await;
    let original_leads = async || {
        until("the original leads", async || {
            let holder = holder(&site).await;
            !holder.is_empty() && !holder.starts_with("rollcage_")
        })
        .await;
    };

    let mut original = Original::start(&theirs, &site.here.name, &site.instance, &flags);
    original_leads().await;
    let mut controller = start(&site, &site.account, "ours", port, &flags);
    is_warm(&controller).await;
    measured("one", &built_in(&prometheus, "one")).await;
    original.terminate();
    leads(&site, "ours").await;
    measured("two", &built_in(&prometheus, "two")).await;
    // It starts again beside plugins of ours that it could not load, for they are not in its ConfigMap.
    let original = Original::start(&theirs, &site.here.name, &site.instance, &flags);
    measured("three", &prometheus.provider(PLUGIN, "three")).await;
    assert!(
        !metrics(port).await.contains("rollcage_foreign_writes_total{"),
        "who was before us is no stranger"
    );
    assert_eq!(controller.terminate(), 0, "{}", controller.log());
    original_leads().await;
    measured("four", &built_in(&prometheus, "four")).await;
    let before = site.status("long").await["metricResults"][0]["successful"].as_u64();
    until("the long one goes on", async || {
        site.status("long").await["metricResults"][0]["successful"].as_u64() > before
    })
    .await;
    drop(original);

    let writes = accepted(plane, &both, "analysisruns");
    assert_eq!(turns(&writes), ["original", "rollcage", "original"]);
    let of = |name: &str| {
        turns(
            &writes
                .iter()
                .filter(|write| write.name == name)
                .cloned()
                .collect::<Vec<_>>(),
        )
        .join(" ")
    };
    assert_eq!(
        [of("one"), of("two"), of("three"), of("four")],
        ["original", "rollcage", "rollcage", "original"]
    );
    assert_eq!(of("long"), "original rollcage original");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_an_original_without_election_writes_too_are_left_to_it() {
    let Some(plane) = ControlPlane::shared() else { return };
    let prometheus = Prometheus::start().await;
    let site = begin(plane, &prometheus, "stranger").await;
    let theirs = site.here.account("original", &everything(), &json!([])).await;
    let port = free_port();
    let _controller = start(&site, &site.account, "ours", port, &[]);
    site.run("both", &spec(&built_in(&prometheus, "both"), 12, "1s")).await;
    site.phase("both", "Running").await;
    let original = Original::start(&theirs, &site.here.name, &site.instance, &["--leader-elect=false"]);
    let events: Api<Event> = site.here.api();
    let event = eventually("an Event tells of the conflict", async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        let mut events = events.items.into_iter();
        events.find(|event| event.reason.as_deref() == Some("ConflictingController"))
    })
    .await;
    let backed_off = Timestamp::now();
    assert_eq!(event.involved_object.name.as_deref(), Some("both"));
    assert!(event.message.unwrap_or_default().contains("rollouts-controller"));
    let counted = "rollcage_foreign_writes_total{kind=\"AnalysisRun\"}";
    assert!(metrics(port).await.contains(counted));
    let status = site.phase("both", "Successful").await;
    assert_eq!(status["metricResults"][0]["successful"], 12, "{status}");
    // A write of ours may have been under way when the watch told of theirs.
    let late = backed_off.checked_add(Duration::from_secs(1)).unwrap();
    let ours = accepted(plane, &[&site.account], "analysisruns");
    assert!(
        ours.iter().all(|write| write.at < late),
        "we backed off at {backed_off}: {ours:?}"
    );
    drop(original);
}
