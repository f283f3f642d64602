//! The original controller as a process.

use std::{
    fs::File,
    process::{Child, Command},
    time::{Duration, Instant},
};

use rollcage_tests::controlplane::{Account, built};
use rustix::process::{Pid, Signal, kill_process};

use crate::kit::free_port;

/// The original, killed at the end.
pub struct Original {
    child: Child,
    log: tempfile::NamedTempFile,
    // It copies its plugins to where it is started.
    _folder: tempfile::TempDir,
}

impl Original {
    /// Starts it with this account, for the objects of this instance id; its Lease is in `namespace`.
    pub fn start(account: &Account, namespace: &str, instance: &str, arguments: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let (healthz, metrics) = (free_port().to_string(), free_port().to_string());
        let folder = tempfile::tempdir().unwrap();
        let program = built().unwrap().join("rollouts-controller").canonicalize().unwrap();
        let child = Command::new(program)
            .current_dir(folder.path())
            .arg("--kubeconfig")
            .arg(&account.kubeconfig)
            .args([
                "--instance-id",
                instance,
                "--healthzPort",
                &healthz,
                "--metricsPort",
                &metrics,
            ])
            .args(arguments)
            .env("POD_NAMESPACE", namespace)
            // For its plugins.
            .env("KUBECONFIG", &account.kubeconfig)
            .stdout(File::create(log.path()).unwrap())
            .stderr(File::options().append(true).open(log.path()).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            _folder: folder,
        }
    }

    /// Tells it to end (SIGTERM), and waits until it has.
    pub fn terminate(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_mins(1), "the original does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log.path()).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("== the original's last lines, the last one first\n{}", last.join("\n"));
        }
    }
}
