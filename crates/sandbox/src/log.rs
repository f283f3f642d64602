//! A plugin's log: what it writes through the contract, and its standard output and error, capped for each call.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rollcage_core::{FaultKind, secret::SharedMasker};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use crate::{policy::Policy, stop::Stop};

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The log of the call under way. Clones are the same log: streams outlive calls in a warm instance.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    policy: Arc<Policy>,
    left: usize,
    masker: SharedMasker,
    lines: Vec<(String, String)>,
    /// The line that standard output and error have begun.
    begun: [Vec<u8>; 2],
}

impl Log {
    pub(crate) fn new(policy: &Arc<Policy>) -> Self {
        Self(Arc::new(Mutex::new(State {
            policy: Arc::clone(policy),
            left: 0,
            masker: SharedMasker::default(),
            lines: Vec::new(),
            begun: [Vec::new(), Vec::new()],
        })))
    }

    /// Begins a call's log.
    pub(crate) fn begin(&self, masker: SharedMasker) {
        self.with(|state| {
            state.left = state.policy.limits.log.as_usize();
            state.masker = masker;
            state.lines.clear();
        });
    }

    /// Writes one line.
    pub(crate) fn write(&self, level: Level, text: &str) -> Result<(), Stop> {
        self.with(|state| {
            state.take(level.as_str().len().saturating_add(text.len()))?;
            state.line(level, text);
            Ok(())
        })
    }

    /// Ends a call's log: its lines as (level, text), masked.
    pub(crate) fn end(&self) -> Vec<(String, String)> {
        self.with(|state| {
            for stream in [Stream::Out, Stream::Error] {
                let rest = mem::take(state.begun_by(stream));
                if !rest.is_empty() {
                    state.line(stream.level(), &String::from_utf8_lossy(&rest));
                }
            }
            mem::take(&mut state.lines)
        })
    }

    /// What the guest said just before it fell: a panic with its text, else the last line above `info`.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.with(|state| state.last_words())
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stream(&self, stream: Stream, bytes: &[u8]) -> Result<(), Stop> {
        self.with(|state| {
            state.take(bytes.len())?;
            let mut rest = bytes;
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (line, after) = rest.split_at(end);
                let mut whole = mem::take(state.begun_by(stream));
                whole.extend_from_slice(line);
                state.line(stream.level(), &String::from_utf8_lossy(&whole));
                rest = after.get(1..).unwrap_or_default();
            }
            state.begun_by(stream).extend_from_slice(rest);
            Ok(())
        })
    }
}

impl State {
    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Stop::new(
                FaultKind::Log,
                format!("it logged more than limits.log ({})", self.policy.limits.log),
            )),
        }
    }

    fn line(&mut self, level: Level, text: &str) {
        let masker = self.masker.current();
        let text = masker.mask(text).into_owned();
        let plugin = self.policy.id.name.as_str();
        match level {
            Level::Debug => tracing::debug!(target: "rollcage::plugin", plugin, "{text}"),
            Level::Info => tracing::info!(target: "rollcage::plugin", plugin, "{text}"),
            Level::Warn => tracing::warn!(target: "rollcage::plugin", plugin, "{text}"),
            Level::Error => tracing::error!(target: "rollcage::plugin", plugin, "{text}"),
        }
        self.lines.push((level.as_str().to_owned(), text));
    }

    fn last_words(&self) -> Option<String> {
        const LENGTH: usize = 300;
        let begun = String::from_utf8_lossy(&self.begun[1]);
        let begun = self.masker.current().mask(&begun).into_owned();
        let said = self
            .lines
            .iter()
            .filter(|(level, _)| level == "warn" || level == "error");
        let said = said.flat_map(|(_, text)| text.lines()).chain([begun.as_str()]);
        let said: Vec<&str> = said
            .map(str::trim)
            // Rust's advice on how to see more, which nobody can follow here.
            .filter(|line| !line.is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE"))
            .collect();
        let first = said.iter().rposition(|line| line.contains("panicked at"));
        let words = said.get(first.unwrap_or(said.len().checked_sub(1)?)..)?.join(" ");
        Some(words.chars().take(LENGTH).collect())
    }

    fn begun_by(&mut self, stream: Stream) -> &mut Vec<u8> {
        let [out, error] = &mut self.begun;
        match stream {
            Stream::Out => out,
            Stream::Error => error,
        }
    }
}

/// Which standard stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Out,
    Error,
}

impl Stream {
    fn level(self) -> Level {
        match self {
            Self::Out => Level::Info,
            Self::Error => Level::Warn,
        }
    }
}

/// A guest's standard output or error.
#[derive(Clone, Debug)]
pub(crate) struct LogStream {
    log: Log,
    stream: Stream,
}

impl LogStream {
    pub(crate) fn new(log: &Log, stream: Stream) -> Self {
        Self {
            log: log.clone(),
            stream,
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log
            .stream(self.stream, &bytes)
            .map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use rollcage_api::ByteSize;
    use rollcage_core::secret::Masker;

    use super::*;

    fn log(limit: u64) -> Log {
        let mut policy = crate::testing::policy();
        policy.limits.log = ByteSize(limit);
        let log = Log::new(&Arc::new(policy));
        log.begin(SharedMasker::new(Masker::new(["hunter2".to_owned()])));
        log
    }

    #[tokio::test]
    async fn cuts_streams_into_lines_and_masks_across_writes() {
        let log = log(1000);
        log.stream(Stream::Out, b"one\ntwo with hun").unwrap();
        log.stream(Stream::Error, b"oh\n").unwrap();
        log.stream(Stream::Out, b"ter2\nrest").unwrap();
        log.write(Level::Debug, "a hunter2 here").unwrap();
        let lines = log.end();
        let expected = [
            ("info", "one"),
            ("warn", "oh"),
            ("info", "two with *****"),
            ("debug", "a ***** here"),
            ("info", "rest"),
        ];
        assert_eq!(lines, expected.map(|(level, text)| (level.to_owned(), text.to_owned())));
        assert_eq!(log.end(), []);
    }

    #[tokio::test]
    async fn last_words_are_the_panic_or_the_last_warning() {
        let log = log(1000);
        assert_eq!(log.last_words(), None);
        log.write(Level::Warn, "slow answer").unwrap();
        log.write(Level::Info, "going on").unwrap();
        assert_eq!(log.last_words().unwrap(), "slow answer");
        let panic = b"\nthread 'x' panicked at src/lib.rs:5:3:\nno hunter2 left\nnote: run with `RUST_BACKTRACE=1` to";
        log.stream(Stream::Error, panic).unwrap();
        assert_eq!(
            log.last_words().unwrap(),
            "thread 'x' panicked at src/lib.rs:5:3: no ***** left"
        );
    }

    #[tokio::test]
    async fn counts_level_and_text() {
        let log = log(10);
        log.write(Level::Info, "123456").unwrap();
        assert_eq!(log.write(Level::Info, "").unwrap_err().kind, FaultKind::Log);
        log.begin(SharedMasker::default());
        log.stream(Stream::Error, b"1234567890").unwrap();
        assert_eq!(log.stream(Stream::Error, b"1").unwrap_err().kind, FaultKind::Log);
    }
}
