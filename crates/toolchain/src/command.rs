//! Runs other programs: with progress line by line, a time-out, and the last lines kept for the error.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{BuildError, Progress};

/// Lines of output that an error shows.
const TAIL: usize = 40;

/// A program to run.
pub(crate) struct Program {
    command: Command,
    timeout: Option<Duration>,
    progress: Option<Progress>,
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self {
            command,
            timeout: None,
            progress: None,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the program writes to stderr is passed on.
    pub(crate) fn progress(mut self, progress: &Progress) -> Self {
        self.progress = Some(progress.clone());
        self
    }

    /// Runs it to its end and gives what it wrote to stdout. `hint` says where to get it.
    pub(crate) fn run(mut self, hint: &str) -> Result<String, BuildError> {
        let program = self.command.get_program().to_string_lossy().into_owned();
        let line = self.line();
        let failed = |outcome: String, output: Vec<String>| BuildError::Command {
            command: line.clone(),
            outcome,
            output,
        };
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => BuildError::Missing {
                    program,
                    hint: hint.to_owned(),
                },
                _ => failed(format!("could not be started: {error}"), Vec::new()),
            })?;
        let stdout = child.stdout.take().map(|pipe| thread::spawn(move || read(pipe)));
        let progress = self.progress;
        let stderr = child
            .stderr
            .take()
            .map(|pipe| thread::spawn(move || tail(pipe, progress.as_ref())));
        let started = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if self.timeout.is_some_and(|timeout| started.elapsed() >= timeout) => {
                    child.kill().ok();
                    child.wait().ok();
                    break None;
                }
                Ok(None) => thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(failed(format!("got lost: {error}"), Vec::new())),
            }
        };
        let Some(status) = status else {
            // Its own children may still hold the pipes: nothing is waited for.
            let timeout = self.timeout.unwrap_or_default();
            return Err(failed(
                format!("did not end within {} s", timeout.as_secs()),
                Vec::new(),
            ));
        };
        let stdout = stdout.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
        if status.success() {
            Ok(String::from_utf8_lossy(&stdout).into_owned())
        } else {
            Err(failed(format!("failed ({status})"), stderr))
        }
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }
}

fn read(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error is all there is.
    pipe.read_to_end(&mut bytes).ok();
    bytes
}

fn tail(pipe: impl Read, progress: Option<&Progress>) -> Vec<String> {
    let mut last = VecDeque::new();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if let Some(progress) = progress {
            progress(&text);
        }
        if last.len() == TAIL {
            last.pop_front();
        }
        last.push_back(text);
    }
    last.into()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").arg("-c").arg(script)
    }

    #[test]
    fn gives_stdout_and_passes_stderr_on() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        let progress: Progress = Arc::new(move |line| seen.lock().unwrap().push(line.to_owned()));
        let out = shell("echo out; echo one >&2; echo two >&2")
            .progress(&progress)
            .run("")
            .unwrap();
        assert_eq!(out, "out\n");
        assert_eq!(*lines.lock().unwrap(), ["one", "two"]);
    }

    #[test]
    fn a_failure_shows_the_last_lines() {
        let error = shell("for i in $(seq 100); do echo line $i >&2; done; exit 3")
            .run("")
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("failed (exit status: 3)"), "{text}");
        assert!(
            !text.contains("line 60\n") && text.contains("line 61\n") && text.ends_with("line 100"),
            "{text}"
        );
    }

    #[test]
    fn a_time_out_ends_it() {
        let started = Instant::now();
        let error = shell("sleep 30")
            .timeout(Duration::from_millis(50))
            .run("")
            .unwrap_err();
        assert!(error.to_string().ends_with("did not end within 0 s"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_missing_program_is_named_with_its_hint() {
        let error = Program::new("no-such-program").run("get it there").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is not installed: get it there");
    }
}
