//! The program that runs all parts, and the commands that it takes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::Options;

/// `controlplane up`, with its folder. It ends, and all parts with it, when its standard input does.
#[derive(Debug)]
pub(super) struct Process {
    pub ready: Ready,
    child: Child,
    pipes: Mutex<Option<Pipes>>,
    folder: TempDir,
}

#[derive(Debug)]
struct Pipes {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it says when all parts are ready.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub server: String,
    pub kubeconfig: PathBuf,
    pub seconds: f64,
}

#[derive(Deserialize)]
struct Started {
    ready: Ready,
}

impl Process {
    pub(super) fn start(program: &Path, options: &Options) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rollcage-controlplane-")
            .tempdir()
            .unwrap();
        let mut up = Command::new(program);
        up.args(["up", "--dir"]).arg(folder.path());
        if options.fair {
            up.arg("--fair");
        }
        for flag in &options.flags {
            up.arg(format!("--apiserver-flag={flag}"));
        }
        let mut child = up.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut pipes = Pipes {
            commands: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
        };
        let line = pipes.line();
        let started: Started = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the control plane did not start; what it says is above: {line:?}"));
        Self {
            ready: started.ready,
            child,
            pipes: Mutex::new(Some(pipes)),
            folder,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn part(&self, name: &'static str) -> Part<'_> {
        Part { process: self, name }
    }

    fn command(&self, verb: &str, part: &str) {
        let mut pipes = self.pipes.lock().unwrap();
        let pipes = pipes.as_mut().unwrap();
        writeln!(pipes.commands, "{verb} {part}").unwrap();
        let answer: Value = serde_json::from_str(&pipes.line()).unwrap();
        assert_eq!(answer["ok"], true, "{verb} {part}: {answer}");
    }
}

impl Pipes {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        *self.pipes.lock().unwrap() = None;
        let _ = self.child.wait();
    }
}

/// One part of a control plane. Each of these waits until it is done.
#[derive(Clone, Copy, Debug)]
pub struct Part<'p> {
    process: &'p Process,
    name: &'static str,
}

impl Part<'_> {
    /// Asks it to end (SIGTERM).
    pub fn stop(&self) {
        self.process.command("stop", self.name);
    }

    /// Ends it (SIGKILL).
    pub fn kill(&self) {
        self.process.command("kill", self.name);
    }

    /// Holds it (SIGSTOP): connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.process.command("freeze", self.name);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.process.command("thaw", self.name);
    }

    /// Starts it again, at the same address with the same data, and waits until it is ready.
    pub fn start(&self) {
        self.process.command("start", self.name);
    }
}
