//! Requests of whole components: nothing that was not granted is reached.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use rollcage_api::{
    analysis::{AnalysisPhase, Measurement},
    plugin::PluginKind,
};
use rollcage_core::{Denial, host::HostServices};
use rollcage_sandbox::egress::Names;
use rollcage_tests::{
    server::Server,
    stage::{analysis_run, call, metric},
};
use serde_json::json;

use crate::kit::{Host, asks, asks_wasi};

/// Which of the two ways.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Contract,
    Wasi,
}

/// A plugin with grants.
struct Plugin {
    host: Host,
    way: Way,
}

impl Plugin {
    async fn new(way: Way, grants: &[String]) -> Self {
        Self::with_names(way, grants, None).await
    }

    async fn with_names(way: Way, grants: &[String], names: Option<Arc<dyn Names>>) -> Self {
        let mut host = Host::with_names(HostServices::without_cluster(), names);
        let bytes = if way == Way::Contract { asks() } else { asks_wasi() };
        let entry = json!({"permissions": {"http": grants}, "limits": {"deadline": "20s"}});
        host.serve(PluginKind::MetricProvider, &bytes, &entry).await;
        Self { host, way }
    }

    async fn ask(&self, authority: &str, path: &str) -> (Measurement, Vec<Denial>) {
        let config = match self.way {
            Way::Contract => json!(format!("http://{authority}{path}")),
            Way::Wasi => json!(authority),
        };
        let call = call();
        let provider = self.host.stage.metric_provider("it");
        let measurement = provider
            .run(&call, &analysis_run(), &metric("it", &config))
            .await
            .unwrap();
        let denials = call.usage.as_ref().unwrap().lock().unwrap().denials.clone();
        (measurement, denials)
    }

    async fn is_denied(&self, authority: &str) {
        let (measurement, denials) = self.ask(authority, "/").await;
        assert_eq!(
            measurement.phase,
            AnalysisPhase::Error,
            "{:?} {authority}: {measurement:?}",
            self.way
        );
        match self.way {
            Way::Contract => assert!(!measurement.message.is_empty()),
            // HTTP-request-denied, DNS-error and destination-IP-prohibited, or a URI that is none.
            Way::Wasi => assert!(
                ["code P", "code B", "code E", "code T"].contains(&measurement.message.as_str()),
                "{measurement:?}"
            ),
        }
        assert!(
            denials.iter().all(|denial| denial.capability == "http") && denials.len() == 1,
            "{:?} {authority}: {measurement:?} {denials:?}",
            self.way
        );
    }
}

