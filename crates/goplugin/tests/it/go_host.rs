//! go-plugin's own host (`tests/peer host`) with our server as its plugin.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread::JoinHandle,
};

use tempfile::TempDir;

use crate::peer::peer;

/// A host that has dispensed the plugin and waits for orders.
pub struct GoHost {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: JoinHandle<String>,
    folder: TempDir,
}

impl GoHost {
    /// None where there is no Go.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(peer()?)
            .args(["host", env!("CARGO_BIN_EXE_rollcage-serve")])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = process.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut all = String::new();
            stderr.read_to_string(&mut all).unwrap();
            all
        });
        let mut host = Self {
            orders: process.stdin.take(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
            log,
            folder,
        };
        assert_eq!(host.answer(), "dispensed");
        Some(host)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What it answers to an order; an empty text when it has ended.
    pub fn order(&mut self, what: &str) -> String {
        // Fails where it has ended.
        let _ = writeln!(self.orders.as_mut().unwrap(), "{what}");
        self.answer()
    }

    /// Lets it end its plugin, and gives what it logged: its own words, yamux's and the plugin's.
    pub fn end(mut self) -> String {
        drop(self.orders.take());
        let status = self.process.wait().unwrap();
        let log = self.log.join().unwrap();
        assert!(status.success(), "{log}");
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        log
    }
}

/// Go's yamux writes what it wonders at to the host's standard error.
#[test]
fn y03_go_sees_one_ack_for_each_stream() {
    let Some(mut host) = GoHost::start() else { return };
    assert_eq!(host.order("ping"), "pong");
    assert_eq!(host.order("type"), "test/nothing");
    let log = host.end();
    // go-plugin itself warns when ending takes two seconds, as on a busy machine it may.
    let wondered = |line: &str| line.contains("inflight SYN") || line.contains("] yamux: ");
    assert!(!log.lines().any(wondered), "{log}");
    // It is the whole log: go-plugin says where it connected to.
    assert!(log.contains("plugin process exited"), "{log}");
}

#[test]
fn n08_go_calls_methods_that_take_nothing() {
    let Some(mut host) = GoHost::start() else { return };
    for _ in 0..3 {
        assert_eq!(host.order("type"), "test/nothing");
    }
    host.end();
}
