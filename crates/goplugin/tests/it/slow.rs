//! Cases that have to wait, with Go's own times. They are started together, by whichever runs first, so that all of them
//! take as long as the longest: 80 seconds. `cargo xtask test` runs them beside other things.

use std::{
    sync::{Mutex, OnceLock},
    thread::{JoinHandle, spawn},
    time::{Duration, Instant},
};

use rollcage_core::FaultKind;
use rollcage_goplugin::{Killed, Patience};

use crate::{
    go_host::GoHost,
    peer::{act, peer, run, start},
    support::{Case, SOON},
};

/// More than yamux waits for the ACK of a stream.
const LONG: Duration = Duration::from_secs(80);

type Running = Mutex<Option<JoinHandle<()>>>;

const CASES: [fn(); 3] = [go_rests, we_rest, stopped];

/// Waits for one of the cases.
fn join(at: usize) {
    static GROUP: OnceLock<[Running; 3]> = OnceLock::new();
    let group = GROUP.get_or_init(|| CASES.map(|case| Mutex::new(Some(spawn(case)))));
    let case = group.get(at).unwrap().lock().unwrap().take().unwrap();
    if let Err(panic) = case.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
#[ignore = "waits for 80 seconds"]
fn y02_go_rests_on_our_silent_streams() {
    join(0);
}

#[test]
#[ignore = "waits for 80 seconds"]
fn y02_we_rest_on_gos_silent_streams() {
    join(1);
}

#[test]
#[ignore = "waits for 40 seconds"]
fn l07_stopped_for_as_long_as_it_takes() {
    join(2);
}

/// Nothing is ever written on two of the three streams.
fn go_rests() {
    let Some(mut host) = GoHost::start() else { return };
    assert_eq!(host.order("type"), "test/nothing");
    assert_eq!(host.order(&format!("rest {}s", LONG.as_secs())), "rested");
    assert_eq!(host.order("ping"), "pong");
    assert_eq!(host.order("type"), "test/nothing");
    let log = host.end();
    assert!(!log.contains("[ERR]") && !log.contains("timeout"), "{log}");
}

fn we_rest() {
    run(async {
        let Some(peer) = peer() else { return };
        let case = Case::of(peer);
        let (plugin, service) = start(&case).await;
        tokio::time::sleep(LONG).await;
        plugin.ping(SOON).await.unwrap();
        assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
        assert_eq!(plugin.quit().await.unwrap().killed, None);
        case.nothing_is_left().await;
    });
}

/// A keep-alive is sent every thirty seconds and has ten.
fn stopped() {
    let Some(peer) = peer() else { return };
    run(async {
        let mut case = Case::of(peer);
        case.spec.patience = Patience::default();
        let (plugin, service) = start(&case).await;
        let began = Instant::now();
        let error = act(&service, "stop", Duration::from_mins(2)).await.unwrap_err();
        let after = began.elapsed();
        assert_eq!(error.kind(), FaultKind::Deadline, "{error}");
        // A slow machine may take a little longer.
        assert!(after <= Duration::from_secs(55), "{after:?}");
        let exit = plugin.ended().await.unwrap();
        assert_eq!(exit.killed, Some(Killed::GivenUp));
        case.nothing_is_left().await;
    });
}
