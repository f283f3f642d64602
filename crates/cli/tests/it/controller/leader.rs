//! Who works.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;

use super::support::{Api, Controller, entry, slow_target, target};

/// A Lease that ends soon.
const QUICK: [&str; 6] = [
    "--leader-election-lease-duration=3s",
    "--leader-election-renew-deadline=2s",
    "--leader-election-retry-period=500ms",
    "--leader-warmup=20s",
    "--logformat=text",
    "--loglevel=debug",
];

/// The first lines of the requests that pass, and when.
type Seen = Arc<Mutex<Vec<(Instant, String)>>>;

/// A way to the API server that shows who asked what.
fn by_way_of(to: SocketAddr) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let log = seen.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { continue };
            let Ok(server) = TcpStream::connect(to) else { continue };
            let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let log = log.clone();
            std::thread::spawn(move || {
                pump(client, server, |bytes| {
                    let line = String::from_utf8_lossy(bytes)
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .to_owned();
                    if line.ends_with("HTTP/1.1") {
                        log.lock().unwrap().push((Instant::now(), line));
                    }
                });
            });
            std::thread::spawn(move || pump(back, forth, |_| {}));
        }
    });
    (address, seen)
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 16384];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        see(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn start(address: SocketAddr, pod: &str) -> Controller {
    let mut arguments = QUICK.to_vec();
    arguments.extend(["--instance-id", ""]);
    let mut controller = Controller::start_as(address, &arguments, pod);
    controller.wait_for("ready", |controller| controller.probe("/readyz").0 == 200);
    controller
}

#[test]
fn a_leader_that_ends_hands_over_at_once() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let mut first = start(api.address, "first");
    first.wait_for("it leads", |_| api.lease_holder().starts_with("rollcage_first_"));
    let mut second = start(api.address, "second");
    api.run("one", &json!({}), "acme/web", port);
    second.wait_for("the first works", |_| api.phase("one") == "Successful");
    assert!(api.lease_holder().starts_with("rollcage_first_"));

    let ended = Instant::now();
    assert_eq!(first.terminate(), 0, "{}", first.log());
    let released = Instant::now();
    second.wait_for("it leads", |_| api.lease_holder().starts_with("rollcage_second_"));
    // The lease would last 3 s longer.
    assert!(released.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    api.run("two", &json!({}), "acme/web", port);
    second.wait_for("the second works", |_| api.phase("two") == "Successful");
}

#[test]
fn nothing_of_a_leader_that_was_stopped_is_written_when_it_goes_on() {
    let mut api = Api::new();
    api.up();
    // The call is under way when the process is stopped, and its answer is there when it goes on.
    let port = slow_target(Duration::from_secs(2));
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let (way, seen) = by_way_of(api.address);
    let mut first = start(way, "first");
    first.wait_for("it leads", |_| api.lease_holder().starts_with("rollcage_first_"));
    let mut second = start(api.address, "second");
    api.run("one", &json!({}), "acme/web", port);
    std::thread::sleep(Duration::from_secs(1));
    first.signal(Signal::STOP);
    assert_eq!(api.phase("one"), "", "the call was not under way");
    second.wait_for("another leads", |_| api.lease_holder().starts_with("rollcage_second_"));
    second.wait_for("the run", |_| api.phase("one") == "Successful");
    let renewals = seen
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, line)| line.starts_with("PUT /apis/coordination"))
        .count();
    assert!(renewals > 0, "this is not the way that its requests take");
    let before = seen.lock().unwrap().len();
    let version = |api: &Api| {
        let run = api
            .server
            .object("argoproj.io/v1alpha1", "AnalysisRun", "shop", "one")
            .unwrap();
        run["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    };
    let written = version(&api);
    first.signal(Signal::CONT);
    first.wait_for("it knows", |first| first.log().contains("no longer leads"));
    std::thread::sleep(Duration::from_secs(3));
    let after: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .skip(before)
        .map(|(_, line)| line.clone())
        .collect();
    let is_write = |line: &&String| ["PATCH ", "POST ", "DELETE "].iter().any(|verb| line.starts_with(verb));
    let writes: Vec<_> = after.iter().filter(is_write).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(version(&api), written);
    assert!(api.lease_holder().starts_with("rollcage_second_"));
    // It stands again, and works when the other one ends.
    assert_eq!(second.terminate(), 0);
    first.wait_for("it leads again", |_| api.lease_holder().starts_with("rollcage_first_"));
    api.run("two", &json!({}), "acme/web", port);
    first.wait_for("it works again", |_| api.phase("two") == "Successful");
}

#[test]
fn a_leader_without_its_api_server_stops_within_the_deadline() {
    let mut api = Api::new();
    api.up();
    let port = target();
    api.config_map("rollcage-config", &json!([entry("acme/web", port)]));
    let mut first = start(api.address, "first");
    first.wait_for("it leads", |_| api.lease_holder().starts_with("rollcage_first_"));
    api.down();
    let away = Instant::now();
    first.wait_for("it stops", |first| first.log().contains("no longer leads"));
    assert!(away.elapsed() < Duration::from_secs(5), "{:?}", away.elapsed());
    api.up();
    first.wait_for("it leads again", |first| {
        first.log().matches(": leads lease=").count() >= 2
    });
    api.run("one", &json!({}), "acme/web", port);
    first.wait_for("it works again", |_| api.phase("one") == "Successful");
    assert_eq!(first.probe("/healthz").0, 200);
}
