//! A host in a process of its own, which is killed while it loads. It tells on standard output how far it is.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use rollcage_api::plugin::PluginKind;
use rollcage_core::host::HostServices;
use rollcage_sandbox::Compiler;
use serde_json::json;

use crate::stage::{Place, Stage, id};

/// The plugin that it loads.
pub const NAME: &str = "victim";

/// Where everything of a victim lies.
pub fn place(folder: &Path, program: impl Into<PathBuf>) -> Place {
    Place {
        store: folder.join("store"),
        code: folder.join("code"),
        compiler: Compiler::child(program, ["compile".into()]),
    }
}

/// The whole program: `FOLDER LOCATION`.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let [folder, location] = &arguments.collect::<Vec<_>>()[..] else {
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve(folder.into(), &location.to_string_lossy()));
    ExitCode::SUCCESS
}

async fn serve(folder: PathBuf, location: &str) {
    let place = place(&folder, std::env::current_exe().unwrap());
    let mut stage = Stage::open(&place, HostServices::without_cluster());
    let kind = PluginKind::MetricProvider;
    stage.entry(kind, NAME, location, &json!({}));
    let mut snapshots = stage.registry.watch();
    stage.configure();
    let mut told = String::new();
    let over = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(over);
    loop {
        let status = snapshots.borrow_and_update().plugins.get(&id(kind, NAME)).cloned();
        if let Some(status) = status {
            let now = match status.loading {
                Some(stage) => format!("{:?} {stage:?}", status.state),
                None => format!("{:?} settled", status.state),
            };
            if now != told {
                // Whoever listened has killed this process, or is about to.
                let _ = writeln!(std::io::stdout().lock(), "{now}");
                told = now;
            }
        }
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() { return },
            () = &mut over => return,
        }
    }
}
