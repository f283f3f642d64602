//! The folder: what is kept, what goes, and what damage does.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    time::{Duration, SystemTime},
};

use rollcage_api::ByteSize;
use rollcage_core::{FaultKind, Phase, host::NoCluster};
use rollcage_store::{Digest, Origin, Store, StoreConfig};

use crate::support::*;

/// Two entries, one plugin: the second fetch must not take the file away under the first one's execution.
#[tokio::test]
async fn bytes_that_are_there_stay_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component(1, 10_000);
    fs::write(folder.path().join("p.wasm"), &bytes).unwrap();
    let location = format!("file://{}/p.wasm", folder.path().display());
    let store = Store::open(folder.path().join("cache"), config()).unwrap();
    let first = fetch(&store, &entry(&location)).await.unwrap();
    let kept = || fs::metadata(&first.path).unwrap();
    store.executable(&id(), &first).await.unwrap();
    let before = kept();
    assert_eq!(before.permissions().mode() & 0o777, 0o555);
    fetch(&store, &entry(&location)).await.unwrap();
    let after = kept();
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
}

#[tokio::test]
async fn files_are_read_relative_and_absolute() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("work");
    fs::create_dir_all(base.join("plugin-bin")).unwrap();
    let bytes = component(1, 3_000_000);
    fs::write(base.join("plugin-bin/p.wasm"), &bytes).unwrap();
    let config = StoreConfig {
        base: base.clone(),
        ..config()
    };
    let store = Store::open(folder.path().join("cache"), config).unwrap();
    let absolute = format!("file://{}/plugin-bin/p.wasm", base.display());
    for location in ["file://plugin-bin/p.wasm", "file://./plugin-bin/p.wasm", &absolute] {
        let fetched = fetch(&store, &entry(location)).await.unwrap();
        assert_eq!(
            (&*fetched.bytes, fetched.origin),
            (&*bytes, Origin::Location),
            "{location}"
        );
    }
    let fault = fetch(&store, &pinned(&absolute, &bytes[..9])).await;
    assert!(
        fault.unwrap_err().contains("and the entry wants"),
        "sha256 is checked for files, too"
    );

    let pipe = base.join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    fs::write(base.join("large"), vec![0; (4 << 20) + 1]).unwrap();
    let cases = [
        ("file://./none.wasm", FaultKind::NotFound, "no such file or directory"),
        ("file://plugin-bin", FaultKind::NotFound, "is no regular file"),
        ("file://plugin-bin/", FaultKind::NotFound, "is no regular file"),
        ("file://./pipe", FaultKind::NotFound, "is no regular file"),
        (
            "file://./large",
            FaultKind::TooLarge,
            "has 4194305 bytes, and a plugin has at most 4194304",
        ),
    ];
    for (location, kind, text) in cases {
        let fault = store.fetch(&id(), &entry(location), &NoCluster).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.cause.contains(text), "{fault}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_serves_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.wasm");
    fs::write(&path, component(1, 100)).unwrap();
    let store = open(&folder.path().join("cache"));
    let entry = entry(&format!("file://{}", path.display()));
    let fetched = fetch(&store, &entry).await.unwrap();
    store.remember(&id(), &entry.location, &fetched).await.unwrap();
    fs::remove_file(&path).unwrap();
    let fetched = fetch(&store, &entry).await.unwrap();
    assert!(matches!(fetched.origin, Origin::LastKnownGood(fault) if fault.kind == FaultKind::NotFound));
}

#[tokio::test]
async fn damaged_bytes_are_set_aside_and_fetched_anew() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = component(1, 5000);
    let server = Server::of(bytes.clone()).await;
    let entry = pinned(&server.url("/"), &bytes);
    let store = open(folder.path());
    let path = fetch(&store, &entry).await.unwrap().path;
    let damages: [&dyn Fn(); 3] = [
        &|| fs::write(&path, &bytes[..100]).unwrap(),
        &|| {
            let mut flipped = bytes.clone();
            flipped[4000] ^= 1;
            fs::write(&path, flipped).unwrap();
        },
        &|| fs::write(&path, "").unwrap(),
    ];
    for (round, damage) in damages.iter().enumerate() {
        damage();
        assert_eq!(&*fetch(&store, &entry).await.unwrap().bytes, &*bytes);
        assert_eq!(server.hits(), round + 2);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert_eq!(files(&folder.path().join("aside")).len(), 1);
    fs::write(&path, "x").unwrap();
    drop(server);
    assert!(fetch(&store, &entry).await.unwrap_err().contains("connection refused"));
    assert_eq!(
        store
            .read(&id(), &Digest::of(&bytes))
            .await
            .unwrap()
            .map(|fetched| fetched.path),
        None
    );
}

