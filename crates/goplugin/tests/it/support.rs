//! Starting plugins, and looking for what is left of them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rollcage_api::plugin::PluginKind;
use rollcage_core::PluginId;
use rollcage_goplugin::{Launcher, LogRecord, LogSink, NativePlugin, Patience, Spec, StartError};
use tempfile::TempDir;

/// Long enough for a slow machine; nothing here takes it unless something is wrong.
pub const SOON: Duration = Duration::from_secs(30);

pub fn launcher() -> Launcher {
    Launcher {
        program: env!("CARGO_BIN_EXE_rollcage-launch").into(),
        arguments: Vec::new(),
    }
}

/// A plugin with a folder of its own, and what it wrote.
pub struct Case {
    pub spec: Spec,
    pub folder: TempDir,
    pub log: Arc<Mutex<Vec<LogRecord>>>,
}

impl Case {
    pub fn of(executable: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let id = PluginId {
            kind: PluginKind::MetricProvider,
            name: "test/plugin".to_owned(),
        };
        let mut spec = Spec::new(id, executable);
        spec.folder = Some(folder.path().to_owned());
        // Not in the shared one.
        spec.env
            .insert("TMPDIR".to_owned(), folder.path().to_string_lossy().into_owned());
        spec.patience = Patience {
            start: Duration::from_secs(20),
            ..Patience::default()
        };
        Self {
            spec,
            folder,
            log: Arc::default(),
        }
    }

    /// A shell script as a plugin.
    pub fn script(body: &str) -> Self {
        let mut case = Self::of("");
        let path = case.folder.path().join("plugin.sh");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        case.spec.executable = path;
        case
    }

    fn sink(&self) -> LogSink {
        let log = self.log.clone();
        Arc::new(move |record: &LogRecord| log.lock().unwrap().push(record.clone()))
    }

    pub async fn start(&self) -> Result<NativePlugin, StartError> {
        tokio::time::timeout(SOON, NativePlugin::start(&launcher(), &self.spec, self.sink()))
            .await
            .expect("starting takes for ever")
    }

    pub async fn refused(&self) -> StartError {
        let error = self.start().await.map(|_| ()).expect_err("it started");
        self.nothing_is_left().await;
        error
    }

    /// No process, no socket, no folder.
    pub async fn nothing_is_left(&self) {
        let began = Instant::now();
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "left behind: {left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("rollcage-") || name.starts_with("plugin") && name != "plugin.sh")
            .collect();
        let marker = self.folder.path().to_str().unwrap().as_bytes().to_vec();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let ours = fs::read(entry.path().join("environ"))
                .is_ok_and(|environment| environment.windows(marker.len()).any(|window| window == marker));
            let zombie = fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| {
                stat.contains(") Z")
                    && stat.contains(&format!(" {} ", std::process::id()))
                    && stat.contains("plugin.sh")
            });
            if ours || zombie {
                left.push(format!("process {pid}"));
            }
        }
        left
    }
}
