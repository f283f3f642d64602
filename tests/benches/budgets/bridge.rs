//! What calls of a native plugin cost: Argo's client and our host in turns, each a process of its own that starts the same
//! executable; our registry with that executable, as the controller has it; and the same plugin as a component.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::Result;
use rollcage_api::plugin::PluginKind;
use rollcage_core::MetricProvider;
use rollcage_goplugin::Launcher;
use rollcage_registry::NativeHost;
use rollcage_tests::stage::Stage;
use serde_json::json;

use crate::{
    calls,
    host::{guest, location, place},
    object::{Caller, analysis_run, rollout},
    peer::{Measured, Peer, measured},
    stats::median,
    table::{Budget, Figure, Table},
};

/// Turns of each side.
const TURNS: usize = 5;

const CALLERS: [usize; 3] = [1, 4, 16];

/// KiB of the object as JSON, calls of one turn, and how much faster the component is to be.
const SIZES: [(usize, usize, Budget); 3] = [
    (2, 4_000, Budget::Times(8.0)),
    (16, 2_000, Budget::None),
    (64, 700, Budget::Times(25.0)),
];

/// What is called: its name here, at our host, and at Argo's client.
const METHODS: [(&str, &str, &str); 2] = [("Run", "run", "-run"), ("SetWeight", "set-weight", "-rollout")];

/// One of the figures, its unit, and what it must be with so many callers.
type Row = (&'static str, &'static str, fn(&Measured) -> f64, fn(usize) -> Budget);

const ROWS: [Row; 6] = [
    ("p50", "us", |measured| measured.p50_us, |_| Budget::Times(1.0 / 0.9)),
    ("p99", "us", |measured| measured.p99_us, |_| Budget::None),
    (
        "calls/s",
        "/s",
        |measured| measured.calls_per_second,
        |callers| {
            if callers == 16 {
                Budget::Times(1.2)
            } else {
                Budget::None
            }
        },
    ),
    (
        "CPU of the host a call",
        "us",
        |measured| measured.host_cpu_us_per_call,
        |_| Budget::Times(2.0),
    ),
    (
        "CPU of the plugin a call",
        "us",
        |measured| measured.cpu_us_per_call - measured.host_cpu_us_per_call,
        |_| Budget::None,
    ),
    (
        "memory of the host",
        "MiB",
        |measured| measured.host_rss_bytes / f64::from(1 << 20),
        |_| Budget::Times(3.0),
    ),
];

pub(crate) async fn measure(table: &mut Table, peer: Option<&Peer>) -> Result<()> {
    let Some(peer) = peer else {
        eprintln!("skipped: calls of native plugins: without Go there is none");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let launcher = Launcher::rollcage(env::current_exe()?);
    let mut stage = Stage::open_with_native(&place(folder.path()), NativeHost::new(launcher));
    let component = guest("faults/minimal.wasm")?;
    let kept = json!({"instances": {"mode": "warm"}});
    for (name, file, entry) in [
        ("native", &peer.plugin(), &json!({})),
        ("kept", &component, &kept),
        ("fresh", &component, &json!({})),
    ] {
        stage.entry(PluginKind::MetricProvider, name, &location(file), entry);
    }
    stage.load().await;
    stage.registry.all_ready()?;
    let [native, kept, fresh] = ["native", "kept", "fresh"].map(|name| stage.metric_provider(name));
    for (name, ours, theirs) in METHODS {
        for (kib, calls, faster) in SIZES {
            let object = if ours == "run" {
                analysis_run("minimal", &json!({"query": "up"}), kib << 10)
            } else {
                rollout("minimal", kib << 10)
            };
            let file = folder.path().join("object.json");
            fs::write(&file, object.to_string())?;
            for callers in CALLERS {
                let shape = Shape {
                    name: format!("{name}, {kib} KiB, {callers} callers").replace(" 1 callers", " 1 caller"),
                    ours,
                    theirs,
                    file: file.clone(),
                    callers,
                    calls: if callers > 1 { calls * 2 } else { calls },
                };
                let mut others = Vec::new();
                if ours == "run" {
                    let faster = if callers == 1 { faster } else { Budget::None };
                    for (way, port, budget) in [
                        ("through the registry", &native, Budget::Times(1.0 / 0.9)),
                        // As a process is.
                        ("as a component that is kept", &kept, faster),
                        ("as a component, fresh for every call", &fresh, faster),
                    ] {
                        others.push(Other {
                            way,
                            budget,
                            port: Arc::clone(port),
                            caller: Caller::of(object.clone())?,
                        });
                    }
                }
                shape.compare(table, peer, &others).await?;
            }
        }
    }
    Ok(())
}

/// Calls of one method with one object.
struct Shape {
    name: String,
    ours: &'static str,
    theirs: &'static str,
    file: PathBuf,
    callers: usize,
    calls: usize,
}

/// The same calls in this process.
struct Other {
    way: &'static str,
    budget: Budget,
    port: Arc<dyn MetricProvider>,
    caller: Caller,
}

impl Shape {
    async fn compare(&self, table: &mut Table, peer: &Peer, others: &[Other]) -> Result<()> {
        eprintln!("{}", self.name);
        let (mut theirs, mut ours, mut more) = (Vec::new(), Vec::new(), vec![Vec::new(); others.len()]);
        for _ in 0..TURNS {
            let call = || peer.measure_call(self.theirs, &self.file, self.callers, self.calls);
            theirs.push(tokio::task::block_in_place(call)?);
            ours.push(tokio::task::block_in_place(|| self.in_child(&peer.plugin()))?);
            for (other, measured) in others.iter().zip(&mut more) {
                measured.push(calls::run(&other.port, &other.caller, self.callers, self.calls).await?);
            }
        }
        for (what, unit, field, budget) in ROWS {
            let their = median(theirs.iter().map(field));
            let our = median(ours.iter().map(field));
            self.row(table, what, unit, their, our, budget(self.callers));
        }
        for (other, measured) in others.iter().zip(&more) {
            let p50 = |measured: &Measured| measured.p50_us;
            let (their, our) = (median(theirs.iter().map(p50)), median(measured.iter().map(p50)));
            self.row(table, &format!("p50 {}", other.way), "us", their, our, other.budget);
            let cpu = |measured: &Measured| measured.host_cpu_us_per_call;
            let (their, our) = (median(theirs.iter().map(cpu)), median(measured.iter().map(cpu)));
            self.row(
                table,
                &format!("CPU of the host a call {}", other.way),
                "us",
                their,
                our,
                Budget::None,
            );
        }
        Ok(())
    }

    fn row(&self, table: &mut Table, what: &str, unit: &'static str, their: f64, our: f64, budget: Budget) {
        let better = if unit == "/s" { our / their } else { their / our };
        table.add(
            format!("{}: {what}", self.name),
            Some(Figure(their, unit)),
            Figure(our, unit),
            Some(better),
            budget,
        );
    }

    /// Our host, in a process of its own.
    fn in_child(&self, plugin: &Path) -> Result<Measured> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rollcage-bridge-host"));
        child
            .arg(self.ours)
            .arg(plugin)
            .arg(&self.file)
            .args([self.callers.to_string(), self.calls.to_string()]);
        measured(&mut child)
    }
}