#[tokio::test]
async fn a_damaged_record_of_what_served_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of(component(1, 100)).await;
    let entry = entry(&server.url("/"));
    let store = open(folder.path());
    let fetched = fetch(&store, &entry).await.unwrap();
    store.remember(&id(), &entry.location, &fetched).await.unwrap();
    let records = folder.path().join("good/metric-provider");
    let record = records.join(&files(&records)[0]);
    let good = fs::read_to_string(&record).unwrap();
    assert!(!good.contains(&server.address), "locations may hold secrets: {good}");
    for damage in [
        "",
        "{",
        "{}",
        &good.replace("example/plugin", "other"),
        &"x".repeat(100_000),
    ] {
        fs::write(&record, damage).unwrap();
        assert_eq!(store.last_known_good(&id()).await, None, "{damage:.80}");
    }
    fs::write(&record, &good).unwrap();
    assert!(store.last_known_good(&id()).await.unwrap().is_from(&entry.location));
}

#[tokio::test]
async fn nobody_else_can_look_inside() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/cache");
    fs::create_dir_all(root.join("blobs")).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    let server = Server::of(component(1, 100)).await;
    let entry = entry(&server.url("/"));
    let store = open(&root);
    let fetched = fetch(&store, &entry).await.unwrap();
    store.remember(&id(), &entry.location, &fetched).await.unwrap();
    check_private(&root);
}

fn check_private(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
    for name in files(path) {
        check_private(&path.join(name));
    }
}

#[tokio::test]
async fn the_oldest_go_first_but_never_what_is_in_use_or_good() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        max_cache: ByteSize(9_000),
        ..config()
    };
    let store = Store::open(folder.path(), config).unwrap();
    let server = Server::start(|exchange| async move {
        let seed = exchange
            .request
            .split(['/', ' '])
            .nth(2)
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(0);
        exchange.answer("200 OK", &[], &component(seed, 2000)).await
    })
    .await;
    let get = async |seed: u64| {
        fetch(
            &store,
            &pinned(&server.url(&format!("/{seed}")), &component(seed, 2000)),
        )
        .await
        .unwrap()
    };
    let has = |seed: u64| {
        folder
            .path()
            .join("blobs/sha256")
            .join(Digest::of(&component(seed, 2000)).hex())
            .exists()
    };
    let age = |seed: u64, minutes: u64| {
        let path = folder
            .path()
            .join("blobs/sha256")
            .join(Digest::of(&component(seed, 2000)).hex());
        let time = SystemTime::now() - Duration::from_mins(minutes);
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    let good = get(1).await;
    store.remember(&id(), "somewhere", &good).await.unwrap();
    drop(good);
    let in_use = get(2).await;
    drop((get(3).await, get(4).await));
    for (seed, minutes) in [(1, 90), (2, 80), (3, 60), (4, 70)] {
        age(seed, minutes);
    }
    // Used just now, so the other one is the oldest.
    drop(get(4).await);
    drop(get(5).await);
    assert_eq!([1, 2, 3, 4, 5].map(has), [true, true, false, true, true]);
    drop(get(6).await);
    assert_eq!([1, 2, 4, 5, 6].map(has), [true, true, false, true, true]);
    // Everything is in use: the bound gives way, not the plugins.
    let held = [get(5).await, get(6).await, get(7).await, get(8).await];
    assert_eq!([1, 2, 5, 6, 7, 8].map(has), [true; 6]);
    drop((held, in_use));
    drop(get(9).await);
    assert!(has(1) && has(9));
    assert!(blobs(folder.path()).len() <= 5, "{:?}", blobs(folder.path()));
}

#[tokio::test]
async fn bytes_that_were_removed_meanwhile_are_remembered_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::of(component(1, 100)).await;
    let entry = entry(&server.url("/"));
    let store = open(folder.path());
    let fetched = fetch(&store, &entry).await.unwrap();
    fs::remove_dir_all(folder.path().join("good")).unwrap();
    fs::remove_file(&fetched.path).unwrap();
    store.remember(&id(), &entry.location, &fetched).await.unwrap();
    drop(server);
    assert_eq!(*fetch(&store, &entry).await.unwrap().bytes, component(1, 100));
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for root in [file.clone(), file.join("below")] {
        let error = Store::open(&root, config()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cache folder {}", root.display())),
            "{error}"
        );
    }
}

#[tokio::test]
async fn bundled_plugins_come_with_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: &'static [u8] = component(7, 1000).leak();
    let config = StoreConfig {
        bundled: [("web", bytes)].into(),
        ..StoreConfig::default()
    };
    let store = Store::open(folder.path(), config).unwrap();
    let fetched = store.fetch(&id(), &entry("bundled://web"), &NoCluster).await.unwrap();
    assert_eq!((&*fetched.bytes, fetched.origin), (bytes, Origin::Location));
    let fault = store
        .fetch(&id(), &entry("bundled://other"), &NoCluster)
        .await
        .unwrap_err();
    assert_eq!((fault.phase, fault.kind), (Phase::Fetch, FaultKind::NotFound));
    assert_eq!(fault.cause, "no plugin \"other\" comes with this program");
    assert_eq!(fault.hint, "there are web");
}
