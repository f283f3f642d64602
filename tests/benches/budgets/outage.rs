//! How soon a host serves whose plugins are cached and whose download servers are down.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::TcpListener as StdListener,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use axum::{Router, routing::get};
use rollcage_api::plugin::PluginKind;
use rollcage_store::Digest;
use rollcage_tests::stage::Stage;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    host::{EACH, Language, Prepared, file, name, open},
    stats::{median, milliseconds},
    table::{Budget, Figure, Table},
};

/// The first argument of a process that serves: FOLDER CACHE ADDRESS PINNED.
pub(crate) const CHILD: &str = "serve-from";

/// Processes of each kind.
const TIMES: usize = 5;
const KIND: PluginKind = PluginKind::MetricProvider;

pub(crate) async fn measure(table: &mut Table, prepared: &Prepared) -> Result<()> {
    let cache = tempfile::tempdir_in(&prepared.folder)?;
    // What a server gave once.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let mut files = Router::new();
    for language in Language::ALL {
        for number in 0..EACH {
            let bytes = fs::read(prepared.file(language, number))?;
            let path = format!("/{}.wasm", name(language, number));
            files = files.route(&path, get(move || async move { bytes }));
        }
    }
    let server = tokio::spawn(async move { axum::serve(listener, files).await });
    eprintln!("fetching {} plugins", EACH * 2);
    for pinned in [true, false] {
        let mut stage = open(cache.path());
        want(&mut stage, &prepared.folder, &address, pinned)?;
        stage.load().await;
        stage.registry.all_ready()?;
    }
    server.abort();
    // The port is free once the task is gone.
    let _ = server.await;
    let count = EACH * 2;
    let mut row = |what: &str, pinned| {
        let times = (0..TIMES).map(|_| until_serving(&prepared.folder, cache.path(), &address, pinned));
        let time = median(times.collect::<Result<Vec<_>>>()?);
        table.less(
            format!("Process start until {count} cached plugins serve, {what}"),
            None,
            Figure(time, "ms"),
            Budget::AtMost(1000.0),
        );
        anyhow::Ok(())
    };
    row("sha256 given, servers down", true)?;
    row("no sha256, servers down", false)?;
    // Connections are taken, and never answered.
    let _silent = StdListener::bind(&address)?;
    row("no sha256, servers silent", false)
}

/// Wants all prepared plugins from a server.
fn want(stage: &mut Stage, folder: &Path, address: &str, pinned: bool) -> Result<()> {
    for language in Language::ALL {
        for number in 0..EACH {
            let name = name(language, number);
            let mut entry = Language::entry();
            if pinned {
                entry["sha256"] = json!(Digest::of(&fs::read(file(folder, language, number))?).hex());
            }
            stage.entry(KIND, &name, &format!("http://{address}/{name}.wasm"), &entry);
        }
    }
    Ok(())
}

/// The time from starting a process to its saying that all plugins serve.
fn until_serving(folder: &Path, cache: &Path, address: &str, pinned: bool) -> Result<f64> {
    let began = Instant::now();
    let mut child = Command::new(env::current_exe()?)
        .arg(CHILD)
        .args([folder, cache])
        .args([address, &pinned.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let time = began.elapsed();
    child.kill()?;
    child.wait()?;
    ensure!(line.trim() == "serving", "it said {line:?}");
    Ok(milliseconds(time))
}

/// A host that tells when every plugin can be called.
pub(crate) async fn child(arguments: Vec<String>) -> Result<()> {
    let [folder, cache, address, pinned] = arguments.as_slice() else {
        bail!("{CHILD} FOLDER CACHE ADDRESS PINNED");
    };
    let mut stage = open(Path::new(cache));
    want(&mut stage, Path::new(folder), address, pinned.parse()?)?;
    let mut snapshots = stage.registry.watch();
    stage.configure();
    let serving = |plugins: usize| plugins == EACH * 2;
    snapshots
        .wait_for(|snapshot| {
            let all = snapshot.plugins.values();
            serving(all.filter(|plugin| plugin.serving_digest.is_some()).count())
        })
        .await?;
    println!("serving");
    // Until it is killed.
    std::future::pending::<()>().await;
    Ok(())
}
