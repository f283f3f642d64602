//! Writers that are killed, and two at once. The writers are this very test program, started again with a role.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollcage_api::ByteSize;
use rollcage_store::{Digest, Store, StoreConfig};

use crate::support::*;

const FOLDER: &str = "ROLLCAGE_STORE_TEST_FOLDER";
const SERVER: &str = "ROLLCAGE_STORE_TEST_SERVER";

/// This program again, in a role of its own; the role's tests are ignored in an ordinary run.
fn child(role: &str, folder: &Path, server: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", role, "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(SERVER, server)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a role works with; `None` when somebody runs the ignored tests without one.
fn from_environment() -> Option<(PathBuf, String)> {
    Some((env::var_os(FOLDER)?.into(), env::var(SERVER).ok()?))
}

/// Every blob has the digest that it is named for, and every record of what served can be served.
async fn check(folder: &Path) -> usize {
    let store = open(folder);
    let names = blobs(folder);
    for name in &names {
        assert!(
            !name.starts_with('.'),
            "the next opener clears away what dead writers left: {name}"
        );
        let bytes = fs::read(folder.join("blobs/sha256").join(name)).unwrap();
        assert_eq!(Digest::of(&bytes).hex(), *name);
    }
    assert_eq!(files(&folder.join("aside")), [""; 0]);
    for number in 0..4 {
        let id = named(&format!("example/{number}"));
        if let Some(good) = store.last_known_good(&id).await {
            assert!(store.read(&id, &good.digest).await.unwrap().is_some(), "{id}");
        }
    }
    for record in files(&folder.join("good/metric-provider")) {
        assert!(!record.starts_with('.'), "{record}");
    }
    names.len()
}

#[tokio::test]
#[ignore = "a role, not a test"]
async fn writes_until_killed() {
    let Some((folder, server)) = from_environment() else {
        return;
    };
    let config = StoreConfig {
        // Small enough to evict all the time.
        max_cache: ByteSize::mebi(6),
        ..config()
    };
    let store = Store::open(folder, config).unwrap();
    println!("\nready");
    for number in u64::from(std::process::id()).. {
        let id = named(&format!("example/{}", number % 4));
        let entry = entry(&format!("{server}/{number}"));
        let fetched = store.fetch(&id, &entry, &rollcage_core::host::NoCluster).await.unwrap();
        store.remember(&id, &entry.location, &fetched).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|exchange| async move {
        let number: u64 = exchange
            .request
            .split(['/', ' '])
            .nth(2)
            .and_then(|number| number.parse().ok())
            .unwrap();
        exchange.answer("200 OK", &[], &component(number, 1 << 20)).await
    })
    .await;
    let mut blobs_seen = 0;
    let mut round = 0_u64;
    // On a busy machine many writers are killed before they write anything: then there are more rounds.
    while round < 100 || (round < 500 && server.hits() <= 100) {
        round += 1;
        let mut child = child("crash::writes_until_killed", folder.path(), &server.url(""));
        let (stdout, wait) = (
            child.stdout.take().unwrap(),
            Duration::from_micros(round * 397 % 50_000),
        );
        let mut child = tokio::task::spawn_blocking(move || {
            let ready = BufReader::new(stdout).lines().any(|line| line.unwrap() == "ready");
            assert!(ready);
            std::thread::sleep(wait);
            child.kill().unwrap();
            child
        })
        .await
        .unwrap();
        child.wait().unwrap();
        blobs_seen += check(folder.path()).await;
    }
    assert!(blobs_seen > 100, "the writers did get to write: {blobs_seen}");
    assert!(server.hits() > 100, "{}", server.hits());
}

#[tokio::test]
#[ignore = "a role, not a test"]
async fn fetches_everything_again_and_again() {
    let Some((folder, server)) = from_environment() else {
        return;
    };
    let config = StoreConfig {
        max_cache: ByteSize::kibi(300),
        ..config()
    };
    let store = Store::open(folder, config).unwrap();
    for round in 0..40_u64 {
        for number in 0..8 {
            let number = (number * 5 + round) % 8;
            let bytes = component(number, 60_000);
            let entry = pinned(&format!("{server}/{number}"), &bytes);
            let fetched = fetch(&store, &entry).await.unwrap();
            assert_eq!(&*fetched.bytes, &*bytes);
            store
                .remember(&named(&format!("example/{}", number % 2)), &entry.location, &fetched)
                .await
                .unwrap();
        }
    }
    println!("\nall fetched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|exchange| async move {
        let number: u64 = exchange
            .request
            .split(['/', ' '])
            .nth(2)
            .and_then(|number| number.parse().ok())
            .unwrap();
        exchange.answer("200 OK", &[], &component(number, 60_000)).await
    })
    .await;
    let role = "crash::fetches_everything_again_and_again";
    let children = [0, 1].map(|_| child(role, folder.path(), &server.url("")));
    for child in children {
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("all fetched"), "{text}");
    }
    check(folder.path()).await;
    let size: u64 = blobs(folder.path())
        .iter()
        .map(|name| {
            fs::metadata(folder.path().join("blobs/sha256").join(name))
                .unwrap()
                .len()
        })
        .sum();
    assert!(
        size <= 2 * 300 * 1024,
        "two writers may each miss what the other one adds: {size}"
    );
}
