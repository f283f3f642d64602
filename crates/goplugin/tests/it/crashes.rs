//! Processes that end in a call.

use std::fs;

use rollcage_core::{FaultKind, Phase};
use rollcage_goplugin::RpcError;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    alone::alone,
    peer::{act, peer, run, start, started},
    support::{Case, SOON},
};

/// Calls fail, the fault says how it ended, and the same plugin starts again.
async fn ends(what: &str, says: &str) {
    started!(case, plugin, service);
    let (pending, error) = tokio::join!(act(&service, "hang", SOON), act(&service, what, SOON));
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "unexpected EOF", "{what}");
    assert_eq!(pending.unwrap_err().to_string(), "unexpected EOF", "{what}");
    let fault = plugin.fault(Phase::Call, &error).await;
    assert_eq!(fault.kind, FaultKind::Exit, "{fault}");
    assert!(fault.to_string().contains(says), "{fault} should say {says}");
    let next = act(&service, "nothing", SOON).await.unwrap_err();
    assert!(matches!(next, RpcError::Shutdown | RpcError::Session(_)), "{next}");
    assert!(timeout(SOON, plugin.ended()).await.unwrap().is_some());
    case.nothing_is_left().await;
    let (again, service) = start(&case).await;
    assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    assert_ne!(again.pid(), plugin.pid());
    again.kill().await.unwrap();
    case.nothing_is_left().await;
}

#[tokio::test]
async fn l04_an_end_in_the_middle_of_a_call() {
    for (what, says) in [
        ("exit", "exited with code 3"),
        ("segfault", "SIGSEGV"),
        ("kill", "signal 9 (SIGKILL)"),
    ] {
        ends(what, says).await;
    }
}

#[tokio::test]
async fn l05_a_panic_in_a_handler() {
    ends("panic", "boom in a handler").await;
}

#[tokio::test]
async fn l13_a_ping_of_a_dead_plugin() {
    started!(case, plugin, service);
    act(&service, "exit", SOON).await.unwrap_err();
    let error = plugin.ping(SOON).await.unwrap_err();
    assert!(matches!(error, RpcError::Shutdown | RpcError::Session(_)), "{error}");
    timeout(SOON, plugin.ended()).await.unwrap().unwrap();
    let error = plugin.ping(SOON).await.unwrap_err();
    assert!(matches!(error, RpcError::Shutdown), "{error}");
    drop(plugin);
    let (next, service) = start(&case).await;
    next.ping(SOON).await.unwrap();
    assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    next.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// Descriptors and threads of this process, and tasks of its runtime.
fn open() -> [usize; 3] {
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    let tasks = Handle::current().metrics().num_alive_tasks();
    [count("/proc/self/fd"), count("/proc/self/task"), tasks]
}

#[test]
fn l11_two_hundred_lives() {
    // A thread that sweeps has its stack, a runtime its caches: what each life left would be many times as much.
    alone(24 << 20, || {
        run(async {
            let Some(peer) = peer() else { return };
            let case = Case::of(peer);
            let life = async |how: usize| {
                let (plugin, service) = start(&case).await;
                match how % 5 {
                    0 => drop(plugin.quit().await.unwrap()),
                    1 => drop(plugin.kill().await.unwrap()),
                    2 => drop(plugin),
                    way => {
                        let what = if way == 3 { "exit" } else { "panic" };
                        act(&service, what, SOON).await.unwrap_err();
                        timeout(SOON, plugin.ended()).await.unwrap().unwrap();
                    }
                }
            };
            for how in 0..5 {
                life(how).await;
            }
            case.nothing_is_left().await;
            let [files, threads, tasks] = open();
            for how in 0..200 {
                life(how).await;
            }
            case.nothing_is_left().await;
            let after = open();
            // A few threads of the pool for blocking work come and go; the last life's tasks are about to end.
            let most = [files, threads + 8, tasks + 8];
            assert!(
                after.iter().zip(most).all(|(now, most)| *now <= most),
                "{after:?} of {most:?}"
            );
        });
    });
}