/// Names of this machine, other than `localhost`, that lead to itself.
fn names_of_loopback() -> Vec<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let lines = hosts
        .lines()
        .filter(|line| line.starts_with("127.") || line.starts_with("::1"));
    let names = lines.flat_map(|line| line.split_whitespace().skip(1).map(str::to_owned));
    names
        .filter(|name| name != "localhost" && !name.starts_with('#'))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn egress_denies_every_class_of_address() {
    let server = match Server::on("::").await {
        Ok(server) => server,
        Err(_) => Server::on("0.0.0.0").await.unwrap(),
    };
    let port = server.address.port();
    for way in [Way::Contract, Way::Wasi] {
        // A name that is granted opens none of these, and neither does another port.
        let grants = ["metrics.example:80".to_owned(), format!("127.0.0.1:{}", port ^ 1)];
        let plugin = Plugin::new(way, &grants).await;
        for address in [
            "127.0.0.1",
            "127.0.0.2",
            "localhost",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "[fd00::1]",
            "169.254.0.1",
            "[fe80::1]",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "[::ffff:169.254.169.254]",
            "224.0.0.1",
            "[ff02::1]",
            "255.255.255.255",
            "8.8.8.8",
            "[2001:4860:4860::8888]",
        ] {
            plugin.is_denied(&format!("{address}:{port}")).await;
        }
    }
    let other_spellings = Plugin::new(Way::Contract, &["127.0.0.9:80".to_owned()]).await;
    for address in ["127.1", "2130706433", "0x7f000001", "0177.0.0.1"] {
        other_spellings.is_denied(&format!("{address}:{port}")).await;
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn egress_denies_granted_names_that_lead_to_this_machine() {
    let server = match Server::on("::").await {
        Ok(server) => server,
        Err(_) => Server::on("0.0.0.0").await.unwrap(),
    };
    let port = server.address.port();
    let names = names_of_loopback();
    if names.is_empty() {
        eprintln!("skipped: /etc/hosts has no name but localhost that leads to this machine");
    }
    for way in [Way::Contract, Way::Wasi] {
        for name in &names {
            let authority = format!("{name}:{port}");
            let plugin = Plugin::new(way, std::slice::from_ref(&authority)).await;
            let (measurement, _) = plugin.ask(&authority, "/").await;
            assert_eq!(
                measurement.phase,
                AnalysisPhase::Error,
                "{way:?} {authority}: {measurement:?}"
            );
        }
    }
    assert_eq!(server.connections(), 0);
}

/// A name server that answers with the next of its answers, the last one again and again.
#[derive(Debug)]
struct ChangesItsMind {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Names for ChangesItsMind {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[asked.min(self.answers.len() - 1)].clone())
    }
}

/// DNS rebinding: a name that is checked with one address and then leads to another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn egress_goes_to_the_address_that_was_checked() {
    let server = match Server::on("::").await {
        Ok(server) => server,
        Err(_) => Server::on("0.0.0.0").await.unwrap(),
    };
    // A granted name may lead there; nobody answers at this port.
    let elsewhere: IpAddr = "93.184.215.14".parse().unwrap();
    let loopback: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::ffff:127.0.0.1".parse().unwrap()];
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    for way in [Way::Contract, Way::Wasi] {
        let names = Arc::new(ChangesItsMind {
            answers: vec![
                vec![elsewhere],
                loopback.to_vec(),
                vec![metadata, loopback[0], elsewhere],
                loopback.to_vec(),
            ],
            asked: AtomicUsize::new(0),
        });
        let authority = format!("rebind.test:{}", server.address.port());
        let plugin = Plugin::with_names(way, std::slice::from_ref(&authority), Some(names.clone())).await;
        for _ in 0..6 {
            let (measurement, _) = plugin.ask(&authority, "/").await;
            assert_eq!(measurement.phase, AnalysisPhase::Error, "{way:?}: {measurement:?}");
        }
        // One look-up a request: there is no second one between the check and the connection.
        assert_eq!(names.asked.load(Ordering::SeqCst), 6, "{way:?}");
    }
    assert_eq!(server.connections(), 0);
    // The same server is reached by a resolver that is allowed to lead there: nothing else kept the requests away.
    let names = Arc::new(ChangesItsMind {
        answers: vec![loopback.to_vec()],
        asked: AtomicUsize::new(0),
    });
    let port = server.address.port();
    let grants = [format!("rebind.test:{port}"), format!("127.0.0.1:{port}")];
    let plugin = Plugin::with_names(Way::Contract, &grants, Some(names)).await;
    let (measurement, _) = plugin.ask(&format!("rebind.test:{port}"), "/").await;
    assert_eq!(
        (measurement.phase, server.connections()),
        (AnalysisPhase::Successful, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn egress_follows_no_redirect() {
    let (granted, other) = (Server::start().await, Server::start().await);
    let plugin = Plugin::new(Way::Contract, &[granted.address.to_string()]).await;
    let path = format!("/to/{}", other.url("/"));
    let (measurement, denials) = plugin.ask(&granted.address.to_string(), &path).await;
    assert_eq!(
        (measurement.phase, measurement.value.as_str()),
        (AnalysisPhase::Successful, "moved")
    );
    assert!(denials.is_empty());
    assert_eq!((granted.connections(), other.connections()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn egress_reaches_what_is_granted() {
    for way in [Way::Contract, Way::Wasi] {
        for name in ["127.0.0.1", "localhost"] {
            let server = Server::start().await;
            let authority = format!("{name}:{}", server.address.port());
            let plugin = Plugin::new(way, std::slice::from_ref(&authority)).await;
            let (measurement, denials) = plugin.ask(&authority, "/").await;
            assert_eq!(
                measurement.phase,
                AnalysisPhase::Successful,
                "{way:?} {authority}: {measurement:?}"
            );
            if way == Way::Contract {
                assert_eq!(measurement.value, "reached");
            }
            assert!(denials.is_empty(), "{denials:?}");
            assert_eq!(server.connections(), 1, "{way:?} {authority}");
        }
    }
}
